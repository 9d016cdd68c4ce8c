"""What a witness remembers: the last head of each log that it cosigned, in a SQLite file of its own.

Comparing with what is remembered and remembering the new head is one transaction that holds the database's write lock
from its start, so that two requests at once, or two witness processes on one file, cannot both be answered from the
same old head. It is on the disk before a cosignature is made.

The file belongs to one key. A witness that begins anew with an old key has forgotten what it signed, and could be made
to sign a fork; so the file is made together with the key, and never by itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ireu_governance.core.errors import ConfigError, ErrorCode, LedgerError
from ireu_governance.core.verifier_key import VerifierKey
from ireu_governance.witness.state import Decision, KnownHead

__all__ = ["WitnessStore"]

TIMEOUT_S: Final = 10.0  # a decision holds the lock for milliseconds

_SCHEMA: Final = """
CREATE TABLE witness (id INTEGER PRIMARY KEY CHECK (id = 0), key TEXT NOT NULL) STRICT;
CREATE TABLE logs (
    origin TEXT PRIMARY KEY,
    size INTEGER NOT NULL CHECK (size >= 0),
    root BLOB NOT NULL CHECK (length(root) = 32),
    cosigned_at INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;
CREATE TRIGGER logs_forward BEFORE UPDATE ON logs
WHEN NEW.size < OLD.size OR NEW.origin <> OLD.origin OR NEW.cosigned_at < OLD.cosigned_at
    OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
BEGIN SELECT RAISE(ABORT, 'a witness goes forward only'); END;
CREATE TRIGGER logs_kept BEFORE DELETE ON logs BEGIN SELECT RAISE(ABORT, 'a witness forgets nothing'); END;
CREATE TRIGGER witness_kept BEFORE UPDATE ON witness BEGIN SELECT RAISE(ABORT, 'the file is of one key'); END;
"""


class WitnessStore:
    """The heads that a witness remembers. Safe to use from several threads, and beside other processes.

    Args:
        path: The database file; see `create`.

    Attributes:
        key: The verifier key of the witness that the file belongs to.

    Raises:
        ConfigError: There is no such file.
        LedgerError: It cannot be used, or is no witness's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise ConfigError(
                f"There is no witness's file at {path}.",
                hint="It is made together with the key: ireu witness keygen. If it was lost, make a new key under a"
                " new name: a witness that has forgotten what it signed can be made to sign a fork.",
                code=ErrorCode.WITNESS_STATE_MISSING,
            )
        with self._connected() as connection:
            row = connection.execute("SELECT key FROM witness").fetchone()
        self.key = VerifierKey.from_text(row[0] if row else "")

    @classmethod
    def create(cls, path: Path, *, key: str) -> WitnessStore:
        """Make the file of a new witness.

        Args:
            path: Where; nothing may be there.
            key: The witness's verifier key.

        Returns:
            The store.

        Raises:
            ConfigError: Something is there, or it cannot be written.
        """
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            raise ConfigError(
                f"{path} exists; what a witness remembers is never overwritten.", code=ErrorCode.WORKSPACE_EXISTS
            ) from None
        except OSError as error:
            raise ConfigError(f"{path} cannot be made: {error.strerror or 'unknown reason'}.") from None
        try:
            with _errors(), closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
                connection.execute("INSERT INTO witness VALUES (0, ?)", (key,))
                connection.commit()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return cls(path)

    def head(self, origin: str) -> KnownHead | None:
        """Return the last head of a log that was cosigned; None before the first."""
        with self._connected() as connection:
            return _read(connection, origin)

    def advance(
        self, origin: str, note: str, decide: Callable[[KnownHead | None], Decision], *, now: int
    ) -> tuple[Decision, int]:
        """Decide about a head and, if it is to be cosigned, remember it; in one transaction.

        Args:
            origin: The log.
            note: The signed checkpoint, kept as evidence.
            decide: Decides by what is remembered.
            now: The time, in seconds since 1970.

        Returns:
            The decision, and the time of the cosignature: never before an earlier one of the same log, also when
            the clock was set back. When this returns, the head is on the disk.

        Raises:
            LedgerError: The file is locked or cannot be written. Nothing may be cosigned then.
        """
        with self._connected() as connection:
            # The write lock comes before the reading: two that read the same head would both go on from it.
            connection.execute("BEGIN IMMEDIATE")
            try:
                decision = decide(_read(connection, origin))
                row = connection.execute("SELECT cosigned_at FROM logs WHERE origin = ?", (origin,)).fetchone()
                time = max(now, row[0] if row else 0)
                if decision.head is not None:
                    connection.execute(
                        "INSERT INTO logs (origin, size, root, cosigned_at, note) VALUES (?, ?, ?, ?, ?)"
                        " ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root,"
                        " cosigned_at = excluded.cosigned_at, note = excluded.note",
                        (origin, decision.head.size, decision.head.root, time, note),
                    )
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
        return decision, time

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        # A connection for each request: opening one takes a fraction of the time that the disk takes to commit.
        with _errors():
            uri = f"file:{quote(str(self._path.absolute()))}?mode=rw"
            with closing(sqlite3.connect(uri, uri=True, timeout=TIMEOUT_S, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                yield connection


def _read(connection: sqlite3.Connection, origin: str) -> KnownHead | None:
    row = connection.execute("SELECT size, root FROM logs WHERE origin = ?", (origin,)).fetchone()
    return None if row is None else KnownHead(row[0], row[1])


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerError(
            f"The witness's file cannot be used: {str(error).splitlines()[0][:200]}.",
            hint="Check its path, its permissions and the free space of its disk. Nothing was cosigned.",
        ) from error
