"""Checks of deployments: each cause makes one, whoever notices it and however often.

A check is a row with the number of a job. The row is written first, in the transaction that notices the cause; then
the job is submitted under that number. Whoever dies in between leaves a row that the next look submits.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from ireu_governance.core.times import format_time
from ireu_governance.service.deployment_tables import CHECKS, DEPLOYMENTS, HOOK_EVENTS
from ireu_governance.service.deployments import Deployment, deployment_of, unknown_deployment
from ireu_governance.service.store import ServiceStore

__all__ = ["POLL_S", "Check", "Checks"]

POLL_S: Final = 300
"""How often a registry is asked what an alias stands for."""


@dataclass(frozen=True)
class Check:
    """A check of a deployment.

    Attributes:
        job: Number of the verification job.
        deployment: Number of the deployment.
        cause: ``schedule``, ``manual``, ``hook`` or ``poll``.
        created_at: When it was asked for.
        finished_at: When its outcome was noted; None before.
        verdict: What came out; ``check-failed`` if nothing did.
        note: Why nothing came out.
    """

    job: str
    deployment: str
    cause: str
    created_at: str
    finished_at: str | None
    verdict: str | None
    note: str | None


class Checks:
    """The checks of a service's deployments.

    Args:
        store: The service's database.
        clock: Returns the time, in UTC.
    """

    def __init__(self, store: ServiceStore, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._clock = clock

    def ask(self, deployment: str, *, cause: str = "manual") -> Check:
        """Ask for a check now.

        Args:
            deployment: Number of a deployment that is watched; a paused one can be checked as well.
            cause: Why.

        Raises:
            InputError: There is none.
        """
        with self._store.writing() as connection:
            watched = select(DEPLOYMENTS.c.id).where(DEPLOYMENTS.c.id == deployment, DEPLOYMENTS.c.removed_at.is_(None))
            if connection.execute(watched).first() is None:
                raise unknown_deployment(deployment)
            job = self._write(connection, deployment, cause, slot=f"{cause}:{secrets.token_hex(16)}")
        return self.get(job)

    def claim_due(self) -> int:
        """Write down a check for every deployment that is due, and when it is due next.

        Times that were missed are made up for by one check. While a check is under way, no further one is made.

        Returns:
            How many were written down by this call; others may have written down the rest.
        """
        now = int(self._clock().timestamp())
        table = DEPLOYMENTS.c
        query = select(table.id, table.due_at, table.every_s).where(
            table.due_at <= now, table.paused.is_(False), table.removed_at.is_(None)
        )
        with self._store.reading() as connection:
            due = connection.execute(query).all()
        made = 0
        for number, due_at, every_s in due:
            following = due_at + every_s * ((now - due_at) // every_s + 1)
            with self._store.writing() as connection:
                # Only one of all that saw this time can move it on.
                moved = connection.execute(
                    update(DEPLOYMENTS).where(table.id == number, table.due_at == due_at).values(due_at=following)
                )
                if moved.rowcount != 1 or self._is_under_way(connection, number):
                    continue
                self._write(connection, number, "schedule", slot=f"schedule:{due_at}")
                made += 1
        return made

    def to_poll(self) -> list[Deployment]:
        """Return deployments whose alias should be looked up now; each of them to one caller only."""
        now = int(self._clock().timestamp())
        table = DEPLOYMENTS.c
        query = select(DEPLOYMENTS).where(
            table.alias.is_not(None), table.poll_at <= now, table.paused.is_(False), table.removed_at.is_(None)
        )
        found = []
        with self._store.writing() as connection:
            for row in connection.execute(query).all():
                claimed = connection.execute(
                    update(DEPLOYMENTS)
                    .where(table.id == row.id, table.poll_at == row.poll_at)
                    .values(poll_at=now + POLL_S)
                )
                if claimed.rowcount == 1:
                    found.append(deployment_of(row))
        return found

    def note_alias(self, number: str, resolved: str) -> bool:
        """Note what an alias stands for; a check is written down if it is something else than before.

        Args:
            number: Number of the deployment.
            resolved: Such as ``models:/face-encoder/7``.

        Returns:
            Whether a check was written down.
        """
        table = DEPLOYMENTS.c
        with self._store.writing() as connection:
            other = (table.aimed.is_(None)) | (table.aimed != resolved)
            was_seen = connection.execute(select(table.aimed).where(table.id == number)).scalar() is not None
            moved = connection.execute(update(DEPLOYMENTS).where(table.id == number, other).values(aimed=resolved))
            if moved.rowcount != 1 or not was_seen:
                return False  # the first look-up is no move: a check of a new deployment is due in any case
            self._write(connection, number, "poll", slot=f"poll:{resolved}:{secrets.token_hex(8)}")
        return True

    def take_event(self, event: str, *, model: str, alias: str, version: str | None, keep_s: int) -> list[str] | None:
        """Write down a check for each deployment that watches an alias; each event counts once.

        Args:
            event: What tells the event from others.
            model: The registered model.
            alias: Its alias.
            version: What it stands for now; None if it is gone.
            keep_s: How long events are remembered.

        Returns:
            The deployments; None if the event came before.
        """
        now = int(self._clock().timestamp())
        number = hashlib.sha256(event.encode()).hexdigest()
        table = DEPLOYMENTS.c
        watched = select(table.id).where(
            table.model == model, table.alias == alias, table.paused.is_(False), table.removed_at.is_(None)
        )
        try:
            with self._store.writing() as connection:
                connection.execute(HOOK_EVENTS.delete().where(HOOK_EVENTS.c.received_at < now - keep_s))
                connection.execute(insert(HOOK_EVENTS), {"id": number, "received_at": now})
                found = [row[0] for row in connection.execute(watched)]
                for each in found:
                    self._write(connection, each, "hook", slot=f"hook:{number[:32]}")
                    aimed = None if version is None else f"models:/{model}/{version}"
                    connection.execute(update(DEPLOYMENTS).where(table.id == each).values(aimed=aimed))
        except IntegrityError:
            return None
        return found

    def unsubmitted(self) -> list[tuple[Check, Deployment]]:
        """Return checks whose job nobody has submitted yet, with their deployments."""
        with self._store.reading() as connection:
            rows = connection.execute(select(CHECKS).where(CHECKS.c.submitted.is_(False)).limit(100)).all()
            found = []
            for row in rows:
                of = connection.execute(select(DEPLOYMENTS).where(DEPLOYMENTS.c.id == row.deployment)).one()
                found.append((_check(row), deployment_of(of)))
        return found

    def note_submitted(self, job: str) -> None:
        """Note that a check's job was submitted."""
        with self._store.writing() as connection:
            connection.execute(update(CHECKS).where(CHECKS.c.job == job).values(submitted=True))

    def under_way(self, limit: int | None = 100) -> list[Check]:
        """Return checks that were submitted and have no outcome yet, the oldest first."""
        query = select(CHECKS).where(CHECKS.c.finished_at.is_(None), CHECKS.c.submitted.is_(True))
        with self._store.reading() as connection:
            return [_check(row) for row in connection.execute(query.order_by(CHECKS.c.created_at).limit(limit))]

    def get(self, job: str) -> Check:
        """Return a check that is there."""
        with self._store.reading() as connection:
            return _check(connection.execute(select(CHECKS).where(CHECKS.c.job == job)).one())

    def list(self, deployment: str, *, limit: int = 20) -> list[Check]:
        """Return the last checks of a deployment, the newest first."""
        query = select(CHECKS).where(CHECKS.c.deployment == deployment)
        query = query.order_by(CHECKS.c.created_at.desc(), CHECKS.c.job).limit(limit)
        with self._store.reading() as connection:
            return [_check(row) for row in connection.execute(query)]

    def settle(
        self,
        connection: Connection,
        job: str,
        deployment: str,
        *,
        verdict: str,
        note: str | None = None,
        digest: str | None = None,
        resolved: str | None = None,
    ) -> bool:
        """Note the outcome of a check, in a transaction of the caller.

        Args:
            connection: From the store's `writing`.
            job: Number of its job; one that was submitted without a check gets one.
            deployment: Number of the deployment.
            verdict: What came out, ``check-failed`` or ``cancelled``.
            note: Why nothing came out.
            digest: Of the encoder that was seen.
            resolved: What a moving name stood for.

        Returns:
            Whether it was not noted before.
        """
        now = format_time(self._clock())
        if connection.execute(select(CHECKS.c.job).where(CHECKS.c.job == job)).first() is None:
            self._write(connection, deployment, "manual", slot=f"job:{job}", job=job, submitted=True)
        noted = connection.execute(
            update(CHECKS)
            .where(CHECKS.c.job == job, CHECKS.c.finished_at.is_(None))
            .values(finished_at=now, verdict=verdict, note=note, submitted=True)
        )
        if noted.rowcount != 1:
            return False
        if verdict == "cancelled":
            return True  # nothing was found out
        values: dict[str, Any] = {"verdict": verdict, "checked_at": now}
        if digest is not None:
            values["digest"] = digest
        if resolved is not None:
            values.update(resolved=resolved, aimed=resolved)
        connection.execute(update(DEPLOYMENTS).where(DEPLOYMENTS.c.id == deployment).values(values))
        return True

    def _is_under_way(self, connection: Connection, deployment: str) -> bool:
        query = select(CHECKS.c.job).where(CHECKS.c.deployment == deployment, CHECKS.c.finished_at.is_(None))
        return connection.execute(query).first() is not None

    def _write(
        self,
        connection: Connection,
        deployment: str,
        cause: str,
        *,
        slot: str,
        job: str | None = None,
        submitted: bool = False,
    ) -> str:
        job = job or hashlib.sha256(f"{deployment}/{slot}".encode()).hexdigest()[:32]
        row = {
            "job": job,
            "deployment": deployment,
            "cause": cause,
            "slot": slot,
            "created_at": format_time(self._clock()),
            "submitted": submitted,
        }
        connection.execute(insert(CHECKS), row)
        return job


def _check(row: Row[Any]) -> Check:
    return Check(
        job=row.job,
        deployment=row.deployment,
        cause=row.cause,
        created_at=row.created_at,
        finished_at=row.finished_at,
        verdict=row.verdict,
        note=row.note,
    )
