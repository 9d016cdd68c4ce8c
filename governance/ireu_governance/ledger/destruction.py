"""Destroying data in files: overwritten where it lies, in every file that holds it, before it is let go.

An overwritten file is gone for whoever reads the disk through the file system. What a solid-state disk, a
copy-on-write file system, a snapshot or a backup keeps is beyond any program's reach; the evidence is encrypted
for that reason, and erasing a case means in the first place destroying its key.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ireu_governance.core.errors import LedgerError
from ireu_governance.files import sync_folder
from ireu_governance.ledger.database import DEFAULT_TIMEOUT_S, database_errors

__all__ = ["destroy_file", "destroying", "file_errors"]

_CHUNK: Final = 2**20


@contextmanager
def destroying(path: Path, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Iterator[sqlite3.Connection]:
    """Begin a transaction that nobody else can see into, and leave none of the old pages when it is done.

    What is deleted is overwritten (secure_delete); after the commit the database is written anew without its
    gaps (VACUUM), and the rollback journal, which holds the old pages, is overwritten before it is removed. The
    lock is kept to the end: another process's journal would lie in the same file.

    Args:
        path: A SQLite database that exists.
        timeout_s: How long to wait for other processes.

    Yields:
        The connection, inside an exclusive transaction.

    Raises:
        LedgerError: The database is locked or cannot be written. If it is raised after the commit, what was
            deleted is deleted, and doing the same again cleans up the rest.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=rw"
    with (
        file_errors(),
        database_errors(),
        closing(sqlite3.connect(uri, uri=True, timeout=timeout_s, isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = DELETE")  # out of a write-ahead log, if someone turned one on
        connection.execute("PRAGMA journal_mode = PERSIST")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield connection
        except BaseException:
            if connection.in_transaction:  # a full disk, for one, has ended it already
                connection.execute("ROLLBACK")
            connection.execute("PRAGMA journal_mode = DELETE")
            raise
        connection.execute("COMMIT")
        journal = Path(f"{path}-journal")
        _overwrite(journal)  # at once: there may be no room for what follows
        connection.execute("VACUUM")
        _overwrite(journal)
        connection.execute("PRAGMA journal_mode = DELETE")
    sync_folder(path.parent)


def destroy_file(path: Path) -> None:
    """Overwrite a file and remove it; nothing happens if it is not there.

    Args:
        path: A file. Of a link, only the link is removed.

    Raises:
        OSError: It cannot be overwritten or removed.
    """
    if not path.is_symlink():
        if not path.exists():
            return
        _overwrite(path)
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def file_errors() -> Iterator[None]:
    """Turn what the system says about a file into ireu's own error.

    Yields:
        Nothing.

    Raises:
        LedgerError: In the place of any error of the operating system.
    """
    try:
        yield
    except OSError as error:
        what = f"'{error.filename}'" if error.filename else "A file"
        raise LedgerError(
            f"{what} cannot be written or removed: {error.strerror}.", hint="Mend that and repeat the command."
        ) from error


def _overwrite(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        left = os.fstat(descriptor).st_size
        while left > 0:
            left -= file.write(bytes(min(left, _CHUNK)))
        os.fsync(descriptor)
