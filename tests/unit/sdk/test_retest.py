"""Which removals a re-test is about: those that the ledger holds and that count."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.retests import RetestDesk

from ireu_governance.core.errors import EntryVoidError, InputError
from ireu_governance.core.keys import Role
from ireu_governance.rotation import KeyRequest, rotate
from ireu_governance.workspace import Workspace
from ireu_sdk.retest import _find_removals


def test_removals_that_a_stolen_key_recorded_are_passed_over(tmp_path: Path) -> None:
    desk = RetestDesk.open(tmp_path / "desk")
    first, second = desk.removals
    rotate(desk.workspace, KeyRequest(role=Role.RECORD, reason="compromised", from_size=second))
    with Workspace(desk.workspace.root).open_ledger() as ledger:
        assert [each.seq for each in _find_removals(ledger, None)] == [first]
        assert [each.seq for each in _find_removals(ledger, desk.cases[0][0])] == [first]
        with pytest.raises(InputError, match="no removal of case"):
            _find_removals(ledger, desk.cases[1][0])
        with pytest.raises(EntryVoidError):
            ledger.statement(ledger.entry(second))
