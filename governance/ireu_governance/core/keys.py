"""The key file: which keys a log has, what each may sign, and since when one may not any more.

A regulator gets the key file once, by a way they trust, and everything else follows from it. It is signed by
the log's root keys, so that nobody can add a key to one unnoticed; that alone does not make it the right one.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ireu_governance.core.canonical import MAX_SAFE_INTEGER, canonicalize, decode_base64, parse_json
from ireu_governance.core.ed25519 import PrivateKey, PublicKey, Signer, count_signers, vkey
from ireu_governance.core.envelope import MAX_SIGNATURES, pae
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.times import Timestamp
from ireu_governance.core.validation import describe

__all__ = ["MAX_KEYS", "KeyFile", "PrivateKey", "PublicKey", "Role", "Signer", "vkey"]

KEY_FILE_TYPE: Final = "urn:ireu:key-file:v1"
MAX_KEY_FILE_BYTES: Final = 256 * 1024  # 200 keys take about 60 kB
MAX_KEYS: Final = 200  # each root key may cost a verification

_PAYLOAD_TYPE: Final = "application/vnd.ireu.key-file+json"
_CHECK: Final = "key-file"

_Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Positive = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]


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
        public_key: Base64 of its 32 raw bytes.
        valid_from: When it was added.
        revoked_from_size: Size of the log from which on nothing that it signed counts; None while it is good.
    """

    key_id: _Hex32
    role: Role
    algorithm: Literal["ed25519"]
    public_key: Annotated[str, StringConstraints(max_length=44)]
    valid_from: Timestamp
    revoked_from_size: Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)] | None


class _Signed(_Strict):
    origin: Annotated[str, StringConstraints(pattern=r"^[^\s+\x00-\x1f\x7f]{1,200}$")]
    version: _Positive
    threshold: _Positive
    issued_at: Timestamp
    organisation: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    keys: Annotated[tuple[KeyEntry, ...], Field(min_length=1, max_length=MAX_KEYS)]


class _KeySignature(_Strict):
    keyid: _Hex32
    sig: Annotated[str, StringConstraints(max_length=88)]


class _Document(_Strict):
    type_: Annotated[Literal["urn:ireu:key-file:v1"], Field(alias="_type")]
    signed: _Signed
    signatures: Annotated[tuple[_KeySignature, ...], Field(min_length=1, max_length=MAX_SIGNATURES)]

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)


