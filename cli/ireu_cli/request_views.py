"""How requests are shown: as one line, as one document, with the days that are left."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel

from ireu_cli.output import stdout_console
from ireu_governance.core.grounds import EXTENSIONS, GROUNDS, REFUSALS
from ireu_governance.service.request_views import EventView, RequestView, view_of_request

if TYPE_CHECKING:
    from ireu_governance.core.request_state import RequestState

__all__ = [
    "DoneView",
    "EventView",
    "RequestDetail",
    "RequestList",
    "RequestView",
    "days_left",
    "describe_event",
    "show_line",
    "today",
    "view_of",
]


class RequestList(BaseModel):
    """Requests, the most urgent first."""

    today: date
    requests: list[RequestView]


class RequestDetail(RequestView):
    """A request with its steps; `evidence` says whether the vault (still) knows who asked."""

    events: list[EventView]
    evidence: str


class DoneView(RequestView):
    """A request that was done, and what the latest test of its removal found."""

    removal_verdict: str | None


def view_of(state: RequestState) -> RequestView:
    """Return a request as it is printed, as of today."""
    return view_of_request(state, today())


def show_line(view: RequestView) -> None:
    """Print a request in one line."""
    extended = ", extended" if view.extended else ""
    stdout_console().print(
        f"{view.case_id}  {view.state:<9} received {view.received}  due {view.due}{extended}  {days_left(view)}"
    )


def days_left(view: RequestView) -> str:
    """Return the time that is left, or when it was answered, coloured by urgency."""
    if view.days_left is None:
        late = "[red]late[/red], " if view.answered_late else ""
        return f"{late}answered {view.answered}"
    if view.overdue:
        days = -view.days_left
        return f"[red]overdue by {days} day{'' if days == 1 else 's'}[/red]"
    if view.days_left == 0:
        return "[yellow]today is the last day[/yellow]"
    colour = "yellow" if view.days_left <= 7 else "green"
    return f"[{colour}]{view.days_left} day{'' if view.days_left == 1 else 's'} left[/{colour}]"


def describe_event(event: EventView) -> str:
    """Return what an event says beside its name and day."""
    known = {**GROUNDS, **REFUSALS, **EXTENSIONS}
    parts = [f"{code}: {known[code]}" if code in known else code for code in event.grounds]
    if event.recipients is not None:
        parts.append(f"{event.recipients} recipients told")
    if event.removal_entry is not None:
        parts.append(f"by removal {event.removal_entry}")
    if event.due_at is not None:
        parts.append(f"due {event.due_at[:10]}")
    return "; ".join(parts)


def today() -> date:
    """Return the present day, in UTC as all days of requests."""
    return datetime.now(UTC).date()
