"""What is past its time, came back, or was never named: what `expire` erases, what it keeps, and which copies are left."""

from __future__ import annotations

import os
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fixtures.cases import PANEL_PHOTO, PERSON, CaseDesk
from fixtures.erasures import erase, erasures_of, has_key

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.keys import Role
from ireu_governance.core.times import format_time, now
from ireu_governance.ledger.copies import find_copies
from ireu_governance.rotation import KeyRequest, rotate
from ireu_governance.workspace import Workspace

# Time


def test_what_is_past_its_time_is_erased_and_the_rest_is_kept(desk: CaseDesk, case_id: str) -> None:
    soon, late = "e" * 32, "f" * 32
    desk.carry_out(soon)
    desk.carry_out(late)
    waiting = desk.receive("Bob")
    vault_file = desk.workspace.root / "vault" / "vault.db"
    with sqlite3.connect(vault_file) as database:
        for each, at in (
            (soon, "2026-01-01T00:00:00Z"),
            (waiting, "2026-01-01T00:00:00Z"),
            (late, "2999-01-01T00:00:00Z"),
        ):
            database.execute("UPDATE cases SET expires_at = ? WHERE case_id = ?", (at, each))
    database.close()
    with desk.eraser() as eraser:
        assert eraser.past_retention(at=now()) == ([soon], [waiting])
        done = eraser.expire()
    (lot,) = done.erased
    assert soon in lot.case_ids
    assert lot.reason == "gdpr:5-1-e"
    assert (done.waiting, done.discarded) == ((waiting,), ())
    assert [has_key(desk, each) for each in (soon, late, waiting, case_id)] == [False, True, True, True]
    with desk.requests() as requests:
        requests.refuse(waiting, grounds=["gdpr:12-5"])
    with desk.eraser() as eraser:
        assert eraser.expire().erased[0].case_ids == (waiting,)
        again = eraser.expire()
    assert (again.erased, again.waiting) == ((), ())


def test_what_the_ledger_never_named_is_taken_out_once_it_is_old(desk: CaseDesk, case_id: str) -> None:
    panel, orphan = "1" * 32, "2" * 32
    half = desk.receive("Carol")
    with desk.workspace.open_vault() as vault:
        vault.put(panel, {"photos": []}, {"3" * 32: PANEL_PHOTO}, part="panel")
        vault.put(orphan, {"label": PERSON}, {}, needs=[panel])
        vault.put(half, {"label": PERSON}, {}, needs=[panel])
    with desk.eraser() as eraser:
        assert eraser.expire().discarded == ()  # it may be on its way
    with desk.workspace.open_vault() as vault:
        assert vault.get(orphan)
    before = format_time(datetime.now(UTC) - timedelta(hours=2))
    with sqlite3.connect(desk.workspace.root / "vault" / "vault.db") as database:
        database.execute("UPDATE parts SET created_at = ?", (before,))
    database.close()
    with desk.eraser() as eraser:
        assert eraser.expire().discarded == tuple(sorted((panel, orphan, half)))
    with desk.workspace.open_vault() as vault:
        assert {case.case_id for case in vault.cases() if case.case_id in (panel, orphan)} == set()
        case = vault.find(half)
        assert case is not None
        assert [part.name for part in case.parts] == ["request"]
        assert vault.get(case_id)
    assert erasures_of(desk, orphan) == []


def test_evidence_that_came_back_with_an_older_vault_is_erased_again(desk: CaseDesk, case_id: str) -> None:
    vault_file = desk.workspace.root / "vault" / "vault.db"
    older = vault_file.read_bytes()
    (first,) = erase(desk, case_id)
    vault_file.write_bytes(older)
    assert has_key(desk, case_id)
    with desk.eraser() as eraser:
        (again,) = eraser.expire().erased
    assert (again.case_ids, again.entry) == (first.case_ids, first.entry)
    assert not has_key(desk, case_id)
    assert len(erasures_of(desk, case_id)) == 1


def give_up(desk: CaseDesk, first: int) -> CaseDesk:
    """Rotate a stolen record key away, with all that it signed from an entry on."""
    rotate(desk.workspace, KeyRequest(role=Role.RECORD, reason="compromised", from_size=first))
    return CaseDesk(Workspace(desk.workspace.root), desk.secrets)


