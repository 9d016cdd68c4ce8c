"""A ledger in PostgreSQL: how it is connected to, locked and protected, and what its errors mean.

A writer takes an advisory lock in a statement of its own, and only then looks at the ledger. In READ COMMITTED
each statement sees what was committed before it began, so the head that is read is the head that the writer
before left. (REPEATABLE READ would keep the view from before the wait: two writers would read the same head.)
Readers see one snapshot from their first query to their end.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from math import ceil
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from ireu_governance.core.errors import ConfigError, ErrorCode, LedgerError, MissingExtraError
from ireu_governance.ledger.postgres_triggers import APPEND_ONLY, TRIGGERS, stored_triggers

if TYPE_CHECKING:
    import psycopg

__all__ = [
    "TRIGGERS",
    "connector",
    "driver_errors",
    "has_ledger",
    "insert_entries",
    "meaning_of",
    "open_engine",
    "stored_triggers",
    "stream",
]

_LOCK_CLASS: Final = 0x49524555  # "IREU": apart from other applications' advisory locks

# One round trip: the lock first, in a statement of its own. It is bound to the table that the queries will find,
# whatever the search path; before there is one, to the schema. `remote_apply` promises more than `on`, and stays.
_BEGIN_WRITE: Final = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
    " SET LOCAL lock_timeout = {timeout_ms};"
    " SELECT set_config('synchronous_commit', 'on', true)"
    " WHERE current_setting('synchronous_commit') <> 'remote_apply';"
    " SELECT pg_advisory_xact_lock({lock_class},"
    " coalesce(to_regclass('entries')::oid, to_regnamespace(current_schema()::text)::oid, 0)::int)"
)
_BEGIN_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = {timeout_ms}"

# One round trip for any number of rows, and one plan. The triggers see each row after those before it.
_INSERT: Final = """
WITH of_tree AS (
    INSERT INTO nodes (level, "index", hash)
    SELECT * FROM unnest(%(levels)b::integer[], %(indices)b::bigint[], %(hashes)b::bytea[])
), of_cases AS (
    INSERT INTO entry_cases (case_id, seq) SELECT * FROM unnest(%(cases)b::text[], %(case_seqs)b::bigint[])
)
INSERT INTO entries (seq, kind, recorded_at, prev, leaf_hash, envelope)
SELECT * FROM unnest(%(seqs)b::bigint[], %(kinds)b::text[], %(times)b::text[], %(prevs)b::bytea[],
    %(leaves)b::bytea[], %(envelopes)b::bytea[]) AS new (seq) ORDER BY seq
