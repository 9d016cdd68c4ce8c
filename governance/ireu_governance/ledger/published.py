"""The published checkpoint: its file beside the database, and copies of it in further places.

What is published outside the database is what a rollback is recognised by. The file is required once a checkpoint
was published; a copy may be away for a while (an unmounted medium, a network share), and then the others count.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ireu_governance.core.checkpoint import Checkpoint
from ireu_governance.core.errors import ConfigError, InputError, LedgerError, VerificationError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.files import write_atomically

__all__ = ["PublishedCheckpoint", "newest_published"]

_LOGGER = logging.getLogger(__name__)


class PublishedCheckpoint:
    """Reads and writes the published checkpoint.

    Args:
        path: Its file.
        copies: Further places, best on media that whoever can write the database cannot write.
        key_file: Whose keys count.
    """

    def __init__(self, path: Path, copies: Sequence[Path], key_file: KeyFile) -> None:
        self.path = path
        self.copies = tuple(copies)
        self._key_file = key_file

    def read(self) -> bytes | None:
        """Return the content of the file, or None when there is none.

        Raises:
            LedgerError: It cannot be read.
        """
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerError(
                f"The published checkpoint cannot be read: {error.strerror}.",
                hint="Without it an older copy of the ledger could not be told from the real one.",
            ) from error

    def read_copies(self) -> list[tuple[Path, bytes]]:
        """Return the copies that are there, with their content; one that cannot be read counts as absent."""
        found = []
        for path in self.copies:
            try:
                found.append((path, path.read_bytes()))
            except OSError:
                continue
        return found

    def compare_copies(self) -> list[tuple[Path, bool, str]]:
        """Return for each copy its path, whether it is missing or behind the file, and what was found."""
        file = _open(self.read(), self._key_file)
        size = 0 if file is None else file.size
        there = dict(self.read_copies())
        found = []
        for path in self.copies:
            known = _open(there.get(path), self._key_file)
            if path not in there:
                found.append((path, file is not None, "missing; it is written when a checkpoint is published"))
            elif known is None:
                found.append((path, True, "no checkpoint of this log"))
            elif known.size < size:
                found.append((path, True, f"{size - known.size} entries behind the published checkpoint"))
            else:
                found.append((path, False, f"{known.size} entries"))
        return found

    def write(self, text: str, size: int) -> str:
        """Write a checkpoint to the file and to all copies, none of which ever goes back.

        Call it with the ledger's write lock held. A copy that cannot be written is reported to the log and left
        behind: the checkpoint is published nevertheless, and the next one is tried there again.

        Args:
            text: The signed note.
            size: Its size.

        Returns:
            What stands in the file now.

        Raises:
            ConfigError: The file cannot be written.
        """
        data = text.encode("utf-8")
        before = self.read()
        if not self._is_beyond(before, size):
            if before != data:
                write_atomically(self.path, data)
            before = data
        for path in self.copies:
            self._write_copy(path, data, size)
        return (before or data).decode("utf-8")

    def _write_copy(self, path: Path, data: bytes, size: int) -> None:
        try:
            present = path.read_bytes() if path.exists() else None
            if present != data and not self._is_beyond(present, size):
                write_atomically(path, data)
        except (OSError, ConfigError) as error:
            reason = error.message if isinstance(error, ConfigError) else str(error.strerror)
            _LOGGER.warning("The copy of the checkpoint '%s' was not brought up to date: %s", path, reason)

    def _is_beyond(self, data: bytes | None, size: int) -> bool:
        known = _open(data, self._key_file)
        return known is not None and known.size > size


def newest_published(path: Path, copies: Sequence[Path], key_file: KeyFile) -> bytes | None:
    """Return the newest published checkpoint among the file and its copies.

    Args:
        path: The file.
        copies: The copies.
        key_file: Whose keys count.

    Returns:
        Content of the file, or of a copy that is further than the file; None when there is nothing anywhere. A
        file that is no checkpoint of this log is returned as it is, so that it is reported.

    Raises:
        LedgerError: The file is there and cannot be read.
    """
    published = PublishedCheckpoint(path, copies, key_file)
    best = published.read()
    known = _open(best, key_file)
    if best is not None and known is None:
        return best
    for _, data in published.read_copies():
        found = _open(data, key_file)
        if found is not None and (known is None or found.size > known.size):
            best, known = data, found
    return best


def _open(data: bytes | None, key_file: KeyFile) -> Checkpoint | None:
    try:
        return None if data is None else verified_checkpoint(data.decode("utf-8"), key_file)
    except (InputError, VerificationError, UnicodeDecodeError):
        return None
