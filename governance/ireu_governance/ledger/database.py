"""The one door to a ledger's database: connections, transactions, triggers, errors.

What differs between databases stands in `sqlite.py` and `postgres.py`, behind the same few functions; everything
else in this package speaks SQLAlchemy and does not ask which one it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from ireu_governance.core.errors import ErrorCode, LedgerError, LedgerRefusedError
from ireu_governance.ledger import postgres, sqlite
from ireu_governance.ledger.location import Location, show_location

__all__ = [
    "DEFAULT_TIMEOUT_S",
    "LEDGER_PRAGMAS",
    "database_errors",
    "discard",
    "expect_there",
    "expected_triggers",
    "guarding",
    "insert_entries",
    "is_database_error",
    "is_there",
    "open_engine",
    "open_snapshot",
    "reading",
    "storage_error",
    "stored_triggers",
    "stream",
    "writing",
]

Row = tuple[object, ...]

DEFAULT_TIMEOUT_S: Final = 10.0  # wait for another writer; an append holds the lock for milliseconds
_PAGE: Final = 500  # rows that are fetched at once; a whole ledger need not fit into memory
LEDGER_PRAGMAS: Final = sqlite.LEDGER_PRAGMAS


def open_engine(
    location: Location,
    *,
    mode: Literal["rw", "rwc", "ro", "immutable"],
    timeout_s: float = DEFAULT_TIMEOUT_S,
    pragmas: Sequence[str] = LEDGER_PRAGMAS,
) -> Engine:
    """Return an engine over a database; nothing is opened yet.

    Args:
        location: The database file, or the URL of a PostgreSQL database.
        mode: ``rw`` for a database that exists, ``rwc`` to make its tables (and the file, with a write-ahead log,
            which it keeps), ``ro`` to only read, ``immutable`` to read a file on a medium that cannot be written
            at all.
        timeout_s: How long to wait for a lock that another process holds.
        pragmas: What every connection to SQLite that may write is set to.

    Returns:
        The engine; every transaction on it is begun by `reading` or `writing`.

    Raises:
        MissingExtraError: The location is in PostgreSQL, and its driver is not installed.
    """
    if isinstance(location, str):
        return postgres.open_engine(location, write=mode in ("rw", "rwc"), timeout_s=timeout_s)
    return sqlite.open_engine(location, mode=mode, timeout_s=timeout_s, pragmas=pragmas)


def is_there(location: Location) -> bool:
    """Return whether something is at a location already: a file, or a ledger's tables.

    Raises:
        LedgerError: The database cannot be asked.
    """
    if isinstance(location, Path):
        return location.exists()
    engine = open_engine(location, mode="ro")
    try:
        with reading(engine) as connection:
            return postgres.has_ledger(connection)
    finally:
        engine.dispose()


def expect_there(location: Location) -> None:
    """Refuse a location without a database file; a server is asked when it is connected to.

    Raises:
        LedgerError: There is none.
    """
    if not isinstance(location, Path):
        return
    try:
        found = location.is_file()
    except OSError as error:
        raise LedgerError(
            f"The ledger at '{show_location(location)}' cannot be looked at: {error.strerror or 'unknown reason'}.",
            hint="Check the path, and who may read the folders on it.",
        ) from error
    if not found:
        raise LedgerError(f"There is no ledger at '{show_location(location)}'.", hint="Make one with: ireu init")


def discard(location: Location) -> None:
    """Remove the file of a ledger that could not be made; a server has taken everything back by itself."""
    if isinstance(location, Path):
        for suffix in ("", *sqlite.SUFFIXES):
            Path(f"{location}{suffix}").unlink(missing_ok=True)


def open_snapshot(location: Location) -> Engine:
    """Return an engine that only reads, on any medium, for an audit.

    Args:
        location: The database.

    Returns:
        The engine.

    Raises:
        LedgerError: The database cannot be read now.
    """
    engine = open_engine(location, mode="ro")
    if isinstance(location, str):
        return engine
    try:
        with reading(engine) as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
    except LedgerError as error:
        engine.dispose()
        if error.code is ErrorCode.LEDGER_LOCKED or Path(f"{location}-wal").exists():
            raise
        # A finished database on a medium where not even lock files can be made. As it cannot change there
        # either, it is read without locks.
        engine = open_engine(location, mode="immutable")
    return engine


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


def stream(connection: Connection, query: str, values: Mapping[str, object]) -> Iterator[Sequence[object]]:
    """Run a query and hand out its rows as they come, for walks through whole tables.

    Args:
        connection: In a transaction.
        query: SQL with named parameters.
        values: The parameters.

    Yields:
        Rows.
    """
    # The drivers' own cursors: SQLAlchemy's rows would cost an audit as much as all its hashing.
    if _is_postgres(connection):
        yield from postgres.stream(connection, query, values, page=_PAGE)
        return
    cursor = connection.connection.cursor()
    cursor.execute(query, values)
    while rows := cursor.fetchmany(_PAGE):
        yield from rows


def insert_entries(connection: Connection, rows: Sequence[Row], *, nodes: Sequence[Row], cases: Sequence[Row]) -> None:
    """Insert entries with what belongs to them.

    Args:
        connection: In a transaction that holds the write lock.
        rows: Values of seq, kind, recorded_at, prev, leaf_hash and envelope, at least one row, in order.
        nodes: Values of level, index and hash.
        cases: Values of case_id and seq.
    """
    database = postgres if _is_postgres(connection) else sqlite
    database.insert_entries(connection, rows, nodes, cases)


@contextmanager
def guarding(connection: Connection) -> Iterator[None]:
    """Let a query fail without ending the transaction that it is in, as it does in PostgreSQL.

    Args:
        connection: In a transaction.

    Yields:
        Nothing.
    """
    if not _is_postgres(connection):
        yield
        return
    connection.exec_driver_sql("SAVEPOINT guard")
    try:
        yield
    except BaseException:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT guard")
        raise
    connection.exec_driver_sql("RELEASE SAVEPOINT guard")


def stored_triggers(connection: Connection) -> dict[str, str]:
    """Return the triggers that the database really has, by name, with what they do."""
    return postgres.stored_triggers(connection) if _is_postgres(connection) else sqlite.stored_triggers(connection)


def expected_triggers(connection: Connection) -> dict[str, str]:
    """Return the triggers that a ledger has in such a database, as `stored_triggers` would."""
    return postgres.TRIGGERS if _is_postgres(connection) else sqlite.TRIGGERS


def _is_postgres(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


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
    except Exception as error:
        if not is_database_error(error):
            raise
        raise storage_error(error) from error


def is_database_error(error: Exception) -> bool:
    """Return whether an error comes from SQLAlchemy or from a driver."""
    return isinstance(error, (SQLAlchemyError, sqlite3.Error, *postgres.driver_errors()))


def storage_error(error: Exception) -> LedgerError:
    """Return the error of ireu's tree that says what a database error means for the ledger.

    Args:
        error: From SQLAlchemy or the driver.

    Returns:
        The error to raise.
    """
    cause: BaseException | None = error.orig if isinstance(error, DBAPIError) else error
    known = postgres.meaning_of(cause) if isinstance(cause, postgres.driver_errors()) else sqlite.meaning_of(cause)
    if known is not None:
        return known
    if isinstance(error, IntegrityError | sqlite3.IntegrityError):
        return LedgerRefusedError(
            "The database refused the change: it would not continue what is recorded.",
            hint="Run an audit: the stored rows contradict each other.",
        )
    detail = str(cause).splitlines()[0][:200] if str(cause or "") else type(error).__name__
    return LedgerError(f"The ledger cannot be used: {detail}.", hint="Check the path, and run an audit.")
