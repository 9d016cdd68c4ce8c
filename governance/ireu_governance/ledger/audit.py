"""The audit: recompute a whole ledger from its rows and report all that is wrong.

Nothing that is stored is trusted. The checkpoint's file says what was published; each entry's signature says
what it is, where it stands and what it follows; everything else (hashes, columns, nodes, look-ups, triggers)
is computed again and compared. One edit makes one finding: when an entry is damaged, the hash that it had is
taken from the signed entry after it, so that whatever only follows from the damage is not reported again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from ireu_governance.core.errors import ErrorCode, LedgerError
from ireu_governance.core.keys import KeyFile
from ireu_governance.ledger.audit_checkpoints import CheckpointAudit
from ireu_governance.ledger.audit_entries import EntryAudit
from ireu_governance.ledger.audit_tree import NodeAudit, roots_at
from ireu_governance.ledger.database import (
    TRIGGERS,
    open_engine,
    reading,
    storage_error,
    stored_triggers,
)
from ireu_governance.ledger.findings import AuditReport, Finding, FindingKind, FindingList
from ireu_governance.ledger.read import LedgerReader
from ireu_governance.ledger.tables import SCHEMA_VERSION, LedgerTable

__all__ = ["AuditReport", "Finding", "FindingKind", "audit"]

# An envelope that is larger than any reader takes is not even loaded.
_ENTRY_ROWS = (
    "SELECT seq, kind, recorded_at, prev, leaf_hash,"
    " CASE WHEN length(envelope) <= 16777216 THEN envelope END"
    " FROM entries ORDER BY seq"
)
_SLACK = 1_000_000  # how far a row's number may be from what is plausible before it is no number of an entry


def audit(ledger: LedgerReader | Path, *, key_file: KeyFile, checkpoint_path: Path, processes: int = 1) -> AuditReport:
    """Recompute a ledger and report all that is wrong with it. Writes nothing.

    Args:
        ledger: The ledger, or its database file.
        key_file: The trusted key file.
        checkpoint_path: The file of the latest published checkpoint.
        processes: How many processes verify signatures; with more than one, a script that calls this needs
            the usual ``if __name__ == "__main__"``.

    Returns:
        The report; without findings the ledger is untouched.

    Raises:
        LedgerError: There is no ledger, it is of another version, or it is locked: nothing can be said.
    """
    path = ledger if isinstance(ledger, Path) else ledger.path
    if not path.is_file():
        raise LedgerError(f"There is no ledger at '{path}'.")
    # The file before the database: publishing goes the other way, so what is found here must be there.
    published = _read(checkpoint_path)
    engine = _open(path)
    try:
        with reading(engine) as connection:
            return _Audit(connection, key_file, published, checkpoint_path).run(processes)
    finally:
        engine.dispose()


def _open(path: Path) -> Engine:
    engine = open_engine(path, mode="ro")
    try:
        with reading(engine) as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
    except LedgerError as error:
        engine.dispose()
        if error.code is ErrorCode.LEDGER_LOCKED or Path(f"{path}-wal").exists():
            raise
        # A finished database on a medium where not even lock files can be made. As it cannot change there
        # either, it is read without locks.
        engine = open_engine(path, mode="immutable")
    return engine


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LedgerError(f"The published checkpoint cannot be read: {error.strerror}.") from error


def _read_patiently(path: Path) -> bytes | None:
    for _ in range(20):
        if (data := _read(path)) is not None:
            return data
        sleep(0.05)
    return None


class _Audit:
    def __init__(
        self, connection: Connection, key_file: KeyFile, published: bytes | None, checkpoint_path: Path
    ) -> None:
        self._connection = connection
        self._key_file = key_file
        self._published = published
        self._checkpoint_path = checkpoint_path
        self._findings = FindingList()

    def run(self, processes: int) -> AuditReport:
        tables = self._expect_tables()
        checkpoints = CheckpointAudit(self._key_file, self._findings)
        checkpoints.read_file(self._published)
        with self._reading("checkpoints", tables):
            checkpoints.read_rows(self._rows("SELECT size, number, text, published_at FROM checkpoints ORDER BY size"))
        entries = EntryAudit(self._key_file, self._findings)
        complete = self._run_entries(entries, checkpoints, tables, processes)
        nodes = NodeAudit(entries.leaves, self._findings)
        with self._reading("nodes", tables):
            nodes.run(self._rows('SELECT level, "index", hash FROM nodes ORDER BY level, "index"'))
        if complete:
            self._check_end(entries, nodes, checkpoints)
        roots = roots_at(entries.leaves, [entries.size, *checkpoints.sizes])
        checkpoints.compare(roots, size=entries.size)
        checkpoints.expect_file(lambda: _read_patiently(self._checkpoint_path))
        self._check_triggers()
        root = roots[entries.size]
        return AuditReport(
            size=entries.size,
            root=None if root is None else root.hex(),
            findings=self._findings.sorted(),
            checked={
                "entries": entries.checked,
                "nodes": nodes.checked,
                "checkpoints": checkpoints.checked,
            },
            not_compared=tuple(sorted(checkpoints.not_compared)),
        )

    def _run_entries(self, entries: EntryAudit, checkpoints: CheckpointAudit, tables: set[str], processes: int) -> bool:
        complete = False
        with self._reading("entries", tables):
            count = self._connection.exec_driver_sql("SELECT count(*) FROM entries").scalar_one()
            index = "SELECT seq, case_id FROM entry_cases ORDER BY seq, case_id"
            entries.run(
                self._rows(_ENTRY_ROWS),
                self._rows(index) if "entry_cases" in tables else None,
                limit=count + max(checkpoints.published, checkpoints.stored) + _SLACK,
                processes=processes,
            )
            complete = True
        entries.finish()
        return complete

    def _check_end(self, entries: EntryAudit, nodes: NodeAudit, checkpoints: CheckpointAudit) -> None:
        size = entries.size
        known = max(checkpoints.published, checkpoints.stored, entries.indexed_beyond)
        if known <= size:
            nodes.report_beyond()
            return
        traces = checkpoints.stored > size or entries.indexed_beyond > size or bool(nodes.beyond)
        kind, message = (
            (FindingKind.TRUNCATED, "These entries were cut off; the database still holds traces of them.")
            if traces
            else (FindingKind.ROLLED_BACK, "These entries were published, but the database ends before them.")
        )
        self._findings.add(kind, size, message, until=known - 1)

    def _expect_tables(self) -> set[str]:
        tables = set(inspect(self._connection).get_table_names())
        if not tables & {"entries", "meta", "alembic_version"}:
            raise LedgerError("The database holds no ledger.", hint="Check the path of the ledger.")
        for name in sorted({*LedgerTable.metadata.tables, "alembic_version"} - tables):
            self._findings.add(FindingKind.MISSING, None, f"The table {name} is missing.")
        with self._reading("alembic_version", tables):
            version = self._connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
            if version != SCHEMA_VERSION:
                raise LedgerError(
                    f"The ledger's tables are of version {str(version)[:20]}, not {SCHEMA_VERSION}.",
                    hint="Use the release of ireu that wrote it last, or a newer one.",
                )
        with self._reading("meta", tables):
            query = "SELECT value FROM meta WHERE key = 'origin'"
            origin = self._connection.exec_driver_sql(query).scalar()
            if origin != self._key_file.origin:
                self._findings.add(
                    FindingKind.POSITION,
                    None,
                    f"The database calls itself '{str(origin)[:200]}', not '{self._key_file.origin}'.",
                )
        return tables

    def _check_triggers(self) -> None:
        stored = stored_triggers(self._connection)
        problems = [
            *(f"{name} is missing" for name in sorted(TRIGGERS.keys() - stored.keys())),
            *(f"{name[:80]} is foreign" for name in sorted(stored.keys() - TRIGGERS.keys())),
            *(f"{name} was changed" for name, sql in TRIGGERS.items() if stored.get(name, sql) != sql),
        ]
        if problems:
            self._findings.add(
                FindingKind.TRIGGER_MISSING,
                None,
                f"The database's own protection is not as it was made: {', '.join(problems)}.",
            )

    def _rows(self, query: str) -> Iterator[tuple[object, ...]]:
        for row in self._connection.exec_driver_sql(query):
            yield tuple(row)

    @contextmanager
    def _reading(self, table: str, tables: set[str]) -> Iterator[None]:
        """Report what cannot be read instead of stopping there; a missing table is reported already."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            meaning = storage_error(error)
            if meaning.code is ErrorCode.LEDGER_LOCKED:
                raise
            if table in tables:
                self._findings.add(FindingKind.UNREADABLE, None, f"The table {table} cannot be read: {meaning.message}")
