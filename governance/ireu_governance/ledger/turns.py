"""A queue of processes before a lock that has none, so that each gets its turn in the order in which it came.

SQLite hands its write lock to whoever asks at the right moment: of many writers some wait a hundred times longer
than others. Here they line up first, by `flock` on a file beside the database, which the kernel grants in order and
takes back from a process that dies. It is about fairness alone: whoever does not line up, because the file cannot
be made or was removed, is kept out by SQLite's own lock all the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread

try:
    import fcntl
except ImportError:  # not a POSIX system: writers do not line up
    _POSSIBLE = False
else:
    _POSSIBLE = True

__all__ = ["lined_up"]


@contextmanager
def lined_up(path: Path, timeout_s: float) -> Iterator[None]:
    """Wait for one's turn, and let the next one come at the end.

    Args:
        path: The file; it is made if it is absent, and stays empty.
        timeout_s: How long to wait; after that one goes on out of turn.

    Yields:
        Nothing.
    """
    descriptor = _open(path)
    if descriptor is None:
        yield
        return
    place = _Place(descriptor)
    try:
        place.take(timeout_s)
        yield
    finally:
        place.leave()


def _open(path: Path) -> int | None:
    if not _POSSIBLE:
        return None
    try:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError:
        return None


class _Place:
    """One place in the queue."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._mutex = Lock()
        self._waiting = False  # a thread is inside `flock` and must not lose the descriptor
        self._left = False

    def take(self, timeout_s: float) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Waiting in the kernel is what keeps the order, and cannot be given a time limit: a thread does it.
            arrived = Event()
            self._waiting = True
            Thread(target=self._wait, args=(arrived,), name="ireu-turn", daemon=True).start()
            arrived.wait(timeout_s)
        except OSError:  # a file system without locks
            return

    def _wait(self, arrived: Event) -> None:
        with suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        with self._mutex:
            self._waiting = False
            if self._left:  # it took too long, and one went on out of turn: let the next one come
                _close(self._descriptor)
        arrived.set()

    def leave(self) -> None:
        with self._mutex:
            self._left = True
            if not self._waiting:
                _close(self._descriptor)


def _close(descriptor: int) -> None:
    with suppress(OSError):  # nothing was written to it, so nothing can be lost
        os.close(descriptor)
