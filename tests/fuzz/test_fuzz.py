"""Some thousand hostile inputs for every parser, always the same; `tests/fuzz/run.py` takes as many as wanted."""

from __future__ import annotations

import pytest
from run import fuzz
from targets import TARGETS, Absent

INPUTS = {"certificate-report": 600, "pdf": 200, "html": 1000, "timestamp": 1000}
DEFAULT = 3000


@pytest.mark.parametrize("name", TARGETS)
def test_parser_answers_any_bytes_with_a_value_or_an_error_of_ireu(name: str) -> None:
    try:
        result = fuzz(name, inputs=INPUTS.get(name, DEFAULT), seed=20261123)
    except Absent as error:
        pytest.skip(str(error))
    assert [what for what, _ in result.findings] == []
    assert result.read < result.inputs, "no input was refused: they were not hostile"
