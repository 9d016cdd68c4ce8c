"""Hashing an encoder's folder, and writing files so that a crash leaves the old or the new one, never a half.

Hashing is the one place where an encoder meets the file system, so it is strict: every file counts, hidden
ones too, since an extra file may be what changes how the encoder loads; links are refused, since what they
lead to can change without the folder changing.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.core.statement import MAX_SUBJECTS

__all__ = ["hash_file", "hash_folder", "sync_folder", "write_atomically"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file in hex.

    Args:
        path: A regular file; a link is refused.

    Returns:
        64 hex digits.

    Raises:
        InputError: It is absent, unreadable, or no regular file.
    """
    try:
        # Opened first and looked at afterwards, so that nothing can be exchanged between the two.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InputError(f"{_shown(path)} is no regular file.")
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from None


def hash_folder(path: Path) -> Artifact:
    """Hash every file of an encoder's folder.

    Args:
        path: The folder.

    Returns:
        The artifact: all regular files below the folder, by their relative paths.

    Raises:
        InputError: The folder is absent or empty, or holds a link, a device, or a name no record can carry.
    """
    if not path.is_dir():
        raise InputError(f"There is no folder {_shown(path)}.", code=ErrorCode.INPUT_MISSING)
    found: dict[str, str] = {}
    for file in _files_below(path):
        found[file.relative_to(path).as_posix()] = hash_file(file)
        if len(found) >= MAX_SUBJECTS:
            raise InputError(
                f"The folder {_shown(path)} has {MAX_SUBJECTS} files or more.", code=ErrorCode.INPUT_TOO_LARGE
            )
    if not found:
        raise InputError(f"The folder {_shown(path)} holds no files.", code=ErrorCode.INPUT_MISSING)
    return Artifact.from_files(found)


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that it is there as a whole or as it was before, also after a power cut.

    Args:
        path: The file; its folder exists.
        data: Its new content.
        mode: Its permissions.

    Raises:
        ConfigError: It cannot be written; with the code ``disk-full`` if there is no room.
    """
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:50]}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        temporary.replace(path)
        temporary = None
        sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def sync_folder(path: Path) -> None:
    """Make new names in a folder durable; does nothing where folders cannot be opened."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def unwritable(path: Path, error: OSError) -> ConfigError:
    """Return the error to raise when a file could not be written.

    Args:
        path: The file.
        error: What the system said.

    Returns:
        An error with the code ``disk-full`` or ``config-invalid``.
    """
    if error.errno in _FULL:
        return ConfigError(
            f"There is no room to write {_shown(path)}.",
            hint="Free some space, then repeat the command; nothing was changed.",
            code=ErrorCode.DISK_FULL,
        )
    return ConfigError(f"{_shown(path)} cannot be written: {error.strerror or 'unknown reason'}.")


def _files_below(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda each: each.name)
    except OSError as error:
        raise _unreadable(folder, error) from None
    for entry in entries:
        path = folder / entry.name
        if entry.is_symlink():
            raise InputError(
                f"{_shown(path)} is a link; what it leads to can change unnoticed.",
                hint="Copy the encoder into a folder of plain files (cp -RL) and name that.",
            )
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(path)
        else:
            yield path


def _unreadable(path: Path, error: OSError) -> InputError:
    if error.errno == errno.ELOOP:
        return InputError(f"{_shown(path)} is a link; what it leads to can change unnoticed.")
    code = ErrorCode.INPUT_MISSING if error.errno == errno.ENOENT else ErrorCode.INPUT_MALFORMED
    return InputError(f"{_shown(path)} cannot be read: {error.strerror or 'unknown reason'}.", code=code)


def _shown(path: Path) -> str:
    text = str(path)
    return text if text.isprintable() else ascii(text)
