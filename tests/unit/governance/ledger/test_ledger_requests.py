"""Requests: every step is an entry, in the law's order, and who asked is in the vault and nowhere else."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import builders
import pytest
from fixtures.cases import TEXT, CaseDesk

from ireu_governance.core.clock import due_day
from ireu_governance.core.errors import ErrorCode, InputError, IreuError, LedgerError
from ireu_governance.core.keys import Role
from ireu_governance.core.statement import Draft, RequestEvent
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.audit import audit
from ireu_governance.ledger.request_log import find_request, list_requests, read_request, removal_verdict
from ireu_governance.ledger.requests import MAX_TEXT_BYTES

TODAY = datetime.now(UTC).date()


@pytest.fixture
def desk(tmp_path: Path) -> CaseDesk:
    return CaseDesk.open(tmp_path / "workspace")


def events_of(desk: CaseDesk, case_id: str) -> list[RequestEvent]:
    with desk.workspace.open_ledger() as ledger:
        return list(read_request(ledger, case_id).events)


def test_request_goes_its_way_from_receipt_to_recipients(desk: CaseDesk) -> None:
    received = TODAY - timedelta(days=9)
    case_id = desk.receive(received=received)
    with desk.requests() as requests:
        requests.extend(case_id, reason="gdpr:12-3-complexity", on=received + timedelta(days=3))
        accepted = requests.accept(case_id, grounds=["gdpr:17-1-b", "gdpr:17-1-b"])
        assert accepted.due == due_day(received, extended=True)
    removal_seq = desk.carry_out(case_id)
    with desk.requests() as requests:
        assert requests.done(case_id, removal_seq=removal_seq).removal_seq == removal_seq
        state = requests.inform(case_id, recipients=3)
    assert [event.event for event in state.events] == ["received", "extended", "accepted", "done", "informed"]
    assert state.events[0].happened_at == f"{received}T00:00:00Z"
    assert state.events[0].due_at == f"{due_day(received)}T23:59:59Z"
    assert state.events[2].grounds == ("gdpr:17-1-b",)
    assert state.events[2].due_at == state.events[1].due_at
    assert state.events[4].recipients == 3
    assert len({event.cases[0].commitment for event in state.events}) == 1
    assert all(event.happened_at <= event.recorded_at for event in state.events)
    workspace = desk.workspace
    report = audit(workspace.ledger_path, key_file=workspace.key_file(), checkpoint_path=workspace.checkpoint_path)
    assert report.findings == ()


def test_who_asked_is_found_in_no_file_and_comes_back_from_the_vault(desk: CaseDesk) -> None:
    case_id = desk.receive()
    for path in desk.workspace.root.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for word in ("Quokka", "erika", "Marsupial"):
            assert word.encode() not in content
            assert word not in path.name
    with desk.requests() as requests:
        assert requests.reveal(case_id) == TEXT
        with pytest.raises(InputError) as caught:
            requests.reveal("0" * 32)
    assert caught.value.code is ErrorCode.CASE_UNKNOWN


def test_entries_bind_the_ledger_to_what_the_vault_holds(desk: CaseDesk) -> None:
    case_id = desk.receive()
    with desk.stores() as (ledger, vault):
        commitment = vault.get(case_id, "request").commitment
        (entry,) = ledger.find_case(case_id)
        statement = ledger.statement(entry)
    assert statement.subject[0].name == "case"
    assert statement.subject[0].digest.sha256 == statement.predicate.cases[0].commitment == commitment


def test_refusal_needs_a_ground_that_is_one(desk: CaseDesk) -> None:
    case_id = desk.receive()
    with desk.requests() as requests:
        for grounds in ([], ["gdpr:17-1-a"], ["no"], ["gdpr:17-3-e", "no"]):
            with pytest.raises(InputError):
                requests.refuse(case_id, grounds=grounds)
        with pytest.raises(InputError):
            requests.accept(case_id, grounds=["gdpr:17-3-a"])
        with pytest.raises(InputError):
            requests.extend(case_id, reason="gdpr:17-1-a")
        state = requests.refuse(case_id, grounds=["gdpr:17-3-e"])
        assert (state.status, state.is_open) == ("refused", False)
        for attempt in (
            lambda: requests.accept(case_id),
            lambda: requests.refuse(case_id, grounds=["gdpr:12-5"]),
            lambda: requests.extend(case_id, reason="gdpr:12-3-number"),
            lambda: requests.inform(case_id, recipients=0),
        ):
            with pytest.raises(InputError) as caught:
                attempt()
            assert caught.value.code is ErrorCode.REQUEST_OUT_OF_ORDER
    assert len(events_of(desk, case_id)) == 2


def test_done_needs_a_removal_that_names_the_case(desk: CaseDesk) -> None:
    case_id, other = desk.receive(), desk.receive("Bob")
    with desk.requests() as requests:
        requests.accept(case_id)
        requests.accept(other)
    removal_seq = desk.carry_out(other)
    with desk.requests() as requests:
        for seq in (0, removal_seq - 1, removal_seq + 1):
            with pytest.raises(InputError, match="not a removal"):
                requests.done(case_id, removal_seq=seq)
        with pytest.raises(InputError, match="does not name"):
            requests.done(case_id, removal_seq=removal_seq)
        with pytest.raises(InputError) as caught:
            requests.done(case_id, removal_seq=10_000)
        assert caught.value.code is ErrorCode.ENTRY_UNKNOWN
        requests.done(other, removal_seq=removal_seq)
        with pytest.raises(InputError, match="already"):
            requests.done(other, removal_seq=removal_seq)
    assert len(events_of(desk, case_id)) == 2


def test_step_without_a_request_is_refused(desk: CaseDesk) -> None:
    with desk.requests() as requests, pytest.raises(InputError) as caught:
        requests.accept("0" * 32)
    assert caught.value.code is ErrorCode.CASE_UNKNOWN
    with desk.workspace.open_ledger() as ledger:
        assert find_request(ledger, "0" * 32) is None
        assert list_requests(ledger) == []


@pytest.mark.parametrize("received", [TODAY + timedelta(days=1), date(2018, 5, 24), date(26, 11, 20)])
def test_impossible_day_of_receipt_is_refused_and_leaves_nothing(desk: CaseDesk, received: date) -> None:
    with pytest.raises(InputError, match="no day of receipt"):
        desk.receive(received=received)
    with desk.stores() as (ledger, vault):
        assert (ledger.head().size, vault.cases()) == (0, [])


@pytest.mark.parametrize("text", ["", " \n\t ", "x" * (MAX_TEXT_BYTES + 1), "ä" * (MAX_TEXT_BYTES // 2 + 1)])
def test_empty_or_endless_text_is_refused_and_leaves_nothing(desk: CaseDesk, text: str) -> None:
    with pytest.raises(InputError):
        desk.receive(text)
    with desk.stores() as (ledger, vault):
        assert (ledger.head().size, vault.cases()) == (0, [])


def test_text_is_kept_as_it_was_given(desk: CaseDesk) -> None:
    text = "Ærika Übermaß\r\n☎ +49 …\n\n"
    case_id = desk.receive(text)
    with desk.requests() as requests:
        assert requests.reveal(case_id) == text


def test_ledger_that_refuses_leaves_nothing_of_who_asked(desk: CaseDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise LedgerError("locked")

    monkeypatch.setattr(Ledger, "append", refuse)
    with pytest.raises(LedgerError):
        desk.receive()
    with desk.workspace.open_vault() as vault:
        assert vault.cases() == []


def test_who_asked_is_kept_when_only_the_answer_of_the_ledger_is_lost(
    desk: CaseDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Ledger.append

    def lose(*args: Any, **options: Any) -> None:
        append(*args, **options)
        raise LedgerError("the connection was lost")

    monkeypatch.setattr(Ledger, "append", lose)
    with pytest.raises(LedgerError):
        desk.receive()
    with desk.stores() as (ledger, vault):
        (state,) = list_requests(ledger)
        assert [case.case_id for case in vault.cases()] == [state.case_id]
    with desk.requests() as requests:
        assert requests.reveal(state.case_id) == TEXT


def test_head_that_cannot_be_published_leaves_the_step_recorded_and_says_so(
    desk: CaseDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise LedgerError("no witness answered")

    monkeypatch.setattr(Ledger, "publish", refuse)
    with pytest.raises(LedgerError, match="was recorded for case") as caught:
        desk.receive()
    assert "Do not repeat" in caught.value.hint
    with desk.stores() as (ledger, vault):
        assert [state.case_id for state in list_requests(ledger)] == [case.case_id for case in vault.cases()]


def test_future_or_backward_steps_are_refused(desk: CaseDesk) -> None:
    case_id = desk.receive(received=TODAY - timedelta(days=2))
    with desk.requests() as requests:
        with pytest.raises(InputError, match="future"):
            requests.accept(case_id, on=TODAY + timedelta(days=1))
        with pytest.raises(InputError, match="is before"):
            requests.accept(case_id, on=TODAY - timedelta(days=3))
        requests.accept(case_id, on=TODAY - timedelta(days=1))


def test_step_that_is_recorded_later_for_the_day_of_receipt_does_not_come_before_it(desk: CaseDesk) -> None:
    case_id = desk.receive()
    with desk.requests() as requests:
        requests.accept(case_id, on=TODAY)
    received, accepted = events_of(desk, case_id)
    assert received.happened_at <= accepted.happened_at


def test_two_officers_at_once_decide_once(desk: CaseDesk) -> None:
    case_id = desk.receive()
    outcomes: list[str] = []

    def decide(accept: bool) -> None:
        with desk.requests() as requests:
            try:
                requests.accept(case_id) if accept else requests.refuse(case_id, grounds=["gdpr:12-5"])
                outcomes.append("done")
            except IreuError as error:
                outcomes.append(error.code)

    threads = [threading.Thread(target=decide, args=(number % 2 == 0,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", *["request-out-of-order"] * 3]
    assert len(events_of(desk, case_id)) == 2


def test_requests_are_listed_in_the_order_of_their_receipt_entries(desk: CaseDesk) -> None:
    first, second = desk.receive(), desk.receive("Bob")
    with desk.requests() as requests:
        requests.accept(first)
    with desk.workspace.open_ledger() as ledger:
        assert [(state.case_id, state.status.value) for state in list_requests(ledger)] == [
            (first, "accepted"),
            (second, "received"),
        ]


def test_removal_of_somebody_who_resurfaced_answers_nothing(desk: CaseDesk) -> None:
    case_id = desk.receive()
    with desk.requests() as requests:
        requests.accept(case_id)
    removal_seq = desk.carry_out(case_id, verdict="resurfaced")
    with desk.requests() as requests, pytest.raises(InputError) as caught:
        requests.done(case_id, removal_seq=removal_seq)
    assert caught.value.code is ErrorCode.REQUEST_OUT_OF_ORDER
    assert len(events_of(desk, case_id)) == 2


def test_test_of_another_encoder_does_not_keep_a_request_open(desk: CaseDesk) -> None:
    case_id = desk.receive()
    with desk.requests() as requests:
        requests.accept(case_id)
    removal_seq = desk.carry_out(case_id)
    fields = builders.make_verification(removal_seq, (case_id,), occasion="retest", verdict="resurfaced")
    del fields["recorded_at"]
    with desk.workspace.open_ledger() as ledger:  # the original encoder is still in use somewhere
        draft = Draft(subject=builders.BEFORE.subjects(), kind="verification", fields=fields)
        ledger.append([draft], desk.workspace.signer(Role.RECORD))
        assert removal_verdict(ledger, removal_seq) is RetestVerdict.HOLDS
    with desk.requests() as requests:
        assert requests.done(case_id, removal_seq=removal_seq).removal_seq == removal_seq


def test_request_that_was_recorded_once_more_is_answered_by_the_removal_of_the_other_case(desk: CaseDesk) -> None:
    first, second = desk.receive(), desk.receive()
    with desk.requests() as requests:
        requests.accept(first)
        requests.accept(second)
    failed, held = desk.carry_out(first, verdict="resurfaced"), desk.carry_out(second)
    with desk.requests() as requests:
        for wrong in ({"removal_seq": held}, {"removal_seq": failed, "under": second}):
            with pytest.raises(InputError, match="does not name"):
                requests.done(first, **wrong)
        with pytest.raises(InputError, match="of no request"):
            requests.done(first, removal_seq=held, under="f" * 32)
        assert requests.done(first, removal_seq=held, under=second).removal_seq == held
        assert requests.done(second, removal_seq=held).removal_seq == held


def test_latest_test_of_a_removal_is_told(desk: CaseDesk) -> None:
    removal_seq = desk.carry_out("a" * 32, verdict="inconclusive")
    with desk.workspace.open_ledger() as ledger:
        assert removal_verdict(ledger, removal_seq) is RetestVerdict.INCONCLUSIVE
        with pytest.raises(InputError):
            removal_verdict(ledger, removal_seq - 1)
