"""An erasure that is stopped or hindered: nothing is said that is not so, and the next call brings it to its end."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.cases import CaseDesk
from fixtures.erasures import erase, erasures_of, gather, has_key, is_whole, scan

from ireu_governance.core.errors import ErrorCode, InputError, LedgerError
from ireu_governance.ledger import destruction
from ireu_governance.ledger.append import Ledger

# Stopped halfway

STEPS = ("begun", "traces", "journal", "vacuum", "destroyed", "appended", "published")
SCRIPT = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fixtures.cases import CaseDesk
from ireu_governance.ledger import destruction, erasure
from ireu_governance.workspace import Workspace

root, case_id, step = sys.argv[2:]
overwrite = destruction._overwrite
calls = []

def stop(reached):
    if reached == step:
        os._exit(86)

def overwrite_and_stop(path):
    if path.name == "vault.db-journal":
        calls.append(path)
        stop(("journal", "vacuum")[len(calls) - 1])
    overwrite(path)

erasure._reached = stop
destruction._overwrite = overwrite_and_stop
with CaseDesk(Workspace(Path(root))).eraser() as eraser:
    eraser.erase([case_id], reason="gdpr:17-1-b")
"""


@pytest.mark.parametrize("step", STEPS)
def test_kill_at_any_step_leaves_what_the_next_call_finishes(desk: CaseDesk, case_id: str, step: str) -> None:
    needles = gather(desk, case_id)
    tests = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tests, str(desk.workspace.root), case_id, step],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 86, done.stderr
    # The ledger never says erased while the key is there, and what is begun is not used any more.
    recorded = bool(erasures_of(desk, case_id))
    assert not (recorded and has_key(desk, case_id))
    assert recorded is (step in ("appended", "published"))
    assert has_key(desk, case_id) is (step in ("begun", "traces"))
    with desk.workspace.open_vault() as vault:
        case = vault.find(case_id)
        assert case is not None
        assert case.erasing_since is not None
        with pytest.raises(InputError) as caught:
            vault.get(case_id)
        assert caught.value.code is ErrorCode.EVIDENCE_ERASED
    assert is_whole(desk)
    if step == "journal":
        erase(desk, case_id, reason="gdpr:17-1-a")
    else:
        with desk.eraser() as eraser:
            assert [lot.reason for lot in eraser.expire().erased] == ["gdpr:17-1-b"]
    assert len(erasures_of(desk, case_id)) == 1
    assert not has_key(desk, case_id)
    assert scan(desk.workspace.root, needles) == set()
    assert sorted(path.name for path in (desk.workspace.root / "vault").iterdir()) == ["vault.db"]
    assert is_whole(desk)
    with desk.stores() as (ledger, vault):
        case = vault.find(case_id)
        assert case is not None
        assert (case.erasing_since, case.erased_at is None) == (None, False)
        assert f"\n{ledger.head().size}\n" in (ledger.checkpoint() or "")


def test_ledger_that_refuses_leaves_an_erasure_to_be_finished(
    desk: CaseDesk, case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise LedgerError("locked")

    monkeypatch.setattr(Ledger, "append", refuse)
    with pytest.raises(LedgerError):
        erase(desk, case_id)
    monkeypatch.undo()
    assert not has_key(desk, case_id)
    assert erasures_of(desk, case_id) == []
    erase(desk, case_id)
    assert len(erasures_of(desk, case_id)) == 1


def test_error_that_ended_the_transaction_is_not_hidden_by_its_end(desk: CaseDesk) -> None:
    def end_and_fail(vault: sqlite3.Connection) -> None:
        vault.execute("ROLLBACK")  # as SQLite does by itself on a full disk
        raise ZeroDivisionError

    path = desk.workspace.root / "vault" / "vault.db"
    with pytest.raises(ZeroDivisionError), destruction.destroying(path) as vault:
        end_and_fail(vault)


def test_journal_that_cannot_be_overwritten_is_an_error_of_the_ledger(
    desk: CaseDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise OSError(5, "Input/output error", "vault.db-journal")

    monkeypatch.setattr(destruction, "_overwrite", refuse)
    with (
        pytest.raises(LedgerError, match="Input/output"),
        destruction.destroying(desk.workspace.root / "vault" / "vault.db") as vault,
    ):
        vault.execute("UPDATE cases SET expires_at = expires_at")


def test_locked_vault_is_left_as_it_is(desk: CaseDesk, case_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ireu_governance.ledger.erasure_lots.destroying", _impatient)
    monkeypatch.setattr("ireu_governance.ledger.erasure._reached", _stop)
    with pytest.raises(KeyboardInterrupt):
        erase(desk, case_id)
    monkeypatch.setattr("ireu_governance.ledger.erasure._reached", lambda step: None)
    other = sqlite3.connect(desk.workspace.root / "vault" / "vault.db")
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM blobs").fetchone()
    with pytest.raises(LedgerError) as caught:
        erase(desk, case_id)
    assert caught.value.code is ErrorCode.LEDGER_LOCKED
    other.rollback()
    other.close()
    assert has_key(desk, case_id)
    erase(desk, case_id)
    assert not has_key(desk, case_id)


def _stop(step: str) -> None:
    raise KeyboardInterrupt


def _impatient(path: Path) -> object:
    from ireu_governance.ledger.destruction import destroying

    return destroying(path, timeout_s=0.05)


def test_trace_that_cannot_be_removed_stops_before_the_key_goes(
    desk: CaseDesk, case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("ireu_governance.ledger.traces.destroy_file", refuse)
    with pytest.raises(LedgerError, match="cannot be written or removed"):
        erase(desk, case_id)
    assert has_key(desk, case_id)


# Write-ahead logs


def test_write_ahead_log_that_someone_turned_on_is_emptied_too(desk: CaseDesk, case_id: str) -> None:
    path = desk.workspace.root / "vault" / "vault.db"
    needles = gather(desk, case_id)
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    database.execute("UPDATE parts SET created_at = created_at")
    database.execute("UPDATE cases SET created_at = created_at")
    database.commit()
    database.close()
    erase(desk, case_id)
    assert scan(desk.workspace.root, needles) == set()
    assert sorted(each.name for each in path.parent.iterdir()) == ["vault.db"]
