"""Tables of alerts, of who is told of them, and of what was sent."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from ireu_governance.service.tables import METADATA

__all__ = ["ALERTS", "DELIVERIES", "WEBHOOKS"]

ALERTS: Final = Table(
    "service_alerts",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("standing", Text, unique=True),  # what it is about, while it stands; absent once it is resolved
    Column("kind", Text, nullable=False),
    Column("deployment", Text),
    Column("case_id", Text),
    Column("removal", Integer),
    Column("entry", Integer),
    Column("job", Text),
    Column("opened_at", Text, nullable=False),
    Column("seen_at", Text, nullable=False),
    Column("times", Integer, nullable=False),
    Column("acknowledged_at", Text),
    Column("acknowledged_by", Text),
    Column("resolved_at", Text),
    Index("service_alerts_deployment", "deployment"),
    Index("service_alerts_order", "opened_at", "id"),
)

WEBHOOKS: Final = Table(
    "service_webhooks",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),  # encrypted: it has to be used again, so no hash would do
    Column("created_at", Text, nullable=False),
    Column("removed_at", Text),
)

# What is to be sent is written down in the transaction that causes it; jobs send it.
DELIVERIES: Final = Table(
    "service_deliveries",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("webhook", Text, nullable=False),
    Column("alert", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),  # pending, delivered, dead
    Column("attempts", Integer, nullable=False),
    Column("due_at", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("delivered_at", Text),
    Column("last_error", Text),
    UniqueConstraint("webhook", "alert", "event"),
    Index("service_deliveries_due", "state", "due_at"),
)
