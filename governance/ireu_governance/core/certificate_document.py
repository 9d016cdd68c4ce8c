"""The certificate as a document: what stands in it, its one spelling, and how it is told from other files.

Reading one verifies nothing; `certificate_verification` does.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
)

from ireu_governance.core.canonical import MAX_JSON_BYTES, canonicalize, decode_base64, parse_json
from ireu_governance.core.certificate_wording import DOES_NOT_CLAIM, SAYS, wording
from ireu_governance.core.ed25519 import Signer
from ireu_governance.core.envelope import pae
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.spelling import spell
from ireu_governance.core.times import Timestamp
from ireu_governance.core.timestamp import MAX_TOKEN_BYTES, MAX_TOKENS
from ireu_governance.core.validation import describe

__all__ = [
    "CERTIFICATE_PAYLOAD_TYPE",
    "CERTIFICATE_TYPE",
    "DOES_NOT_CLAIM",
    "MAX_HISTORY",
    "SAYS",
    "Certificate",
    "CertificateBody",
    "Issuer",
    "LoggedStatement",
    "claims_to_be_certificate",
    "not_a_certificate",
    "parse_certificate",
    "refuse_newer_format",
    "seal_certificate",
    "stamp_certificate",
]

CERTIFICATE_TYPE: Final = "urn:ireu:certificate:v1"
CERTIFICATE_PAYLOAD_TYPE: Final = "application/vnd.ireu.certificate+json"

MAX_HISTORY: Final = 1000  # a request has some five steps; a certificate with more entries would be too large to read

_TIMESTAMPS_PAYLOAD_TYPE: Final = "application/vnd.ireu.certificate-timestamps+json"
_NEWER_TYPE = re.compile("urn:ireu:certificate:v([2-9]|[1-9][0-9]{1,8})")
_HEAD: Final = b'{"_type":"urn:ireu:certificate:v1",'
_MARKER: Final = b"urn:ireu:certificate:"
_MEMBERS: Final = (b'"does_not_claim"', b'"key_file"', b'"removal"', b'"verification"')

_Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


_Token = Annotated[str, StringConstraints(max_length=4 * (MAX_TOKEN_BYTES + 2) // 3, pattern=r"^[A-Za-z0-9+/]+=*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)


class _Extensible(_Strict):
    # Members that format 1 gained later are absent when unused, so that older files keep their one spelling.
    LATER: ClassVar[frozenset[str]]

    @model_serializer(mode="wrap")
    def _leave_out_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, object]:
        members: dict[str, object] = serialise(self)
        return {name: each for name, each in members.items() if each is not None or name not in self.LATER}


class Issuer(_Strict):
    """Who stands for a certificate.

    Attributes:
        organisation: As in the key file.
        contact: Where to ask; an address of the organisation, not of a person.
    """

    organisation: _Words
    contact: _Words | None


class LoggedStatement(_Strict):
    """A ledger entry with the proof that it was logged.

    Attributes:
        envelope: The DSSE envelope, whose canonical bytes are the log's leaf.
        proof: The C2SP log proof, with the checkpoint.
    """

    envelope: dict[str, JsonValue]
    proof: Annotated[str, StringConstraints(max_length=1_000_000)]


class CertificateBody(_Extensible):
    """Everything in a certificate that its first signature covers.

    Attributes:
        id: Random 128-bit number in hex.
        issued_at: When it was issued.
        origin: Name of the log.
        request: The request with the plan of tests.
        removal: The removal.
        verification: The verification that was the latest at issue.
        key_file: The log's keys, for convenience; never to be trusted because it is in here.
        says: What the certificate claims, in fixed words.
        does_not_claim: What it does not, in fixed words.
        valid_until: Until when it is meant to be relied on.
        status_url: Where the log's status list is.
        history: Steps of the cases' requests (``request-event``), in the order of the log.
        stamped: The certificate was time-stamped when it was issued, so without a time stamp it is not whole.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"valid_until", "status_url", "history", "stamped"})

    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    issued_at: Timestamp
    issuer: Issuer
    origin: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    request: LoggedStatement
    removal: LoggedStatement
    verification: LoggedStatement
    key_file: dict[str, JsonValue]
    says: tuple[str, ...]
    does_not_claim: tuple[str, ...]
    valid_until: Timestamp | None = None
    status_url: Annotated[str, StringConstraints(pattern=r"^https?://[!-~]{1,500}$")] | None = None
    history: Annotated[tuple[LoggedStatement, ...], Field(min_length=1, max_length=MAX_HISTORY)] | None = None
    stamped: Literal[True] | None = None

    @classmethod
    def from_object(cls, value: object) -> CertificateBody:
        """Read the content of a certificate from JSON objects; `InputError` if it is malformed."""
        try:
            return cls.model_validate_json(canonicalize(value))
        except ValidationError as error:
            raise InputError(f"The certificate's content is malformed {describe(error)}.") from None


