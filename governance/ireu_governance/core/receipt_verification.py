"""The verification of a receipt: every check by name, with only the reader's key file and this code trusted.

What a receipt is about, a re-test, has a verdict of its own (`ReceiptReport.retest`): a receipt can be perfectly
genuine and say that a person has resurfaced.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NoReturn

from pydantic import computed_field

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.canonical import decode_base64
from ireu_governance.core.check_steps import Finding, Step, make_checks
from ireu_governance.core.checkpoint import Checkpoint, SignedNote
from ireu_governance.core.decision import verify_matches, worst
from ireu_governance.core.ed25519 import count_signers
from ireu_governance.core.envelope import PAYLOAD_TYPE, Envelope
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.merkle import leaf_hash, verify_inclusion
from ireu_governance.core.proof import LogProof
from ireu_governance.core.receipt import Receipt, claims_to_be_receipt, parse_receipt
from ireu_governance.core.spelling import spell
from ireu_governance.core.statement import BEHAVIOUR, Statement, Verification
from ireu_governance.core.verdict import Report, RetestVerdict, Verdict

__all__ = ["RECEIPT_CHECKS", "ReceiptReport", "RetestedRemoval", "verify_receipt"]


@dataclass(frozen=True)
class RetestedRemoval:
    """What one entry of a receipt says.

    Attributes:
        removal_entry: The removal that was tested against.
        verification_entry: The entry.
        recorded_at: When it was recorded.
        verdict: What the re-test found.
        white_box: ``known``, ``unknown`` or ``not-visible``.
        encoder_digest: Of what was tested; None when its files could not be seen.
        cases: Verdict by case.
    """

    removal_entry: int
    verification_entry: int
    recorded_at: str
    verdict: RetestVerdict
    white_box: str
    encoder_digest: str | None
    cases: dict[str, RetestVerdict]


class ReceiptReport(Report):
    """All checks of a receipt, and what the re-test found.

    Attributes:
        job: The job; empty when the receipt could not be read.
        removals: What each entry says; none unless the receipt holds.
    """

    job: str = ""
    removals: tuple[RetestedRemoval, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def retest(self) -> RetestVerdict | None:
        """The worst verdict of the re-test; None unless the receipt holds, since it then says nothing."""
        if self.verdict is not Verdict.HOLDS or not self.removals:
            return None
        return worst(each.verdict for each in self.removals)


def verify_receipt(data: bytes, *, key_file: KeyFile, encoder: Artifact | None = None) -> ReceiptReport:
    """Check a receipt against a trusted key file.

    Args:
        data: The file, as it came.
        key_file: The log's keys, from a source that the reader trusts.
        encoder: The encoder that is in use, to see whether it is the one that was tested.

    Returns:
        All checks with their reasons, the verdict that follows, and what the re-test found.

    Raises:
        InputError: The bytes do not claim to be a receipt (code ``input-not-a-receipt``). Whatever else claims to
            be one gets a report, however damaged it is.
    """
    if not claims_to_be_receipt(data):
        parse_receipt(data)  # says so
    checks = _ReceiptChecks(data, key_file, encoder)
    report, _ = make_checks(_STEPS, checks, optional=_OPTIONAL)
    holds = report.verdict is Verdict.HOLDS
    return ReceiptReport(checks=report.checks, job=checks.job, removals=checks.removals() if holds else ())


class _ReceiptChecks:
    # The state of one verification; later checks read what earlier ones verified.
    def __init__(self, data: bytes, key_file: KeyFile, encoder: Artifact | None) -> None:
        self._data = data
        self._keys = key_file
        self._encoder = encoder
        self._receipt: Receipt
        self._entries: list[tuple[Envelope, LogProof]] = []
        self._statements: list[tuple[Statement, Verification]] = []
        self._checkpoint: Checkpoint
        self.job = ""

    def form(self) -> Finding:
        self._receipt = parse_receipt(self._data)
        body = self._receipt.receipt
        for number, logged in enumerate(body.entries, start=1):
            proof = LogProof.from_text(logged.proof)
            if proof.to_text() != logged.proof or proof.extra is not None:
                raise InputError(f"The proof of entry {number} of the receipt is not in the form that ireu writes.")
            self._entries.append((Envelope.from_object(logged.envelope), proof))
        self.job = body.job
        return Finding(f"The file is a receipt of format 1 about job {body.job}, issued at {body.issued_at}.")

    def key_file(self) -> Finding:
        check, body, yours = "key-file", self._receipt.receipt, self._keys
        if body.organisation != yours.organisation or body.origin != yours.origin:
            _refuse(check, "The receipt names another organisation or log than your key file.")
        if hashlib.sha256(spell(body.key_file)).hexdigest() == yours.digest:
            return Finding(f"The receipt was made with your key file, version {yours.version}.")
        embedded = KeyFile.from_object(body.key_file)
        if embedded.origin == yours.origin and embedded.version == yours.version + 1:
            yours.expect_next(embedded)
            self._keys = embedded
            return Finding(f"The receipt was made with version {embedded.version} of the key file, which yours signed.")
        if not yours.endorses(embedded):
            _refuse(
                check,
                f"The receipt was made with another key file (version {embedded.version}) than yours (version"
                f" {yours.version}). Get the key files in between from the organisation.",
            )
        return Finding(f"The receipt was made with version {embedded.version} of your key file; yours judges it.")

    def receipt_signature(self) -> Finding:
        check, receipt = "receipt-signature", self._receipt
        signature = receipt.signatures[0]
        # Only picks the keys to try; the checkpoint's own signature is verified before anything rests on it.
        size = Checkpoint.from_text(SignedNote.from_text(self._entries[0][1].checkpoint).text).size
        self._keys.expect_valid(signature.keyid, size=size, time=receipt.receipt.issued_at, check=check)
        signers = count_signers(
            [(signature.keyid, decode_base64(signature.sig, what="receipt's signature"))],
            receipt.signed_bytes(),
            keys={key.key_id: key for key in self._keys.keys(Role.RECORD)},
            check=check,
        )
        if not signers:
            _refuse(check, "The receipt is signed by no record key of this log.")
        return Finding(f"The receipt is signed by record key {signature.keyid[:16]}….")

    def record_signature(self) -> Finding:
        check = "record-signature"
        for envelope, proof in self._entries:
            name = f"Entry {proof.index}"
            if envelope.payload_type != PAYLOAD_TYPE:
                _refuse(check, f"{name} is signed as something else than a statement.")
            statement = Statement.from_bytes(envelope.verify(self._keys.keys(Role.RECORD), check=check))
            predicate = statement.predicate
            for signature in envelope.signatures:
                self._keys.expect_valid(signature.keyid, size=proof.index, time=predicate.recorded_at, check=check)
            if not isinstance(predicate, Verification):
                _refuse(check, f"{name} is a {predicate.kind}, not a verification.")
            self._statements.append((statement, predicate))
        return Finding("Every entry is a verification that a record key of the log signed.")

    def checkpoint_signature(self) -> Finding:
        texts = {proof.checkpoint for _, proof in self._entries}
        if len(texts) != 1:
            _refuse("checkpoint-signature", "The entries are proven against different checkpoints.")
        self._checkpoint = verified_checkpoint(texts.pop(), self._keys)
        return Finding(f"The log {self._checkpoint.origin} signed the checkpoint of {self._checkpoint.size} entries.")

    def inclusion(self) -> Finding:
        for envelope, proof in self._entries:
            verify_inclusion(
                index=proof.index,
                size=self._checkpoint.size,
                leaf_hash=leaf_hash(envelope.to_bytes()),
                proof=proof.hashes,
                root=self._checkpoint.root,
            )
        numbers = ", ".join(str(proof.index) for _, proof in self._entries[:10])
        return Finding(f"The log holds the entries {numbers}{'…' if len(self._entries) > 10 else ''}.")

    def position(self) -> Finding:
        check = "position"
        for (_, proof), (_, said) in zip(self._entries, self._statements, strict=True):
            if said.ledger.origin != self._keys.origin or said.ledger.seq != proof.index:
                _refuse(check, f"Entry {proof.index} was signed for another place.")
        rows = list(zip(self._entries, self._statements, strict=True))
        for ((envelope, before), _), ((_, after), (_, said)) in pairwise(rows):
            if after.index != before.index + 1 or said.ledger.prev != leaf_hash(envelope.to_bytes()).hex():
                _refuse(check, f"Entry {after.index} does not follow entry {before.index}.")
        return Finding("Each entry was signed for its place in this log, and they follow one another.")

    def job_entries(self) -> Finding:
        check, body = "job", self._receipt.receipt
        for _, said in self._statements:
            if said.job != body.job:
                _refuse(check, f"Entry {said.ledger.seq} was not recorded by job {body.job}.")
            if said.job_entries != len(self._statements):
                _refuse(
                    check, f"The job recorded {said.job_entries} entries; the receipt holds {len(self._statements)}."
                )
            if said.recorded_at > body.issued_at:
                _refuse(check, "The receipt is dated before an entry in it.")
        if len({said.removal_seq for _, said in self._statements}) != len(self._statements):
            _refuse(check, "Two entries are about the same removal.")
        return Finding(f"The receipt holds all {len(self._statements)} entries that the job recorded.")

    def verdict(self) -> Finding:
        check = "verdict"
        for statement, said in self._statements:
            name = f"Entry {said.ledger.seq}"
            for score in (*said.scores, *(score for case in said.cases for score in case.scores)):
                verify_matches(score, check=check)
            if said.checks is None:
                _refuse(check, f"{name} does not tell what was seen of the encoder from what was measured.")
            black = worst(case.verdict for case in said.cases)
            changed = [RetestVerdict.ENCODER_CHANGED] if said.checks.white_box == "unknown" else []
            if said.checks.black_box is not black or said.verdict is not worst([black, *changed]):
                _refuse(check, f"{name} is recorded as '{said.verdict}', which does not follow from its cases.")
            if said.known_encoder != (said.checks.white_box == "known"):
                _refuse(check, f"{name} contradicts itself about whether the encoder is known.")
            if statement.is_about_encoder != (said.checks.white_box != "not-visible"):
                _refuse(check, f"{name} names no encoder that fits what was seen of it.")
        return Finding("All bounds follow from the counts, and the verdicts from the cases.")

    def encoder_digest(self) -> Finding:
        if self._encoder is None:
            return Finding("You gave no encoder to compare.", decided=False, required=False)
        for statement, said in self._statements:
            if said.checks is not None and said.checks.white_box == "not-visible":
                return Finding("The files of the tested encoder could not be seen.", decided=False)
            self._encoder.compare([each for each in statement.subject if each.name != BEHAVIOUR])
        return Finding("The tested encoder is the one that you gave.")

    def removals(self) -> tuple[RetestedRemoval, ...]:
        return tuple(
            RetestedRemoval(
                removal_entry=said.removal_seq,
                verification_entry=said.ledger.seq,
                recorded_at=said.recorded_at,
                verdict=said.verdict,
                white_box=said.checks.white_box if said.checks else "",
                encoder_digest=statement.encoder_digest() if statement.is_about_encoder else None,
                cases={case.case_id: case.verdict for case in said.cases},
            )
            for statement, said in self._statements
        )


_STEPS: Final = (
    Step("form", _ReceiptChecks.form, needs=()),
    Step("key-file", _ReceiptChecks.key_file),
    Step("receipt-signature", _ReceiptChecks.receipt_signature, needs=("form", "key-file")),
    Step("record-signature", _ReceiptChecks.record_signature, needs=("form", "key-file")),
    Step("checkpoint-signature", _ReceiptChecks.checkpoint_signature, needs=("form", "key-file")),
    Step("inclusion", _ReceiptChecks.inclusion, needs=("checkpoint-signature",)),
    Step("position", _ReceiptChecks.position, needs=("record-signature",)),
    Step("job", _ReceiptChecks.job_entries, needs=("record-signature",)),
    Step("verdict", _ReceiptChecks.verdict, needs=("record-signature",)),
    Step("encoder-digest", _ReceiptChecks.encoder_digest, needs=("record-signature",)),
)
_OPTIONAL: Final = frozenset({"encoder-digest"})

RECEIPT_CHECKS: Final = tuple(step.name for step in _STEPS)
"""Names of all checks, in the order of the report."""


def _refuse(check: str, message: str) -> NoReturn:
    raise VerificationError(message, check=check)
