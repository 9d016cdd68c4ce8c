"""What networks run on."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from fixtures.cases import CaseDesk

from ireu_governance.core.errors import ConfigError
from ireu_sdk.retest import retest
from ireu_sdk.toolbox import require_device

pytestmark = pytest.mark.ml


@pytest.mark.parametrize("device", ["banana", "", "cpu:x", "meta", "cuda:99"])
def test_device_on_which_nothing_can_be_computed_is_refused(tmp_path: Path, device: str) -> None:
    with pytest.raises(ConfigError, match="not to be had"):
        require_device(device)
    desk = CaseDesk.open(tmp_path / "workspace")
    desk.carry_out(desk.receive())
    with pytest.raises(ConfigError, match="not to be had"):
        retest(desk.workspace, encoder="testbed", device=device)


def test_processor_is_always_there() -> None:
    require_device("cpu")
