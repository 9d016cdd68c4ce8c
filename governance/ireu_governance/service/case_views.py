"""What a case looks like from outside: as a line of a list, and whole."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel

from ireu_governance.service.certificate_views import CertificateLine
from ireu_governance.service.request_book import EventView, RequestView

__all__ = ["CaseFile", "CaseLine", "ErasureView", "PlanView", "RemovalView", "RequestDetail", "VerificationView"]


class PlanView(BaseModel):
    """When the tests of a case were fixed, before the removal."""

    entry: int
    recorded_at: str
    tests: list[str]


class RemovalView(BaseModel):
    """A removal that names the case."""

    entry: int
    recorded_at: str
    request_entry: int
    encoder_before: str
    encoder: str
    architecture: str
    method: str
    cases: int
    mlflow_run_id: str | None
    model: str | None


class VerificationView(BaseModel):
    """A test of an encoder in which the case was one.

    Attributes:
        entry: Number of the entry.
        recorded_at: When it was recorded.
        removal_entry: Entry of the removal that was tested again.
        occasion: Whether it belongs to the removal or came later.
        encoder: Digest of the encoder's files; null where only its answers could be had.
        known_encoder: Whether that is the result of a recorded removal.
        verdict: What was found for the case.
        overall: What was found for all cases together.
        job: Number of the re-test that the service made; null for tests that were made without it.
        scores: The measurements of the case.
    """

    entry: int
    recorded_at: str
    removal_entry: int
    occasion: str
    encoder: str | None
    known_encoder: bool
    verdict: str
    overall: str
    job: str | None
    scores: list[dict[str, Any]]


class ErasureView(BaseModel):
    """The evidence of the case was destroyed."""

    entry: int
    recorded_at: str
    reason: str


class RequestDetail(RequestView):
    """A request with its steps."""

    events: list[EventView]


class CaseLine(BaseModel):
    """A case in a list.

    Attributes:
        case_id: Its random number.
        published: Whether people without a key can see it.
        state: Of its request, or ``recorded`` for a case without one.
        due: Last day for an answer; null without a request.
        overdue: Whether that day has passed without one.
        verdict: What the latest test found for the case; null before the first.
        erased: Whether its evidence was destroyed.
        entries: Number of entries that speak of it.
        last_recorded_at: When the last of them was recorded.
    """

    case_id: str
    published: bool
    state: str
    due: date | None
    overdue: bool
    verdict: str | None
    erased: bool
    entries: int
    last_recorded_at: str


class CaseFile(BaseModel):
    """Everything that is recorded of a case.

    Attributes:
        case_id: Its random number.
        published: Whether people without a key can see it.
        published_at: Since when they can.
        evidence: Whether the vault (still) holds evidence: ``kept``, ``erased``, ``absent``; null for people without
            a key.
        request: The request with its clock; null for a case without one.
        plans: When its tests were fixed.
        removals: Removals, the oldest first.
        verifications: Tests, the oldest first.
        erasures: Destruction of its evidence.
        certificates: Certificates about it; for people without a key those that they can see.
        unpublished_entries: Entries that are recorded and that no checkpoint covers yet.
    """

    case_id: str
    published: bool
    published_at: str | None
    evidence: Literal["kept", "erased", "absent"] | None
    request: RequestDetail | None
    plans: list[PlanView]
    removals: list[RemovalView]
    verifications: list[VerificationView]
    erasures: list[ErasureView]
    certificates: list[CertificateLine]
    unpublished_entries: list[int]
