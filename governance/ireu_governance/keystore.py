"""Keys on disk: private keys that only their owner can read, and the key file that everybody may.

A passphrase never comes from a command's arguments, where other users of a machine can see it; callers take
it from the environment (``IREU_KEY_PASSPHRASE``) or ask for it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.core.keys import MAX_KEY_FILE_BYTES, KeyFile, PrivateKey
from ireu_governance.files import sync_folder, unwritable

__all__ = ["PASSPHRASE_VARIABLE", "load_key_file", "load_private_key", "save_private_key"]

PASSPHRASE_VARIABLE: Final = "IREU_KEY_PASSPHRASE"  # noqa: S105
MAX_PRIVATE_KEY_BYTES: Final = 16 * 1024  # an encrypted Ed25519 key in PEM has about 400

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def load_private_key(path: Path, passphrase: bytes | None) -> PrivateKey:
    """Load a private key.

    Args:
        path: A PEM file that nobody but its owner can read.
        passphrase: What it is encrypted with; None for a plain key.

    Returns:
        The key.

    Raises:
        ConfigError: It is absent, open to other users, or cannot be opened.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_PRIVATE_KEY_BYTES + 1) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise ConfigError(
            f"The private key {path} cannot be read: {error.strerror or 'unknown reason'}.",
            code=ErrorCode.KEY_UNUSABLE,
        ) from None
    if os.name == "posix" and mode & _OTHERS:
        raise ConfigError(
            f"The private key {path} can be used by other users of this machine.",
            hint=f"Close it with: chmod 600 {path}. If it was open for long, rotate it.",
            code=ErrorCode.KEY_UNUSABLE,
        )
    if not 0 < len(data) <= MAX_PRIVATE_KEY_BYTES:
        raise ConfigError(f"{path} is no private key.", code=ErrorCode.KEY_UNUSABLE)
    return PrivateKey.from_pem(data, passphrase)


def save_private_key(path: Path, key: PrivateKey, passphrase: bytes | None) -> None:
    """Save a private key into a new file that only its owner can read.

    Args:
        path: The file; it must not exist, since a lost key cannot be made again.
        key: The key.
        passphrase: What to encrypt it with; None leaves it in clear.

    Raises:
        ConfigError: The file exists or cannot be written.
    """
    data = key.to_pem(passphrase)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path} exists; a key is never overwritten.", code=ErrorCode.KEY_UNUSABLE) from None
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        sync_folder(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise unwritable(path, error) from None


def load_key_file(path: Path) -> KeyFile:
    """Load a key file and verify that its own root keys signed it.

    Args:
        path: The file.

    Returns:
        The key file.

    Raises:
        InputError: It is absent, unreadable, or no key file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_KEY_FILE_BYTES + 1)
    except OSError as error:
        code = ErrorCode.INPUT_MISSING if isinstance(error, FileNotFoundError) else ErrorCode.INPUT_MALFORMED
        raise InputError(
            f"The key file {path} cannot be read: {error.strerror or 'unknown reason'}.", code=code
        ) from None
    return KeyFile.from_bytes(data)
