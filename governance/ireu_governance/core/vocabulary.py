"""The words that all statements share: ids, digests, places in a ledger, subjects."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = [
    "CaseId",
    "CaseReference",
    "Count",
    "Digest",
    "Frozen",
    "Position",
    "Rate",
    "Real",
    "Sequence",
    "Sha256",
    "Subject",
    "Token",
]

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
CaseId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9@][A-Za-z0-9._:/@+-]{0,199}$")]
Sequence = Annotated[int, Field(ge=0, le=2**53 - 1)]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
Real = Annotated[float, Field(allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]


class Frozen(BaseModel):
    """Base of everything that is signed: nothing unknown, nothing converted, nothing changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Digest(Frozen):
    """A set of digests of one artifact; ireu writes and accepts exactly SHA-256."""

    sha256: Sha256


class Subject(Frozen):
    """One file of an encoder, or (under the name ``encoder``) all of its files together."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\\]+$")]
    digest: Digest


class Position(Frozen):
    """Where in which ledger a statement stands; signed with it, so it cannot be moved.

    Attributes:
        origin: The log's name, as in its checkpoints.
        seq: Number of the entry, from 0.
        prev: Leaf hash of the entry before, 64 zeros for the first.
    """

    origin: Annotated[str, StringConstraints(pattern=r"^[^\s+]{1,200}$")]
    seq: Sequence
    prev: Sha256


class CaseReference(Frozen):
    """One case, and what binds it to evidence that only the vault holds.

    Attributes:
        case_id: Random 128-bit number in hex.
        commitment: Salted commitment to the case's evidence (`ireu_governance.core.commitment`).
    """

    case_id: CaseId
    commitment: Sha256
