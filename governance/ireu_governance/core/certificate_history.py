"""Whether the history of a certificate fits its story: the steps of the requests that it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from ireu_governance.core.case_predicates import RequestEvent
from ireu_governance.core.certificate_content import Story
from ireu_governance.core.check_steps import Finding
from ireu_governance.core.errors import VerificationError
from ireu_governance.core.statement import Statement

__all__ = ["check_history", "read_history"]

_CHECK: Final = "history"


def read_history(statements: Sequence[Statement]) -> tuple[RequestEvent, ...]:
    """Return the steps that statements record.

    Args:
        statements: In the order of the log, signatures and places verified.

    Returns:
        The steps.

    Raises:
        VerificationError: One of them is no step of a request (check ``history``).
    """
    events = []
    for statement in statements:
        event = statement.predicate
        if not isinstance(event, RequestEvent):
            _refuse(f"The history holds a {event.kind}, which is no step of a request.")
        events.append(event)
    return tuple(events)


def check_history(story: Story, events: Sequence[RequestEvent], *, last_time: str) -> Finding:
    """Check that the steps are about the certificate's cases and removal, and that their times are in order.

    A step may be recorded after it happened, never before. What a step says about deadlines is for people to
    judge; the finding names the days.

    Args:
        story: What the certificate is about.
        events: The steps, in the order of the log.
        last_time: When the certificate was issued.

    Returns:
        What the history tells.

    Raises:
        VerificationError: The history does not fit.
    """
    cases = {each.case_id for each in story.request.cases}
    received: dict[str, str] = {}
    recorded = ""
    for event in events:
        case_id = event.cases[0].case_id
        what = f"The step '{event.event}' (entry {event.ledger.seq})"
        if case_id not in cases:
            _refuse(f"{what} is about a case that the certificate is not about.")
        if event.recorded_at < recorded or event.recorded_at > last_time:
            _refuse(f"{what} was recorded at {event.recorded_at}, out of the order of the log.")
        recorded = event.recorded_at
        if event.happened_at > event.recorded_at:
            _refuse(f"{what} was recorded before it happened ({event.happened_at}).")
        if event.event == "received":
            received.setdefault(case_id, event.happened_at)
        elif case_id not in received:
            _refuse(f"{what} comes before the request was received.")
        elif event.happened_at < received[case_id]:
            _refuse(f"{what} happened at {event.happened_at}, before the request came ({received[case_id]}).")
        if event.removal_seq is not None and event.removal_seq != story.removal.ledger.seq:
            _refuse(f"{what} names removal {event.removal_seq}, not {story.removal.ledger.seq}.")
        if event.event == "done" and event.ledger.seq < story.removal.ledger.seq:
            _refuse(f"{what} was recorded before the removal.")
    return Finding(_tell(events))


def _tell(events: Sequence[RequestEvent]) -> str:
    steps = "1 step" if len(events) == 1 else f"{len(events)} steps"
    received = min(each.happened_at for each in events if each.event == "received")
    text = f"The log holds {steps} of the requests, the first received on {received[:10]}"
    due = [each.due_at for each in events if each.due_at is not None]
    if due:
        text += f", the last due on {max(due)[:10]}"
    done = [each.happened_at for each in events if each.event == "done"]
    if done:
        text += f", done on {max(done)[:10]}"
    return text + "."


def _refuse(message: str) -> NoReturn:
    raise VerificationError(message, check=_CHECK)
