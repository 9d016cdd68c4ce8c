"""Salted commitments: bind a ledger entry to personal evidence without the ledger learning anything about it.

The salt is as long as the hash and stays in the vault beside the evidence. Once it is destroyed, nobody can
tell any more whether a given photo or name was the one committed to, not even by trying all that exist.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Final

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.errors import InputError, VerificationError

__all__ = ["SALT_SIZE", "commit", "new_salt", "verify_opening"]

SALT_SIZE: Final = 32

_DOMAIN: Final = b"urn:ireu:commitment:v1\x00"  # no hash made for another purpose can be shown as a commitment


def new_salt() -> bytes:
    """Return a fresh random salt; use one for a single commitment only."""
    return os.urandom(SALT_SIZE)


def commit(payload: object, salt: bytes) -> str:
    """Commit to a payload.

    Args:
        payload: Any JSON value.
        salt: 32 random bytes.

    Returns:
        SHA-256 in hex over a fixed domain, the salt, and the payload's canonical form.

    Raises:
        InputError: The payload has no canonical form, or the salt another length.
    """
    if len(salt) != SALT_SIZE:
        raise InputError(f"A commitment's salt has {SALT_SIZE} bytes, not {len(salt)}.")
    return hashlib.sha256(_DOMAIN + salt + canonicalize(payload)).hexdigest()


def verify_opening(commitment: str, payload: object, salt: bytes) -> None:
    """Check that a payload and a salt are those that were committed to.

    Args:
        commitment: What was recorded, in hex.
        payload: The JSON value.
        salt: The salt.

    Raises:
        InputError: The payload has no canonical form, or the salt another length.
        VerificationError: They open another commitment.
    """
    if not hmac.compare_digest(commit(payload, salt).encode("ascii"), commitment.encode("utf-8", "replace")):
        raise VerificationError("The evidence is not what the ledger is committed to.", check="commitment")
