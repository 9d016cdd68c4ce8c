"""The one place that knows which database a ledger lives in: connections, locks, triggers, error codes.

SQLite now. A second database would need its own lock (in PostgreSQL `pg_advisory_xact_lock`, taken like
`BEGIN IMMEDIATE` before the head is read), its own triggers and its own error codes; everything else in this
package speaks SQLAlchemy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import uniform
from time import monotonic, sleep
from typing import Final, Literal, cast
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from ireu_governance.core.errors import ErrorCode, LedgerError, LedgerRefusedError

__all__ = [
    "DEFAULT_TIMEOUT_S",
    "LEDGER_PRAGMAS",
    "TRIGGERS",
    "database_errors",
    "open_engine",
    "reading",
    "storage_error",
    "stored_triggers",
    "writing",
]

DEFAULT_TIMEOUT_S: Final = 10.0  # wait for another writer; an append holds the lock for milliseconds
# FULL: a commit is on the disk before it is acknowledged. With NORMAL a power cut could take it back.
LEDGER_PRAGMAS: Final = ("synchronous = FULL",)

_PAUSE_S: Final = (0.0005, 0.003)
_ALWAYS: Final = "1"


def _trigger(name: str, table: str, event_: str, condition: str, message: str) -> tuple[str, str]:
    return name, (
        f"CREATE TRIGGER {name} BEFORE {event_} ON {table} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )


def _append_only(table: str) -> list[tuple[str, str]]:
    return [
        _trigger(f"{table}_no_update", table, "UPDATE", _ALWAYS, f"{table} is append-only"),
        _trigger(f"{table}_no_delete", table, "DELETE", _ALWAYS, f"{table} is append-only"),
    ]


# INSERT OR REPLACE removes rows without waking a DELETE trigger, so inserts are watched too: an entry must
# continue the last one, and nothing may take the place of a row that is there.
TRIGGERS: Final[dict[str, str]] = dict(
    [
        *_append_only("entries"),
        *_append_only("nodes"),
        *_append_only("checkpoints"),
        *_append_only("entry_cases"),
        *_append_only("meta"),
        _trigger(
            "entries_in_order",
            "entries",
            "INSERT",
            "NEW.seq <> coalesce((SELECT max(seq) + 1 FROM entries), 0)"
            " OR NEW.prev <>"
            " coalesce((SELECT leaf_hash FROM entries ORDER BY seq DESC LIMIT 1), zeroblob(32))"
            " OR EXISTS (SELECT 1 FROM entries WHERE leaf_hash = NEW.leaf_hash)",
            "an entry must continue the last one",
        ),
        _trigger(
            "nodes_no_replace",
            "nodes",
            "INSERT",
            'EXISTS (SELECT 1 FROM nodes WHERE level = NEW.level AND "index" = NEW."index")',
            "nodes is append-only",
        ),
        _trigger(
            "checkpoints_in_order",
            "checkpoints",
            "INSERT",
            "NEW.size <= coalesce((SELECT max(size) FROM checkpoints), -1)"
            " OR NEW.number <> coalesce((SELECT max(number) + 1 FROM checkpoints), 0)"
            " OR NEW.size > coalesce((SELECT max(seq) + 1 FROM entries), 0)",
            "a checkpoint must follow the last one and cover what is there",
        ),
        _trigger(
            "meta_no_replace",
            "meta",
            "INSERT",
            "EXISTS (SELECT 1 FROM meta WHERE key = NEW.key)",
            "meta is append-only",
        ),
    ]
)
"""Every trigger of a ledger, by name, with the statement that makes it."""


def open_engine(
    path: Path,
    *,
    mode: Literal["rw", "rwc", "ro", "immutable"],
    timeout_s: float = DEFAULT_TIMEOUT_S,
    pragmas: Sequence[str] = LEDGER_PRAGMAS,
) -> Engine:
    """Return an engine over a database file; nothing is opened yet.

    Args:
        path: The database file.
        mode: ``rw`` for a file that exists, ``rwc`` to make one (with a write-ahead log, which it keeps),
            ``ro`` to only read, ``immutable`` to read a file on a medium that cannot be written at all.
        timeout_s: How long to wait for a lock that another process holds.
        pragmas: What every connection that may write is set to.

    Returns:
        The engine; every transaction on it is begun by `reading` or `writing`.
    """
    query = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    uri = f"file:{quote(str(path.absolute()))}?{query}"

    def connect() -> sqlite3.Connection:
        # isolation_level=None: the driver begins nothing by itself, see `_begin`.
        connection = sqlite3.connect(uri, uri=True, timeout=timeout_s, isolation_level=None, check_same_thread=False)
        try:
            if mode == "rwc":
                connection.execute("PRAGMA journal_mode = WAL")
            if mode in ("rw", "rwc"):
                for pragma in pragmas:
                    connection.execute(f"PRAGMA {pragma}")
            else:
                connection.execute("PRAGMA query_only = ON")
                connection.execute("PRAGMA trusted_schema = OFF")
                # Whatever bytes someone put there, the audit reads them and says so.
                connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_timeout=timeout_s)

    def begin(connection: Connection) -> None:
        raw = cast(sqlite3.Connection, connection.connection.dbapi_connection)
        if connection.get_execution_options().get("ledger_write", False):
            _take_write_lock(raw, timeout_s)
        else:
            raw.execute("BEGIN")

    event.listen(engine, "begin", begin)
    return engine


def _take_write_lock(raw: sqlite3.Connection, timeout_s: float) -> None:
    # SQLite's own waiting sleeps longer each time, up to 100 ms, so that of many writers some starve. An append
    # holds the lock for a millisecond or two; random pauses of that length give everyone the same chance.
    deadline = monotonic() + timeout_s
    raw.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() >= deadline:
                    raise
                sleep(uniform(*_PAUSE_S))  # noqa: S311 (a pause, no secret)
            else:
                return
    finally:
        raw.execute(f"PRAGMA busy_timeout = {int(1000 * timeout_s)}")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction that sees one state of the ledger from its first query to its end.

    Args:
        engine: From `open_engine`.

    Yields:
        The connection.

    Raises:
        LedgerError: The database cannot be read.
    """
    with database_errors(), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction that holds the ledger's only write lock from its start; commit it at the end.

    The lock comes before the head is read: two writers that read the same head would fork the ledger.

    Args:
        engine: From `open_engine`.

    Yields:
        The connection.

    Raises:
        LedgerError: The database is locked or cannot be written; nothing was changed.
    """
    with (
        database_errors(),
        engine.connect().execution_options(ledger_write=True) as connection,
        connection.begin(),
    ):
        yield connection


def stored_triggers(connection: Connection) -> dict[str, str]:
    """Return the triggers that the database really has, by name, with the statements that made them."""
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    return {str(name): str(sql) for name, sql in rows}


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what the database driver raises into ireu's own errors.

    Yields:
        Nothing.

    Raises:
        LedgerError: In the place of any database error.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise storage_error(error) from error


def storage_error(error: SQLAlchemyError | sqlite3.Error) -> LedgerError:
    """Return the error of ireu's tree that says what a database error means for the ledger.

    Args:
        error: From SQLAlchemy or the driver.

    Returns:
        The error to raise.
    """
    cause: BaseException | None = error.orig if isinstance(error, DBAPIError) else error
    primary = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # the low byte; the rest says how exactly
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LedgerError(
            "Another process holds the ledger and did not let go of it in time.",
            hint="Try again; if it stays so, look for a process that hangs.",
            code=ErrorCode.LEDGER_LOCKED,
        )
    if primary == sqlite3.SQLITE_FULL:
        return LedgerError(
            "The disk is full; nothing was written to the ledger.",
            hint="Make room and try again.",
            code=ErrorCode.DISK_FULL,
        )
    if isinstance(error, IntegrityError | sqlite3.IntegrityError):
        return LedgerRefusedError(
            "The database refused the change: it would not continue what is recorded.",
            hint="Run an audit: the stored rows contradict each other.",
        )
    if primary == sqlite3.SQLITE_NOTADB:
        return LedgerError("The file is no SQLite database.", hint="Check the path of the ledger.")
    if primary == sqlite3.SQLITE_READONLY:
        return LedgerError("The ledger cannot be written: it is read-only here.")
    detail = str(cause).splitlines()[0][:200] if cause else type(error).__name__
    return LedgerError(f"The ledger cannot be used: {detail}.", hint="Check the path, and run an audit.")