def test_evidence_that_only_entries_of_a_stolen_key_name_is_kept_for_recording_again(
    desk: CaseDesk, case_id: str
) -> None:
    desk = give_up(desk, 0)
    with sqlite3.connect(desk.workspace.root / "vault" / "vault.db") as database:
        database.execute("UPDATE parts SET created_at = '2026-01-01T00:00:00Z'")
    database.close()
    with desk.eraser() as eraser:
        assert eraser.expire().discarded == ()
    assert has_key(desk, case_id)


def test_erasure_that_a_stolen_key_recorded_erases_nothing_and_can_be_recorded_again(
    desk: CaseDesk, case_id: str
) -> None:
    vault_file = desk.workspace.root / "vault" / "vault.db"
    kept = vault_file.read_bytes()
    (first,) = erase(desk, case_id)
    erased = vault_file.read_bytes()
    desk = give_up(desk, first.entry)
    vault_file.write_bytes(kept)  # as if a thief had written the entry, and nobody erased anything
    with desk.eraser() as eraser:
        assert eraser.expire().erased == ()
    assert has_key(desk, case_id)
    vault_file.write_bytes(erased)  # it was the organisation's own: say so again
    (again,) = erase(desk, case_id)
    assert (again.before, again.entry) == (True, first.entry + 2)
    assert erase(desk, case_id)[0].entry == again.entry, "once is enough"


# Copies


def test_copies_that_still_hold_the_case_are_found_with_their_dates(
    desk: CaseDesk, case_id: str, tmp_path: Path
) -> None:
    backups = tmp_path / "backups"
    (backups / "monday").mkdir(parents=True)
    vault_file = desk.workspace.root / "vault" / "vault.db"
    shutil.copy(vault_file, backups / "monday" / "vault.db")
    shutil.copy(vault_file, desk.workspace.root / "vault" / "vault.db.old")
    os.utime(backups / "monday" / "vault.db", (0, 86_400))
    (backups / "notes.txt").write_text(case_id)
    (backups / "lost.db-wal").write_bytes(b"x" * (2**20 - 7) + case_id.encode())
    (backups / "other.db-journal").write_bytes(b"nobody")
    (backups / "damaged.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    (backups / "link.db").symlink_to(vault_file)
    shutil.copy(desk.workspace.ledger_path, backups / "ledger.db")
    (backups / "ledger.db-wal").write_bytes(case_id.encode())
    erase(desk, case_id)
    shutil.copy(vault_file, backups / "after.db")
    with desk.workspace.open_vault() as vault:
        copies = find_copies(vault, [case_id], [desk.workspace.root, backups, backups / "monday" / "vault.db"])
        found = {copy.path.name: copy for copy in copies}
        assert set(found) == {"vault.db", "vault.db.old", "lost.db-wal"}
        assert found["vault.db"].modified_at == "1970-01-02T00:00:00Z"
        assert (found["vault.db"].case_ids, found["vault.db"].opens) == ((case_id,), True)
        assert (found["lost.db-wal"].case_ids, found["lost.db-wal"].opens) == ((), False)
        vault.rekey(desk.workspace.vault_key_path)
        assert not any(copy.opens for copy in find_copies(vault, [case_id], [backups]))


def test_lot_is_never_closed_while_a_key_is_there(desk: CaseDesk, case_id: str) -> None:
    from ireu_governance.ledger.erasure_lots import begin_lot, close_lot

    with desk.workspace.open_vault() as vault:
        lot = begin_lot(vault, [case_id], reason="gdpr:17-1-b")
        with pytest.raises(RuntimeError):
            close_lot(vault, lot, lambda: 0, counts=lambda _: True)
        for case_ids, code in (([case_id], ErrorCode.EVIDENCE_ERASED), (["0" * 32], ErrorCode.CASE_UNKNOWN)):
            with pytest.raises(InputError) as caught:
                begin_lot(vault, case_ids, reason="gdpr:17-1-b")
            assert caught.value.code is code
