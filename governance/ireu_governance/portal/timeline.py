"""What happened to a case, in the order of the log, in plain words."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from ireu_governance.core.clock import day_of
from ireu_governance.core.grounds import ERASURES, EXTENSIONS, GROUNDS, REFUSALS
from ireu_governance.portal.rendering import day
from ireu_governance.portal.wording import badge_of
from ireu_governance.reports.figures import count
from ireu_governance.reports.words import EVENTS
from ireu_governance.service.case_files import CaseFile
from ireu_governance.service.request_book import EventView

__all__ = ["TimelineItem", "ground_words", "make_timeline"]

_GROUNDS: Final = {**GROUNDS, **REFUSALS, **EXTENSIONS, **ERASURES}


class TimelineItem(BaseModel):
    """Something that happened.

    Attributes:
        recorded_at: When it was recorded.
        title: What happened.
        details: More of it; may be empty.
        tone: ``good``, ``bad`` or ``open``.
        state: Code of a badge; empty for none.
        entry: The entry of the log that says so; None for what the log says only of a certificate's file.
        certificate: Number of the certificate, if it is about one.
        encoder: Digest of the encoder, if it is about one.
    """

    recorded_at: str
    title: str
    details: str = ""
    tone: str = "open"
    state: str = ""
    entry: int | None = None
    certificate: str | None = None
    encoder: str | None = None


def make_timeline(file: CaseFile) -> list[TimelineItem]:
    """Return everything that happened to a case, the oldest first.

    Args:
        file: What is recorded of it.
    """
    items = [_of_event(event) for event in (file.request.events if file.request else ())]
    items += [
        TimelineItem(
            recorded_at=plan.recorded_at,
            title="Removal planned",
            details=f"{count(len(plan.tests), 'test', 'tests')} with limits, fixed before the removal.",
            entry=plan.entry,
        )
        for plan in file.plans
    ]
    items += [
        TimelineItem(
            recorded_at=removal.recorded_at,
            title="Removed from the encoder",
            details=f"Method “{removal.method}”."
            + ("" if removal.cases == 1 else f" {removal.cases} cases were removed together."),
            entry=removal.entry,
            encoder=removal.encoder,
        )
        for removal in file.removals
    ]
    items += [
        TimelineItem(
            recorded_at=test.recorded_at,
            title="Tested after the removal" if test.occasion == "removal" else "Tested again",
            details="" if test.known_encoder else "The tested encoder is not the result of this removal.",
            tone=badge_of(test.verdict).tone,
            state=test.verdict,
            entry=test.entry,
            encoder=test.encoder,
        )
        for test in file.verifications
    ]
    items += [
        TimelineItem(
            recorded_at=erasure.recorded_at,
            title="Evidence erased",
            details=f"{ground_words(erasure.reason)} From here on the case cannot be tested again.",
            entry=erasure.entry,
        )
        for erasure in file.erasures
    ]
    items += [
        TimelineItem(
            recorded_at=each.issued_at,
            title="Certificate issued",
            tone="good" if each.status == "valid" else "open",
            state=each.status,
            certificate=each.id,
        )
        for each in file.certificates
    ]
    # Of one second, the entry of the log comes first: a certificate is made of entries.
    return sorted(items, key=lambda each: (each.recorded_at, each.entry is None, each.entry or 0))


def ground_words(code: str) -> str:
    """Return a legal ground as a sentence, with its code."""
    words = _GROUNDS.get(code)
    return f"Ground {code}: {words}." if words else f"Ground {code}."


def _of_event(event: EventView) -> TimelineItem:
    parts = [ground_words(ground) for ground in event.grounds]
    if event.due_at is not None:
        parts.insert(0, f"To be answered by {day(event.due_at)}.")
    if event.recipients is not None:
        parts.append("There were no recipients." if event.recipients == 0 else f"{event.recipients} were told.")
    if event.removal_entry is not None:
        parts.append(f"By the removal in entry {event.removal_entry}.")
    if day_of(event.happened_at) != day_of(event.recorded_at):
        parts.append(f"It happened on {day(event.happened_at)}, and was recorded later.")
    return TimelineItem(
        recorded_at=event.recorded_at,
        title=EVENTS.get(event.event, event.event),
        details=" ".join(parts),
        tone="good" if event.event in ("done", "informed") else "open",
        entry=event.entry,
    )
