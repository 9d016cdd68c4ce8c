"""Receipts: what a service hands out about one re-test, so that the caller can check it without the service.

A receipt brings together every verification that one job recorded, the proof that each is in the log, the log's
keys, and the organisation's signature over all of it. Reading one verifies nothing; `verify_receipt` of
`ireu_governance.core.receipt_verification` does.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from ireu_governance.core.canonical import canonicalize, parse_json
from ireu_governance.core.certificate_document import LoggedStatement
from ireu_governance.core.ed25519 import Signer
from ireu_governance.core.envelope import pae
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.spelling import spell
from ireu_governance.core.times import Timestamp
from ireu_governance.core.validation import describe
from ireu_governance.core.vocabulary import Sha256, Token

__all__ = [
    "DOES_NOT_CLAIM",
    "MAX_ENTRIES",
    "RECEIPT_PAYLOAD_TYPE",
    "RECEIPT_TYPE",
    "SAYS",
    "Receipt",
    "ReceiptBody",
    "claims_to_be_receipt",
    "parse_receipt",
    "seal_receipt",
]

RECEIPT_TYPE: Final = "urn:ireu:receipt:v1"
RECEIPT_PAYLOAD_TYPE: Final = "application/vnd.ireu.receipt+json"
MAX_ENTRIES: Final = 1000  # a job tests an encoder against that many removals at most; bounds a reader's work

SAYS: Final = (
    "These tests were run on the encoder that each entry names, against the removals that it names.",
    "They gave these results, and each was recorded in the log at its place.",
    "These are all the entries that this job recorded.",
)
DOES_NOT_CLAIM: Final = (
    "That a person was forgotten: no test can show that for weights alone.",
    "Anything about encoders, persons or attacks that were not tested.",
    "Where only answers of an encoder could be had: which weights gave them.",
)

_MARKER: Final = b"urn:ireu:receipt:"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)


class ReceiptBody(_Strict):
    """Everything in a receipt that its signature covers.

    Attributes:
        job: The job that tested.
        issued_at: When the receipt was made.
        organisation: Who stands for it, as in the key file.
        origin: Name of the log.
        entries: The verifications, in the order of the log.
        key_file: The log's keys, for convenience; never to be trusted because it is in here.
        says: What the receipt claims, in fixed words.
        does_not_claim: What it does not, in fixed words.
    """

    job: Token
    issued_at: Timestamp
    organisation: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    origin: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    entries: Annotated[tuple[LoggedStatement, ...], Field(min_length=1, max_length=MAX_ENTRIES)]
    key_file: dict[str, JsonValue]
    says: tuple[str, ...] = SAYS
    does_not_claim: tuple[str, ...] = DOES_NOT_CLAIM


class ReceiptSignature(_Strict):
    """A signature of a record key."""

    keyid: Sha256
    sig: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]


class Receipt(_Strict):
    """A receipt.

    Attributes:
        receipt: What is signed.
        signatures: Exactly one, so that nothing in the file is left unsigned.
    """

    type_: Annotated[Literal["urn:ireu:receipt:v1"], Field(alias="_type")] = RECEIPT_TYPE
    receipt: ReceiptBody
    signatures: Annotated[tuple[ReceiptSignature, ...], Field(min_length=1, max_length=1)]

    def signed_bytes(self) -> bytes:
        """Return the bytes that the signature is over."""
        return _signed_bytes(self.receipt)

    def to_bytes(self) -> bytes:
        """Return the file: canonical JSON and a newline."""
        return spell(self.model_dump(mode="json", by_alias=True)) + b"\n"


def seal_receipt(
    *,
    job: str,
    issued_at: str,
    organisation: str,
    origin: str,
    entries: Sequence[dict[str, object]],
    key_file: dict[str, object],
    signer: Signer,
) -> bytes:
    """Make a receipt. What it says is verified by whoever reads it, and by its maker before it is handed out.

    Args:
        job: The job.
        issued_at: Now.
        organisation: As in the key file.
        origin: Name of the log.
        entries: The verifications, each as `LoggedEntry.to_object` gives it, in the order of the log.
        key_file: The log's keys, as they are published.
        signer: A record key.

    Returns:
        The file.

    Raises:
        InputError: A part cannot be read.
    """
    content = {
        "job": job,
        "issued_at": issued_at,
        "organisation": organisation,
        "origin": origin,
        "entries": list(entries),
        "key_file": key_file,
        "says": list(SAYS),
        "does_not_claim": list(DOES_NOT_CLAIM),
    }
    try:
        body = ReceiptBody.model_validate_json(canonicalize(content))
    except ValidationError as error:
        raise InputError(f"The receipt's content is malformed {describe(error)}.") from None
    signature = base64.b64encode(signer.sign(_signed_bytes(body))).decode("ascii")
    return Receipt(
        receipt=body, signatures=(ReceiptSignature(keyid=signer.public_key.key_id, sig=signature),)
    ).to_bytes()


def claims_to_be_receipt(data: bytes) -> bool:
    """Return whether bytes, however damaged, are meant as a receipt."""
    return _MARKER in data


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt without verifying anything.

    Args:
        data: The file.

    Returns:
        The receipt.

    Raises:
        InputError: The bytes are no receipt (code ``input-not-a-receipt``), or a damaged one.
    """
    if not claims_to_be_receipt(data):
        raise InputError(
            "This is not an ireu receipt.",
            hint="A certificate is verified with: ireu certificate verify",
            code=ErrorCode.INPUT_NOT_A_RECEIPT,
        )
    value = parse_json(data, what="receipt")
    if isinstance(value, dict) and value.get("_type") != RECEIPT_TYPE:
        raise InputError("The receipt is of a format that this version of ireu does not know.")
    try:
        receipt = Receipt.model_validate_json(data, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InputError(f"The receipt is malformed {describe(error)}.") from None
    if receipt.to_bytes() != data:
        raise InputError(
            "The receipt was re-formatted or altered: its bytes are not in canonical form.",
            hint="Fetch it again, and pass it on as an attachment rather than as text.",
        )
    if (receipt.receipt.says, receipt.receipt.does_not_claim) != (SAYS, DOES_NOT_CLAIM):
        raise InputError("The receipt's wording is not that of its format.")
    return receipt


def _signed_bytes(body: ReceiptBody) -> bytes:
    return pae(RECEIPT_PAYLOAD_TYPE, spell(body.model_dump(mode="json", by_alias=True)))
