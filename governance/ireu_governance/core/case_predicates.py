"""The predicates of a data subject's request: each step of its clock, and the erasure of its evidence."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ireu_governance.core.times import Timestamp
from ireu_governance.core.vocabulary import CaseReference, Count, Frozen, Position, Sequence, Token

__all__ = ["Erasure", "RequestEvent"]


class RequestEvent(Frozen):
    """A request went one step further. Subject: the case's commitment.

    Attributes:
        event: What happened.
        happened_at: When it happened; the entry may be later.
        due_at: By when the request must be answered, as of this event.
        grounds: Legal grounds by code, such as ``gdpr:17-1-b``.
        recipients: How many recipients were told (Art. 19).
        removal_seq: Entry of the removal that answered it.
    """

    kind: Literal["request-event"] = "request-event"
    ledger: Position
    recorded_at: Timestamp
    cases: Annotated[tuple[CaseReference, ...], Field(min_length=1, max_length=1)]
    event: Literal["received", "extended", "accepted", "refused", "done", "informed"]
    happened_at: Timestamp
    due_at: Timestamp | None = None
    grounds: Annotated[tuple[Token, ...], Field(max_length=20)] = ()
    recipients: Count | None = None
    removal_seq: Sequence | None = None


class Erasure(Frozen):
    """The evidence of cases was destroyed. Subject: the cases' commitments.

    Attributes:
        entries: Entries whose commitments can be opened no more.
        reason: Why, by code.
    """

    kind: Literal["erasure"] = "erasure"
    ledger: Position
    recorded_at: Timestamp
    cases: Annotated[tuple[CaseReference, ...], Field(min_length=1, max_length=1000)]
    entries: Annotated[tuple[Sequence, ...], Field(max_length=10_000)]
    reason: Token
