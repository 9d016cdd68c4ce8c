"""What is told to receivers of alerts: signed messages, sent until they are taken or given up.

A message is written down in the transaction that causes it, and sent later by jobs: at least once, always with the
same ``webhook-id``. After a failure it waits longer each time; after the last one it is dead, and stays listed until
it is removed with the jobs of its time.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.times import format_time
from ireu_governance.service.alert_tables import DELIVERIES, WEBHOOKS
from ireu_governance.service.store import ServiceStore

if TYPE_CHECKING:
    from ireu_governance.service.alerts import Alert

__all__ = ["BACKOFF_S", "Deliveries", "Delivery", "write_deliveries"]

BACKOFF_S: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""After each failure: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h; then it is dead, after three days."""

LOST_S: Final = 900
"""An attempt of which nothing was heard for this long has died with its worker."""


@dataclass(frozen=True)
class Delivery:
    """A message to a receiver.

    Attributes:
        id: The ``webhook-id``; the same at every attempt.
        webhook: Number of the receiver.
        alert: Number of the alert.
        event: ``alert.opened``, ``alert.acknowledged`` or ``alert.resolved``.
        body: What is sent.
        state: ``pending``, ``delivered`` or ``dead``.
        attempts: How often it was tried.
        due_at: When it is tried next, in seconds since 1970.
        created_at: When it was written down.
        delivered_at: When it was taken.
        last_error: Why the last attempt failed, by code.
    """

    id: str
    webhook: str
    alert: str
    event: str
    body: str
    state: str
    attempts: int
    due_at: int
    created_at: str
    delivered_at: str | None
    last_error: str | None


def write_deliveries(connection: Connection, event: str, alert: Alert, at: datetime) -> None:
    """Write down what every receiver is to be told, in the transaction that changed an alert.

    Args:
        connection: From the store's `writing`.
        event: What happened.
        alert: The alert as it is now.
        at: The time.
    """
    document = {
        "type": event,
        "timestamp": format_time(at),
        "data": {
            "alert": alert.id,
            "state": alert.state,
            "kind": alert.kind,
            "deployment": alert.deployment,
            "case": alert.case_id,
            "removal_entry": alert.removal,
            "verification_entry": alert.entry,
            "verification": alert.job,
            "opened_at": alert.opened_at,
        },
    }
    receivers = connection.execute(select(WEBHOOKS.c.id).where(WEBHOOKS.c.removed_at.is_(None))).scalars().all()
    rows = [
        {
            "id": f"msg_{secrets.token_hex(16)}",
            "webhook": each,
            "alert": alert.id,
            "event": event,
            "body": json.dumps(document, separators=(",", ":")),
            "state": "pending",
            "attempts": 0,
            "due_at": int(at.timestamp()),
            "created_at": format_time(at),
        }
        for each in receivers
    ]
    if rows:
        connection.execute(insert(DELIVERIES), rows)


class Deliveries:
    """The messages of a service.

    Args:
        store: The service's database.
        clock: Returns the time, in UTC.
    """

    def __init__(self, store: ServiceStore, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._clock = clock

    def due(self, limit: int = 100) -> list[Delivery]:
        """Return messages that should be tried now.

        One whose attempt was submitted long ago and has left no trace is counted as failed first.
        """
        now = int(self._clock().timestamp())
        table = DELIVERIES.c
        query = select(DELIVERIES).where(table.state == "pending", table.due_at <= now)
        with self._store.reading() as connection:
            found = [_delivery(row) for row in connection.execute(query.order_by(table.due_at).limit(limit))]
        for each in found:
            if each.due_at < now - LOST_S:
                self.note_failure(each.id, each.attempts, "worker-lost")
        return [each for each in found if each.due_at >= now - LOST_S]

    def get(self, number: str) -> Delivery:
        """Return a message; `InputError` if there is none."""
        with self._store.reading() as connection:
            row = connection.execute(select(DELIVERIES).where(DELIVERIES.c.id == number)).first()
        if row is None:
            raise InputError(f"There is no message {number[:64]!a}.", code=ErrorCode.NOT_FOUND)
        return _delivery(row)

    def note_success(self, number: str) -> None:
        """Note that a message was taken."""
        change = update(DELIVERIES).where(DELIVERIES.c.id == number, DELIVERIES.c.state == "pending")
        values = {
            "state": "delivered",
            "attempts": DELIVERIES.c.attempts + 1,
            "delivered_at": format_time(self._clock()),
            "last_error": None,
        }
        with self._store.writing() as connection:
            connection.execute(change.values(values))

    def note_failure(self, number: str, attempt: int, reason: str, *, final: bool = False) -> None:
        """Note that an attempt failed, and when the next one is.

        Args:
            number: Of the message.
            attempt: How many attempts there were before this one; one that was noted already is passed over.
            reason: Why, by code.
            final: Whether there shall be no other.
        """
        table = DELIVERIES.c
        change = update(DELIVERIES).where(table.id == number, table.state == "pending", table.attempts == attempt)
        is_dead = final or attempt >= len(BACKOFF_S)
        wait = 0 if is_dead else BACKOFF_S[attempt]
        values = {
            "state": "dead" if is_dead else "pending",
            "attempts": attempt + 1,
            "due_at": int(self._clock().timestamp()) + wait,
            "last_error": reason,
        }
        with self._store.writing() as connection:
            connection.execute(change.values(values))

    def repeat(self, number: str) -> Delivery:
        """Try a dead message again from the start; `InputError` if there is none."""
        change = update(DELIVERIES).where(DELIVERIES.c.id == number, DELIVERIES.c.state == "dead")
        now = int(self._clock().timestamp())
        with self._store.writing() as connection:
            # Counted on: the job of the first attempt has this message's number and a 0.
            connection.execute(change.values(state="pending", due_at=now))
        return self.get(number)

    def remove_ended(self, before: datetime) -> int:
        """Remove messages that were taken or given up before a time; return how many."""
        table = DELIVERIES.c
        taken = (table.state == "delivered") & (table.delivered_at < format_time(before))
        given_up = (table.state == "dead") & (table.due_at < int(before.timestamp()))  # set at the last attempt
        with self._store.writing() as connection:
            return int(connection.execute(delete(DELIVERIES).where(taken | given_up)).rowcount)

    def list(self, *, webhook: str | None = None, state: str | None = None, limit: int = 50) -> list[Delivery]:
        """Return messages, the newest first.

        Args:
            webhook: Only to this receiver.
            state: Only in this state.
            limit: At most this many.
        """
        table = DELIVERIES.c
        query = select(DELIVERIES).order_by(table.created_at.desc(), table.id).limit(limit)
        if webhook is not None:
            query = query.where(table.webhook == webhook)
        if state is not None:
            query = query.where(table.state == state)
        with self._store.reading() as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def counts(self) -> dict[str, int]:
        """Return how many messages are in which state."""
        query = select(DELIVERIES.c.state, func.count()).group_by(DELIVERIES.c.state)
        found = dict.fromkeys(("pending", "delivered", "dead"), 0)
        with self._store.reading() as connection:
            found.update({row[0]: int(row[1]) for row in connection.execute(query)})
        return found


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        webhook=row.webhook,
        alert=row.alert,
        event=row.event,
        body=row.body,
        state=row.state,
        attempts=row.attempts,
        due_at=row.due_at,
        created_at=row.created_at,
        delivered_at=row.delivered_at,
        last_error=row.last_error,
    )
