"""A ledger in a SQLite file: how it is opened, locked and protected, and what its errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from random import uniform
from time import monotonic, sleep
from typing import Final, Literal, cast
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from ireu_governance.core.errors import ErrorCode, LedgerError
from ireu_governance.ledger.turns import lined_up

__all__ = ["LEDGER_PRAGMAS", "SUFFIXES", "TRIGGERS", "insert_entries", "meaning_of", "open_engine", "stored_triggers"]

# FULL: a commit is on the disk before it is acknowledged. With NORMAL a power cut could take it back.
LEDGER_PRAGMAS: Final = ("synchronous = FULL",)
_QUEUE: Final = "-queue"
# What lies beside the database file and belongs to it.
SUFFIXES: Final = ("-wal", "-shm", _QUEUE)

_PAUSE_S: Final = (0.0001, 0.0003)
_ALWAYS: Final = "1"
_WRITABLE: Final = "Check who may write in the workspace's folder, and whether its disk is mounted for writing."


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
        *_append_only("cosignatures"),
        *_append_only("stamps"),
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
        *(
            _trigger(
                f"{table}_of_checkpoint",
                table,
                "INSERT",
                "NOT EXISTS (SELECT 1 FROM checkpoints WHERE size = NEW.size)"  # noqa: S608 (fixed names)
                f" OR EXISTS (SELECT 1 FROM {table} WHERE size = NEW.size AND digest = NEW.digest)",
                f"{table} are about a checkpoint that is there, each once",
            )
            for table in ("cosignatures", "stamps")
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


_INSERTS: Final = (
    "INSERT INTO entries (seq, kind, recorded_at, prev, leaf_hash, envelope) VALUES (?, ?, ?, ?, ?, ?)",
    'INSERT INTO nodes (level, "index", hash) VALUES (?, ?, ?)',
    "INSERT INTO entry_cases (case_id, seq) VALUES (?, ?)",
)


def insert_entries(
    connection: Connection,
    entries: Sequence[tuple[object, ...]],
    nodes: Sequence[tuple[object, ...]],
    cases: Sequence[tuple[object, ...]],
) -> None:
    """Insert entries with what belongs to them; see `ireu_governance.ledger.database.insert_entries`."""
    for query, rows in zip(_INSERTS, (entries, nodes, cases), strict=True):
        if rows:
            connection.exec_driver_sql(query, list(rows))


def open_engine(
    path: Path,
    *,
    mode: Literal["rw", "rwc", "ro", "immutable"],
    timeout_s: float,
    pragmas: Sequence[str],
) -> Engine:
    """Return an engine over a database file; nothing is opened yet.

    Args:
        path: The database file.
        mode: ``rw`` for a file that exists, ``rwc`` to make one (with a write-ahead log, which it keeps),
            ``ro`` to only read, ``immutable`` to read a file on a medium that cannot be written at all.
        timeout_s: How long to wait for a lock that another process holds.
        pragmas: What every connection that may write is set to.

    Returns:
        The engine; every transaction on it is begun by `reading` or `writing` of `ireu_governance.ledger.database`.
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

    # Whoever keeps another journal than the ledger's (the evidence vault) has hardly more than one writer.
    queue = Path(f"{path.absolute()}{_QUEUE}") if tuple(pragmas) == LEDGER_PRAGMAS else None
    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_timeout=timeout_s)

    def begin(connection: Connection) -> None:
        raw = cast(sqlite3.Connection, connection.connection.dbapi_connection)
        if connection.get_execution_options().get("ledger_write", False):
            _take_write_lock(raw, queue, timeout_s)
        else:
            raw.execute("BEGIN")

    event.listen(engine, "begin", begin)
    return engine


def _take_write_lock(raw: sqlite3.Connection, queue: Path | None, timeout_s: float) -> None:
    # SQLite's own waiting sleeps longer each time, up to 100 ms, so that of many writers some starve. An append
    # holds the lock for a millisecond or two; the first in the queue asks for it that often.
    deadline = monotonic() + timeout_s
    raw.execute("PRAGMA busy_timeout = 0")
    try:
        with nullcontext() if queue is None else lined_up(queue, timeout_s):
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


def stored_triggers(connection: Connection) -> dict[str, str]:
    """Return the triggers that the database really has, by name, with the statements that made them."""
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    return {str(name): str(sql) for name, sql in rows}


def meaning_of(cause: BaseException | None) -> LedgerError | None:
    """Return what an error of the driver means for the ledger, or None when it is no particular one."""
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
    if primary == sqlite3.SQLITE_NOTADB:
        return LedgerError("The file is no SQLite database.", hint="Check the path of the ledger.")
    if primary == sqlite3.SQLITE_READONLY:
        return LedgerError("The ledger cannot be written: it is read-only here.", hint=_WRITABLE)
    if primary == sqlite3.SQLITE_CANTOPEN:
        return LedgerError("The ledger's database cannot be opened, or not for writing.", hint=_WRITABLE)
    return None
