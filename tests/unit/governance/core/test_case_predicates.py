"""Events of a request say what belongs to them, and nothing else."""

from __future__ import annotations

import itertools

import pytest
from builders import CASE_ID
from pydantic import ValidationError

from ireu_governance.core.case_predicates import RequestEvent

BASE = {
    "ledger": {"origin": "log.example/ireu", "seq": 0, "prev": "0" * 64},
    "recorded_at": "2026-11-20T09:00:00Z",
    "cases": ({"case_id": CASE_ID, "commitment": "ab" * 32},),
    "happened_at": "2026-11-20T08:00:00Z",
}
OPTIONAL = {"due_at": "2026-12-20T23:59:59Z", "grounds": ("gdpr:17-1-b",), "recipients": 3, "removal_seq": 7}
BELONGS = {
    "received": [{"due_at"}],
    "extended": [{"due_at", "grounds"}],
    "accepted": [set(), {"due_at"}, {"grounds"}, {"due_at", "grounds"}],
    "refused": [{"grounds"}],
    "done": [{"removal_seq"}],
    "informed": [{"recipients"}],
}


@pytest.mark.parametrize("event", BELONGS)
def test_event_takes_exactly_the_members_that_belong_to_it(event: str) -> None:
    for size in range(len(OPTIONAL) + 1):
        for names in itertools.combinations(OPTIONAL, size):
            values = {**BASE, "event": event, **{name: OPTIONAL[name] for name in names}}
            if set(names) in BELONGS[event]:
                assert RequestEvent.model_validate(values).event == event
            else:
                with pytest.raises(ValidationError):
                    RequestEvent.model_validate(values)


@pytest.mark.parametrize(
    "change",
    [
        {"event": "withdrawn"},
        {"cases": ()},
        {"grounds": ("because he is my neighbour",)},
        {"note": "Alice Example"},
        {"happened_at": "2026-11-20"},
        {"recipients": -1},
    ],
)
def test_free_text_and_other_forms_have_no_place(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RequestEvent.model_validate({**BASE, "event": "accepted", **change})
