"""Deployments: places where an encoder is in use, which are looked at again and again.

A deployment is a name, a place, a period and cases. What is found there is a re-test like any other (a job, entries
of the ledger); here is only what is to be looked at, and when.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.times import format_time
from ireu_governance.service.deployment_tables import DEPLOYMENTS
from ireu_governance.service.store import ServiceStore

__all__ = [
    "MAX_DEPLOYMENTS",
    "MAX_HOURS",
    "Cases",
    "Deployment",
    "Deployments",
    "deployment_of",
    "read_source",
    "unknown_deployment",
]

MAX_HOURS: Final = 24 * 90
MAX_DEPLOYMENTS: Final = 1000

Cases = Literal["all"] | tuple[str, ...]

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


@dataclass(frozen=True)
class Deployment:
    """A deployment as it stands.

    Attributes:
        id: Random number.
        name: What it is called; never a person's name.
        source: Where the encoder is (`ireu_governance.jobs.tester.EncoderSource`, as JSON).
        cases: The cases, or ``all`` that were ever removed.
        every_s: After how many seconds it is looked at again.
        owner: Who added it: id of a caller, or ``terminal``.
        created_at: When.
        removed_at: From when on it was not watched any more.
        paused: Whether it is left alone for now.
        due_at: When it is looked at next.
        aimed: What its alias stood for when a check was last asked for.
        digest: Of the encoder that was seen last.
        resolved: What its alias stood for then.
        verdict: Of the last check that came to one; ``check-failed`` if the last one did not.
        checked_at: When that was.
    """

    id: str
    name: str
    source: Mapping[str, Any]
    cases: Cases
    every_s: int
    owner: str
    created_at: str
    removed_at: str | None
    paused: bool
    due_at: str
    aimed: str | None
    digest: str | None
    resolved: str | None
    verdict: str | None
    checked_at: str | None

    @property
    def state(self) -> str:
        """``active``, ``paused`` or ``removed``."""
        if self.removed_at is not None:
            return "removed"
        return "paused" if self.paused else "active"


class Deployments:
    """The deployments of a service.

    Args:
        store: The service's database.
        clock: Returns the time, in UTC.
    """

    def __init__(self, store: ServiceStore, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._clock = clock

    def add(
        self,
        *,
        name: str,
        source: Mapping[str, Any],
        cases: Cases = "all",
        every_hours: int = 24,
        owner: str = "terminal",
    ) -> Deployment:
        """Watch an encoder from now on; the first check is due at once.

        Args:
            name: Lower-case letters, digits, dots and dashes; no other deployment that is watched has it.
            source: Where the encoder is; checked by the caller.
            cases: Which cases are tested.
            every_hours: How often.
            owner: Who adds it.

        Raises:
            InputError: A value is none that can be used, or the name is taken (code ``deployment-exists``).
        """
        if not _NAME.fullmatch(name):
            raise InputError(
                "The name of a deployment is made of lower-case letters, digits, dots and dashes, 64 at most.",
                hint="Name it after the place where the encoder is used, such as portraits-live; not after a person.",
            )
        _expect_hours(every_hours)
        now = self._clock()
        number, seconds = secrets.token_hex(16), int(now.timestamp())
        row = {
            "id": number,
            "name": name,
            "live_name": name,
            "source": json.dumps(dict(source), sort_keys=True),
            "cases": json.dumps(cases),
            "every_s": every_hours * 3600,
            "owner": owner,
            "created_at": format_time(now),
            "paused": False,
            "due_at": seconds,
            "model": source.get("model") if source.get("alias") else None,
            "alias": source.get("alias"),
            "poll_at": seconds,
            "recorded": "",
        }
        try:
            with self._store.writing() as connection:
                count = select(func.count()).where(DEPLOYMENTS.c.live_name.is_not(None))
                if connection.execute(count).scalar_one() >= MAX_DEPLOYMENTS:
                    raise InputError(f"{MAX_DEPLOYMENTS} deployments are watched; remove one first.")
                connection.execute(insert(DEPLOYMENTS), row)
        except IntegrityError:
            raise InputError(
                f"There is a deployment '{name}' already.",
                hint="Choose another name, or remove that one with: ireu deployment remove",
                code=ErrorCode.DEPLOYMENT_EXISTS,
            ) from None
        return self.get(number)

    def get(self, number: str) -> Deployment:
        """Return a deployment, one that was removed as well; `InputError` if there is none."""
        with self._store.reading() as connection:
            row = connection.execute(select(DEPLOYMENTS).where(DEPLOYMENTS.c.id == number)).first()
        if row is None:
            raise unknown_deployment(number)
        return deployment_of(row)

    def find(self, text: str) -> Deployment:
        """Return the deployment of a name or number, for the command line; `InputError` if there is none."""
        with self._store.reading() as connection:
            row = connection.execute(select(DEPLOYMENTS).where(DEPLOYMENTS.c.live_name == text)).first()
        return self.get(text) if row is None else deployment_of(row)

    def list(self, *, after: str = "", limit: int | None = None, everything: bool = False) -> list[Deployment]:
        """Return deployments in the order of their names and numbers.

        Args:
            after: ``name id`` of the last one of the page before.
            limit: At most this many; None for all.
            everything: Also those that were removed.
        """
        table = DEPLOYMENTS.c
        query = select(DEPLOYMENTS).order_by(table.name, table.id).limit(limit)
        if after:
            name, _, number = after.partition(" ")
            query = query.where((table.name > name) | ((table.name == name) & (table.id > number)))
        if not everything:
            query = query.where(table.removed_at.is_(None))
        with self._store.reading() as connection:
            return [deployment_of(row) for row in connection.execute(query)]

    def change(
        self, number: str, *, paused: bool | None = None, every_hours: int | None = None, cases: Cases | None = None
    ) -> Deployment:
        """Change a deployment that is watched.

        Args:
            number: Its number.
            paused: Whether it is left alone. One that goes on is due at once if it would have been meanwhile.
            every_hours: How often it is looked at, counted from now.
            cases: Which cases are tested.

        Raises:
            InputError: There is none, or it was removed.
        """
        values: dict[str, Any] = {}
        if paused is not None:
            values["paused"] = paused
        if cases is not None:
            values["cases"] = json.dumps(cases)
        if every_hours is not None:
            _expect_hours(every_hours)
            values["every_s"] = every_hours * 3600
            values["due_at"] = int(self._clock().timestamp()) + every_hours * 3600
        table = DEPLOYMENTS.c
        if values:
            with self._store.writing() as connection:
                connection.execute(
                    update(DEPLOYMENTS).where(table.id == number, table.removed_at.is_(None)).values(values)
                )
        found = self.get(number)
        if found.removed_at is not None:
            raise unknown_deployment(number)
        return found

    def remove(self, number: str) -> Deployment:
        """Watch a deployment no more; what was found stays. Harmless when repeated.

        Raises:
            InputError: There is none.
        """
        table = DEPLOYMENTS.c
        change = update(DEPLOYMENTS).where(table.id == number, table.removed_at.is_(None))
        with self._store.writing() as connection:
            connection.execute(change.values(removed_at=format_time(self._clock()), live_name=None))
        return self.get(number)

    def by_verdict(self) -> dict[str, int]:
        """Return how many watched deployments have which verdict; ``untested`` before the first check."""
        table = DEPLOYMENTS.c
        query = select(table.verdict, func.count()).where(table.removed_at.is_(None)).group_by(table.verdict)
        with self._store.reading() as connection:
            return {row[0] or "untested": int(row[1]) for row in connection.execute(query)}


def read_source(store: ServiceStore, number: str) -> Mapping[str, Any]:
    """Return where the encoder of a watched deployment is; `InputError` if there is none.

    Args:
        store: The service's database.
        number: The deployment's number.
    """
    found = Deployments(store).get(number)
    if found.removed_at is not None:
        raise unknown_deployment(number)
    return found.source


def unknown_deployment(number: str) -> InputError:
    """Return the error for a number that no deployment has."""
    return InputError(
        f"There is no deployment {number[:64]!a}.",
        hint="'ireu deployment list' shows names and numbers.",
        code=ErrorCode.DEPLOYMENT_UNKNOWN,
    )


def deployment_of(row: Row[Any]) -> Deployment:
    """Return a row as a deployment."""
    cases = json.loads(row.cases)
    return Deployment(
        id=row.id,
        name=row.name,
        source=json.loads(row.source),
        cases="all" if cases == "all" else tuple(cases),
        every_s=row.every_s,
        owner=row.owner,
        created_at=row.created_at,
        removed_at=row.removed_at,
        paused=bool(row.paused),
        due_at=format_time(datetime.fromtimestamp(row.due_at, UTC)),
        aimed=row.aimed,
        digest=row.digest,
        resolved=row.resolved,
        verdict=row.verdict,
        checked_at=row.checked_at,
    )


def _expect_hours(hours: int) -> None:
    if not 1 <= hours <= MAX_HOURS:
        raise InputError(f"A deployment is looked at every 1 to {MAX_HOURS} hours.")