class KeyFile:
    """A key file that is well-formed and signed by its own root keys; build it with `create` or `from_bytes`.

    Args:
        document: The parsed document; its signatures are verified here.
    """

    def __init__(self, document: _Document) -> None:
        self._document = document
        self._keys = {each.key_id: _read_key(each) for each in document.signed.keys}
        if len(self._keys) != len(document.signed.keys):
            raise InputError("The key file lists a key twice; each key has exactly one role.")
        _require_root_signatures(document, self.keys(Role.ROOT), document.signed.threshold)

    def __repr__(self) -> str:
        return f"<KeyFile of {self.origin}, version {self.version}>"

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self._document.signed.origin

    @property
    def organisation(self) -> str:
        """Who runs the log and stands for what it records."""
        return self._document.signed.organisation

    @property
    def version(self) -> int:
        """Number of this key file, from 1."""
        return self._document.signed.version

    @property
    def threshold(self) -> int:
        """How many root keys must sign."""
        return self._document.signed.threshold

    @property
    def issued_at(self) -> str:
        """When it was made."""
        return self._document.signed.issued_at

    @property
    def entries(self) -> tuple[KeyEntry, ...]:
        """All keys as they are listed."""
        return self._document.signed.keys

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex over the canonical form of the whole document, however it was laid out."""
        return hashlib.sha256(canonicalize(self.to_object())).hexdigest()

    def keys(self, role: Role, *, at_size: int | None = None) -> tuple[PublicKey, ...]:
        """Return the keys of a role.

        Args:
            role: What they must be allowed to sign.
            at_size: Leave out keys that were revoked from this size of the log or a smaller one. For an entry
                this is its number, for a checkpoint its size.

        Returns:
            The keys, in the order of the file.
        """
        return tuple(
            self._keys[each.key_id]
            for each in self.entries
            if each.role is role
            and (at_size is None or each.revoked_from_size is None or each.revoked_from_size > at_size)
        )

    def find(self, key_id: str) -> KeyEntry | None:
        """Return what the file says about a key; None if it does not list it."""
        return next((each for each in self.entries if each.key_id == key_id), None)

    def endorses(self, older: KeyFile) -> bool:
        """Return whether another key file is an earlier version of this one.

        Args:
            older: What claims to be an earlier version.

        Returns:
            True if it is of the same log, has a smaller version, and *this* file's root keys signed it.
        """
        if older.origin != self.origin or older.version >= self.version:
            return False
        try:
            _require_root_signatures(older._document, self.keys(Role.ROOT), self.threshold)
        except VerificationError:
            return False
        return True

    def to_object(self) -> dict[str, object]:
        """Return the document as JSON objects."""
        return self._document.model_dump(mode="json", by_alias=True)

    def to_bytes(self) -> bytes:
        """Return the document, indented for people to read."""
        return json.dumps(self.to_object(), indent=2, ensure_ascii=False).encode("utf-8") + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> KeyFile:
        """Read a key file and verify its own signatures.

        Args:
            data: JSON in any layout, but by strict rules.

        Returns:
            The key file. It is consistent in itself; whether it is the right one is for the reader to know.

        Raises:
            InputError: The bytes are no key file, or its root keys did not sign it.
        """
        parse_json(data, what="key file", max_bytes=MAX_KEY_FILE_BYTES)
        try:
            document = _Document.model_validate_json(data)
        except ValidationError as error:
            raise InputError(f"The key file is malformed {describe(error)}.") from None
        try:
            return cls(document)
        except VerificationError as error:
            raise InputError(f"The key file is not signed by its own root keys: {error.message}") from None

    @classmethod
    def from_object(cls, value: object) -> KeyFile:
        """Read a key file from parsed JSON; see `from_bytes`."""
        return cls.from_bytes(canonicalize(value))

    @classmethod
    def create(
        cls,
        *,
        origin: str,
        organisation: str,
        root_signers: Sequence[Signer],
        log_keys: Sequence[PublicKey],
        record_keys: Sequence[PublicKey],
        issued_at: str,
        version: int = 1,
        threshold: int = 1,
    ) -> KeyFile:
        """Make and sign a key file.

        Args:
            origin: Name of the log.
            organisation: Who runs it.
            root_signers: All root keys; each signs.
            log_keys: Keys that may sign checkpoints.
            record_keys: Keys that may sign entries and certificates.
            issued_at: Time of making, and from which on all keys are valid.
            version: Number of this key file.
            threshold: How many root keys must sign this file.

        Returns:
            The signed key file.

        Raises:
            InputError: Something of it is malformed, a key has two roles, or the threshold cannot be met.
        """
        listed = [
            *_entries(Role.ROOT, (signer.public_key for signer in root_signers), issued_at),
            *_entries(Role.LOG, log_keys, issued_at),
            *_entries(Role.RECORD, record_keys, issued_at),
        ]
        signed: dict[str, object] = {
            "origin": origin,
            "version": version,
            "threshold": threshold,
            "issued_at": issued_at,
            "organisation": organisation,
            "keys": listed,
        }
        message = pae(_PAYLOAD_TYPE, canonicalize(signed))
        signatures = [
            {
                "keyid": signer.public_key.key_id,
                "sig": base64.b64encode(signer.sign(message)).decode("ascii"),
            }
            for signer in root_signers
        ]
        return cls.from_object({"_type": KEY_FILE_TYPE, "signed": signed, "signatures": signatures})


def _entries(role: Role, keys: Iterable[PublicKey], valid_from: str) -> list[dict[str, object]]:
    return [
        {
            "key_id": key.key_id,
            "role": role.value,
            "algorithm": "ed25519",
            "public_key": key.to_base64(),
            "valid_from": valid_from,
            "revoked_from_size": None,
        }
        for key in keys
    ]


def _read_key(entry: KeyEntry) -> PublicKey:
    key = PublicKey.from_base64(entry.public_key)
    if key.key_id != entry.key_id:
        raise InputError("The key file names a key by another key's id.")
    return key


def _require_root_signatures(document: _Document, roots: Sequence[PublicKey], threshold: int) -> None:
    signatures = [(each.keyid, decode_base64(each.sig, what="key file's signature")) for each in document.signatures]
    if len({key_id for key_id, _ in signatures}) != len(signatures):
        raise InputError("The key file is signed twice by the same key.")
    message = pae(_PAYLOAD_TYPE, canonicalize(document.signed.model_dump(mode="json", by_alias=True)))
    signers = count_signers(signatures, message, keys={key.key_id: key for key in roots}, check=_CHECK)
    if signers < threshold:
        raise VerificationError(
            f"{signers} of its root keys have signed the key file; it needs {threshold}.", check=_CHECK
        )
