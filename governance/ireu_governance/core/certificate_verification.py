"""The verification of a certificate: every check by name, with a reason that a regulator understands.

Only two things are trusted: the key file that the reader brings, and this code. Nothing that stands in the
certificate is used before it was verified, and what a signature covers is read from the verified bytes.
The order:

1. the form of the file,
2. whose it is,
3. its own signature,
4. the signatures of the three entries,
5. the log's signature on the one checkpoint,
6. that the checkpoint's tree holds the entries,
7. that they were signed for the places where they are,
8. that they speak about the same encoder, cases and plan,
9. that the verdict follows from the figures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.canonical import canonicalize, decode_base64
from ireu_governance.core.certificate_content import (
    Finding,
    Story,
    check_binding,
    check_plan,
    check_time,
    check_verdict,
)
from ireu_governance.core.certificate_document import (
    Certificate,
    LoggedStatement,
    claims_to_be_certificate,
    parse_certificate,
)
from ireu_governance.core.checkpoint import Checkpoint, SignedNote, open_checkpoint
from ireu_governance.core.ed25519 import count_signers
from ireu_governance.core.envelope import PAYLOAD_TYPE, Envelope
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.merkle import leaf_hash, verify_inclusion
from ireu_governance.core.proof import LogProof
from ireu_governance.core.statement import Position, Statement
from ireu_governance.core.verdict import Report, ReportBuilder

__all__ = ["CHECKS", "OPTIONAL_CHECKS", "verify_certificate"]

OPTIONAL_CHECKS: Final = frozenset({"encoder-digest", "witness", "trusted-time", "revocation"})
"""Checks that the verdict can do without; the report still says that they were not made."""

_FIRST_PREV: Final = "0" * 64


def verify_certificate(data: bytes, *, key_file: KeyFile, encoder: Artifact | None = None) -> Report:
    """Check a certificate against a trusted key file.

    Args:
        data: The certificate file, as it came.
        key_file: The log's keys, from a source that the reader trusts.
        encoder: The encoder that is in use, to see whether the certificate is about it.

    Returns:
        All checks with their reasons, and the verdict that follows.

    Raises:
        InputError: The bytes do not claim to be a certificate (code ``input-not-a-certificate``). Whatever
            claims to be one gets a report, however damaged it is.
    """
    if not claims_to_be_certificate(data):
        raise InputError("This is not an ireu certificate.", code=ErrorCode.INPUT_NOT_A_CERTIFICATE)
    verification = _CertificateVerification(data, key_file=key_file, encoder=encoder)
    builder = ReportBuilder()
    passed: set[str] = set()
    for step in _STEPS:
        missing = [name for name in step.needs if name not in passed]
        required = step.name not in OPTIONAL_CHECKS
        if missing:
            reason = f"It rests on '{missing[0]}', which did not pass."
            builder.not_checked(step.name, reason, required=required)
            continue
        try:
            finding = step.run(verification)
        except (InputError, VerificationError) as error:
            builder.failed(step.name, error.message)
            continue
        if finding.decided:
            passed.add(step.name)
            builder.passed(step.name, finding.reason)
        else:
            builder.not_checked(step.name, finding.reason, required=finding.required)
    return builder.build()


@dataclass(frozen=True)
class _Entry:
    # One of the three entries, parsed and not verified.
    name: str
    envelope: Envelope
    leaf: bytes
    proof: LogProof

    @classmethod
    def read(cls, name: str, logged: LoggedStatement) -> _Entry:
        envelope = Envelope.from_object(logged.envelope)
        proof = LogProof.from_text(logged.proof)
        if proof.to_text() != logged.proof or proof.extra is not None:
            raise InputError(f"The proof of the {name} is not in the form that ireu writes.")
        return cls(name, envelope, leaf_hash(envelope.to_bytes()), proof)


class _CertificateVerification:
    # Each method makes one check; later ones read what earlier ones verified, and `_STEPS` sees to the order.

    def __init__(self, data: bytes, *, key_file: KeyFile, encoder: Artifact | None) -> None:
        self._data = data
        self._keys = key_file
        self._encoder = encoder
        self._certificate: Certificate
        self._entries: tuple[_Entry, _Entry, _Entry]
        self._claimed_size: int
        self._statements: tuple[Statement, Statement, Statement]
        self._checkpoint: Checkpoint
        self._story: Story

    def form(self) -> Finding:
        self._certificate = parse_certificate(self._data)
        body = self._certificate.certificate
        self._entries = (
            _Entry.read("request", body.request),
            _Entry.read("removal", body.removal),
            _Entry.read("verification", body.verification),
        )
        # Only picks the keys to try; the checkpoint's own signature is verified before anything rests on it.
        note = SignedNote.from_text(self._entries[0].proof.checkpoint)
        self._claimed_size = Checkpoint.from_text(note.text).size
        return Finding(f"The file is a certificate of format 1, number {body.id}, issued at {body.issued_at}.")

    def key_file(self) -> Finding:
        body = self._certificate.certificate
        if body.issuer.organisation != self._keys.organisation:
            _refuse("key-file", "The certificate names another organisation than your key file.")
        if hashlib.sha256(canonicalize(body.key_file)).hexdigest() == self._keys.digest:
            return Finding(f"The certificate was made with your key file, version {self._keys.version}.")
        embedded = KeyFile.from_object(body.key_file)
        if not self._keys.endorses(embedded):
            _refuse(
                "key-file",
                f"The certificate was made with another key file (version {embedded.version} of"
                f" {embedded.origin}, SHA-256 {embedded.digest}) than yours (version {self._keys.version} of"
                f" {self._keys.origin}, SHA-256 {self._keys.digest}).",
            )
        return Finding(
            f"The certificate was made with version {embedded.version} of your key file, and is judged by"
            f" yours, version {self._keys.version}."
        )

    def certificate_signature(self) -> Finding:
        check = "certificate-signature"
        signature = self._certificate.signatures[0]
        self._refuse_revoked(check, signature.keyid, self._claimed_size)
        signers = count_signers(
            [(signature.keyid, decode_base64(signature.sig, what="certificate's signature"))],
            self._certificate.signed_bytes(),
            keys={key.key_id: key for key in self._keys.keys(Role.RECORD)},
            check=check,
        )
        if not signers:
            _refuse(check, "The certificate is signed by no key that may sign certificates of this log.")
        return Finding(f"The certificate is signed by record key {signature.keyid[:16]}….")

    def record_signature(self) -> Finding:
        check = "record-signature"
        statements = []
        for entry in self._entries:
            if entry.envelope.payload_type != PAYLOAD_TYPE:
                _refuse(check, f"The {entry.name} is signed as something else than a statement.")
            for signature in entry.envelope.signatures:
                self._refuse_revoked(check, signature.keyid, entry.proof.index)
            try:
                payload = entry.envelope.verify(self._keys.keys(Role.RECORD), check=check)
                statements.append(Statement.from_bytes(payload))
            except (InputError, VerificationError) as error:
                _refuse(check, f"The {entry.name}: {error.message}")
        self._statements = (statements[0], statements[1], statements[2])
        return Finding("The request, the removal and the verification are signed by record keys of the log.")

    def checkpoint_signature(self) -> Finding:
        check = "checkpoint-signature"
        texts = {entry.proof.checkpoint for entry in self._entries}
        if len(texts) != 1:
            _refuse(check, "The three entries are proven against different checkpoints.")
        self._checkpoint = open_checkpoint(
            texts.pop(),
            origin=self._keys.origin,
            keys=self._keys.keys(Role.LOG, at_size=self._claimed_size),
        )
        return Finding(
            f"The log {self._checkpoint.origin} signed one checkpoint for all three, of"
            f" {self._checkpoint.size} entries."
        )

    def inclusion(self) -> Finding:
        for entry in self._entries:
            try:
                verify_inclusion(
                    index=entry.proof.index,
                    size=self._checkpoint.size,
                    leaf_hash=entry.leaf,
                    proof=entry.proof.hashes,
                    root=self._checkpoint.root,
                )
            except VerificationError as error:
                _refuse("inclusion", f"The {entry.name}: {error.message}")
        numbers = [str(entry.proof.index) for entry in self._entries]
        return Finding(f"The log holds the request, removal and verification as entries {', '.join(numbers)}.")

    def position(self) -> Finding:
        check = "position"
        if self._certificate.certificate.origin != self._keys.origin:
            _refuse(check, "The certificate names another log than your key file.")
        places: list[Position] = []
        for entry, statement in zip(self._entries, self._statements, strict=True):
            place = statement.predicate.ledger
            if place.origin != self._keys.origin:
                _refuse(check, f"The {entry.name} was recorded for another log.")
            if place.seq != entry.proof.index:
                _refuse(check, f"The {entry.name} was signed as entry {place.seq}, not {entry.proof.index}.")
            if (place.seq == 0) != (place.prev == _FIRST_PREV):
                _refuse(check, f"The {entry.name} is chained to no possible entry before it.")
            places.append(place)
        if not places[0].seq < places[1].seq < places[2].seq:
            _refuse(check, "The request, the removal and the verification are not in this order in the log.")
        for entry, before, after in zip(self._entries, places, places[1:], strict=False):
            if after.seq == before.seq + 1 and after.prev != entry.leaf.hex():
                _refuse(check, f"The entry after the {entry.name} is chained to something else.")
        request, removal, verification = self._statements
        self._story = Story.from_statements(request=request, removal=removal, verification=verification)
        return Finding("Each entry was signed for this log and for the number that it has there.")

    def subject_binding(self) -> Finding:
        return check_binding(self._story)

    def plan(self) -> Finding:
        return check_plan(self._story)

    def verdict(self) -> Finding:
        return check_verdict(self._story)

    def encoder_digest(self) -> Finding:
        if self._encoder is None:
            return Finding("No encoder was given to compare with.", decided=False, required=False)
        self._encoder.compare(self._story.removal_subject)
        return Finding(f"The encoder that was given is the one of the certificate: {self._encoder.digest}.")

    def time(self) -> Finding:
        return check_time(self._story, self._certificate.certificate.issued_at)

    def _refuse_revoked(self, check: str, key_id: str, size: int) -> None:
        entry = self._keys.find(key_id)
        if entry is not None and entry.revoked_from_size is not None and entry.revoked_from_size <= size:
            _refuse(check, f"It is signed by a key that counts no more from entry {entry.revoked_from_size} on.")


def _absent(what: str) -> Callable[[_CertificateVerification], Finding]:
    reason = f"This version does not {what}."
    return lambda _: Finding(reason, decided=False, required=False)


@dataclass(frozen=True)
class _Step:
    name: str
    run: Callable[[_CertificateVerification], Finding]
    needs: tuple[str, ...] = ("form",)


_STEPS: Final = (
    _Step("form", _CertificateVerification.form, needs=()),
    _Step("key-file", _CertificateVerification.key_file),
    _Step("certificate-signature", _CertificateVerification.certificate_signature),
    _Step("record-signature", _CertificateVerification.record_signature),
    _Step("checkpoint-signature", _CertificateVerification.checkpoint_signature),
    _Step("inclusion", _CertificateVerification.inclusion, needs=("checkpoint-signature",)),
    _Step("position", _CertificateVerification.position, needs=("record-signature",)),
    _Step("subject-binding", _CertificateVerification.subject_binding, needs=("position",)),
    _Step("plan", _CertificateVerification.plan, needs=("position",)),
    _Step("verdict", _CertificateVerification.verdict, needs=("position",)),
    _Step("encoder-digest", _CertificateVerification.encoder_digest, needs=("position",)),
    _Step("time", _CertificateVerification.time, needs=("position",)),
    _Step("witness", _absent("check cosignatures of witnesses"), needs=()),
    _Step("trusted-time", _absent("check time stamps of independent authorities"), needs=()),
    _Step("revocation", _absent("ask the log whether the certificate was revoked"), needs=()),
)

CHECKS: Final = tuple(step.name for step in _STEPS)
"""Names of all checks, in the order of the report."""


def _refuse(check: str, message: str) -> NoReturn:
    raise VerificationError(message, check=check)
