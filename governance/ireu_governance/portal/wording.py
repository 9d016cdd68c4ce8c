"""Codes as badges and words, the same on all pages."""

from __future__ import annotations

from typing import Final

from ireu_governance.core.status import CertificateStatus
from ireu_governance.core.verdict import Outcome, RetestVerdict, Verdict
from ireu_governance.reports.words import OUTCOMES, RETESTS, VERDICTS, Stamp

__all__ = ["badge_of", "kind_words"]

_STATES: Final = {
    # Certificates
    CertificateStatus.VALID.value: Stamp("✓", "Valid", "good"),
    CertificateStatus.SUPERSEDED.value: Stamp("–", "Superseded", "open"),
    CertificateStatus.REVOKED.value: Stamp("✗", "Revoked", "bad"),
    CertificateStatus.EXPIRED.value: Stamp("–", "Expired", "open"),
    # Requests
    "received": Stamp("●", "Received", "open"),
    "accepted": Stamp("●", "Accepted", "open"),
    "refused": Stamp("–", "Refused", "open"),
    "done": Stamp("✓", "Done", "good"),
    "informed": Stamp("✓", "Done, recipients told", "good"),
    "recorded": Stamp("–", "No request", "open"),
    # Jobs
    "queued": Stamp("●", "Waiting", "open"),
    "running": Stamp("▶", "Running", "open"),
    "failed": Stamp("✗", "Failed", "bad"),
    "cancelled": Stamp("–", "Cancelled", "open"),
    # Alerts and deployments
    "open": Stamp("!", "Open", "bad"),
    "acknowledged": Stamp("●", "Acknowledged", "open"),
    "resolved": Stamp("✓", "Resolved", "good"),
    "active": Stamp("✓", "Watched", "good"),
    "paused": Stamp("–", "Paused", "open"),
    "removed": Stamp("–", "Removed", "open"),
    "check-failed": Stamp("!", "Check failed", "warn"),
    "overdue": Stamp("!", "Overdue", "bad"),
    "request-overdue": Stamp("!", "Request overdue", "bad"),
    # Keys, visibility
    "valid-key": Stamp("✓", "In force", "good"),
    "retired": Stamp("–", "Retired", "open"),
    "compromised": Stamp("✗", "Compromised", "bad"),
    "revoked-key": Stamp("✗", "Revoked", "bad"),
    "published": Stamp("✓", "Published", "good"),
    "unpublished": Stamp("–", "Not published", "open"),
    "known": Stamp("✓", "Known to the ledger", "good"),
    "unknown": Stamp("✗", "Not in the ledger", "bad"),
    "not-visible": Stamp("–", "Cannot be seen", "open"),
    "untested": Stamp("–", "Not tested yet", "open"),
}

_BADGES: Final = {
    **_STATES,
    **{each.value: stamp for each, stamp in OUTCOMES.items()},
    **{each.value: stamp for each, stamp in VERDICTS.items()},
    **{each.value: stamp for each, stamp in RETESTS.items()},
}

_KINDS: Final = {
    "removal-request": "Removal planned",
    "removal": "Removal",
    "verification": "Verification",
    "request-event": "Request",
    "erasure": "Evidence erased",
    "key-change": "Change of keys",
    "revocation": "Certificate withdrawn",
    "deployment": "Deployment",
}


def badge_of(code: str | RetestVerdict | Verdict | Outcome) -> Stamp:
    """Return the sign, word and tone of a state; one that a later version knows comes with its code as word."""
    text = str(getattr(code, "value", code))
    return _BADGES.get(text) or Stamp("?", text.replace("-", " ").capitalize(), "open")


def kind_words(kind: str) -> str:
    """Return what a kind of entry is called."""
    return _KINDS.get(kind, kind)
