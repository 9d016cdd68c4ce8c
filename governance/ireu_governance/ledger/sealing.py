"""Authenticated encryption for the evidence vault, and the file that holds its master key.

AES-256-GCM with a random nonce in front of each ciphertext. A key seals few messages (those of one case, or
the keys of all cases), far below the 2^32 up to which random nonces are safe.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ireu_governance.core.errors import ConfigError, ErrorCode, VerificationError

__all__ = ["binding", "new_key", "read_master_key", "seal", "unseal", "write_new"]

_KEY_SIZE: Final = 32
_NONCE_SIZE: Final = 12
_DOMAIN: Final = b"urn:ireu:vault:v1"


def new_key() -> bytes:
    """Return a new random key."""
    return AESGCM.generate_key(8 * _KEY_SIZE)


def binding(*parts: str) -> bytes:
    """Return the bytes that bind a ciphertext to what it is and to whom it belongs.

    Args:
        parts: Words and ids, none of which holds a zero byte.

    Returns:
        Associated data for `seal` and `unseal`.
    """
    return b"\x00".join([_DOMAIN, *(part.encode("ascii") for part in parts)])


def seal(key: bytes, data: bytes, bound_to: bytes) -> bytes:
    """Encrypt data so that it opens only together with what it is bound to."""
    nonce = os.urandom(_NONCE_SIZE)
    return nonce + AESGCM(key).encrypt(nonce, data, bound_to)


def unseal(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    """Decrypt what `seal` made.

    Args:
        key: The key that it was sealed with.
        sealed: From `seal`; anything else is refused.
        bound_to: What it must be bound to.

    Returns:
        The data.

    Raises:
        VerificationError: It was changed, sealed with another key, or bound to something else.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], bound_to)
    except (InvalidTag, ValueError):
        raise VerificationError(
            "Evidence cannot be decrypted: it was changed, or moved from another case.", check="evidence"
        ) from None


def write_new(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read; `OSError` if there is one already, or it cannot be finished."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink()
        raise


def read_master_key(path: Path) -> bytes:
    """Read a vault's master key.

    Args:
        path: Its file.

    Returns:
        32 bytes.

    Raises:
        ConfigError: It is missing, can be read by other users, or is no such key.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(_KEY_SIZE + 1)
    except OSError as error:
        raise ConfigError(f"The vault's key cannot be read: {error.strerror}.", code=ErrorCode.KEY_UNUSABLE) from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            "The vault's key can be read by other users of this machine.",
            hint=f"Close it with: chmod 600 {path}",
            code=ErrorCode.KEY_UNUSABLE,
        )
    if len(key) != _KEY_SIZE:
        raise ConfigError("The file is no vault key.", code=ErrorCode.KEY_UNUSABLE)
    return key
