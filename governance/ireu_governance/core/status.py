"""The status list: which certificates of a log count no more, in one signed file for everybody.

A reader fetches the whole list and looks into it alone, so nobody learns which certificate is being verified.
The list names its checkpoint, so it also shows up to where the log was when it was made, and until when it is
meant to be used: an older list that somebody shows in place of the latest one is stale after that.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from ireu_governance.core.canonical import canonicalize, decode_base64, parse_json
from ireu_governance.core.checkpoint import MAX_NOTE_BYTES, Checkpoint, SignedNote
from ireu_governance.core.ed25519 import Signer, count_signers
from ireu_governance.core.envelope import pae
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.times import Timestamp
from ireu_governance.core.trust_predicates import Revocation
from ireu_governance.core.validation import describe
from ireu_governance.core.vocabulary import CaseId, Frozen, Sha256, Token
from ireu_governance.core.vocabulary import Sequence as EntryNumber

__all__ = [
    "REASONS",
    "RETROACTIVE",
    "STATUS_LIST_TYPE",
    "CertificateStatus",
    "StatusEntry",
    "StatusList",
    "seal_status_list",
]

STATUS_LIST_TYPE: Final = "urn:ireu:status-list:v1"
MAX_STATUS_ENTRIES: Final = 50_000  # keeps the file under the limit of every JSON that is read

REASONS: Final = (
    "resurfaced",
    "encoder-withdrawn",
    "issued-in-error",
    "key-compromised",
    "request-withdrawn",
    "unspecified",
)
"""Codes by which ireu revokes; a reader takes any token."""

RETROACTIVE: Final = frozenset({"issued-in-error"})
"""Reasons that say that a certificate was never right, whatever the time that is asked about."""

_PAYLOAD_TYPE: Final = "application/vnd.ireu.status-list+json"
_CHECK: Final = "revocation"

CertificateId = CaseId
"""Random 128-bit number in hex, as a case's."""


class CertificateStatus(StrEnum):
    """What a certificate is at a time."""

    VALID = "valid"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    EXPIRED = "expired"


class StatusEntry(Frozen):
    """One entry of the log by which a certificate counts no more.

    Attributes:
        id: The certificate's number.
        status: What it is since then.
        since: When that was recorded.
        reason: Why, by code.
        replaced_by: Number of the certificate that took its place, or null.
        seq: The entry's number in the log.
    """

    id: CertificateId
    status: Literal["revoked", "superseded"]
    since: Timestamp
    reason: Token
    replaced_by: CertificateId | None
    seq: EntryNumber

    @classmethod
    def of(cls, revocation: Revocation) -> StatusEntry:
        """Return how a list names an entry of the log."""
        return cls(
            id=revocation.certificate_id,
            status=revocation.status,
            since=revocation.recorded_at,
            reason=revocation.reason,
            replaced_by=revocation.replaced_by,
            seq=revocation.ledger.seq,
        )


class _Content(Frozen):
    origin: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    checkpoint: Annotated[str, StringConstraints(max_length=MAX_NOTE_BYTES)]
    issued_at: Timestamp
    next_update: Timestamp
    entries: Annotated[tuple[StatusEntry, ...], Field(max_length=MAX_STATUS_ENTRIES)]


class _ListSignature(Frozen):
    keyid: Sha256
    sig: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]


