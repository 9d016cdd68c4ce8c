"""Alerts: what somebody has to look at. One for each thing that is wrong, for as long as it is.

What a check finds again is the same alert, seen once more. It is resolved by the next check in which that very case
holds. An acknowledged alert still stands: it is silent until it is resolved, and what comes after that is a new one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.times import format_time
from ireu_governance.service.alert_tables import ALERTS
from ireu_governance.service.deliveries import write_deliveries
from ireu_governance.service.store import ServiceStore

__all__ = ["KINDS", "Alert", "AlertCause", "Alerts"]

KINDS: Final = ("resurfaced", "encoder-changed", "utility-lost", "check-failed", "request-overdue")


@dataclass(frozen=True)
class AlertCause:
    """What is wrong.

    Attributes:
        kind: One of `KINDS`.
        deployment: The deployment that was checked.
        case_id: The case.
        removal: Entry of the removal, where all its cases are concerned.
        entry: Entry that records it.
        job: The check's job.
    """

    kind: str
    deployment: str | None = None
    case_id: str | None = None
    removal: int | None = None
    entry: int | None = None
    job: str | None = None

    @property
    def key(self) -> str:
        """What tells it from others; the same when it is found again."""
        about = self.case_id or ("" if self.removal is None else str(self.removal))
        return f"{self.deployment or ''}/{about}/{self.kind}"


@dataclass(frozen=True)
class Alert:
    """An alert as it stands.

    Attributes:
        id: Random number.
        kind: One of `KINDS`.
        deployment: The deployment that was checked; None for a request that is overdue.
        case_id: The case; None where a removal or the check itself is concerned.
        removal: Entry of the removal.
        entry: Entry that recorded it last.
        job: The check that found it last.
        opened_at: When it was first found.
        seen_at: When it was last found.
        times: How often it was found.
        acknowledged_at: When somebody said that they know.
        acknowledged_by: Who: id of a caller, or ``terminal``.
        resolved_at: When it was found to hold again.
    """

    id: str
    kind: str
    deployment: str | None
    case_id: str | None
    removal: int | None
    entry: int | None
    job: str | None
    opened_at: str
    seen_at: str
    times: int
    acknowledged_at: str | None
    acknowledged_by: str | None
    resolved_at: str | None

    @property
    def state(self) -> str:
        """``open``, ``acknowledged`` or ``resolved``."""
        if self.resolved_at is not None:
            return "resolved"
        return "open" if self.acknowledged_at is None else "acknowledged"

    @property
    def key(self) -> str:
        """What tells it from others; the same as its cause's."""
        return AlertCause(self.kind, self.deployment, self.case_id, self.removal).key


