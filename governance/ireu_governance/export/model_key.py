"""The key that signs encoders for other tools: P-256, since those take no Ed25519. It signs nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ireu_governance.core.errors import ConfigError, ErrorCode
from ireu_governance.core.private_pem import write_private_pem
from ireu_governance.files import write_atomically
from ireu_governance.keystore import read_private_file, save_private_key

__all__ = ["PRIVATE_KEY_FILE", "PUBLIC_KEY_FILE", "ModelKey", "open_model_key"]

PRIVATE_KEY_FILE: Final = "model.pem"
PUBLIC_KEY_FILE: Final = "model.pub.pem"


class ModelKey:
    """A private key for signatures over encoders.

    Args:
        key: A P-256 key.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"<ModelKey {self.fingerprint[:16]}…>"

    @classmethod
    def generate(cls) -> ModelKey:
        """Return a fresh key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, data: bytes, passphrase: bytes | None) -> ModelKey:
        """Read a key from PEM (PKCS #8).

        Args:
            data: The file.
            passphrase: What it is encrypted with; None for a plain key.

        Raises:
            ConfigError: It is no P-256 key, or the passphrase does not open it.
        """
        try:
            key = serialization.load_pem_private_key(data, passphrase)
        except (TypeError, ValueError, UnsupportedAlgorithm):
            raise ConfigError(
                "The key for encoders cannot be opened.",
                hint="Set IREU_KEY_PASSPHRASE to the passphrase that it was encrypted with, or unset it.",
                code=ErrorCode.KEY_UNUSABLE,
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ConfigError("The key for encoders is not a P-256 key.", code=ErrorCode.KEY_UNUSABLE)
        return cls(key)

    def to_pem(self, passphrase: bytes | None) -> bytes:
        """Return the key as PEM, encrypted if a passphrase is given."""
        return write_private_pem(self._key, passphrase)  # type: ignore[arg-type]  # any PKCS #8 key will do

    @property
    def public_pem(self) -> bytes:
        """The public half as PEM, for whoever verifies."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex over the public half as PEM, by which bundles name their key."""
        return hashlib.sha256(self.public_pem).hexdigest()

    def sign(self, message: bytes) -> bytes:
        """Return a signature: ECDSA with SHA-256, in DER."""
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))


def open_model_key(folder: Path, passphrase: bytes | None) -> ModelKey:
    """Return the key of a folder of keys; made, with its public half beside it, when it is first needed.

    Args:
        folder: The workspace's folder of keys.
        passphrase: What the private half is or will be encrypted with; None for a plain file.

    Raises:
        ConfigError: It cannot be read or written, or is open to other users of the machine.
    """
    path, public = folder / PRIVATE_KEY_FILE, folder / PUBLIC_KEY_FILE
    if path.exists():
        key = ModelKey.from_pem(read_private_file(path), passphrase)
    else:
        key = ModelKey.generate()
        save_private_key(path, key, passphrase)  # type: ignore[arg-type]  # it only asks for `to_pem`
    if not public.exists() or public.read_bytes() != key.public_pem:
        write_atomically(public, key.public_pem)
    return key
