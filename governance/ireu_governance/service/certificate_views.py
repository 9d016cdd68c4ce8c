"""What a certificate looks like in a list, and what was done about one."""

from __future__ import annotations

from pydantic import BaseModel

__all__ = ["CertificateLine", "IssuedCertificate", "RevokedCertificate"]


class CertificateLine(BaseModel):
    """One certificate in a list.

    Attributes:
        id: Its number.
        removal_entry: Entry of the removal.
        cases: Cases that it is about.
        encoder: Digest of the encoder.
        status: ``valid``, ``superseded``, ``revoked`` or ``expired``, by the ledger; ``unusable`` if it does not hold
            under the keys in force.
        problem: Why it is unusable, as a sentence; else null.
        issued_at: When it was issued.
        valid_until: Until when it is meant to be relied on; null for no end.
        latest: Whether it is the newest one of its removal.
        published: Whether people without a key can see it: all of its cases are published.
    """

    id: str
    removal_entry: int
    cases: list[str]
    encoder: str
    status: str
    problem: str | None
    issued_at: str
    valid_until: str | None
    latest: bool
    published: bool


class IssuedCertificate(BaseModel):
    """A certificate that was issued, and the entries by which it took the place of older ones."""

    id: str
    removal_entry: int
    valid_until: str | None
    time_stamps: int
    history: int
    superseded: list[int]


class RevokedCertificate(BaseModel):
    """What was recorded."""

    certificate_id: str
    reason: str
    replaced_by: str | None
    entry: int
    recorded_at: str
