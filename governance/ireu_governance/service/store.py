"""The service's own database: a file in the workspace, or tables beside a ledger in PostgreSQL.

::

    store = ServiceStore.open(workspace, settings)
    with store.reading() as connection: ...
    with store.writing() as connection: ...

Tables are SQLAlchemy's, on `ireu_governance.service.tables.METADATA`. A module that brings its own tables puts them
there and its name into `_TABLE_MODULES`; what is missing in the database is made when it is opened.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Connection, Engine, create_engine, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ireu_governance.core.errors import ErrorCode, ServiceError
from ireu_governance.ledger.database import open_engine, storage_error
from ireu_governance.ledger.location import Location, is_postgres, parse_location
from ireu_governance.ledger.postgres import connector
from ireu_governance.service.settings import ServiceSettings
from ireu_governance.service.tables import INFO, METADATA, VERSION
from ireu_governance.workspace import Workspace

__all__ = ["SERVICE_FILE", "ServiceStore"]

SERVICE_FILE: Final = "service.db"

_TABLE_MODULES: Final = (
    "ireu_governance.service.tables",
    "ireu_governance.service.deployment_tables",
    "ireu_governance.service.alert_tables",
    "ireu_governance.service.session_tables",
    "ireu_governance.service.search_tables",
)
"""Modules whose import adds tables to METADATA."""

_TIMEOUT_S: Final = 10.0
_PRAGMAS: Final = ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON")
_LOCK: Final = 0x49524556  # "IREV": makers of tables wait for each other, never for those who append to the ledger


class ServiceStore:
    """The service's database, for any number of threads and processes. Use it as a context manager, or close it.

    Args:
        engine: From `ServiceStore.open`.
        location: Where it is.
    """

    def __init__(self, *, engine: Engine, location: Location) -> None:
        self.engine = engine
        self.location = location

    @classmethod
    def open(cls, workspace: Workspace, settings: ServiceSettings | None = None) -> Self:
        """Open the database of a workspace's service, and make what is missing in it.

        Args:
            workspace: The workspace.
            settings: Of its service; read from the workspace if not given.

        Returns:
            The store.

        Raises:
            ServiceError: It cannot be used, or was made by a later release.
            MissingExtraError: It is in PostgreSQL, whose driver is not installed.
            ConfigError: The URL of its database cannot be read.
        """
        settings = settings or ServiceSettings.load(workspace.root)
        location = _locate(workspace, settings)
        engine = _open_postgres(location) if isinstance(location, str) else _open_file(location)
        store = cls(engine=engine, location=location)
        try:
            store._prepare()
        except BaseException:
            store.close()
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Begin a transaction that sees one state of the tables.

        Yields:
            The connection.

        Raises:
            ServiceError: The database cannot be read.
        """
        with _database_errors(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Begin a transaction that may write; commit it at the end, take all back on an error.

        In SQLite it holds the only write lock from its start. In PostgreSQL others write at the same time: say what
        must be there in the statement itself, or rely on a key and catch `IntegrityError`, which comes through.

        Yields:
            The connection.

        Raises:
            ServiceError: The database cannot be written; nothing was changed.
        """
        with (
            _database_errors(),
            self.engine.connect().execution_options(ledger_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    def expect_writable(self) -> None:
        """Raise `ServiceError` unless something can be written now; nothing is."""
        with self.writing() as connection:
            connection.execute(INFO.update().where(INFO.c.key == "").values(value=""))

    def _prepare(self) -> None:
        for name in _TABLE_MODULES:
            import_module(name)
        with self.reading() as connection:
            there = set(inspect(connection).get_table_names())
            version = _stored_version(connection) if INFO.name in there else None
        if version is None or set(METADATA.tables) - there:
            version = self._make_tables()
        if version > VERSION:
            raise ServiceError(
                f"The service's tables are of version {version}, this ireu knows those up to {VERSION}.",
                hint="Use the release of ireu that wrote them last, or a newer one.",
            )

    def _make_tables(self) -> int:
        with self.writing() as connection:
            if is_postgres(self.location):
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            METADATA.create_all(connection)
            version = _stored_version(connection)
            if version is None:
                connection.execute(insert(INFO), {"key": "version", "value": str(VERSION)})
            return version or VERSION


def _stored_version(connection: Connection) -> int | None:
    found = connection.execute(select(INFO.c.value).where(INFO.c.key == "version")).scalar()
    return None if found is None else int(found)


def _locate(workspace: Workspace, settings: ServiceSettings) -> Location:
    if settings.database is not None:
        return parse_location(settings.database, folder=workspace.root)
    ledger = workspace.ledger_location
    return ledger if isinstance(ledger, str) else workspace.root / SERVICE_FILE


def _open_file(path: Path) -> Engine:
    if not path.exists():
        # The first one makes it, readable by its owner alone; hashes of keys are nobody else's business.
        try:
            path.touch(mode=0o600)
        except OSError as error:
            raise ServiceError(
                f"The service's own database cannot be made: {error.strerror}.",
                hint="Check the folder of the setting 'database' in the table [service], and its permissions.",
            ) from error
    return open_engine(path, mode="rwc", timeout_s=_TIMEOUT_S, pragmas=_PRAGMAS)


def _open_postgres(url: str) -> Engine:
    # Not the ledger's engine: its writers take the ledger's lock, and a request that writes here must not wait for
    # an append, least of all for its own.
    connect = connector(url, what="A service with PostgreSQL", name="ireu service", timeout_s=_TIMEOUT_S)
    return create_engine("postgresql+psycopg://", creator=connect, pool_timeout=_TIMEOUT_S, pool_pre_ping=True)


@contextmanager
def _database_errors() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (SQLAlchemyError, sqlite3.Error) as error:  # SQLAlchemy wraps what drivers raise
        known = storage_error(error)
        code = ErrorCode.DISK_FULL if known.code is ErrorCode.DISK_FULL else ErrorCode.SERVICE_UNAVAILABLE
        reason = "the disk is full" if code is ErrorCode.DISK_FULL else "it is locked, absent or may not be written"
        raise ServiceError(
            f"The service's own database cannot be used: {reason}.",
            hint="Try again; if it stays so, look at the service's log and at the setting 'database'.",
            code=code,
        ) from error
