"""The predicates of a data subject's request: each step of its clock, and the erasure of its evidence."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from ireu_governance.core.times import Timestamp
from ireu_governance.core.vocabulary import CaseReference, Count, Frozen, Position, Sequence, Token

__all__ = ["Erasure", "Event", "RequestEvent"]

Event = Literal["received", "extended", "accepted", "refused", "done", "informed"]

_NEEDED: Final[dict[str, frozenset[str]]] = {
    "received": frozenset({"due_at"}),
    "extended": frozenset({"due_at", "grounds"}),
    "accepted": frozenset(),
    "refused": frozenset({"grounds"}),
    "done": frozenset({"removal_seq"}),
    "informed": frozenset({"recipients"}),
}
_ALLOWED: Final[dict[str, frozenset[str]]] = {
    **_NEEDED,
    "accepted": frozenset({"due_at", "grounds"}),  # an accepted request is still to be carried out by its day
}


class RequestEvent(Frozen):
    """A request went one step further. Subject: the case's commitment.

    Members that do not belong to the event are absent.

    Attributes:
        event: What happened.
        happened_at: When it happened; the entry may be later.
        due_at: By when the request must be answered, as of this event (received, extended, accepted).
        grounds: Why, by code such as ``gdpr:17-1-b`` (extended, accepted, refused).
        recipients: How many recipients were told of the erasure (informed; GDPR Art. 19).
        removal_seq: Entry of the removal that answered it (done).
    """

    kind: Literal["request-event"] = "request-event"
    ledger: Position
    recorded_at: Timestamp
    cases: Annotated[tuple[CaseReference, ...], Field(min_length=1, max_length=1)]
    event: Event
    happened_at: Timestamp
    due_at: Timestamp | None = None
    grounds: Annotated[tuple[Token, ...], Field(max_length=20)] = ()
    recipients: Count | None = None
    removal_seq: Sequence | None = None

    @model_validator(mode="after")
    def _says_what_belongs_to_the_event(self) -> Self:
        given = {
            "due_at": self.due_at is not None,
            "grounds": bool(self.grounds),
            "recipients": self.recipients is not None,
            "removal_seq": self.removal_seq is not None,
        }
        for name, is_given in given.items():
            if is_given and name not in _ALLOWED[self.event]:
                raise ValueError(f"'{name}' does not belong to the event '{self.event}'")
            if not is_given and name in _NEEDED[self.event]:
                raise ValueError(f"the event '{self.event}' lacks '{name}'")
        return self


class Erasure(Frozen):
    """The evidence of cases was destroyed: keys, salts and payloads. Subjects: all their commitments.

    A case with several sealed parts stands here once for each, since each has a commitment of its own. The
    photos of other people that only these cases were tested with are evidence too, and stand here likewise.

    Attributes:
        cases: What was destroyed, by case and commitment.
        entries: Entries whose commitments can be opened no more, ascending.
        reason: Why, by code such as ``gdpr:17-1-b``.
    """

    kind: Literal["erasure"] = "erasure"
    ledger: Position
    recorded_at: Timestamp
    cases: Annotated[tuple[CaseReference, ...], Field(min_length=1, max_length=1000)]
    entries: Annotated[tuple[Sequence, ...], Field(max_length=10_000)]
    reason: Token
