"""The commands in the manual: each of them is answered."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from fixtures.service import Service

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
COMMANDS = re.findall(r"^\$ (curl .+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
ADDRESS = "http://127.0.0.1:8350"


def test_manual_has_examples() -> None:
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("command", COMMANDS)
def test_example_is_answered(service: Service, command: str) -> None:
    words = iter(shlex.split(command.replace("CASE", service.recorded.case_id))[1:])
    certificate = service.recorded.certificate.read_bytes()
    method, path, role, options = "GET", "", None, {}  # type: str, str, str | None, dict[str, Any]
    for word in words:
        if word == "-H":
            header = next(words)
            if header == "@key":
                role = "officer"
            else:
                options["headers"] = dict([header.split(": ")])
        elif word == "-F":
            assert next(words) == "file=@certificate.json"
            method, options["files"] = "POST", {"file": certificate}
        elif word == "--data-binary":
            assert next(words) == "@certificate.json"
            method, options["content"] = "POST", certificate
        elif word == "-X":
            method = next(words)
        elif word == "-o":
            next(words)
        else:
            assert word.startswith(ADDRESS), word
            path = word.removeprefix(ADDRESS)
    answer = service.request(method, path, role, **options)
    assert answer.status_code in (200, 201), answer.text
