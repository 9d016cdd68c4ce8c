"""An entry in a few words, for lists of entries."""

from __future__ import annotations

from collections import Counter

from ireu_governance.core.key_document import Role
from ireu_governance.core.statement import (
    Deployment,
    Erasure,
    KeyChange,
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
    if isinstance(predicate, KeyChange):
        return f"version {predicate.version} ({predicate.reason}): {', '.join(_key_changes(predicate))}"
    if isinstance(predicate, Revocation):
        return f"certificate {predicate.certificate_id[:8]}… {predicate.status} ({predicate.reason})"
    if isinstance(predicate, Deployment):
        return f"{predicate.name} {predicate.change}"
    return ""


def _key_changes(change: KeyChange) -> list[str]:
    """Return what happened to keys, in one phrase for those of one role that share it."""
    alike = Counter(
        (
            each.role,
            "added" if each.change == "added" else "revoked",
            None if each.role == Role.ROOT else each.revoked_from_size,  # root keys sign no entries
        )
        for each in change.changes
    )
    return [
        (f"{role} key" if number == 1 else f"{number} {role} keys")
        + f" {fate}{'' if size is None else f' from entry {size} on'}"
        for (role, fate, size), number in alike.items()
    ]
