"""What an audit asks the database for: rows as they stand there, and whether the database is as a ledger made it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, inspect, text

from ireu_governance.core.errors import ErrorCode, LedgerError
from ireu_governance.ledger.database import (
    expected_triggers,
    guarding,
    is_database_error,
    storage_error,
    stored_triggers,
    stream,
)
from ireu_governance.ledger.findings import FindingKind, FindingList
from ireu_governance.ledger.tables import SCHEMA_VERSION, LedgerTable

__all__ = ["AuditRows"]

# An envelope that is larger than any reader takes is not even loaded.
_ENTRIES = (
    "SELECT seq, kind, recorded_at, prev, leaf_hash,"
    " CASE WHEN length(envelope) <= 16777216 THEN envelope END FROM entries"
)


class AuditRows:
    """The rows of a ledger from some entry on. Every query may fail: what a table holds is not relied on.

    Args:
        connection: In a transaction.
        findings: Where to report what cannot be read.
        first: Number of the first entry that is read; None to read whatever is there, also what has no number.
    """

    def __init__(self, connection: Connection, findings: FindingList, *, first: int | None) -> None:
        self._connection = connection
        self._findings = findings
        self._first = first
        self._tables = set(inspect(connection).get_table_names())

    def expect_ledger(self, origin: str) -> None:
        """Look whether all tables are there and are those of a log.

        Args:
            origin: Name of the log.

        Raises:
            LedgerError: The database holds no ledger, or one of another version.
        """
        if not self._tables & {"entries", "meta", "alembic_version"}:
            raise LedgerError("The database holds no ledger.", hint="Check the path of the ledger.")
        for name in sorted({*LedgerTable.metadata.tables, "alembic_version"} - self._tables):
            self._findings.add(FindingKind.MISSING, None, f"The table {name} is missing.")
        with self.reading("alembic_version"):
            version = self._scalar("SELECT version_num FROM alembic_version")
            if version != SCHEMA_VERSION:
                raise LedgerError(
                    f"The ledger's tables are of version {str(version)[:20]}, not {SCHEMA_VERSION}.",
                    hint="Bring an older one up to date with 'ireu ledger migrate'; a newer one needs a newer ireu.",
                )
        with self.reading("meta"):
            found = self._scalar("SELECT value FROM meta WHERE key = 'origin'")
            if found != origin:
                message = f"The database calls itself '{str(found)[:200]}', not '{origin}'."
                self._findings.add(FindingKind.POSITION, None, message)

    def check_triggers(self) -> None:
        """Look whether the database protects itself as a ledger's does."""
        stored, expected = stored_triggers(self._connection), expected_triggers(self._connection)
        problems = [
            *(f"{name} is missing" for name in sorted(expected.keys() - stored.keys())),
            *(f"{name[:80]} is foreign" for name in sorted(stored.keys() - expected.keys())),
            *(f"{name} was changed" for name, sql in expected.items() if stored.get(name, sql) != sql),
        ]
        if problems:
            message = f"The database's own protection is not as it was made: {', '.join(problems)}."
            self._findings.add(FindingKind.TRIGGER_MISSING, None, message)

    @contextmanager
    def reading(self, table: str) -> Iterator[None]:
        """Report what cannot be read instead of stopping there; a missing table is reported already.

        Args:
            table: What is read.

        Yields:
            Nothing.
        """
        try:
            with guarding(self._connection):
                yield
        except Exception as error:
            if not is_database_error(error):
                raise
            meaning = storage_error(error)
            if meaning.code is ErrorCode.LEDGER_LOCKED:
                raise
            if table in self._tables:
                self._findings.add(FindingKind.UNREADABLE, None, f"The table {table} cannot be read: {meaning.message}")

    def count_entries(self) -> int:
        """Return the number of rows of `entries`, wherever they begin."""
        count: int = self._connection.execute(text("SELECT count(*) FROM entries")).scalar_one()
        return count

    def entries(self) -> Iterator[Sequence[object]]:
        """Yield columns seq, kind, recorded_at, prev, leaf_hash and envelope, by seq."""
        return self._from("seq", _ENTRIES, "seq")

    def cases(self) -> Iterator[Sequence[object]] | None:
        """Yield columns seq and case_id of the look-up of cases; None when it is gone."""
        if "entry_cases" not in self._tables:
            return None
        return self._from("seq", "SELECT seq, case_id FROM entry_cases", "seq, case_id")

    def count_older_checkpoints(self) -> int:
        """Return how many checkpoints there are of smaller sizes."""
        if self._first is None:
            return 0
        found = self._scalar("SELECT count(*) FROM checkpoints WHERE size < :first", first=self._first)
        return found if isinstance(found, int) else 0

    def checkpoints(self) -> Iterator[Sequence[object]]:
        """Yield columns size, number, text and published_at, by size."""
        return self._from("size", "SELECT size, number, text, published_at FROM checkpoints", "size")

    def cosignatures(self) -> Iterator[Sequence[object]]:
        """Yield columns size, digest, name and line."""
        return self._from("size", "SELECT size, digest, name, line FROM cosignatures", "size, name")

    def stamps(self) -> Iterator[Sequence[object]]:
        """Yield columns size, digest and token."""
        return self._from("size", "SELECT size, digest, token FROM stamps", "size, received_at")

    def nodes(self, size: int) -> Iterator[Sequence[object]]:
        """Yield columns level, index and hash of the tree over `size` entries, by level and index."""
        query = 'SELECT level, "index", hash FROM nodes'
        if self._first is None:
            yield from stream(self._connection, f'{query} ORDER BY level, "index"', {})
            return
        top = size.bit_length()
        for level in range(1, top + 1):  # of each level its end, which is found by the table's key
            where = f'{query} WHERE level = :level AND "index" >= :first ORDER BY "index"'
            yield from stream(self._connection, where, {"level": level, "first": self._first >> level})
        yield from stream(self._connection, f'{query} WHERE level > :top ORDER BY level, "index"', {"top": top})

    def kind_of(self, seq: int) -> str | None:
        """Return the kind of an entry as it is stored; None when there is none."""
        kind = self._scalar("SELECT kind FROM entries WHERE seq = :seq", seq=seq)
        return kind if isinstance(kind, str) else None

    def envelope_of(self, seq: int) -> bytes | None:
        """Return an entry as it is stored; None when there is none."""
        envelope = self._scalar("SELECT envelope FROM entries WHERE seq = :seq", seq=seq)
        return envelope if isinstance(envelope, bytes) else None

    def cases_of(self, seq: int) -> set[str]:
        """Return the cases that the look-up gives for an entry."""
        rows = self._connection.execute(text("SELECT case_id FROM entry_cases WHERE seq = :seq"), {"seq": seq})
        return {str(each) for each in rows.scalars()}

    def _from(self, column: str, query: str, order: str) -> Iterator[Sequence[object]]:
        if self._first is None:
            return stream(self._connection, f"{query} ORDER BY {order}", {})
        return stream(self._connection, f"{query} WHERE {column} >= :first ORDER BY {order}", {"first": self._first})

    def _scalar(self, query: str, **values: int) -> object:
        return self._connection.execute(text(query), values).scalar()
