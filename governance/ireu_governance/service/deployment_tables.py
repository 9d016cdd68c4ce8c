"""Tables of deployments that are watched, of their checks, and of events that a registry sent."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, UniqueConstraint

from ireu_governance.service.tables import METADATA

__all__ = ["CHECKS", "DEPLOYMENTS", "HOOK_EVENTS"]

DEPLOYMENTS: Final = Table(
    "service_deployments",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("live_name", Text, unique=True),  # the name while it is watched; absent afterwards, so that it can be reused
    Column("source", Text, nullable=False),
    Column("cases", Text, nullable=False),
    Column("every_s", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("removed_at", Text),
    Column("paused", Boolean, nullable=False),
    Column("due_at", Integer, nullable=False),  # seconds since 1970
    Column("model", Text),  # with alias: a name in a registry that can move
    Column("alias", Text),
    Column("aimed", Text),  # what the alias stood for when a check was last asked for
    Column("poll_at", Integer, nullable=False),
    Column("digest", Text),  # of the encoder that was seen last
    Column("resolved", Text),
    Column("verdict", Text),
    Column("checked_at", Text),
    Column("recorded", Text, nullable=False),  # what the ledger says of it: nothing yet, added, removed
    Column("recorded_digest", Text),  # the encoder that the ledger names last
    Index("service_deployments_due", "due_at"),
    Index("service_deployments_model", "model"),
)

# A check is written down before its job is submitted. Its number follows from what caused it, so that whoever finds
# it not submitted can submit it again without making two.
CHECKS: Final = Table(
    "service_checks",
    METADATA,
    Column("job", Text, primary_key=True),
    Column("deployment", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("slot", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("submitted", Boolean, nullable=False),
    Column("finished_at", Text),
    Column("verdict", Text),
    Column("note", Text),
    UniqueConstraint("deployment", "slot"),
    Index("service_checks_open", "finished_at"),
    Index("service_checks_of", "deployment", "created_at"),
)

HOOK_EVENTS: Final = Table(
    "service_hook_events",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("received_at", Integer, nullable=False),
)
