"""Removal certificates: one file that a regulator can check with one public key file, offline.

A certificate brings together three ledger entries (the request with its plan of tests, the removal, and the
latest verification) and the steps of the requests as far as they were logged, the proof that each is in the log,
and the signature of the organisation over all of it::

    report = verify_certificate(Path("removal.cert.json").read_bytes(), key_file=keys)
    print(report.verdict)
    for check in report.checks:
        print(check.name, check.outcome, check.reason)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ireu_governance.core.certificate_document import (
    Certificate,
    CertificateBody,
    parse_certificate,
    seal_certificate,
    stamp_certificate,
)
from ireu_governance.core.certificate_verification import CertificateReport, verify_certificate
from ireu_governance.core.certificate_wording import wording
from ireu_governance.core.ed25519 import Signer
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.proof import LogProof
from ireu_governance.core.verdict import Outcome, Verdict

__all__ = [
    "Certificate",
    "CertificateReport",
    "LoggedEntry",
    "issue_certificate",
    "parse_certificate",
    "verify_certificate",
]


@dataclass(frozen=True)
class LoggedEntry:
    """A ledger entry and the proof that it was logged.

    Attributes:
        envelope: The entry's canonical bytes.
        index: Number of the entry, from 0.
        proof: Proof of inclusion, with the checkpoint.
    """

    envelope: bytes
    index: int
    proof: LogProof

    def __post_init__(self) -> None:
        if self.index != self.proof.index:
            raise InputError(f"The proof is about entry {self.proof.index}, not about entry {self.index}.")

    def to_object(self) -> dict[str, object]:
        """Return the entry as it stands in a certificate; `InputError` if it is no canonical envelope."""
        envelope = Envelope.from_bytes(self.envelope)
        return {"envelope": envelope.to_object(), "proof": self.proof.to_text()}


def issue_certificate(
    *,
    request: LoggedEntry,
    removal: LoggedEntry,
    verification: LoggedEntry,
    key_file: KeyFile,
    signer: Signer,
    issued_at: str,
    contact: str | None = None,
    certificate_id: str | None = None,
    valid_until: str | None = None,
    status_url: str | None = None,
    history: Sequence[LoggedEntry] = (),
    stamp: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """Issue a certificate, if what it would say is true.

    Args:
        request: The removal request with the plan of tests.
        removal: The removal.
        verification: The latest verification of it.
        key_file: The log's keys.
        signer: A record key of the key file.
        issued_at: Time of issue.
        contact: Where to ask about it; an address of the organisation, not of a person.
        certificate_id: 32 hex digits; random if not given.
        valid_until: Until when it is meant to be relied on.
        status_url: Where the log's status list is.
        history: Steps of the requests, in the order of the log.
        stamp: Gets the sealed certificate stamped: takes its bytes and returns an RFC 3161 token, verified.

    Returns:
        The certificate file, which `verify_certificate` finds to hold.

    Raises:
        InputError: A part cannot be read.
        VerificationError: The certificate would not hold; carries the first check that says so.
    """
    says, does_not_claim = wording(history=bool(history), stamped=stamp is not None)
    content = {
        "id": certificate_id or os.urandom(16).hex(),
        "issued_at": issued_at,
        "issuer": {"organisation": key_file.organisation, "contact": contact},
        "origin": key_file.origin,
        "request": request.to_object(),
        "removal": removal.to_object(),
        "verification": verification.to_object(),
        "key_file": key_file.to_object(),
        "says": list(says),
        "does_not_claim": list(does_not_claim),
        "valid_until": valid_until,
        "status_url": status_url,
        "history": [each.to_object() for each in history] or None,
        "stamped": True if stamp is not None else None,
    }
    data = seal_certificate(CertificateBody.from_object(content), signer)
    if stamp is not None:
        data = stamp_certificate(data, [stamp(data)], signer)
    report = verify_certificate(data, key_file=key_file, at=issued_at)
    if report.verdict is not Verdict.HOLDS:
        undecided = (c for c in report.checks if c.required and c.outcome is Outcome.NOT_CHECKED)
        first = next(iter(report.failed()), None) or next(undecided)
        raise VerificationError(
            f"No certificate can be issued: {first.reason}", check=first.name, hint="Nothing was written."
        )
    return data
