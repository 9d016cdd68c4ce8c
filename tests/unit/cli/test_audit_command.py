"""`ireu ledger audit --state`: an auditor who comes again, and the file that they keep."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from fixtures.command import Ireu
from fixtures.records import RecordedRemoval


def test_second_audit_reads_only_what_is_new_and_says_so(ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
    audit = ("-w", recorded.workspace.root, "ledger", "audit", "--state", tmp_path / "state")
    first = json.loads(ireu(*audit, "--json").out)
    assert first["since"] is None
    second = json.loads(ireu(*audit, "--json").out)
    assert (second["since"], second["checked"]["entries"]) == (first["size"], 0)
    assert (second["verdict"], second["root"]) == ("holds", first["root"])
    assert "were not read again" in ireu(*audit).out


def test_state_stays_as_it_was_when_something_is_found(ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
    state = tmp_path / "state"
    audit = ("-w", recorded.workspace.root, "ledger", "audit", "--state", state)
    assert ireu(*audit).code == 0
    before = state.read_bytes()
    connection = sqlite3.connect(recorded.workspace.ledger_path)
    connection.execute("DROP TRIGGER entries_no_update")
    connection.commit()
    connection.close()
    done = ireu(*audit)
    assert done.code == 1
    assert "stays as it was" in done.out
    assert state.read_bytes() == before


def test_file_that_is_no_state_is_refused(ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("{}")
    done = ireu("-w", recorded.workspace.root, "ledger", "audit", "--state", tmp_path / "state")
    assert done.code == 2
    assert "Audit the whole ledger again" in done.err


def test_two_processes_find_the_same(ireu: Ireu, recorded: RecordedRemoval) -> None:
    audit = ("-w", recorded.workspace.root, "ledger", "audit", "--json")
    assert ireu(*audit, "--processes", "2").out == ireu(*audit).out
