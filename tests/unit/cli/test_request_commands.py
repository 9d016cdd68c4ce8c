"""`ireu request`: what an officer types, what they read, and that nothing of a person reaches stdout by accident."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fixtures.cases import PERSON, TEXT, CaseDesk
from fixtures.command import Ireu, run_process, snapshot

TODAY = datetime.now(UTC).date()
LONG_AGO = TODAY - timedelta(days=100)


@pytest.fixture
def desk(tmp_path: Path) -> CaseDesk:
    return CaseDesk.open(tmp_path / "workspace")


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.txt"
    path.write_text(TEXT)
    return path


def on_terminal(*arguments: str | Path, typed: bytes = b"") -> tuple[int, str]:
    """Run `ireu` on a pseudo-terminal and return its exit code and all that it showed."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ireu_cli", *map(str, arguments)],
        stdin=slave, stdout=slave, stderr=slave, close_fds=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TERM": "dumb", "COLUMNS": "200"},
    )  # fmt: skip
    os.close(slave)
    if typed:
        os.write(master, typed)
    shown = b""
    while True:
        try:
            block = os.read(master, 4096)
        except OSError:
            break
        if not block:
            break
        shown += block
    os.close(master)
    return process.wait(timeout=60), shown.decode()


def test_request_is_followed_from_the_letter_to_the_recipients(ireu: Ireu, desk: CaseDesk, letter: Path) -> None:
    root = desk.workspace.root
    added = ireu("-w", root, "request", "add", "--from", letter, "--received", LONG_AGO.isoformat(), "--json")
    assert (added.code, added.err) == (0, "")
    case_id = added.document["case_id"]
    assert re.fullmatch(r"[0-9a-f]{32}", case_id)
    assert added.document["overdue"] is True
    assert PERSON not in added.out
    assert "decide" in ireu("-w", root, "request", "decide", case_id, "--help").out
    told = (LONG_AGO + timedelta(days=20)).isoformat()
    extended = ireu("-w", root, "request", "extend", case_id, "--reason", "gdpr:12-3-number", "--on", told, "--json")
    assert (extended.document["extended"], extended.document["overdue"]) == (True, extended.document["days_left"] < 0)
    accepted = ireu("-w", root, "request", "decide", case_id, "accept", "--ground", "gdpr:17-1-b")
    assert (accepted.code, "accepted" in accepted.out, f"--case {case_id}" in accepted.out) == (0, True, True)
    seq = desk.carry_out(case_id)
    done = ireu("-w", root, "request", "done", case_id, "--removal", str(seq))
    assert (done.code, "holds" in done.out) == (0, True)
    informed = ireu("-w", root, "request", "inform", case_id, "--recipients", "2", "--json")
    assert (informed.document["state"], informed.document["removal_entry"]) == ("informed", seq)
    shown = ireu("-w", root, "request", "show", case_id, "--json").document
    assert [event["event"] for event in shown["events"]] == ["received", "extended", "accepted", "done", "informed"]
    assert shown["events"][4]["recipients"] == 2
    assert shown["evidence"] == "kept"
    text = ireu("-w", root, "request", "show", case_id).out
    for words in ("consent was withdrawn", "there are many requests", f"by removal {seq}", "2 recipients told"):
        assert words in text
    assert PERSON not in text
    log = ireu("-w", root, "ledger", "log", "--kind", "request-event").out
    assert "received on" in log
    assert ", due " in log


def test_refusal_without_a_ground_or_twice_is_explained(ireu: Ireu, desk: CaseDesk) -> None:
    root, case_id = desk.workspace.root, desk.receive()
    refused = ireu("-w", root, "request", "decide", case_id, "refuse", "--json")
    assert (refused.code, refused.error["code"]) == (2, "input-malformed")
    assert "gdpr:17-3-a" in refused.error["hint"]
    assert ireu("-w", root, "request", "decide", case_id, "refuse", "--ground", "nonsense").code == 2
    assert ireu("-w", root, "request", "decide", case_id, "refuse", "--ground", "gdpr:12-5").code == 0
    again = ireu("-w", root, "request", "decide", case_id, "refuse", "--ground", "gdpr:12-5", "--json")
    assert (again.code, again.error["code"]) == (2, "request-out-of-order")
    early = ireu("-w", root, "request", "inform", case_id, "--recipients", "1", "--json")
    assert early.error["code"] == "request-out-of-order"
    assert ireu("-w", root, "request", "show", "0" * 32, "--json").error["code"] == "case-unknown"