class _CertificateSignature(_Strict):
    keyid: _Hex32
    sig: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]


class Certificate(_Extensible):
    """A removal certificate.

    Attributes:
        certificate: What is signed.
        signatures: Exactly one, so that nothing in the file is left unsigned.
        timestamps: RFC 3161 tokens over `unstamped_bytes`, base64 of their DER.
        timestamps_signature: Signature over the tokens, so that none can be added, altered or taken out.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"timestamps", "timestamps_signature"})

    type_: Annotated[Literal["urn:ireu:certificate:v1"], Field(alias="_type")] = CERTIFICATE_TYPE
    certificate: CertificateBody
    signatures: Annotated[tuple[_CertificateSignature, ...], Field(min_length=1, max_length=1)]
    timestamps: Annotated[tuple[_Token, ...], Field(min_length=1, max_length=MAX_TOKENS)] | None = None
    timestamps_signature: _CertificateSignature | None = None

    @property
    def digest(self) -> str:
        """SHA-256 in hex over `unstamped_bytes`: names the certificate, also when it is stamped again later."""
        return hashlib.sha256(self.unstamped_bytes()).hexdigest()

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """The time stamps in DER; `InputError` if one is not spelt in its one way."""
        return tuple(decode_base64(each, what="certificate's time stamp") for each in self.timestamps or ())

    def signed_bytes(self) -> bytes:
        """Return the bytes that the signature is over."""
        return _signed_bytes(self.certificate)

    def unstamped_bytes(self) -> bytes:
        """Return the file as it was before it was stamped, which is what the time stamps are over."""
        return self.model_copy(update={"timestamps": None, "timestamps_signature": None}).to_bytes()

    def timestamps_signed_bytes(self) -> bytes:
        """Return the bytes that the signature over the time stamps is over."""
        value = {"certificate": self.digest, "timestamps": list(self.timestamps or ())}
        return pae(_TIMESTAMPS_PAYLOAD_TYPE, spell(value))

    def to_bytes(self) -> bytes:
        """Return the file: canonical JSON and a newline."""
        return spell(self.model_dump(mode="json", by_alias=True)) + b"\n"


def seal_certificate(body: CertificateBody, signer: Signer) -> bytes:
    """Sign a certificate's content as it is; `issue_certificate` also makes sure that it is true.

    Args:
        body: The content.
        signer: A record key.

    Returns:
        The certificate file.
    """
    signature = _CertificateSignature(
        keyid=signer.public_key.key_id,
        sig=base64.b64encode(signer.sign(_signed_bytes(body))).decode("ascii"),
    )
    return Certificate(certificate=body, signatures=(signature,)).to_bytes()


def stamp_certificate(data: bytes, tokens: Sequence[bytes], signer: Signer) -> bytes:
    """Add time stamps to a certificate, behind those that it has.

    Args:
        data: The certificate file, just sealed or already stamped.
        tokens: RFC 3161 tokens over its `unstamped_bytes`, in DER; verified by the caller.
        signer: A record key, which signs all time stamps together.

    Returns:
        The certificate file.

    Raises:
        InputError: The bytes are no certificate, or it would have too many time stamps.
    """
    certificate = _read(data)
    encoded = (*(certificate.timestamps or ()), *(base64.b64encode(each).decode("ascii") for each in tokens))
    if not 1 <= len(encoded) <= MAX_TOKENS or any(not 0 < len(each) <= MAX_TOKEN_BYTES for each in tokens):
        raise InputError(f"A certificate carries 1 to {MAX_TOKENS} time stamps of at most {MAX_TOKEN_BYTES} bytes.")
    stamped = certificate.model_copy(update={"timestamps": encoded})
    signature = _CertificateSignature(
        keyid=signer.public_key.key_id,
        sig=base64.b64encode(signer.sign(stamped.timestamps_signed_bytes())).decode("ascii"),
    )
    return stamped.model_copy(update={"timestamps_signature": signature}).to_bytes()


def refuse_newer_format(data: bytes) -> None:
    """Say so when a file is a certificate of a later format, about which this version can decide nothing.

    Args:
        data: The file.

    Raises:
        InputError: It is well-formed JSON and names a later format (code ``input-too-new``).
    """
    if data.startswith(_HEAD):
        return
    try:
        value = parse_json(data, what="certificate")
    except InputError:
        return
    kind = value.get("_type") if isinstance(value, dict) else None
    if isinstance(kind, str) and _NEWER_TYPE.fullmatch(kind):
        raise InputError(
            f"The certificate is of format {kind.rpartition('v')[2]}; this version of ireu knows format 1.",
            hint="Upgrade with: pip install --upgrade ireu-sdk",
            code=ErrorCode.INPUT_TOO_NEW,
        )


def claims_to_be_certificate(data: bytes) -> bool:
    """Return whether bytes, however damaged, are meant as an ireu certificate.

    Args:
        data: Any bytes.

    Returns:
        True if they hold the name of the format, or most member names that only a certificate has.
    """
    return _MARKER in data or sum(name in data for name in _MEMBERS) >= len(_MEMBERS) - 1


def not_a_certificate() -> InputError:
    """Return the error for bytes that do not claim to be a certificate."""
    return InputError(
        "This is not an ireu certificate.",
        hint="Give the certificate itself: a JSON, PDF or HTML file. For a zip: ireu certificate verify-pack",
        code=ErrorCode.INPUT_NOT_A_CERTIFICATE,
    )


def parse_certificate(data: bytes) -> Certificate:
    """Read a certificate without verifying anything.

    Args:
        data: The file.

    Returns:
        The certificate.

    Raises:
        InputError: The bytes are no certificate (code ``input-not-a-certificate``), one of a later format
            (code ``input-too-new``), or a damaged one.
    """
    if not claims_to_be_certificate(data):
        raise not_a_certificate()
    refuse_newer_format(data)
    certificate = _read(data)
    if certificate.to_bytes() != data:
        raise InputError(
            "The certificate was re-formatted or altered: its bytes are not in canonical form.",
            hint="Ask for the file again, and pass it on as an attachment rather than as text.",
        )
    body = certificate.certificate
    if (body.says, body.does_not_claim) != wording(history=body.history is not None, stamped=body.stamped is not None):
        raise InputError("The certificate's wording is not that of its format.")
    if (certificate.timestamps is None) != (certificate.timestamps_signature is None):
        raise InputError("The certificate's time stamps and the signature over them do not come together.")
    if body.stamped is not None and certificate.timestamps is None:
        raise InputError(
            "The certificate was issued with a time stamp, which is missing.", hint="Ask for the whole file again."
        )
    for token in certificate.tokens:
        if len(token) > MAX_TOKEN_BYTES:
            raise InputError("The certificate has a time stamp that is too large.", code=ErrorCode.INPUT_TOO_LARGE)
    return certificate


def _read(data: bytes) -> Certificate:
    value = parse_json(data, what="certificate", max_bytes=MAX_JSON_BYTES)
    if isinstance(value, dict) and value.get("_type") != CERTIFICATE_TYPE:
        raise InputError(
            "The certificate is of a format that this version of ireu does not know.",
            hint="Check that the file is unchanged.",
        )
    try:
        return Certificate.model_validate_json(data, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InputError(f"The certificate is malformed {describe(error)}.") from None


def _signed_bytes(body: CertificateBody) -> bytes:
    return pae(CERTIFICATE_PAYLOAD_TYPE, spell(body.model_dump(mode="json", by_alias=True)))
