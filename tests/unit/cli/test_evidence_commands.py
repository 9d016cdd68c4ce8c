"""`ireu evidence`: listing, erasing, expiring and re-keying as a user does it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from fixtures.cases import PERSON, CaseDesk
from fixtures.command import Ireu, run_process


@pytest.fixture
def desk(tmp_path: Path) -> CaseDesk:
    return CaseDesk.open(tmp_path / "workspace")


def test_list_says_what_is_kept_and_nothing_of_whom(ireu: Ireu, desk: CaseDesk) -> None:
    root = desk.workspace.root
    assert ireu("-w", root, "evidence", "list").out == "The vault is empty.\n"
    case_id = desk.receive()
    desk.carry_out("a" * 32)
    document = ireu("-w", root, "evidence", "list", "--json").document
    views = {case["case_id"]: case for case in document["cases"]}
    assert (views[case_id]["parts"], views["a" * 32]["parts"]) == (["request"], ["portraits"])
    assert all(view["state"] == "kept" and view["size"] > 0 for view in views.values())
    text = ireu("-w", root, "evidence", "list").out
    assert "panel" in text
    assert "until it is erased" in text
    assert PERSON not in text


def test_retention_days_of_the_settings_end_a_case(ireu: Ireu, desk: CaseDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IREU_RETENTION_DAYS", "30")
    case_id = run_process("-w", desk.workspace.root, "request", "add", "--json", stdin=b"Bob").document["case_id"]
    (view,) = ireu("-w", desk.workspace.root, "evidence", "list", "--json").document["cases"]
    assert view["expires_at"] > view["created_at"]
    with desk.requests() as requests:
        requests.refuse(case_id, grounds=["gdpr:12-5"])
    assert ireu("-w", desk.workspace.root, "evidence", "expire").out == "No evidence is past its time.\n"
    monkeypatch.setenv("IREU_RETENTION_DAYS", "0")
    assert ireu("-w", desk.workspace.root, "evidence", "list").code == 2


def test_erase_destroys_records_and_lists_the_copies(ireu: Ireu, desk: CaseDesk, tmp_path: Path) -> None:
    root, case_id = desk.workspace.root, desk.receive()
    backup = tmp_path / "backup"
    shutil.copytree(root / "vault", backup)
    done = ireu("-w", root, "evidence", "erase", case_id, "--reason", "gdpr:17-1-c", "--backups", backup, "--json")
    assert (done.code, done.err) == (0, "")
    (lot,) = done.document["erased"]
    assert (lot["case_ids"], lot["reason"], lot["erased_before"]) == ([case_id], "gdpr:17-1-c", False)
    (copy,) = done.document["copies"]
    assert (copy["path"], copy["opens_with_present_key"]) == (str(backup / "vault.db"), True)
    assert done.document["open_requests"] == [case_id]
    assert "snapshots" in done.document["not_reached"]
    text = ireu("-w", root, "evidence", "erase", case_id, "--backups", backup).out
    for words in ("before now", "still open", "opens with the present key", "Out of reach"):
        assert words in text
    assert "evidence destroyed (gdpr:17-1-c)" in ireu("-w", root, "ledger", "log").out
    assert "erased 2" in ireu("-w", root, "evidence", "list").out
    assert ireu("-w", root, "request", "show", case_id, "--json").document["evidence"] == "erased"
    assert ireu("-w", root, "ledger", "audit").code == 0
    rekeyed = ireu("-w", root, "evidence", "rekey", "--json")
    assert (rekeyed.code, rekeyed.document["cases"]) == (0, 0)
    assert "does not open now" in ireu("-w", root, "evidence", "erase", case_id, "--backups", backup).out


def test_erase_of_what_is_not_there_is_refused(ireu: Ireu, desk: CaseDesk) -> None:
    done = ireu("-w", desk.workspace.root, "evidence", "erase", "0" * 32, "--json")
    assert (done.code, done.error["code"]) == (2, "case-unknown")
    assert ireu("-w", desk.workspace.root, "evidence", "erase", "0" * 32, "--reason", "so").code == 2
    assert ireu("-w", desk.workspace.root, "evidence", "erase", "0" * 32, "--backups", "/nowhere").code == 2


def test_erase_asks_first_on_a_terminal(desk: CaseDesk) -> None:
    from test_request_commands import on_terminal

    case_id = desk.receive()
    code, shown = on_terminal("-w", desk.workspace.root, "evidence", "erase", case_id, typed=b"n\n")
    assert code == 130, shown
    with desk.requests() as requests:
        assert requests.reveal(case_id)
    assert on_terminal("-w", desk.workspace.root, "evidence", "erase", case_id, "--yes")[0] == 0


def test_expire_erases_what_is_due_and_tells_what_waits(ireu: Ireu, desk: CaseDesk) -> None:
    root = desk.workspace.root
    over, waiting, orphan = desk.receive(), desk.receive("Bob"), "0" * 32
    with desk.requests() as requests:
        requests.refuse(over, grounds=["gdpr:12-5"])
    with desk.workspace.open_vault() as vault:
        vault.put(orphan, {}, {})
    with sqlite3.connect(root / "vault" / "vault.db") as database:
        database.execute("UPDATE cases SET expires_at = '2026-01-01T00:00:00Z' WHERE case_id <> ?", (orphan,))
        database.execute("UPDATE parts SET created_at = '2026-01-01T00:00:00Z'")
    database.close()
    dry = ireu("-w", root, "evidence", "expire", "--dry-run")
    assert f"case {over} would be erased" in dry.out
    assert f"case {waiting} is past its time" in dry.out
    assert ireu("-w", root, "evidence", "expire", "--dry-run", "--json").document["due"] == [over]
    with desk.requests() as requests:
        assert requests.reveal(over)
    done = ireu("-w", root, "evidence", "expire")
    assert done.code == 0
    for words in (f"Erased    {over}", "gdpr:5-1-e", f"case {waiting} is past its time", f"evidence of case {orphan}"):
        assert words in done.out
    assert ireu("-w", root, "evidence", "expire", "--json").document["erased"] == []


def test_erasure_that_was_stopped_is_shown_and_finished(
    ireu: Ireu, desk: CaseDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, case_id = desk.workspace.root, desk.receive()

    def stop(step: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ireu_governance.ledger.erasure._reached", stop)
    assert ireu("-w", root, "evidence", "erase", case_id).code == 130
    monkeypatch.setattr("ireu_governance.ledger.erasure._reached", lambda step: None)
    shown = ireu("-w", root, "evidence", "list").out
    assert "being erased" in shown
    assert "ireu evidence expire" in shown
    assert ireu("-w", root, "evidence", "list", "--json").document["cases"][0]["state"] == "being-erased"
    sick = {d["name"]: d for d in ireu("-w", root, "doctor", "--json").document["diagnoses"]}["vault"]
    assert (sick["state"], "was stopped" in sick["detail"]) == ("problem", True)
    assert f"Erased    {case_id}" in ireu("-w", root, "evidence", "expire").out
    assert "being erased" not in ireu("-w", root, "evidence", "list").out


def test_sizes_are_readable() -> None:
    from ireu_cli.commands.evidence import _size

    assert [_size(each) for each in (0, 9_999, 10_000, 12_400_000)] == ["0 B", "9999 B", "10 kB", "12 MB"]
