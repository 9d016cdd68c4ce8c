"""Where a request stands: what its recorded events add up to, and which event may come next.

::

    received ──► accepted ──► done ──► informed
        │  └───► refused
        └ extended (once, within the first month, while it is open)

A state machine without any reading or writing, so that an officer's command, a list and a reader of a
certificate's history all follow the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from ireu_governance.core.case_predicates import Event, RequestEvent
from ireu_governance.core.clock import day_of, days_left, due_day
from ireu_governance.core.errors import ErrorCode, InputError

__all__ = ["RequestState", "RequestStatus"]


class RequestStatus(StrEnum):
    """How far a request has come."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    DONE = "done"
    INFORMED = "informed"


_FROM: Final[dict[str, tuple[RequestStatus, ...]]] = {
    "extended": (RequestStatus.RECEIVED, RequestStatus.ACCEPTED),
    "accepted": (RequestStatus.RECEIVED,),
    "refused": (RequestStatus.RECEIVED,),
    "done": (RequestStatus.ACCEPTED,),
    "informed": (RequestStatus.DONE,),
}
_NEXT: Final[dict[RequestStatus, str]] = {
    RequestStatus.RECEIVED: "What comes next: ireu request decide CASE accept (or refuse)",
    RequestStatus.ACCEPTED: "What comes next: ireu unlearn --case CASE, or ireu request done CASE --removal SEQ",
    RequestStatus.REFUSED: "A refused request has ended; when the person asks again, add a new one.",
    RequestStatus.DONE: "What comes next: ireu request inform CASE --recipients N",
    RequestStatus.INFORMED: "The request has ended; nothing remains to be recorded.",
}


@dataclass(frozen=True)
class RequestState:
    """A request, as its events tell it.

    Attributes:
        case_id: The case.
        events: Its events in the order of the ledger, the first of them ``received``.
    """

    case_id: str
    events: tuple[RequestEvent, ...]

    @classmethod
    def of(cls, case_id: str, events: Sequence[RequestEvent]) -> RequestState:
        """Return the state that events add up to.

        Args:
            case_id: The case.
            events: Everything that was recorded of the request, in order.

        Raises:
            InputError: Nothing was, or the record does not begin with the receipt.
        """
        if not events or events[0].event != "received":
            raise InputError(
                f"The ledger has no request of case '{case_id[:40]}'.",
                hint="List requests with: ireu request list",
                code=ErrorCode.CASE_UNKNOWN,
            )
        return cls(case_id, tuple(events))

    @property
    def status(self) -> RequestStatus:
        """How far it has come."""
        return RequestStatus([event.event for event in self.events if event.event != "extended"][-1])

    @property
    def is_open(self) -> bool:
        """Whether the person still waits for an answer: neither refused nor done."""
        return self.status in (RequestStatus.RECEIVED, RequestStatus.ACCEPTED)

    @property
    def is_extended(self) -> bool:
        """Whether the two further months count: told of within the first month, as the law demands."""
        last = due_day(self.received)
        return any(event.event == "extended" and day_of(event.happened_at) <= last for event in self.events)

    @property
    def received(self) -> date:
        """The day of receipt."""
        return day_of(self.events[0].happened_at)

    @property
    def due(self) -> date:
        """The last day for an answer."""
        return due_day(self.received, extended=self.is_extended)

    @property
    def answered(self) -> date | None:
        """The day on which it was refused or done; None while it is open."""
        for event in self.events:
            if event.event in ("refused", "done"):
                return day_of(event.happened_at)
        return None

    @property
    def removal_seq(self) -> int | None:
        """Entry of the removal that answered it."""
        return next((event.removal_seq for event in self.events if event.event == "done"), None)

    def days_left(self, today: date) -> int | None:
        """Return the days that remain for an answer, negative when it is overdue; None once it was given."""
        return days_left(self.due, today) if self.is_open else None

    def is_overdue(self, today: date) -> bool:
        """Return whether the person still waits although the last day has passed."""
        return self.is_open and today > self.due

    def was_late(self) -> bool:
        """Return whether it was answered after its last day."""
        return self.answered is not None and self.answered > self.due

    def expect_next(self, event: Event, on: date) -> None:
        """Refuse an event that cannot come next.

        Args:
            event: What is to be recorded.
            on: The day on which it happened.

        Raises:
            InputError: It was recorded already, comes before what it needs, or on a day that does not fit.
        """
        if event == "extended" and any(each.event == "extended" for each in self.events):
            raise _out_of_order(
                f"The time for case {self.case_id} was extended already; the law permits it once.",
                f"It is due on {self.due}.",
            )
        if any(each.event == event for each in self.events):
            raise _out_of_order(
                f"The request of case {self.case_id} was recorded as '{event}' already.",
                _NEXT[self.status].replace("CASE", self.case_id),
            )
        before = _FROM.get(event, ())
        if self.status not in before:
            raise _out_of_order(
                f"The request of case {self.case_id} is '{self.status.value}'; '{event}' can follow only on"
                f" {' or '.join(repr(each.value) for each in before)}.",
                _NEXT[self.status].replace("CASE", self.case_id),
            )
        if event == "extended" and on > self.due:
            raise _out_of_order(
                f"The time for case {self.case_id} could be extended until {self.due}: the person must be told of it"
                " within the first month.",
                "The request is overdue; answer it now.",
            )
        last = max(day_of(each.happened_at) for each in self.events)
        if on < last:
            raise InputError(f"{on} is before {last}, the day of what was recorded last for this case.")


def _out_of_order(message: str, hint: str) -> InputError:
    return InputError(message, hint=hint, code=ErrorCode.REQUEST_OUT_OF_ORDER)
