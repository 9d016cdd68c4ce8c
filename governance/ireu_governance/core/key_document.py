"""The key file as a document: what stands in it, and the bytes that its root keys sign.

Reading one verifies nothing; `keys` does.
"""

from __future__ import annotations

import base64
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
)

from ireu_governance.core.canonical import MAX_SAFE_INTEGER, canonicalize, decode_base64, parse_json
from ireu_governance.core.ed25519 import PublicKey, Signer
from ireu_governance.core.envelope import MAX_SIGNATURES, pae
from ireu_governance.core.errors import InputError
from ireu_governance.core.mldsa import MlDsaPublicKey
from ireu_governance.core.times import Timestamp
from ireu_governance.core.validation import describe

__all__ = [
    "KEY_FILE_TYPE",
    "MAX_KEYS",
    "MAX_KEY_FILE_BYTES",
    "AnyPublicKey",
    "KeyDocument",
    "KeyEntry",
    "KeySignature",
    "Role",
    "SignedKeys",
]

KEY_FILE_TYPE: Final = "urn:ireu:key-file:v1"
MAX_KEY_FILE_BYTES: Final = 256 * 1024  # 200 keys take about 60 kB, and a few post-quantum ones 2 kB each
MAX_KEYS: Final = 200  # each root key may cost a verification

_PAYLOAD_TYPE: Final = "application/vnd.ireu.key-file+json"
_ED25519_TEXT: Final = 44  # base64 of 32 bytes
_MLDSA_TEXT: Final = 1752  # base64 of 1,312 bytes

_Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Positive = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
_Size = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]

AnyPublicKey: TypeAlias = PublicKey | MlDsaPublicKey
"""A public key of one of the algorithms that a key file may list."""


