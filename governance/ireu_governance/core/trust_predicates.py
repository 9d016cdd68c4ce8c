"""The predicates by which a ledger records what is trusted no more, or newly: keys and certificates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ireu_governance.core.times import Timestamp
from ireu_governance.core.vocabulary import Count, Frozen, Position, Sequence, Sha256, Token

__all__ = ["KeyChange", "KeyNote", "Revocation"]


class KeyNote(Frozen):
    """What happened to one key."""

    key_id: Sha256
    role: Token
    change: Literal["added", "retired", "compromised"]
    revoked_from_size: Count | None = None


class KeyChange(Frozen):
    """The key file was replaced by its next version. Subject: the new key file.

    Attributes:
        version: Of the new key file.
        previous: SHA-256 of the key file before.
        reason: Why, by code: ``scheduled``, ``compromised``, or one of the organisation's own.
        changes: What happened to which key.
    """

    kind: Literal["key-change"] = "key-change"
    ledger: Position
    recorded_at: Timestamp
    version: Count
    previous: Sha256
    reason: Token
    changes: Annotated[tuple[KeyNote, ...], Field(min_length=1, max_length=200)]


class Revocation(Frozen):
    """A certificate counts no more, or another took its place. Subject: the certificate, without its time stamps.

    Attributes:
        certificate_id: Its number.
        status: What it is from now on.
        removal_seq: Entry of the removal that it is about.
        reason: Why, by code (`ireu_governance.core.status.REASONS`, or ``reissued``).
        replaced_by: Number of the certificate that took its place, if one did.
    """

    kind: Literal["revocation"] = "revocation"
    ledger: Position
    recorded_at: Timestamp
    certificate_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    status: Literal["revoked", "superseded"]
    removal_seq: Sequence
    reason: Token
    replaced_by: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None
