"""What a service answers, as far as the client needs it. Members that are added later are passed over."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from ireu_governance.core.verdict import RetestVerdict

__all__ = ["Alert", "Deployment", "Entry", "Failure", "RemovalFound", "Result", "Verification", "WhiteBoxFound"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Entry(_Document):
    """An entry of the log. Only what `Client.entry` returns was verified."""

    seq: int
    kind: str
    recorded_at: str
    statement: dict[str, Any] = {}
    envelope: dict[str, Any] = {}


class WhiteBoxFound(_Document):
    """What the encoder's files say: ``known``, ``unknown`` or ``not-visible``."""

    outcome: str
    digest: str | None = None
    parts: dict[str, str] = {}
    claimed: str | None = None
    reason: str = ""


class RemovalFound(_Document):
    """What was found for one removal, and the entry that records it."""

    removal_entry: int
    verification_entry: int | None
    verdict: RetestVerdict
    black_box: RetestVerdict
    cases: tuple[dict[str, str], ...]
    reason: str


class Result(_Document):
    """What a re-test found."""

    verdict: RetestVerdict
    white_box: WhiteBoxFound
    removals: tuple[RemovalFound, ...]
    note: str | None = None


class Failure(_Document):
    """Why a re-test failed."""

    code: str
    detail: str
    hint: str = ""


class Verification(_Document):
    """A re-test on the service: how far it is, or what it found."""

    id: str
    status: str
    cases: str | tuple[str, ...]
    deployment: str | None = None
    result: Result | None = None
    failure: Failure | None = None
    receipt: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.status not in ("queued", "running")


class Deployment(_Document):
    """A watched deployment."""

    id: str
    name: str
    state: str
    encoder: dict[str, Any]
    verdict: str | None = None
    checked_at: str | None = None


class Alert(_Document):
    """An alert."""

    id: str
    state: str
    kind: str
    deployment: str | None = None
    case_id: str | None = None
    opened_at: str
