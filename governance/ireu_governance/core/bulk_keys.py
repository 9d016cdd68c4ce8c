"""Public keys for whoever verifies very many signatures: an audit, and a service that reads entries.

OpenSSL, by which everything else here verifies, takes most of an audit's time; libsodium (PyNaCl) needs less than two
thirds of it. Both compute the same equation of RFC 8032, section 5.1.7, without the cofactor and with S below the
group's order, and libsodium refuses a little more: an R of small order. So what libsodium accepts OpenSSL accepts, and
what it refuses OpenSSL decides: a signature counts here exactly when it counts elsewhere.
"""

from __future__ import annotations

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from ireu_governance.core.ed25519 import SIGNATURE_SIZE, PublicKey
from ireu_governance.core.key_document import KeyDocument
from ireu_governance.core.keys import KeyFile, Role

__all__ = ["BulkKeyFile", "BulkPublicKey"]


class BulkPublicKey(PublicKey):
    """A public key that verifies faster than `PublicKey` does, with the same results."""

    @classmethod
    def of(cls, key: PublicKey) -> BulkPublicKey:
        """Return the same key for many signatures."""
        return cls(key.raw)

    def verify(self, signature: bytes, message: bytes, *, check: str) -> None:
        """Check a signature over a message; see `PublicKey.verify`."""
        if len(signature) == SIGNATURE_SIZE:
            try:
                crypto_sign_open(signature + message, self.raw)
            except BadSignatureError:
                pass
            else:
                return
        super().verify(signature, message, check=check)


class BulkKeyFile(KeyFile):
    """A key file whose keys verify faster, with the same results; build it with `of` or `from_bytes`.

    Args:
        document: The parsed document; its signatures are verified here.
    """

    def __init__(self, document: KeyDocument) -> None:
        super().__init__(document)
        self._bulk: dict[str, BulkPublicKey] = {}
        for role in Role:
            self._bulk |= {key.key_id: BulkPublicKey.of(key) for key in super().keys(role)}

    @classmethod
    def of(cls, key_file: KeyFile) -> BulkKeyFile:
        """Return the same key file for many signatures."""
        return cls(KeyDocument.from_bytes(key_file.to_bytes()))

    def keys(self, role: Role, *, at_size: int | None = None) -> tuple[PublicKey, ...]:
        """Return the Ed25519 keys of a role; see `KeyFile.keys`."""
        found = super().keys(role, at_size=at_size)
        return tuple(self._bulk[key.key_id] for key in found)
