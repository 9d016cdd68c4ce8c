"""Where a request stands follows from its events alone, and only the law's order is permitted."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from builders import CASE_ID
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from ireu_governance.core.case_predicates import RequestEvent
from ireu_governance.core.clock import due_day, end_of_day, start_of_day
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.grounds import ERASURES, EXTENSIONS, GROUNDS, REFUSALS, RETENTION_ENDED, expect_known
from ireu_governance.core.request_state import RequestState, RequestStatus
from ireu_governance.core.vocabulary import Token

RECEIVED = date(2026, 1, 31)
EVENTS = ("extended", "accepted", "refused", "done", "informed")


def make_event(event: str, on: date, seq: int = 0) -> RequestEvent:
    fields: dict[str, object] = {
        "received": {"due_at": end_of_day(due_day(on))},
        "extended": {"due_at": end_of_day(on), "grounds": ("gdpr:12-3-number",)},
        "accepted": {},
        "refused": {"grounds": ("gdpr:12-5",)},
        "done": {"removal_seq": 7},
        "informed": {"recipients": 2},
    }[event]
    return RequestEvent.model_validate(
        {
            "ledger": {"origin": "log.example/ireu", "seq": seq, "prev": "0" * 64},
            "recorded_at": "2026-11-20T09:00:00Z",
            "cases": ({"case_id": CASE_ID, "commitment": "ab" * 32},),
            "event": event,
            "happened_at": start_of_day(on),
            **fields,
        }
    )


def make_state(*events: str, on: date = RECEIVED) -> RequestState:
    return RequestState.of(CASE_ID, [make_event(event, on, seq) for seq, event in enumerate(("received", *events))])


def permitted(state: RequestState, event: str, on: date = RECEIVED) -> bool:
    refusal = None
    try:
        state.expect_next(event, on)
    except InputError as error:
        refusal = error
    assert refusal is None or (refusal.code is ErrorCode.REQUEST_OUT_OF_ORDER and refusal.hint)
    return refusal is None


@pytest.mark.parametrize(
    ("events", "status", "may_follow"),
    [
        ((), "received", {"extended", "accepted", "refused"}),
        (("extended",), "received", {"accepted", "refused"}),
        (("accepted",), "accepted", {"extended", "done"}),
        (("extended", "accepted"), "accepted", {"done"}),
        (("refused",), "refused", set()),
        (("accepted", "done"), "done", {"informed"}),
        (("accepted", "done", "informed"), "informed", set()),
    ],
)
def test_each_state_permits_what_the_law_lets_follow(events: tuple, status: str, may_follow: set[str]) -> None:
    state = make_state(*events)
    assert state.status is RequestStatus(status)
    assert {event for event in EVENTS if permitted(state, event)} == may_follow
    assert not permitted(state, "received")


@given(st.lists(st.sampled_from(EVENTS), max_size=8))
def test_no_sequence_of_permitted_events_decides_twice_or_skips_a_step(wanted: list[str]) -> None:
    events = ["received"]
    for event in wanted:
        state = make_state(*events[1:])
        if permitted(state, event):
            events.append(event)
    assert len(events) == len(set(events))
    assert not {"accepted", "refused"} <= set(events)
    for later, earlier in (("done", "accepted"), ("informed", "done")):
        if later in events:
            assert events.index(earlier) < events.index(later)


def test_days_are_counted_until_an_answer_and_lateness_is_kept() -> None:
    waiting = make_state()
    assert waiting.due == date(2026, 2, 28)
    assert (waiting.days_left(date(2026, 2, 27)), waiting.is_overdue(date(2026, 2, 28))) == (1, False)
    assert (waiting.days_left(date(2026, 3, 1)), waiting.is_overdue(date(2026, 3, 1))) == (-1, True)
    assert waiting.answered is None
    for on, late in ((date(2026, 2, 28), False), (date(2026, 3, 1), True)):
        done = RequestState.of(
            CASE_ID, [*make_state("accepted").events, make_event("done", on), make_event("informed", on)]
        )
        assert (done.answered, done.was_late(), done.days_left(on), done.removal_seq) == (on, late, None, 7)
        assert not done.is_overdue(date(2030, 1, 1))
    assert make_state("refused").answered == RECEIVED


def test_extension_must_be_told_of_within_the_first_month() -> None:
    state = make_state()
    assert permitted(state, "extended", date(2026, 2, 28))
    assert not permitted(state, "extended", date(2026, 3, 1))


def test_extension_that_was_recorded_too_late_moves_nothing() -> None:
    in_time, late = (
        RequestState.of(CASE_ID, [make_event("received", RECEIVED), make_event("extended", on)])
        for on in (date(2026, 2, 28), date(2026, 3, 1))
    )
    assert (in_time.is_extended, in_time.due) == (True, date(2026, 4, 30))
    assert (late.is_extended, late.due) == (False, date(2026, 2, 28))
    assert not permitted(late, "extended")


def test_nothing_happens_before_what_was_recorded_before_it() -> None:
    with pytest.raises(InputError, match="is before"):
        make_state().expect_next("accepted", RECEIVED - timedelta(days=1))


@pytest.mark.parametrize("events", [[], ["accepted"]])
def test_case_without_a_receipt_is_no_request(events: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        RequestState.of(CASE_ID, [make_event(event, RECEIVED) for event in events])
    assert caught.value.code is ErrorCode.CASE_UNKNOWN


def test_grounds_are_tokens_of_a_closed_list() -> None:
    for known in (GROUNDS, REFUSALS, EXTENSIONS, ERASURES):
        for code, words in known.items():
            assert TypeAdapter(Token).validate_python(code) == code
            assert code.startswith("gdpr:")
            assert words
        expect_known(list(known), known, what="x")
        with pytest.raises(InputError, match="Alice"):
            expect_known(["Alice asked nicely"], known, what="x")
    assert RETENTION_ENDED in ERASURES
    assert not set(GROUNDS) & set(REFUSALS)
