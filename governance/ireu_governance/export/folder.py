"""A folder that others will read: what is written stays inside it, and a file is there as a whole or not at all.

Whoever may write into the folder could put a link into it, so that a later export would write, or an audit read,
somewhere else. So no link is followed below the folder; the folder itself may be one.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, LedgerError
from ireu_governance.files import unwritable, write_atomically

__all__ = ["MAX_FILES", "ExportFolder"]

MAX_FILES: Final = 2_000_000  # a log of 200 million entries has as many; beyond it something else is the matter

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LEFTOVER = re.compile(r"\.[A-Za-z0-9._-]+\.[a-z0-9_]{8}")  # what a write that was killed leaves behind


class ExportFolder:
    """Reads and writes files by their paths below one folder.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def create(cls, root: Path) -> ExportFolder:
        """Make the folder if it is not there.

        Raises:
            ConfigError: It cannot be made, or is a file.
        """
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(root, error) from None
        return cls(root)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other exports out: of two that run at once, the slower would put back the older checkpoint.

        Raises:
            LedgerError: Another export is writing into the folder.
        """
        try:
            import fcntl
        except ImportError:  # not on this system; then one export at a time is up to whoever starts them
            yield
            return
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise LedgerError(
                    f"Another export is writing into '{self.root}'.",
                    hint="Wait for it to end, then repeat.",
                    code=ErrorCode.LEDGER_LOCKED,
                ) from None
            yield
        finally:
            os.close(descriptor)

    def read(self, path: str, *, max_bytes: int) -> bytes | None:
        """Return a file's content.

        Args:
            path: Its path below the folder, with forward slashes.
            max_bytes: Refuse a file that is larger.

        Returns:
            Its bytes, or None if there is none.

        Raises:
            InputError: It is too large, no regular file, unreadable, or reached by a link.
        """
        place = self._place(path)
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            descriptor = os.open(place, flags)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise InputError(f"'{path}' is no regular file.")
                data = file.read(max_bytes + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise InputError(f"'{path}' cannot be read: {error.strerror or 'unknown reason'}.") from None
        if len(data) > max_bytes:
            raise InputError(f"'{path}' is larger than {max_bytes} bytes.", code=ErrorCode.INPUT_TOO_LARGE)
        return data

    def write(self, path: str, data: bytes) -> None:
        """Write a file as a whole, making the folders on its way.

        Args:
            path: Its path below the folder, with forward slashes.
            data: Its content.

        Raises:
            ConfigError: It cannot be written, or a link is in the way.
        """
        try:
            place = self._place(path)
        except InputError as error:
            raise ConfigError(error.message, hint="Take the link away, or export into another folder.") from None
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(place.parent, error) from None
        write_atomically(place, data)

    def remove(self, path: str) -> None:
        """Remove a file, and the folder that it was the last file of; what cannot be removed stays."""
        with contextlib.suppress(OSError, InputError):
            place = self._place(path)
            place.unlink()
            place.parent.rmdir()

    def files(self) -> Iterator[tuple[str, bool]]:
        """Walk through everything below the folder in a fixed order, following no link.

        Yields:
            The path of each file, with forward slashes, and whether it is a regular one (and no link or device).

        Raises:
            InputError: A folder cannot be read, or there are too many files.
        """
        count = 0
        waiting = [""]
        while waiting:
            prefix = waiting.pop()
            try:
                with os.scandir(self.root / prefix) as listing:
                    entries = sorted(listing, key=lambda each: each.name)
            except OSError as error:
                raise InputError(
                    f"The folder '{self.root / prefix}' cannot be read: {error.strerror or 'unknown reason'}."
                ) from None
            for entry in entries:
                count += 1
                if count > MAX_FILES:
                    raise InputError(f"The folder '{self.root}' has too many files.", code=ErrorCode.INPUT_TOO_LARGE)
                path = f"{prefix}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{path}/")
                else:
                    yield path, entry.is_file(follow_symlinks=False)

    def sweep(self) -> None:
        """Remove what writes that were killed have left; call it while the folder is `locked`."""
        for path, _ in list(self.files()):
            if _LEFTOVER.fullmatch(path.rpartition("/")[2]):
                with contextlib.suppress(OSError):
                    (self.root / path).unlink()

    def _place(self, path: str) -> Path:
        place = self.root
        for part in path.split("/"):
            if not _NAME.fullmatch(part):
                raise InputError(f"{path!a} is no path in an exported folder.")
            place = place / part
            if place.is_symlink():
                raise InputError(f"'{place}' is a link; nothing is read or written through it.")
        return place
