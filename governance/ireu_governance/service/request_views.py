"""Requests as they are shown, by the command line, the API and the portal alike."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel

from ireu_governance.core.case_predicates import RequestEvent
from ireu_governance.core.request_state import RequestState

__all__ = ["EventView", "RequestView", "view_of_request"]


class EventView(BaseModel):
    """One step of a request, and the entry that says so."""

    entry: int
    recorded_at: str
    event: str
    happened_at: str
    due_at: str | None
    grounds: list[str]
    recipients: int | None
    removal_entry: int | None

    @classmethod
    def of(cls, event: RequestEvent) -> EventView:
        """Return a step as it is shown."""
        return cls(
            entry=event.ledger.seq,
            recorded_at=event.recorded_at,
            event=event.event,
            happened_at=event.happened_at,
            due_at=event.due_at,
            grounds=list(event.grounds),
            recipients=event.recipients,
            removal_entry=event.removal_seq,
        )


class RequestView(BaseModel):
    """Where a request stands. Days are UTC days; `days_left` is negative when it is overdue, and null once answered."""

    case_id: str
    state: str
    received: date
    due: date
    extended: bool
    days_left: int | None
    overdue: bool
    answered: date | None
    answered_late: bool
    removal_entry: int | None


def view_of_request(state: RequestState, today: date) -> RequestView:
    """Return a request as it is shown on a day."""
    return RequestView(
        case_id=state.case_id,
        state=state.status.value,
        received=state.received,
        due=state.due,
        extended=state.is_extended,
        days_left=state.days_left(today),
        overdue=state.is_overdue(today),
        answered=state.answered,
        answered_late=state.was_late(),
        removal_entry=state.removal_seq,
    )
