"""Keys under signed notes: who signed a checkpoint, by which algorithm, and over exactly which bytes.

Three types matter here. Logs sign with Ed25519 (0x01) over the text itself. Witnesses sign with Ed25519 (0x04)
over the text and a time. ML-DSA-44 (0x06) serves both: it signs a binary message that also names the signer, and
leaves out extension lines.

Formats: https://c2sp.org/signed-note@v1.0.0 (key ids, verifier keys), and https://c2sp.org/tlog-cosignature in its
edition of 2026 that adds ML-DSA-44 under the label ``subtree/v1``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ireu_governance.core.canonical import decode_base64
from ireu_governance.core.ed25519 import PublicKey, is_key_name
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.mldsa import MlDsaPublicKey

if TYPE_CHECKING:
    from ireu_governance.core.checkpoint import Checkpoint

__all__ = ["MAX_TIMESTAMP", "KeyKind", "VerifierKey", "signed_message"]

MAX_TIMESTAMP: Final = 2**63 - 1
MAX_KEY_NAME_BYTES: Final = 255  # the binary message of ML-DSA-44 gives a name's length one byte

_TIMESTAMP_SIZE: Final = 8
_HASH = re.compile("[0-9a-f]{8}")
_SUBTREE_LABEL: Final = b"subtree/v1\n\x00"


class KeyKind(IntEnum):
    """The signature types of C2SP signed notes that ireu knows, by their identifier byte."""

    ED25519 = 0x01
    """The signature of a log, over the text."""
    COSIGNATURE = 0x04
    """The Ed25519 signature of a witness, over a time and the text."""
    ML_DSA_44 = 0x06
    """The signature of a log or a witness, over the signer's name, a time, and the tree's head."""

    @property
    def is_timestamped(self) -> bool:
        """Whether a time stands before the signature."""
        return self is not KeyKind.ED25519


@dataclass(frozen=True)
class VerifierKey:
    """A public key with its name and type, as signed notes and policies speak of it.

    Attributes:
        name: Key name: for a log its origin, for a witness its own name.
        kind: The type of its signatures.
        key: The key itself.
    """

    name: str
    kind: KeyKind
    key: PublicKey | MlDsaPublicKey

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or len(self.name.encode("utf-8")) > MAX_KEY_NAME_BYTES:
            raise InputError(
                "A key name is not empty, holds no white space, plus or control characters,"
                f" and has at most {MAX_KEY_NAME_BYTES} bytes."
            )
        if isinstance(self.key, MlDsaPublicKey) != (self.kind is KeyKind.ML_DSA_44):
            raise InputError("The key's type does not fit its algorithm.")

    @cached_property
    def key_hash(self) -> bytes:
        """The four bytes by which a signature line names this key."""
        name = self.name.encode("utf-8")
        return hashlib.sha256(name + b"\n" + bytes([self.kind]) + self.key.raw).digest()[:4]

    def verify(self, signature: bytes, checkpoint: Checkpoint, *, check: str) -> int | None:
        """Check what stands on this key's signature line.

        Args:
            signature: All bytes of the line after the key hash.
            checkpoint: What it stands under.
            check: Name of the check that this is part of.

        Returns:
            When it was signed, in seconds since 1970, where the type has a time; zero when an ML-DSA-44 key
            makes no statement about the time.

        Raises:
            VerificationError: The key did not sign this checkpoint.
        """
        timestamp = None
        if self.kind.is_timestamped:
            timestamp = int.from_bytes(signature[:_TIMESTAMP_SIZE], "big")
            signature = signature[_TIMESTAMP_SIZE:]
            if timestamp > MAX_TIMESTAMP:
                raise VerificationError(f"The signature of '{self.name}' has an impossible time.", check=check)
        message = signed_message(self.kind, checkpoint, name=self.name, timestamp=timestamp or 0)
        try:
            self.key.verify(signature, message, check=check)
        except VerificationError as error:
            raise VerificationError(f"'{self.name}' did not sign this: {error.message}", check=check) from None
        return timestamp

    def to_text(self) -> str:
        """Return the C2SP verifier key (vkey), such as ``example.com/log+1234abcd+AQ…``."""
        typed = base64.b64encode(bytes([self.kind]) + self.key.raw).decode("ascii")
        return f"{self.name}+{self.key_hash.hex()}+{typed}"

    @classmethod
    def from_text(cls, text: str) -> VerifierKey:
        """Read a C2SP verifier key.

        Args:
            text: Name, key hash in lower-case hex, and base64 of type and key, joined by pluses.

        Returns:
            The key.

        Raises:
            InputError: The text is none, its type is unknown, or its hash is that of another key.
        """
        name, *rest = text.split("+", 2)  # a name holds no plus, base64 may
        if len(rest) != 2 or not _HASH.fullmatch(rest[0]):
            raise InputError("The text is no verifier key of the form name+hash+key.")
        typed = decode_base64(rest[1], what="verifier key")
        kinds = {each.value for each in KeyKind}
        if not typed or typed[0] not in kinds:
            raise InputError("The verifier key is of a type that ireu does not know (it knows 1, 4 and 6).")
        kind = KeyKind(typed[0])
        key: PublicKey | MlDsaPublicKey
        key = MlDsaPublicKey(typed[1:]) if kind is KeyKind.ML_DSA_44 else PublicKey(typed[1:])
        made = cls(name, kind, key)
        if made.key_hash.hex() != rest[0]:
            raise InputError("The verifier key's hash belongs to another key or name.")
        return made


def signed_message(kind: KeyKind, checkpoint: Checkpoint, *, name: str, timestamp: int) -> bytes:
    """Return the bytes that a key of a type signs for a checkpoint.

    Args:
        kind: The type.
        checkpoint: What is signed.
        name: Name of the signing key.
        timestamp: Time of signing, in seconds since 1970.

    Returns:
        The message.

    Raises:
        InputError: The origin is too long for the binary message of ML-DSA-44.
    """
    text = checkpoint.to_text().encode("utf-8")
    if kind is KeyKind.ED25519:
        return text
    if kind is KeyKind.COSIGNATURE:
        return b"cosignature/v1\ntime %d\n%b" % (timestamp, text)
    return _subtree_message(name, timestamp, checkpoint.origin, 0, checkpoint.size, checkpoint.root)


def _subtree_message(name: str, timestamp: int, origin: str, start: int, end: int, root: bytes) -> bytes:
    """Return the struct ``cosigned_message``; a checkpoint is the subtree that starts at 0."""
    parts = [_SUBTREE_LABEL, _vector(name), timestamp.to_bytes(8, "big"), _vector(origin)]
    return b"".join([*parts, start.to_bytes(8, "big"), end.to_bytes(8, "big"), root])


def _vector(text: str) -> bytes:
    data = text.encode("utf-8")
    if not 0 < len(data) <= MAX_KEY_NAME_BYTES:
        raise InputError(f"A name in an ML-DSA-44 signature has 1 to {MAX_KEY_NAME_BYTES} bytes.")
    return bytes([len(data)]) + data