def test_overdue_requests_are_counted_by_the_exit_code_and_come_first(ireu: Ireu, desk: CaseDesk) -> None:
    root = desk.workspace.root
    assert ireu("-w", root, "request", "list").out == "There are no requests.\n"
    fresh = desk.receive()
    none = ireu("-w", root, "request", "list", "--overdue")
    assert (none.code, none.out) == (0, "No request is overdue.\n")
    old = desk.receive("Bob", LONG_AGO)
    last_day = desk.receive("Carol", _received_for(TODAY))
    answered = desk.receive("Dora", LONG_AGO)
    with desk.requests() as requests:
        requests.refuse(answered, grounds=["gdpr:12-5"])
    everything = ireu("-w", root, "request", "list", "--json")
    assert everything.code == 0
    assert [view["case_id"] for view in everything.document["requests"]] == [old, last_day, fresh, answered]
    late = ireu("-w", root, "request", "list", "--overdue", "--json")
    assert (late.code, [view["case_id"] for view in late.document["requests"]]) == (1, [old])
    text = ireu("-w", root, "request", "list").out
    for words in ("overdue by", "today is the last day", "days left", "late, answered"):
        assert words in text
    assert ireu("-w", root, "request", "list", "--overdue").code == 1


def _received_for(due: datetime) -> datetime:
    """Return a day of receipt whose month ends on a given day."""
    from ireu_governance.core.clock import due_day

    return next(day for back in range(27, 33) if due_day(day := due - timedelta(days=back)) == due)


def test_standard_input_is_read_and_nothing_of_it_is_said(desk: CaseDesk) -> None:
    root = desk.workspace.root
    for options in ((), ("--from", "-")):
        added = run_process("-w", root, "request", "add", *options, stdin=TEXT.encode())
        assert added.code == 0, added.err
        assert "Quokka" not in added.out + added.err
    with desk.requests() as requests, desk.workspace.open_vault() as vault:
        assert [requests.reveal(case.case_id) for case in vault.cases()] == [TEXT, TEXT]


@pytest.mark.parametrize(
    ("stdin", "code"), [(b"", "input-malformed"), (b"\xff\xfe", "input-malformed"), (b"x" * 70_000, "input-too-large")]
)
def test_what_cannot_be_read_is_refused_and_leaves_nothing(desk: CaseDesk, stdin: bytes, code: str) -> None:
    before = snapshot(desk.workspace.root / "vault")
    done = run_process("-w", desk.workspace.root, "request", "add", "--json", stdin=stdin)
    assert (done.code, done.error["code"]) == (2, code)
    assert snapshot(desk.workspace.root / "vault") == before


def test_name_of_a_file_is_not_repeated_when_it_cannot_be_read(ireu: Ireu, desk: CaseDesk, tmp_path: Path) -> None:
    done = ireu("-w", desk.workspace.root, "request", "add", "--from", tmp_path / f"{PERSON}.txt", "--json")
    assert (done.code, done.error["code"]) == (2, "input-missing")
    assert PERSON not in done.out + done.err


def test_who_asked_is_revealed_on_a_terminal_and_nowhere_else(ireu: Ireu, desk: CaseDesk) -> None:
    root, case_id = desk.workspace.root, desk.receive(TEXT + "\n\x1b[31mred\x07")
    for options in ((), ("--json",)):
        refused = ireu("-w", root, "request", "show", case_id, "--reveal", *options)
        assert refused.code == 2
        assert PERSON not in refused.out + refused.err
    code, shown = on_terminal("-w", root, "request", "show", case_id, "--reveal")
    assert code == 0
    assert TEXT.replace("\n", "\r\n") in shown
    assert "\x1b[31mred" not in shown
    assert "\x07" not in shown


def test_who_asked_can_be_typed(desk: CaseDesk) -> None:
    code, shown = on_terminal("-w", desk.workspace.root, "request", "add", typed=b"Alice\nLane 4\n\n")
    assert code == 0, shown
    assert "End with an empty line" in shown
    (case_id,) = re.findall(r"case ([0-9a-f]{32})", shown)
    with desk.requests() as requests:
        assert requests.reveal(case_id) == "Alice\nLane 4"


def test_done_tells_when_the_tests_of_the_removal_do_not_hold(ireu: Ireu, desk: CaseDesk) -> None:
    case_id = desk.receive()
    with desk.requests() as requests:
        requests.accept(case_id)
    seq = desk.carry_out(case_id, verdict="inconclusive")
    done = ireu("-w", desk.workspace.root, "request", "done", case_id, "--removal", str(seq), "--json")
    assert (done.code, done.document["removal_verdict"]) == (0, "inconclusive")


def test_request_that_was_recorded_once_more_is_closed_by_the_removal_of_the_other_case(
    ireu: Ireu, desk: CaseDesk
) -> None:
    first, second = desk.receive(), desk.receive()
    with desk.requests() as requests:
        requests.accept(first)
        requests.accept(second)
    seq = str(desk.carry_out(second))
    assert ireu("-w", desk.workspace.root, "request", "done", first, "--removal", seq).code == 2
    done = ireu("-w", desk.workspace.root, "request", "done", first, "--removal", seq, "--under", second, "--json")
    assert (done.code, done.document["state"], done.document["removal_entry"]) == (0, "done", int(seq))
