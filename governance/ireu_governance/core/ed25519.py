"""Ed25519 keys: signing, verifying, and the ways to write them down.

Public keys are checked when they are read, not only used: a verifier that takes any 32 bytes accepts keys for
which signatures can be made by everybody. Nothing here reads or writes files.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol, runtime_checkable

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ireu_governance.core.canonical import decode_base64
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, VerificationError
from ireu_governance.core.private_pem import read_private_pem, write_private_pem

__all__ = [
    "PrivateKey",
    "PublicKey",
    "Signer",
    "count_signers",
    "is_key_name",
    "note_key_hash",
    "vkey",
]

KEY_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64

_UNNAMEABLE = re.compile("[\\s+\x00-\x20\x7f\ud800-\udfff]")
_SPKI_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: the DER before the 32 raw bytes
_PRIME: Final = 2**255 - 19
_CURVE_D: Final = -121665 * pow(121666, -1, _PRIME) % _PRIME
# The y coordinates of the eight points of small order: under such a key, signatures verify that nobody made.
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _PRIME - 1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    }
)


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key that is a proper one: on the curve, in canonical form, and not of small order.

    Attributes:
        raw: The 32 bytes of RFC 8032.
    """

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_SIZE:
            raise InputError(f"An Ed25519 public key has {KEY_SIZE} bytes, not {len(self.raw)}.")
        y = int.from_bytes(self.raw, "little") & (2**255 - 1)
        if y >= _PRIME:
            raise InputError("The Ed25519 public key is not in canonical form.")
        if y in _SMALL_ORDER_Y:
            raise InputError("The Ed25519 public key has small order: anyone could sign for it.")
        u, v = (y * y - 1) % _PRIME, (_CURVE_D * y * y + 1) % _PRIME
        if pow(u * v % _PRIME, (_PRIME - 1) // 2, _PRIME) != 1:  # x² = u/v needs u·v to be a square
            raise InputError("The Ed25519 public key is no point of the curve.")

    @cached_property
    def key_id(self) -> str:
        """SHA-256 in hex over the key's SubjectPublicKeyInfo."""
        return hashlib.sha256(_SPKI_PREFIX + self.raw).hexdigest()

    @cached_property
    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.raw)

    def verify(self, signature: bytes, message: bytes, *, check: str) -> None:
        """Check a signature over a message.

        Args:
            signature: 64 bytes.
            message: The signed bytes.
            check: Name of the check that this is part of.

        Raises:
            VerificationError: The key did not sign this message.
        """
        if len(signature) != SIGNATURE_SIZE:
            raise VerificationError(
                f"The signature has {len(signature)} bytes instead of {SIGNATURE_SIZE}.", check=check
            )
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            raise VerificationError(
                f"The signature of key {self.key_id[:16]}… does not fit what was signed.", check=check
            ) from None

    @classmethod
    def from_raw(cls, raw: bytes) -> PublicKey:
        """Return the key of 32 raw bytes; `InputError` if they are none."""
        return cls(bytes(raw))

    @classmethod
    def from_base64(cls, text: str) -> PublicKey:
        """Return the key of the base64 of 32 raw bytes; `InputError` if it is none."""
        return cls(decode_base64(text, what="public key"))

    @classmethod
    def from_pem(cls, data: bytes) -> PublicKey:
        """Read a key from PEM.

        Args:
            data: A ``PUBLIC KEY`` block (SubjectPublicKeyInfo).

        Returns:
            The key.

        Raises:
            InputError: The bytes are no PEM, or hold another kind of key.
        """
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            key = load_pem_public_key(data)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise InputError("The public key is no readable PEM block.") from None
        if not isinstance(key, Ed25519PublicKey):
            raise InputError("The public key is not an Ed25519 key.")
        return cls(key.public_bytes_raw())

    def to_base64(self) -> str:
        """Return the base64 of the 32 raw bytes."""
        return base64.b64encode(self.raw).decode("ascii")

    def to_pem(self) -> bytes:
        """Return the key as a PEM ``PUBLIC KEY`` block."""
        encoded = base64.b64encode(_SPKI_PREFIX + self.raw)
        return b"-----BEGIN PUBLIC KEY-----\n" + encoded + b"\n-----END PUBLIC KEY-----\n"


@runtime_checkable
class Signer(Protocol):
    """Whatever holds a private key: a file, a security module, a test."""

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what is signed here."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature over a message."""
        ...


class PrivateKey:
    """An Ed25519 private key in memory; prints as its public key id and cannot be pickled or copied.

    Args:
        key: The key.
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public_key = PublicKey(key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"<PrivateKey of {self._public_key.key_id}>"

    def __reduce__(self) -> str:
        raise TypeError("a private key is not to be pickled or copied")

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this one signs."""
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature over a message."""
        return self._key.sign(message)

    @classmethod
    def generate(cls) -> PrivateKey:
        """Return a new random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, data: bytes, passphrase: bytes | None = None) -> PrivateKey:
        """Read a key from PEM (PKCS #8).

        Args:
            data: A ``PRIVATE KEY`` or ``ENCRYPTED PRIVATE KEY`` block.
            passphrase: What it is encrypted with; None for a plain key.

        Returns:
            The key.

        Raises:
            ConfigError: The bytes are no such key, or the passphrase does not open it.
        """
        key = read_private_pem(data, passphrase)
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError("The private key is not an Ed25519 key.", code=ErrorCode.KEY_UNUSABLE)
        return cls(key)

    def to_pem(self, passphrase: bytes | None) -> bytes:
        """Return the key as PEM (PKCS #8).

        Args:
            passphrase: What to encrypt it with; None leaves it in clear.

        Returns:
            A ``PRIVATE KEY`` or ``ENCRYPTED PRIVATE KEY`` block.

        Raises:
            ConfigError: The passphrase is empty or too long.
        """
        return write_private_pem(self._key, passphrase)


def count_signers(
    signatures: Sequence[tuple[str, bytes]],
    message: bytes,
    *,
    keys: Mapping[str, PublicKey],
    check: str,
) -> int:
    """Return how many different known keys signed a message.

    Args:
        signatures: Pairs of key id and signature; those of unknown keys are passed over.
        message: The signed bytes.
        keys: The known keys by key id.
        check: Name of the check that this is part of.

    Returns:
        Number of different keys.

    Raises:
        VerificationError: A known key's signature does not verify.
    """
    signers = set()
    for key_id, signature in signatures:
        key = keys.get(key_id)
        if key is not None:
            key.verify(signature, message, check=check)
            signers.add(key_id)
    return len(signers)


def vkey(name: str, key: PublicKey) -> str:
    """Return a key as a C2SP verifier key, which Go's ``sumdb/note`` and other foreign tools read.

    Args:
        name: Key name, for a log its origin: no white space, no plus.
        key: The public key.

    Returns:
        Text such as ``example.com/log+1234abcd+AQ…``.

    Raises:
        InputError: The name is no key name.
    """
    if not is_key_name(name):
        raise InputError("A key name is not empty and holds no white space, plus or control characters.")
    typed = b"\x01" + key.raw
    return f"{name}+{note_key_hash(name, key).hex()}+{base64.b64encode(typed).decode('ascii')}"


def note_key_hash(name: str, key: PublicKey) -> bytes:
    """Return the four bytes by which a signed note names an Ed25519 key (https://c2sp.org/signed-note)."""
    return hashlib.sha256(name.encode("utf-8") + b"\n\x01" + key.raw).digest()[:4]


def is_key_name(name: str) -> bool:
    """Return whether text can be a key name of a signed note."""
    return bool(name) and not _UNNAMEABLE.search(name)
