"""ML-DSA-44 keys (FIPS 204): the signatures that a quantum computer does not forge, beside those of Ed25519.

A log may have such a key as its second one, so that its checkpoints stay believable when Ed25519 no longer is.
Messages are signed whole and without a context string, as C2SP asks. Nothing here reads or writes files.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from ireu_governance.core.canonical import decode_base64
from ireu_governance.core.ed25519 import PublicKey, Signer
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, VerificationError
from ireu_governance.core.private_pem import read_private_pem, write_private_pem

__all__ = ["HybridSigner", "MlDsaPrivateKey", "MlDsaPublicKey"]

KEY_SIZE: Final = 1312
SIGNATURE_SIZE: Final = 2420

_SPKI_PREFIX: Final = bytes.fromhex("30820532300b06096086480165030403110382052100")  # RFC 9881, before the raw key


@dataclass(frozen=True)
class MlDsaPublicKey:
    """An ML-DSA-44 public key. Any bytes of the right length are one: FIPS 204 knows no weak keys to refuse.

    Attributes:
        raw: The 1,312 bytes of FIPS 204.
    """

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_SIZE:
            raise InputError(f"An ML-DSA-44 public key has {KEY_SIZE} bytes, not {len(self.raw)}.")

    @cached_property
    def key_id(self) -> str:
        """SHA-256 in hex over the key's SubjectPublicKeyInfo."""
        return hashlib.sha256(_SPKI_PREFIX + self.raw).hexdigest()

    @cached_property
    def _key(self) -> MLDSA44PublicKey:
        try:
            return MLDSA44PublicKey.from_public_bytes(self.raw)
        except UnsupportedAlgorithm:
            raise InputError(
                "This build of the cryptography library has no ML-DSA, so the key cannot be used.",
                hint="Install the wheel of cryptography from PyPI, then repeat.",
            ) from None

    def verify(self, signature: bytes, message: bytes, *, check: str) -> None:
        """Check a signature over a message.

        Args:
            signature: 2,420 bytes.
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
    def from_raw(cls, raw: bytes) -> MlDsaPublicKey:
        """Return the key of 1,312 raw bytes; `InputError` if they are none."""
        return cls(bytes(raw))

    @classmethod
    def from_base64(cls, text: str) -> MlDsaPublicKey:
        """Return the key of the base64 of 1,312 raw bytes; `InputError` if it is none."""
        return cls(decode_base64(text, what="public key"))

    def to_base64(self) -> str:
        """Return the base64 of the 1,312 raw bytes."""
        return base64.b64encode(self.raw).decode("ascii")


class MlDsaPrivateKey:
    """An ML-DSA-44 private key in memory; prints as its public key id and cannot be pickled or copied.

    Args:
        key: The key.
    """

    def __init__(self, key: MLDSA44PrivateKey) -> None:
        self._key = key
        self._public_key = MlDsaPublicKey(key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"<MlDsaPrivateKey of {self._public_key.key_id}>"

    def __reduce__(self) -> str:
        raise TypeError("a private key is not to be pickled or copied")

    @property
    def public_key(self) -> MlDsaPublicKey:
        """The key that verifies what this one signs."""
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """Return an ML-DSA-44 signature over a message; each call gives another one."""
        return self._key.sign(message)

    @classmethod
    def generate(cls) -> MlDsaPrivateKey:
        """Return a new random key.

        Raises:
            ConfigError: This build of the cryptography library has no ML-DSA.
        """
        try:
            return cls(MLDSA44PrivateKey.generate())
        except UnsupportedAlgorithm:
            raise ConfigError(
                "This build of the cryptography library has no ML-DSA.",
                hint="Install the wheel of cryptography from PyPI, then repeat.",
                code=ErrorCode.KEY_UNUSABLE,
            ) from None

    @classmethod
    def from_pem(cls, data: bytes, passphrase: bytes | None = None) -> MlDsaPrivateKey:
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
        if not isinstance(key, MLDSA44PrivateKey):
            raise ConfigError("The private key is not an ML-DSA-44 key.", code=ErrorCode.KEY_UNUSABLE)
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


@dataclass(frozen=True)
class HybridSigner:
    """The two keys of a log as one signer: what it signs with Ed25519 it can also sign with ML-DSA-44.

    Attributes:
        first: The Ed25519 key; alone it is all that this signer does.
        second: The ML-DSA-44 key, for whoever asks for it.
    """

    first: Signer
    second: MlDsaPrivateKey

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what is signed here."""
        return self.first.public_key

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature over a message."""
        return self.first.sign(message)
