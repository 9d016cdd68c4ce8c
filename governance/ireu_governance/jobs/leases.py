"""Who is alive, and who goes first: locks that end with the process that holds them, and need no clock.

A worker holds a lease for as long as it runs. Whoever can take the lease of another worker knows that it is dead,
and hands its jobs back to the queue. On one machine a lease is a locked file; beside PostgreSQL it is an advisory
lock of a connection, which the server gives up when the connection ends.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from ireu_governance.core.errors import QueueError

if TYPE_CHECKING:
    import psycopg

__all__ = ["FileLeases", "Leases", "PostgresLeases"]


class Leases(Protocol):
    """Named locks of processes."""

    def hold(self, name: str) -> AbstractContextManager[Callable[[], bool]]:
        """Wait for a lease and keep it.

        Yields:
            A function that says whether the lease is still held, and takes it again where it was lost.
        """
        ...

    def if_free(self, name: str) -> AbstractContextManager[bool]:
        """Take a lease if nobody holds it, and give it back at the end; yields whether it was free."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


class FileLeases:
    """Leases as locked files of one machine.

    Args:
        folder: Where the files are; made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def hold(self, name: str) -> Iterator[Callable[[], bool]]:
        """Wait for a lease and keep it; a file's lock is never lost."""
        import fcntl

        while True:
            file = self._open(name)
            fcntl.flock(file, fcntl.LOCK_EX)
            if self._is_current(name, file):
                break
            file.close()  # whoever held it before has removed the file
        try:
            yield lambda: True
        finally:
            self._path(name).unlink(missing_ok=True)  # those who wait for it look again, see above
            file.close()

    @contextmanager
    def if_free(self, name: str) -> Iterator[bool]:
        """Take a lease if nobody holds it; its file is removed afterwards, since dead workers do not come back."""
        import fcntl

        with self._open(name) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True
            if self._is_current(name, file):
                self._path(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing stays open."""

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"

    def _open(self, name: str) -> BinaryIO:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            return self._path(name).open("ab")
        except OSError as error:
            raise QueueError(
                f"The queue's locks cannot be written: {error.strerror}.", hint="Check the workspace's permissions."
            ) from error

    def _is_current(self, name: str, file: BinaryIO) -> bool:
        import os

        try:
            there = self._path(name).stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(file.fileno())
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


class PostgresLeases:
    """Leases as advisory locks of connections to a PostgreSQL server.

    Args:
        connect: Opens a connection in autocommit mode.
        scope: Tells the leases of one ledger from those of another in the same database.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], *, scope: str) -> None:
        self._connect = connect
        self._scope = scope
        self._probe: psycopg.Connection[Any] | None = None
        self._mutex = threading.Lock()

    @contextmanager
    def hold(self, name: str) -> Iterator[Callable[[], bool]]:
        """Wait for a lease and keep it for as long as the connection lasts."""
        held = [self._take(name)]

        def check() -> bool:
            try:
                held[0].execute("SELECT 1")
            except Exception:  # noqa: BLE001 - whatever the driver says, this connection's lock is gone
                held[0].close()
                held[0] = self._take(name)
                return False
            return True

        try:
            yield check
        finally:
            # Before the end of the connection, which the server takes note of a little later.
            with suppress(Exception):
                held[0].execute("SELECT pg_advisory_unlock(%s)", (self._key(name),))
            held[0].close()

    @contextmanager
    def if_free(self, name: str) -> Iterator[bool]:
        """Take a lease if nobody holds it."""
        key = self._key(name)
        with self._mutex:
            if self._probe is None or self._probe.closed:
                self._probe = self._open()
            probe = self._probe
            try:
                row = probe.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
            except Exception as error:
                probe.close()
                raise QueueError("The connection to the queue's database was lost.", hint="Try again.") from error
            free = bool(row and row[0])
            try:
                yield free
            finally:
                if free:
                    probe.execute("SELECT pg_advisory_unlock(%s)", (key,))

    def close(self) -> None:
        """Close the connection that asks for other workers' leases."""
        if self._probe is not None:
            self._probe.close()

    def _take(self, name: str) -> psycopg.Connection[Any]:
        connection = self._open()
        connection.execute("SELECT pg_advisory_lock(%s)", (self._key(name),))
        return connection

    def _open(self) -> psycopg.Connection[Any]:
        try:
            return self._connect()
        except Exception as error:
            raise QueueError(
                "The queue's database cannot be reached.", hint="Check the server and the setting 'database'."
            ) from error

    def _key(self, name: str) -> int:
        digest = hashlib.sha256(f"ireu-jobs\0{self._scope}\0{name}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)
