"""Which cases the holder of a workspace has published: only these are shown to people without a key."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from ireu_governance.core.times import now
from ireu_governance.service.store import ServiceStore
from ireu_governance.service.tables import PUBLICATIONS

__all__ = ["PublicationStore"]


class PublicationStore:
    """The published cases.

    Args:
        store: The service's database.
    """

    def __init__(self, store: ServiceStore) -> None:
        self._store = store

    def publish(self, case_id: str) -> bool:
        """Publish a case; return whether it was not published before."""
        try:
            with self._store.writing() as connection:
                connection.execute(insert(PUBLICATIONS), {"case_id": case_id, "published_at": now()})
        except IntegrityError:
            return False
        return True

    def withdraw(self, case_id: str) -> bool:
        """Show a case no longer; return whether it was published."""
        with self._store.writing() as connection:
            return connection.execute(delete(PUBLICATIONS).where(PUBLICATIONS.c.case_id == case_id)).rowcount > 0

    def is_published(self, case_id: str) -> bool:
        """Return whether a case is published."""
        return bool(self.published_among([case_id]))

    def published_at(self, case_id: str) -> str | None:
        """Return when a case was published, or None if it is not."""
        query = select(PUBLICATIONS.c.published_at).where(PUBLICATIONS.c.case_id == case_id)
        with self._store.reading() as connection:
            return connection.execute(query).scalar()

    def published_among(self, case_ids: Iterable[str]) -> frozenset[str]:
        """Return those of some cases that are published."""
        wanted = list(case_ids)
        query = select(PUBLICATIONS.c.case_id).where(PUBLICATIONS.c.case_id.in_(wanted))
        with self._store.reading() as connection:
            return frozenset(connection.execute(query).scalars())

    def list(self, *, after: str = "", limit: int = 100) -> list[str]:
        """Return published cases in the order of their ids.

        Args:
            after: The last case of the page before.
            limit: At most this many.
        """
        query = select(PUBLICATIONS.c.case_id).where(PUBLICATIONS.c.case_id > after)
        with self._store.reading() as connection:
            return [*connection.execute(query.order_by(PUBLICATIONS.c.case_id).limit(limit)).scalars()]