class Role(StrEnum):
    """What a key of a key file may sign."""

    ROOT = "root"
    """Key files."""
    LOG = "log"
    """Checkpoints."""
    RECORD = "record"
    """Ledger entries and certificates."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class KeyEntry(_Strict):
    """One key of a key file.

    Attributes:
        key_id: SHA-256 in hex over the key's SubjectPublicKeyInfo.
        role: What it may sign.
        algorithm: Ed25519, or ML-DSA-44 as a further key of the log.
        public_key: Base64 of its raw bytes.
        valid_from: When it was added; nothing that is dated earlier counts.
        valid_from_size: Size of the log from which on it counts; absent for the keys of the first version.
        revoked_from_size: Size of the log from which on nothing that it signed counts; None while it is good.
    """

    key_id: _Hex32
    role: Role
    algorithm: Literal["ed25519", "ml-dsa-44"]
    public_key: Annotated[str, StringConstraints(max_length=_MLDSA_TEXT)]
    valid_from: Timestamp
    valid_from_size: _Size | None = None
    revoked_from_size: _Size | None

    @model_serializer(mode="wrap")
    def _leave_out_unused(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # An optional member is absent, never null: files of the first version keep their bytes.
        written: dict[str, Any] = handler(self)
        if self.valid_from_size is None:
            written.pop("valid_from_size", None)
        return written

    @property
    def first_size(self) -> int:
        """Size of the log from which on the key counts."""
        return self.valid_from_size or 0

    def counts_at(self, size: int) -> bool:
        """Return whether the key counts at a size of the log: for an entry its number, for a checkpoint its size."""
        return self.first_size <= size and (self.revoked_from_size is None or size < self.revoked_from_size)

    def problem_at(self, size: int, time: str | None) -> str | None:
        """Return why the key does not count at a size and time, as a sentence; None if it does."""
        if self.revoked_from_size is not None and self.revoked_from_size <= size:
            return f"It is signed by a key that counts no more from entry {self.revoked_from_size} on."
        if size < self.first_size:
            return f"It is signed by a key that counts only from entry {self.first_size} on."
        if time is not None and time < self.valid_from:  # both in the one form that sorts by time
            return f"It is dated {time}, before its key was added at {self.valid_from}."
        return None

    @classmethod
    def describing(
        cls, key: AnyPublicKey, role: Role, *, valid_from: str, valid_from_size: int | None = None
    ) -> KeyEntry:
        """Return the entry of a new key.

        Args:
            key: The public key.
            role: What it may sign.
            valid_from: Time from which on it counts.
            valid_from_size: Size of the log from which on it counts; None from the first entry on.

        Returns:
            The entry of a key that is not revoked.
        """
        return cls(
            key_id=key.key_id,
            role=role,
            algorithm="ed25519" if isinstance(key, PublicKey) else "ml-dsa-44",
            public_key=key.to_base64(),
            valid_from=valid_from,
            valid_from_size=valid_from_size,
            revoked_from_size=None,
        )

    def to_object(self) -> dict[str, object]:
        """Return the entry as a JSON object."""
        return self.model_dump(mode="json")

    def read_key(self) -> AnyPublicKey:
        """Return the public key; `InputError` if it is none, or not the one that its id names."""
        key: AnyPublicKey
        if self.algorithm == "ed25519":
            if len(self.public_key) > _ED25519_TEXT:
                raise InputError("The key file has an Ed25519 key that is too long to be one.")
            key = PublicKey.from_base64(self.public_key)
        elif self.role is Role.LOG:
            key = MlDsaPublicKey.from_base64(self.public_key)
        else:
            raise InputError(f"The key file has an ML-DSA key as {self.role.value} key; only a log may have one.")
        if key.key_id != self.key_id:
            raise InputError("The key file names a key by another key's id.")
        return key


class SignedKeys(_Strict):
    """Everything in a key file that its root keys sign."""

    origin: Annotated[str, StringConstraints(pattern=r"^[^\s+\x00-\x1f\x7f]{1,200}$")]
    version: _Positive
    threshold: _Positive
    issued_at: Timestamp
    organisation: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    keys: Annotated[tuple[KeyEntry, ...], Field(min_length=1, max_length=MAX_KEYS)]

    def to_object(self) -> dict[str, object]:
        """Return the content as JSON objects."""
        return self.model_dump(mode="json", by_alias=True)

    def message(self) -> bytes:
        """Return the bytes that root keys sign."""
        return pae(_PAYLOAD_TYPE, canonicalize(self.to_object()))

    def sign(self, signer: Signer) -> KeySignature:
        """Return a root key's signature."""
        signature = base64.b64encode(signer.sign(self.message())).decode("ascii")
        return KeySignature(keyid=signer.public_key.key_id, sig=signature)

    @classmethod
    def from_object(cls, value: object) -> SignedKeys:
        """Read the content of a key file from JSON objects; `InputError` if it is malformed."""
        try:
            return cls.model_validate_json(canonicalize(value))
        except ValidationError as error:
            raise InputError(f"The key file is malformed {describe(error)}.") from None


class KeySignature(_Strict):
    """A root key's signature."""

    keyid: _Hex32
    sig: Annotated[str, StringConstraints(max_length=88)]

    def to_bytes(self) -> bytes:
        """Return the signature's bytes; `InputError` if it is no base64."""
        return decode_base64(self.sig, what="key file's signature")


class KeyDocument(_Strict):
    """A key file, unverified."""

    type_: Annotated[Literal["urn:ireu:key-file:v1"], Field(alias="_type")]
    signed: SignedKeys
    signatures: Annotated[tuple[KeySignature, ...], Field(min_length=1, max_length=MAX_SIGNATURES)]

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)

    @classmethod
    def from_bytes(cls, data: bytes) -> KeyDocument:
        """Read a key file without verifying anything.

        Args:
            data: JSON in any layout, but by strict rules.

        Returns:
            The document.

        Raises:
            InputError: The bytes are no key file.
        """
        parse_json(data, what="key file", max_bytes=MAX_KEY_FILE_BYTES)
        try:
            return cls.model_validate_json(data, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InputError(f"The key file is malformed {describe(error)}.") from None
