"""The next version of a key file, on its way to the people who hold root keys.

A proposal holds the whole present key file and the whole next one, so that whoever signs can see what changes.
Reading one verifies everything that can be verified before all have signed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ireu_governance.core.canonical import canonicalize, parse_json
from ireu_governance.core.ed25519 import PublicKey, Signer
from ireu_governance.core.envelope import MAX_SIGNATURES
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, VerificationError
from ireu_governance.core.key_chain import count_root_signatures, expect_successor
from ireu_governance.core.key_document import MAX_KEY_FILE_BYTES, KeyEntry, KeySignature, Role, SignedKeys
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.validation import describe

__all__ = ["MAX_PROPOSAL_BYTES", "PROPOSAL_TYPE", "KeyFileProposal", "expect_usable"]

PROPOSAL_TYPE: Final = "urn:ireu:key-file-proposal:v1"
MAX_PROPOSAL_BYTES: Final = 2 * MAX_KEY_FILE_BYTES  # it holds the present key file and the next one


@dataclass(frozen=True)
class KeyFileProposal:
    """The next version of a key file, on its way to the holders of root keys.

    Attributes:
        current: The version that is in force.
        signed: What is to be signed.
        signatures: Who signed so far; each was verified.
    """

    current: KeyFile
    signed: SignedKeys
    signatures: tuple[KeySignature, ...] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex over what is signed, for two people to compare over another channel."""
        return hashlib.sha256(self.signed.message()).hexdigest()

    @cached_property
    def new_roots(self) -> tuple[PublicKey, ...]:
        """The root keys of the next version."""
        found = [each for each in self.signed.keys if each.role is Role.ROOT and each.revoked_from_size is None]
        return tuple(key for each in found if isinstance(key := each.read_key(), PublicKey))

    @property
    def missing(self) -> tuple[int, int]:
        """How many signatures of root keys of the present and of the next version are still missing."""
        return (
            max(0, self.current.threshold - self._count(self.current.active(Role.ROOT))),
            max(0, self.signed.threshold - self._count(self.new_roots)),
        )

    def wants(self, key_id: str) -> bool:
        """Return whether a signature of this key would count and is not there yet."""
        roots = {key.key_id for key in (*self.current.active(Role.ROOT), *self.new_roots)}
        return key_id in roots and key_id not in {each.keyid for each in self.signatures}

    def changes(self) -> list[tuple[KeyEntry, Literal["added", "revoked"]]]:
        """Return the entries that are new or newly revoked, as the next version has them."""
        found: list[tuple[KeyEntry, Literal["added", "revoked"]]] = []
        for each in self.signed.keys:
            before = self.current.find(each.key_id)
            if before is None:
                found.append((each, "added"))
            elif before != each:
                found.append((each, "revoked"))
        return found

    def sign(self, signer: Signer) -> KeyFileProposal:
        """Add a root key's signature.

        Args:
            signer: Holds a root key of the present or of the next version.

        Returns:
            The proposal with the signature; the same when this key has signed before.

        Raises:
            ConfigError: The key is no such root key.
        """
        key_id = signer.public_key.key_id
        if key_id in {each.keyid for each in self.signatures}:
            return self
        if not self.wants(key_id):
            raise ConfigError(
                f"Key {key_id[:16]}… is no root key of the present or of the next key file.",
                hint="Sign with a key that 'ireu keys list' shows as root.",
                code=ErrorCode.KEY_UNUSABLE,
            )
        return replace(self, signatures=(*self.signatures, self.signed.sign(signer)))

    def merge(self, other: KeyFileProposal) -> KeyFileProposal:
        """Return this proposal with the signatures of another copy of it as well.

        Args:
            other: The same proposal, signed by others.

        Raises:
            InputError: It is another proposal.
        """
        if (other.signed, other.current.digest) != (self.signed, self.current.digest):
            raise InputError("This is not the same proposal.")
        signed = {each.keyid: each for each in (*self.signatures, *other.signatures)}
        return replace(self, signatures=tuple(signed.values()))

    def finish(self) -> KeyFile:
        """Return the next version of the key file.

        Raises:
            ConfigError: Too few root keys have signed.
        """
        old, new = self.missing
        if old or new:
            whose = f"{old} more of the present root keys" if old else f"{new} more of the next root keys"
            raise ConfigError(
                f"The new key file still needs the signatures of {whose}.",
                hint="Write it to a file with --propose FILE, and have that signed: ireu keys sign FILE --key ROOT.pem",
                code=ErrorCode.KEY_UNUSABLE,
            )
        newer = KeyFile.assemble(self.signed, self.signatures)
        self.current.expect_next(newer)
        return newer

    def to_object(self) -> dict[str, object]:
        """Return the proposal as JSON objects."""
        return {
            "_type": PROPOSAL_TYPE,
            "current": self.current.to_object(),
            "signed": self.signed.to_object(),
            "signatures": [each.model_dump(mode="json") for each in self.signatures],
        }

    def to_bytes(self) -> bytes:
        """Return the proposal, indented for people to read."""
        return json.dumps(self.to_object(), indent=2, ensure_ascii=False).encode("utf-8") + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> KeyFileProposal:
        """Read a proposal, and verify that it could follow and that its signatures are what they claim.

        Args:
            data: JSON in any layout, but by strict rules.

        Returns:
            The proposal.

        Raises:
            InputError: The bytes are no proposal, or one that could never be accepted.
        """
        parse_json(data, what="proposal", max_bytes=MAX_PROPOSAL_BYTES)
        try:
            document = _Document.model_validate_json(data, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InputError(f"The proposal is malformed {describe(error)}.") from None
        proposal = cls(
            current=KeyFile.from_bytes(canonicalize(document.current)),
            signed=document.signed,
            signatures=document.signatures,
        )
        try:
            expect_successor(proposal.current.signed, proposal.signed)
            expect_usable(proposal.signed)
            _ = proposal.missing
        except (VerificationError, ConfigError) as error:
            raise InputError(f"The proposal can never be accepted: {error.message}") from None
        return proposal

    def _count(self, roots: tuple[PublicKey, ...]) -> int:
        return count_root_signatures(self.signed, self.signatures, roots)


class _Document(BaseModel):
    type_: Annotated[Literal["urn:ireu:key-file-proposal:v1"], Field(alias="_type")]
    current: dict[str, JsonValue]
    signed: SignedKeys
    signatures: Annotated[tuple[KeySignature, ...], Field(max_length=MAX_SIGNATURES)]

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def expect_usable(signed: SignedKeys) -> None:
    """Refuse a key file under which a role could not sign any more."""
    active = dict.fromkeys(Role, 0)
    for each in signed.keys:
        each.read_key()
        if each.revoked_from_size is None and each.algorithm == "ed25519":
            active[each.role] += 1
    for role, count in active.items():
        if not count:
            raise ConfigError(
                f"The {role.value} role would have no key left.",
                hint="Replace it and revoke it in one step:"
                f" ireu keys rotate --role {role.value} --reason compromised --from-size N",
                code=ErrorCode.KEY_UNUSABLE,
            )
    if signed.threshold > active[Role.ROOT]:
        raise ConfigError(
            f"{active[Role.ROOT]} root keys cannot give {signed.threshold} signatures.",
            hint="Add root keys, or lower the threshold in the same step.",
            code=ErrorCode.KEY_UNUSABLE,
        )
