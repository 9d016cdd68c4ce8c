"""Keys on disk: private keys that only their owner can read, and the key file that everybody may.

A passphrase never comes from a command's arguments, where other users of a machine can see it; callers take
it from the environment (``IREU_KEY_PASSPHRASE``) or ask for it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.core.keys import MAX_KEY_FILE_BYTES, KeyFile, PrivateKey
from ireu_governance.core.mldsa import MlDsaPrivateKey
from ireu_governance.core.private_pem import read_private_pem
from ireu_governance.core.times import now
from ireu_governance.files import sync_folder, unwritable, write_atomically

__all__ = [
    "MAX_ROOT_KEYS",
    "PASSPHRASE_VARIABLE",
    "create_keys",
    "load_any_private_key",
    "load_key_file",
    "load_private_key",
    "read_passphrase",
    "read_private_file",
    "save_private_key",
]

PASSPHRASE_VARIABLE: Final = "IREU_KEY_PASSPHRASE"  # noqa: S105
MAX_PRIVATE_KEY_BYTES: Final = 16 * 1024  # an encrypted key in PEM has about 300

MAX_ROOT_KEYS: Final = 8  # old and new root keys both sign a change, and a key file takes 16 signatures

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read_passphrase() -> bytes | None:
    """Return the passphrase of private keys from the environment; None if it is not set."""
    value = os.environ.get(PASSPHRASE_VARIABLE)
    return value.encode("utf-8") if value else None


def create_keys(folder: Path, *, origin: str, organisation: str, root_keys: int = 1, threshold: int = 1) -> KeyFile:
    """Make the first keys of a log, and its key file, in an empty folder.

    Args:
        folder: Gets ``root.pem`` (``root-2.pem`` …), ``log.pem``, ``record.pem`` and ``keys.json``; the private
            ones are encrypted if IREU_KEY_PASSPHRASE is set.
        origin: Name of the log.
        organisation: Who runs it.
        root_keys: How many root keys to make, so that several people can hold one each.
        threshold: How many of them have to sign a change of keys.

    Returns:
        The key file.

    Raises:
        ConfigError: These numbers are not possible, or a file cannot be written.
    """
    if not 1 <= threshold <= root_keys <= MAX_ROOT_KEYS:
        raise ConfigError(
            f"{root_keys} root keys of which {threshold} have to sign are not possible.",
            hint=f"Make 1 to {MAX_ROOT_KEYS} root keys, and let at most as many have to sign.",
        )
    passphrase = read_passphrase()
    roots = [PrivateKey.generate() for _ in range(root_keys)]
    log, record = PrivateKey.generate(), PrivateKey.generate()
    names = ["root", *(f"root-{number}" for number in range(2, root_keys + 1)), "log", "record"]
    for name, key in zip(names, [*roots, log, record], strict=True):
        save_private_key(folder / f"{name}.pem", key, passphrase)
    key_file = KeyFile.create(
        origin=origin,
        organisation=organisation,
        root_signers=roots,
        log_keys=[log.public_key],
        record_keys=[record.public_key],
        issued_at=now(),
        threshold=threshold,
    )
    write_atomically(folder / "keys.json", key_file.to_bytes())
    return key_file


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
    return PrivateKey.from_pem(read_private_file(path), passphrase)


def load_any_private_key(path: Path, passphrase: bytes | None) -> PrivateKey | MlDsaPrivateKey:
    """Load a private key of either algorithm; see `load_private_key`."""
    key = read_private_pem(read_private_file(path), passphrase)
    return PrivateKey(key) if isinstance(key, Ed25519PrivateKey) else MlDsaPrivateKey(key)


def read_private_file(path: Path) -> bytes:
    """Return the content of a file with a private key; `ConfigError` if it is absent, or open to other users."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_PRIVATE_KEY_BYTES + 1) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise ConfigError(
            f"The private key {path} cannot be read: {error.strerror or 'unknown reason'}.",
            hint="Put it back from where it is kept; 'ireu keys list' shows where each key should be.",
            code=ErrorCode.KEY_UNUSABLE,
        ) from None
    if os.name == "posix" and mode & _OTHERS:
        raise ConfigError(
            f"The private key {path} can be used by other users of this machine.",
            hint=f"Close it with: chmod 600 {path}. Rotate it (ireu keys rotate) only if others may have read it.",
            code=ErrorCode.KEY_UNUSABLE,
        )
    if not 0 < len(data) <= MAX_PRIVATE_KEY_BYTES:
        raise ConfigError(f"{path} is no private key.", code=ErrorCode.KEY_UNUSABLE)
    return data


def save_private_key(path: Path, key: PrivateKey | MlDsaPrivateKey, passphrase: bytes | None) -> None:
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


_GIVE_KEY_FILE: Final = "Give the path of the file that the organisation gave you, such as keys.json."


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
            f"The key file {path} cannot be read: {error.strerror or 'unknown reason'}.", hint=_GIVE_KEY_FILE, code=code
        ) from None
    if b"PRIVATE KEY-----" in data[:200]:
        raise InputError(f"{path} is a private key, which nobody else may see, and no key file.", hint=_GIVE_KEY_FILE)
    try:
        return KeyFile.from_bytes(data)
    except InputError as error:
        raise InputError(f"In {path}: {error.message}", hint=error.hint or _GIVE_KEY_FILE, code=error.code) from None
