"""The certificate as a document: what stands in it, its one spelling, and how it is told from other files.

Reading one verifies nothing; `certificate_verification` does.
"""

from __future__ import annotations

import base64
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from ireu_governance.core.canonical import MAX_JSON_BYTES, canonicalize, parse_json
from ireu_governance.core.ed25519 import Signer
from ireu_governance.core.envelope import pae
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.times import Timestamp
from ireu_governance.core.validation import describe

__all__ = [
    "CERTIFICATE_PAYLOAD_TYPE",
    "CERTIFICATE_TYPE",
    "DOES_NOT_CLAIM",
    "SAYS",
    "Certificate",
    "CertificateBody",
    "Issuer",
    "LoggedStatement",
    "claims_to_be_certificate",
    "parse_certificate",
    "seal_certificate",
]

CERTIFICATE_TYPE: Final = "urn:ireu:certificate:v1"
CERTIFICATE_PAYLOAD_TYPE: Final = "application/vnd.ireu.certificate+json"

SAYS: Final = (
    "The organisation named here recorded a request that this encoder forget the listed cases, together with"
    " the tests and limits by which that would be judged, before the encoder was changed.",
    "The encoder was then changed by the recorded process, and the result is exactly the files whose digests"
    " are listed.",
    "Those files were tested as planned, and the tests gave the recorded results, within the recorded error rates.",
    "All three are entries of one append-only log under one signed checkpoint.",
)
DOES_NOT_CLAIM: Final = (
    "That the encoder holds no trace of the persons concerned: no test of a model can show that.",
    "Anything about other models, other copies of this encoder, training data, or pictures that were made earlier.",
    "That this is the latest verification, or that the certificate is not revoked: that is for the log to answer.",
    "That the recorded times are confirmed by anyone but the organisation itself.",
)

_MARKER: Final = b"urn:ireu:certificate:"
_MEMBERS: Final = (b'"does_not_claim"', b'"key_file"', b'"removal"', b'"verification"')

_Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)


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


class CertificateBody(_Strict):
    """Everything in a certificate that its signature covers.

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
    """

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


class Certificate(_Strict):
    """A removal certificate.

    Attributes:
        certificate: What is signed.
        signatures: Exactly one, so that nothing in the file is left unsigned.
    """

    type_: Annotated[Literal["urn:ireu:certificate:v1"], Field(alias="_type")] = CERTIFICATE_TYPE
    certificate: CertificateBody
    signatures: Annotated[tuple[_CertificateSignature, ...], Field(min_length=1, max_length=1)]

    def signed_bytes(self) -> bytes:
        """Return the bytes that the signature is over."""
        return _signed_bytes(self.certificate)

    def to_bytes(self) -> bytes:
        """Return the file: canonical JSON and a newline."""
        return canonicalize(self.model_dump(mode="json", by_alias=True)) + b"\n"


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


def claims_to_be_certificate(data: bytes) -> bool:
    """Return whether bytes, however damaged, are meant as an ireu certificate.

    Args:
        data: Any bytes.

    Returns:
        True if they hold the name of the format, or most member names that only a certificate has.
    """
    return _MARKER in data or sum(name in data for name in _MEMBERS) >= len(_MEMBERS) - 1


def parse_certificate(data: bytes) -> Certificate:
    """Read a certificate without verifying anything.

    Args:
        data: The file.

    Returns:
        The certificate.

    Raises:
        InputError: The bytes are no certificate (code ``input-not-a-certificate``), or a damaged one.
    """
    if not claims_to_be_certificate(data):
        raise InputError("This is not an ireu certificate.", code=ErrorCode.INPUT_NOT_A_CERTIFICATE)
    value = parse_json(data, what="certificate", max_bytes=MAX_JSON_BYTES)
    if isinstance(value, dict) and value.get("_type") != CERTIFICATE_TYPE:
        raise InputError(
            "The certificate is of a format that this version of ireu does not know.",
            hint="A newer version of ireu may; check that the file is unchanged, then upgrade.",
        )
    try:
        certificate = Certificate.model_validate_json(data)
    except ValidationError as error:
        raise InputError(f"The certificate is malformed {describe(error)}.") from None
    if certificate.to_bytes() != data:
        raise InputError(
            "The certificate was re-formatted or altered: its bytes are not in canonical form.",
            hint="Ask for the file again, and pass it on as an attachment rather than as text.",
        )
    if certificate.certificate.says != SAYS or certificate.certificate.does_not_claim != DOES_NOT_CLAIM:
        raise InputError("The certificate's wording is not that of its format.")
    return certificate


def _signed_bytes(body: CertificateBody) -> bytes:
    return pae(CERTIFICATE_PAYLOAD_TYPE, canonicalize(body.model_dump(mode="json", by_alias=True)))
