"""The key file: which keys a log has, what each may sign, and from when until when.

A regulator gets the key file once, by a way they trust, and everything else follows from it. It is signed by
the log's root keys, so that nobody can add a key to one unnoticed; that alone does not make it the right one.
Each later version is signed by enough root keys of the version before as well, so that whoever trusts one
version can follow the chain to the next ones (`KeyFile.follow`) without asking anybody again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.ed25519 import PrivateKey, PublicKey, Signer, vkey
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.key_chain import expect_successor, require_root_signatures
from ireu_governance.core.key_document import (
    KEY_FILE_TYPE,
    MAX_KEY_FILE_BYTES,
    MAX_KEYS,
    KeyDocument,
    KeyEntry,
    KeySignature,
    Role,
    SignedKeys,
)
from ireu_governance.core.mldsa import MlDsaPublicKey

__all__ = [
    "MAX_KEYS",
    "MAX_KEY_FILE_BYTES",
    "KeyEntry",
    "KeyFile",
    "PrivateKey",
    "PublicKey",
    "Role",
    "Signer",
    "vkey",
]


class KeyFile:
    """A key file that is well-formed and signed by its own root keys; build it with `create` or `from_bytes`.

    Args:
        document: The parsed document; its signatures are verified here.
    """

    def __init__(self, document: KeyDocument) -> None:
        self._document = document
        self._keys = {each.key_id: each.read_key() for each in document.signed.keys}
        if len(self._keys) != len(document.signed.keys):
            raise InputError("The key file lists a key twice; each key has exactly one role.")
        require_root_signatures(document.signed, document.signatures, self.active(Role.ROOT), document.signed.threshold)

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

    @property
    def signed(self) -> SignedKeys:
        """What the root keys signed."""
        return self._document.signed

    @property
    def signatures(self) -> tuple[KeySignature, ...]:
        """Who signed it, whether their keys are known or not."""
        return self._document.signatures

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex over the canonical form of the whole document, however it was laid out."""
        return hashlib.sha256(canonicalize(self.to_object())).hexdigest()

    def keys(self, role: Role, *, at_size: int | None = None) -> tuple[PublicKey, ...]:
        """Return the Ed25519 keys of a role.

        Args:
            role: What they must be allowed to sign.
            at_size: Leave out keys that count only from a larger size of the log, and those that were revoked
                from this size or a smaller one. For an entry this is its number, for a checkpoint its size.

        Returns:
            The keys, in the order of the file.
        """
        found = (self._keys[each.key_id] for each in self._of_role(role, at_size))
        return tuple(key for key in found if isinstance(key, PublicKey))

    def second_keys(self, *, at_size: int | None = None) -> tuple[MlDsaPublicKey, ...]:
        """Return the log's ML-DSA-44 keys, which sign checkpoints beside the Ed25519 one; see `keys`."""
        found = (self._keys[each.key_id] for each in self._of_role(Role.LOG, at_size))
        return tuple(key for key in found if isinstance(key, MlDsaPublicKey))

    def active(self, role: Role) -> tuple[PublicKey, ...]:
        """Return the Ed25519 keys of a role that were not revoked from any size on."""
        found = (self._keys[each.key_id] for each in self._of_role(role, None) if each.revoked_from_size is None)
        return tuple(key for key in found if isinstance(key, PublicKey))

    def find(self, key_id: str) -> KeyEntry | None:
        """Return what the file says about a key; None if it does not list it."""
        return next((each for each in self.entries if each.key_id == key_id), None)

    def valid_from(self, key_id: str) -> str:
        """Return the time before which nothing that a listed key signed counts."""
        entry = self.find(key_id)
        return "" if entry is None else entry.valid_from

    def expect_valid(self, key_id: str, *, size: int, time: str | None = None, check: str) -> None:
        """Refuse a key where it does not count; keys that the file does not list are left to others.

        Args:
            key_id: The key that signed.
            size: Of an entry its number, of a checkpoint or certificate the checkpoint's size.
            time: When the signed thing says that it was made, if it says so.
            check: Name of the check that this is part of.

        Raises:
            VerificationError: The key did not count yet, or counts no more.
        """
        entry = self.find(key_id)
        problem = None if entry is None else entry.problem_at(size, time)
        if problem is not None:
            raise VerificationError(problem, check=check)

    def expect_valid_later(self, key_id: str, *, size: int, check: str) -> None:
        """Refuse a key that counts neither at a size nor at any later one; keys that are not listed are left to others.

        Args:
            key_id: The key that signed something which may have been made later than what it belongs to.
            size: Size of the log from which on it can have been made.
            check: Name of the check that this is part of.

        Raises:
            VerificationError: The key counts no more at any such size.
        """
        entry = self.find(key_id)
        if entry is not None:
            self.expect_valid(key_id, size=max(size, entry.first_size), check=check)

    def endorses(self, older: KeyFile) -> bool:
        """Return whether another key file is an earlier version of this one.

        Args:
            older: What claims to be an earlier version.

        Returns:
            True if it is of the same log, has a smaller version, and enough root keys signed it that this file
            lists (retired ones too) as having been there when it was made.
        """
        if older.origin != self.origin or older.version >= self.version:
            return False
        roots = [
            self._keys[each.key_id] for each in self._of_role(Role.ROOT, None) if each.valid_from <= older.issued_at
        ]
        try:
            require_root_signatures(older.signed, older.signatures, _ed25519(roots), older.threshold)
        except VerificationError:
            return False
        return True

    def accepts(self, newer: KeyFile, *, through: Sequence[KeyFile] = ()) -> bool:
        """Return whether whoever trusts this file may trust a later version.

        Args:
            newer: What claims to be a later version.
            through: The versions between the two, in their order.

        Returns:
            True if every step from this file to the newer one is what `expect_next` asks for.
        """
        try:
            self.follow([*through, newer])
        except VerificationError:
            return False
        return True

    def follow(self, chain: Iterable[KeyFile]) -> KeyFile:
        """Go from this version to later ones, step by step.

        Args:
            chain: The next version, the one after it, and so on.

        Returns:
            The last one; this file itself when the chain is empty.

        Raises:
            VerificationError: A step is missing or not signed as it has to be.
        """
        trusted = self
        for each in chain:
            trusted.expect_next(each)
            trusted = each
        return trusted

    def expect_next(self, newer: KeyFile) -> None:
        """Refuse a key file that is not the next version of this one.

        It must be of the same log and organisation, have the next number, keep every key with its role and
        dates, take no revocation back, and be signed by enough root keys of *this* file. That enough of its own
        root keys signed it was verified when it was read.

        Args:
            newer: What claims to be the next version.

        Raises:
            VerificationError: It is not.
        """
        expect_successor(self.signed, newer.signed)
        require_root_signatures(
            newer.signed,
            newer.signatures,
            self.active(Role.ROOT),
            self.threshold,
            whose=f"version {self.version}'s",
        )

    def _of_role(self, role: Role, at_size: int | None) -> Iterable[KeyEntry]:
        return (each for each in self.entries if each.role is role and (at_size is None or each.counts_at(at_size)))

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
        document = KeyDocument.from_bytes(data)
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
        log_keys: Sequence[PublicKey | MlDsaPublicKey],
        record_keys: Sequence[PublicKey],
        issued_at: str,
        version: int = 1,
        threshold: int = 1,
    ) -> KeyFile:
        """Make and sign the first key file of a log; `key_change.KeyFileChange` makes later ones.

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
        listed: list[tuple[PublicKey | MlDsaPublicKey, Role]] = [
            *((signer.public_key, Role.ROOT) for signer in root_signers),
            *((key, Role.LOG) for key in log_keys),
            *((key, Role.RECORD) for key in record_keys),
        ]
        signed = SignedKeys.from_object(
            {
                "origin": origin,
                "version": version,
                "threshold": threshold,
                "issued_at": issued_at,
                "organisation": organisation,
                "keys": [KeyEntry.describing(*each, valid_from=issued_at).to_object() for each in listed],
            }
        )
        return cls.assemble(signed, [signed.sign(signer) for signer in root_signers])

    @classmethod
    def assemble(cls, signed: SignedKeys, signatures: Sequence[KeySignature]) -> KeyFile:
        """Make a key file of its content and the signatures of root keys; see `from_bytes`."""
        return cls.from_object(
            {
                "_type": KEY_FILE_TYPE,
                "signed": signed.to_object(),
                "signatures": [each.model_dump(mode="json") for each in signatures],
            }
        )


def _ed25519(keys: Iterable[PublicKey | MlDsaPublicKey]) -> list[PublicKey]:
    return [key for key in keys if isinstance(key, PublicKey)]