"""
_ENTRY: Final = ("seqs", "kinds", "times", "prevs", "leaves", "envelopes")
_NODE: Final = ("levels", "indices", "hashes")
_CASE: Final = ("cases", "case_seqs")

_PARAMETER: Final = re.compile(r"(?<!:):(\w+)")
_WALKS: Final = count()


def connector(
    url: str, *, what: str, name: str, timeout_s: float, autocommit: bool = False
) -> Callable[[], psycopg.Connection[tuple[object, ...]]]:
    """Return what opens connections to a PostgreSQL server; nothing is connected to yet.

    Args:
        url: As libpq takes it; what it says of a connection's name and time limit comes first.
        what: What is in PostgreSQL, as the beginning of a sentence.
        name: What the server's lists call the connections.
        timeout_s: How long to wait for a connection.
        autocommit: Whether the driver begins no transactions by itself.

    Returns:
        A function that opens a connection.

    Raises:
        MissingExtraError: The driver is not installed.
        ConfigError: The URL cannot be read.
    """
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise MissingExtraError("postgres", what) from None
    try:
        options = conninfo_to_dict(url)
    except psycopg.Error:
        # libpq repeats a part of the URL in its message, which can be one of the password.
        raise ConfigError(
            "The setting 'database' is no PostgreSQL URL.",
            hint="Write it as postgresql://user@host/database, with special characters as %XX.",
        ) from None
    options.setdefault("connect_timeout", max(2, ceil(timeout_s)))
    options.setdefault("application_name", name)

    def connect() -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(autocommit=autocommit, **options)  # type: ignore[arg-type]

    return connect


def open_engine(url: str, *, write: bool, timeout_s: float) -> Engine:
    """Return an engine over a PostgreSQL database; nothing is connected to yet.

    Args:
        url: As libpq takes it. Its password comes from the URL itself (which then stands in the environment, never
            in a file of the workspace), from PGPASSWORD, ~/.pgpass, or a service file.
        write: Whether the ledger will be written to.
        timeout_s: How long to wait for a connection, and for a lock that another process holds.

    Returns:
        The engine; every transaction on it is begun by `reading` or `writing` of `ireu_governance.ledger.database`.

    Raises:
        MissingExtraError: The driver is not installed.
        ConfigError: The URL cannot be read.
    """
    # autocommit: transactions are begun by `begin`.
    open_connection = connector(url, what="A ledger in PostgreSQL", name="ireu", timeout_s=timeout_s, autocommit=True)

    def connect() -> psycopg.Connection[tuple[object, ...]]:
        connection = open_connection()
        try:
            if write:
                _expect_durable(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine(
        "postgresql+psycopg://", creator=connect, poolclass=QueuePool, pool_timeout=timeout_s, pool_pre_ping=True
    )
    timeout_ms = max(1, int(1000 * timeout_s))
    begin_write = _BEGIN_WRITE.format(timeout_ms=timeout_ms, lock_class=_LOCK_CLASS)
    begin_read = _BEGIN_READ.format(timeout_ms=timeout_ms)

    def begin(connection: Connection) -> None:
        raw = cast("psycopg.Connection[tuple[object, ...]]", connection.connection.dbapi_connection)
        is_write = connection.get_execution_options().get("ledger_write", False)
        raw.execute((begin_write if is_write else begin_read).encode())

    event.listen(engine, "begin", begin)
    return engine


def _expect_durable(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    row = connection.execute("SELECT current_setting('fsync')").fetchone()
    if row != ("on",):
        raise LedgerError(
            "The PostgreSQL server runs with fsync off: a power cut would take back what it has acknowledged.",
            hint="Set fsync = on in postgresql.conf, and restart the server.",
        )


def insert_entries(
    connection: Connection,
    entries: Sequence[tuple[object, ...]],
    nodes: Sequence[tuple[object, ...]],
    cases: Sequence[tuple[object, ...]],
) -> None:
    """Insert entries with what belongs to them; see `ireu_governance.ledger.database.insert_entries`."""
    values = {
        name: [row[place] for row in rows]
        for names, rows in ((_ENTRY, entries), (_NODE, nodes), (_CASE, cases))
        for place, name in enumerate(names)
    }
    connection.exec_driver_sql(_INSERT, values)


def stream(
    connection: Connection, query: str, values: Mapping[str, object], *, page: int
) -> Iterator[Sequence[object]]:
    """Run a query in a cursor of the server's, and hand out its rows as they come.

    Args:
        connection: In a transaction.
        query: SQL with named parameters such as ``:seq``.
        values: The parameters.
        page: Rows that are fetched at once.

    Yields:
        Rows.
    """
    raw = cast("psycopg.Connection[tuple[object, ...]]", connection.connection.dbapi_connection)
    name = f"walk_{next(_WALKS)}"  # walks through two tables take turns
    # Binary: as text, the bytes of an entry come as digits, twice as many, and have to be read. The next page is
    # fetched while this one is looked at, since the server has a processor of its own.
    with raw.cursor(name, binary=True) as cursor, ThreadPoolExecutor(1) as ahead:
        cursor.execute(_PARAMETER.sub(r"%(\1)s", query).encode(), values)
        coming = ahead.submit(cursor.fetchmany, page)
        while rows := coming.result():
            coming = ahead.submit(cursor.fetchmany, page)
            yield from rows


def has_ledger(connection: Connection) -> bool:
    """Return whether the database holds a ledger, or a table that would be in the way of one."""
    query = "SELECT count(to_regclass(name)) FROM unnest(%(tables)s::text[]) AS wanted (name)"
    found = connection.exec_driver_sql(query, {"tables": [*APPEND_ONLY, "alembic_version"]}).scalar_one()
    return bool(found)


def driver_errors() -> tuple[type[Exception], ...]:
    """Return what the driver raises; nothing while it is not even loaded."""
    driver = sys.modules.get("psycopg")
    return () if driver is None else (cast(type[Exception], driver.Error),)


def meaning_of(cause: BaseException | None) -> LedgerError | None:
    """Return what an error of the driver means for the ledger, or None when it is no particular one."""
    state = str(getattr(cause, "sqlstate", None) or "")
    if state in _MEANINGS:
        message, hint, code = _MEANINGS[state]
        return LedgerError(message, hint=hint, code=code)
    if state.startswith("23"):
        return None  # refused by a constraint or trigger, as in any database
    detail = str(cause).strip().splitlines()[0][:300] if str(cause or "").strip() else "no reason was given"
    if detail.startswith(_NOT_CONNECTED) or state.startswith("28"):
        return LedgerError(
            f"The database server cannot be reached: {detail.removesuffix('.')}.",
            hint="Check the server, the setting 'database' and the password (PGPASSWORD or ~/.pgpass).",
        )
    if (not state and type(cause).__name__ == "OperationalError") or state.startswith(("08", "57P")):
        return LedgerError(
            f"The connection to the database server was lost: {detail.removesuffix('.')}.",
            hint="If a change was under way, look with 'ireu ledger log' whether it arrived before repeating it.",
        )
    return None


_NOT_CONNECTED: Final = ("connection failed", "connection timeout", "failed to resolve", "connection is bad")
_GRANTS_HINT: Final = "Grant the role what docs/configuration.md lists."
_MEANINGS: Final[dict[str, tuple[str, str, ErrorCode]]] = {
    "55P03": (
        "Another process holds the ledger and did not let go of it in time.",
        "Try again; if it stays so, look for a process that hangs.",
        ErrorCode.LEDGER_LOCKED,
    ),
    "40P01": ("Another process holds the ledger.", "Try again.", ErrorCode.LEDGER_LOCKED),
    "53100": (
        "The disk is full; nothing was written to the ledger.",
        "Make room on the database server and try again.",
        ErrorCode.DISK_FULL,
    ),
    "53300": (
        "The database server takes no more connections.",
        "Try again later, or raise max_connections.",
        ErrorCode.LEDGER_UNAVAILABLE,
    ),
    "25006": (
        "The ledger cannot be written: it is read-only here.",
        "Connect to the primary server.",
        ErrorCode.LEDGER_UNAVAILABLE,
    ),
    "42501": ("The database role may not do this.", _GRANTS_HINT, ErrorCode.LEDGER_UNAVAILABLE),
    "42P01": ("The database holds no ledger.", "Check the setting 'database'.", ErrorCode.LEDGER_UNAVAILABLE),
    "3D000": ("There is no such database.", "Check the setting 'database'.", ErrorCode.LEDGER_UNAVAILABLE),
    "3F000": (
        "The database has no schema to put a ledger in.",
        "Make one, and name it in the search path.",
        ErrorCode.LEDGER_UNAVAILABLE,
    ),
}