class StatusList(Frozen):
    """A status list; nothing is verified by reading one.

    Attributes:
        status_list: What is signed.
        signatures: Exactly one, of a record key.
    """

    type_: Annotated[Literal["urn:ireu:status-list:v1"], Field(alias="_type")] = STATUS_LIST_TYPE
    status_list: _Content
    signatures: Annotated[tuple[_ListSignature, ...], Field(min_length=1, max_length=1)]

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self.status_list.origin

    @property
    def issued_at(self) -> str:
        """When it was made."""
        return self.status_list.issued_at

    @property
    def next_update(self) -> str:
        """Until when it is meant to be used."""
        return self.status_list.next_update

    @property
    def size(self) -> int:
        """Number of entries of the log that it takes account of."""
        return Checkpoint.from_text(SignedNote.from_text(self.status_list.checkpoint).text).size

    def to_bytes(self) -> bytes:
        """Return the file: canonical JSON and a newline."""
        return canonicalize(self.model_dump(mode="json", by_alias=True)) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> StatusList:
        """Read a status list.

        Args:
            data: The file.

        Returns:
            The list, with nothing verified yet.

        Raises:
            InputError: The bytes are no status list in its one spelling.
        """
        value = parse_json(data, what="status list")
        if not isinstance(value, dict) or value.get("_type") != STATUS_LIST_TYPE:
            raise InputError(
                "This is no ireu status list of format 1.",
                hint="Get the list from the organisation; a newer format needs a newer version of ireu.",
            )
        try:
            found = cls.model_validate_json(data, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InputError(f"The status list is malformed {describe(error)}.") from None
        if found.to_bytes() != data:
            raise InputError(
                "The status list was re-formatted or altered: its bytes are not in canonical form.",
                hint="Fetch the file again, unchanged.",
            )
        size, previous = found.size, -1
        for entry in found.status_list.entries:
            if not previous < entry.seq < size:
                raise InputError("The status list's entries are not in the order of its log.")
            previous = entry.seq
        if found.next_update <= found.issued_at:
            raise InputError("The status list ends before it begins.")
        return found

    def verify(self, key_file: KeyFile, *, current: bool = False) -> Checkpoint:
        """Check that the list and its checkpoint are the log's own.

        Args:
            key_file: The trusted keys.
            current: Whether it is asked what counts now. Then the key must not have been revoked from any size on:
                a thief could put a new date on a list of an old checkpoint, before what was withdrawn since. For a
                list that is compared with the entries themselves, a key is enough that counted at their number.

        Returns:
            The checkpoint up to which the list takes account of the log.

        Raises:
            VerificationError: It is of another log, or a key signed it that may not.
        """
        content, signature = self.status_list, self.signatures[0]
        if content.origin != key_file.origin:
            raise VerificationError(
                f"The status list is of the log {content.origin!a}, not of {key_file.origin!a}.", check=_CHECK
            )
        checkpoint = verified_checkpoint(content.checkpoint, key_file)
        keys = {key.key_id: key for key in key_file.keys(Role.RECORD, at_size=checkpoint.size)}
        if current and signature.keyid in keys.keys() - {key.key_id for key in key_file.active(Role.RECORD)}:
            raise VerificationError(
                f"The status list is signed by the record key {signature.keyid[:16]}…, which was revoked since.",
                check=_CHECK,
            )
        signers = count_signers(
            [(signature.keyid, decode_base64(signature.sig, what="status list's signature"))],
            _signed_bytes(content),
            keys=keys,
            check=_CHECK,
        )
        if not signers:
            raise VerificationError("The status list is signed by no record key of this log.", check=_CHECK)
        return checkpoint

    def find(self, certificate_id: str, at: str) -> StatusEntry | None:
        """Return by which entry a certificate counts no more at a time; None if it counts.

        Args:
            certificate_id: Its number.
            at: The time.

        Returns:
            Of several entries the gravest: a revocation before a mere replacement, then the earliest.
        """
        found = [
            each
            for each in self.status_list.entries
            if each.id == certificate_id and (each.since <= at or each.reason in RETROACTIVE)
        ]
        return min(found, key=lambda each: (each.status != "revoked", each.seq), default=None)


def seal_status_list(
    *,
    origin: str,
    checkpoint: str,
    issued_at: str,
    next_update: str,
    entries: Sequence[StatusEntry],
    signer: Signer,
) -> bytes:
    """Make and sign a status list.

    Args:
        origin: Name of the log.
        checkpoint: The signed checkpoint that covers all entries.
        issued_at: Time of making.
        next_update: Until when the list is meant to be used.
        entries: All entries of the log by which certificates count no more, in their order.
        signer: Holds a record key.

    Returns:
        The file.

    Raises:
        InputError: Something of it is malformed or out of order, or there are too many entries.
    """
    value = {
        "origin": origin,
        "checkpoint": checkpoint,
        "issued_at": issued_at,
        "next_update": next_update,
        "entries": [each.model_dump(mode="json") for each in entries],
    }
    try:
        content = _Content.model_validate_json(canonicalize(value))
    except ValidationError as error:
        raise InputError(f"The status list's content is malformed {describe(error)}.") from None
    signature = _ListSignature(
        keyid=signer.public_key.key_id,
        sig=base64.b64encode(signer.sign(_signed_bytes(content))).decode("ascii"),
    )
    data = StatusList(status_list=content, signatures=(signature,)).to_bytes()
    StatusList.from_bytes(data)
    return data


def _signed_bytes(content: _Content) -> bytes:
    return pae(_PAYLOAD_TYPE, canonicalize(content.model_dump(mode="json")))
