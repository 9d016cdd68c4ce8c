"""An entry in a few words, for lists of entries."""

from __future__ import annotations

from ireu_governance.core.statement import (
    Deployment,
    Erasure,
    Removal,
    RemovalRequest,
    RequestEvent,
    Revocation,
    Verification,
)

__all__ = ["summarise"]


def summarise(predicate: object) -> str:
    """Return what a predicate says in a few words; empty where its kind says it all."""
    if isinstance(predicate, RemovalRequest):
        tests = len(predicate.plan.tests)
        return f"{tests} test{'' if tests == 1 else 's'} planned"
    if isinstance(predicate, Removal):
        return f"{predicate.method.name}, request {predicate.request_seq}"
    if isinstance(predicate, Verification):
        return f"{predicate.verdict.value} ({predicate.occasion} of {predicate.removal_seq})"
    if isinstance(predicate, RequestEvent):
        due = f", due {predicate.due_at[:10]}" if predicate.due_at else ""
        return f"{predicate.event} on {predicate.happened_at[:10]}{due}"
    if isinstance(predicate, Erasure):
        return f"evidence destroyed ({predicate.reason})"
    if isinstance(predicate, Revocation):
        return f"certificate {predicate.certificate_id[:8]}… {predicate.status} ({predicate.reason})"
    if isinstance(predicate, Deployment):
        return f"{predicate.name} {predicate.change}"
    return ""