class Alerts:
    """The alerts of a service.

    Args:
        store: The service's database.
        clock: Returns the time, in UTC.
    """

    def __init__(self, store: ServiceStore, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._clock = clock

    def raise_all(self, connection: Connection, causes: Iterable[AlertCause]) -> None:
        """Open an alert for each cause that has none that stands, in a transaction of the caller.

        Args:
            connection: From the store's `writing`.
            causes: What was found.
        """
        now = self._clock()
        for cause in causes:
            if self._see_again(connection, cause, now):
                continue
            number = secrets.token_hex(16)
            row = {
                "id": number,
                "standing": cause.key,
                "kind": cause.kind,
                "deployment": cause.deployment,
                "case_id": cause.case_id,
                "removal": cause.removal,
                "entry": cause.entry,
                "job": cause.job,
                "opened_at": format_time(now),
                "seen_at": format_time(now),
                "times": 1,
            }
            try:
                with connection.begin_nested():
                    connection.execute(insert(ALERTS), row)
            except IntegrityError:  # somebody else has opened it meanwhile
                self._see_again(connection, cause, now)
                continue
            write_deliveries(connection, "alert.opened", _read(connection, number), now)

    def resolve_all(self, connection: Connection, alerts: Iterable[Alert]) -> None:
        """Resolve alerts, in a transaction of the caller.

        Args:
            connection: From the store's `writing`.
            alerts: What holds again.
        """
        now = self._clock()
        for alert in alerts:
            change = update(ALERTS).where(ALERTS.c.id == alert.id, ALERTS.c.resolved_at.is_(None))
            changed = connection.execute(change.values(resolved_at=format_time(now), standing=None))
            if changed.rowcount == 1:
                write_deliveries(connection, "alert.resolved", _read(connection, alert.id), now)

    def standing(
        self, connection: Connection, *, deployment: str | None = None, kind: str | None = None
    ) -> list[Alert]:
        """Return the alerts that are not resolved, as a transaction sees them."""
        query = select(ALERTS).where(ALERTS.c.resolved_at.is_(None))
        if deployment is not None:
            query = query.where(ALERTS.c.deployment == deployment)
        if kind is not None:
            query = query.where(ALERTS.c.kind == kind)
        return [_alert(row) for row in connection.execute(query)]

    def acknowledge(self, number: str, *, by: str = "terminal") -> Alert:
        """Say that somebody knows of an alert; harmless when repeated.

        Args:
            number: Number of the alert.
            by: Who.

        Raises:
            InputError: There is none.
        """
        now = self._clock()
        table = ALERTS.c
        change = update(ALERTS).where(table.id == number, table.acknowledged_at.is_(None), table.resolved_at.is_(None))
        with self._store.writing() as connection:
            changed = connection.execute(change.values(acknowledged_at=format_time(now), acknowledged_by=by))
            if changed.rowcount == 1:
                write_deliveries(connection, "alert.acknowledged", _read(connection, number), now)
        return self.get(number)

    def get(self, number: str) -> Alert:
        """Return an alert; `InputError` if there is none."""
        with self._store.reading() as connection:
            row = connection.execute(select(ALERTS).where(ALERTS.c.id == number)).first()
        if row is None:
            raise InputError(
                f"There is no alert {number[:64]!a}.",
                hint="'ireu alert list' shows the numbers.",
                code=ErrorCode.ALERT_UNKNOWN,
            )
        return _alert(row)

    def list(
        self,
        *,
        state: str | None = None,
        deployment: str | None = None,
        after: str = "",
        limit: int | None = None,
    ) -> list[Alert]:
        """Return alerts, the newest first.

        Args:
            state: Only those that are ``open``, ``acknowledged`` or ``resolved``.
            deployment: Only of this deployment.
            after: ``opened_at id`` of the last one of the page before.
            limit: At most this many; None for all.
        """
        table = ALERTS.c
        query = select(ALERTS).order_by(table.opened_at.desc(), table.id.desc()).limit(limit)
        if state == "resolved":
            query = query.where(table.resolved_at.is_not(None))
        elif state is not None:
            known = table.acknowledged_at.is_(None) if state == "open" else table.acknowledged_at.is_not(None)
            query = query.where(table.resolved_at.is_(None), known)
        if deployment is not None:
            query = query.where(table.deployment == deployment)
        if after:
            opened_at, _, number = after.partition(" ")
            query = query.where(or_(table.opened_at < opened_at, and_(table.opened_at == opened_at, table.id < number)))
        with self._store.reading() as connection:
            return [_alert(row) for row in connection.execute(query)]

    def counts(self) -> dict[str, int]:
        """Return how many alerts of each kind are open."""
        table = ALERTS.c
        query = select(table.kind, func.count()).where(table.resolved_at.is_(None), table.acknowledged_at.is_(None))
        found = dict.fromkeys(KINDS, 0)
        with self._store.reading() as connection:
            found.update({row[0]: int(row[1]) for row in connection.execute(query.group_by(table.kind))})
        return found

    def _see_again(self, connection: Connection, cause: AlertCause, now: datetime) -> bool:
        change = update(ALERTS).where(ALERTS.c.standing == cause.key)
        values: dict[str, Any] = {"seen_at": format_time(now), "times": ALERTS.c.times + 1}
        if cause.job is not None:
            values["job"] = cause.job
        if cause.entry is not None:
            values["entry"] = cause.entry
        return connection.execute(change.values(values)).rowcount == 1


def _read(connection: Connection, number: str) -> Alert:
    return _alert(connection.execute(select(ALERTS).where(ALERTS.c.id == number)).one())


def _alert(row: Row[Any]) -> Alert:
    return Alert(
        id=row.id,
        kind=row.kind,
        deployment=row.deployment,
        case_id=row.case_id,
        removal=row.removal,
        entry=row.entry,
        job=row.job,
        opened_at=row.opened_at,
        seen_at=row.seen_at,
        times=row.times,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        resolved_at=row.resolved_at,
    )
