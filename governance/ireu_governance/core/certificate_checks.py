"""The checks of a certificate, each a method: later ones read what earlier ones verified.

`ireu_governance.core.certificate_verification` calls them in their order, and none whose ground did not hold.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NoReturn

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.canonical import decode_base64
from ireu_governance.core.certificate_content import (
    Story,
    check_binding,
    check_plan,
    check_time,
    check_verdict,
)
from ireu_governance.core.certificate_document import Certificate, LoggedStatement, parse_certificate
from ireu_governance.core.certificate_history import check_history, read_history
from ireu_governance.core.certificate_trust import (
    Reader,
    check_revocation,
    check_trusted_time,
    check_validity,
    check_witness,
    find_status,
)
from ireu_governance.core.check_steps import Finding
from ireu_governance.core.checkpoint import Checkpoint, SignedNote
from ireu_governance.core.ed25519 import count_signers
from ireu_governance.core.envelope import PAYLOAD_TYPE, Envelope
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.merkle import leaf_hash, verify_inclusion
from ireu_governance.core.proof import LogProof
from ireu_governance.core.spelling import spell
from ireu_governance.core.statement import Position, Statement
from ireu_governance.core.status import CertificateStatus

__all__ = ["CertificateChecks"]

_FIRST_PREV: Final = "0" * 64
_NEWER_KEYS: Final = "Stamps may be newer than your key file: get the organisation's newest one and verify again."


@dataclass(frozen=True)
class _Entry:
    # One of the entries, parsed and not verified.
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


class CertificateChecks:
    """The state of one verification.

    Args:
        data: The certificate file, as it came.
        key_file: The log's keys, from a source that the reader trusts.
        encoder: The encoder that is in use, or None.
        reader: What else the reader brings.
    """

    def __init__(self, data: bytes, *, key_file: KeyFile, encoder: Artifact | None, reader: Reader) -> None:
        self._data = data
        self._keys = key_file
        self._encoder = encoder
        self._reader = reader
        self._certificate: Certificate
        self._entries: tuple[_Entry, ...]  # request, removal, verification, and the history
        self._claimed_size: int
        self._statements: tuple[Statement, ...]
        self._checkpoint: Checkpoint
        self._story: Story
        self.status: CertificateStatus | None = None
        self.proven_time: str | None = None

    def form(self) -> Finding:
        """Read the file; nothing in it is verified by that."""
        self._certificate = parse_certificate(self._data)
        body = self._certificate.certificate
        self._entries = (
            _Entry.read("request", body.request),
            _Entry.read("removal", body.removal),
            _Entry.read("verification", body.verification),
            *(_Entry.read(f"step {n} of the history", each) for n, each in enumerate(body.history or (), start=1)),
        )
        # Only picks the keys to try; the checkpoint's own signature is verified before anything rests on it.
        note = SignedNote.from_text(self._entries[0].proof.checkpoint)
        self._claimed_size = Checkpoint.from_text(note.text).size
        return Finding(f"The file is a certificate of format 1, number {body.id}, issued at {body.issued_at}.")

    def key_file(self) -> Finding:
        """Whose certificate it is, and which key file judges it from here on."""
        body = self._certificate.certificate
        if body.issuer.organisation != self._keys.organisation:
            _refuse("key-file", "The certificate names another organisation than your key file.")
        if hashlib.sha256(spell(body.key_file)).hexdigest() == self._keys.digest:
            return Finding(f"The certificate was made with your key file, version {self._keys.version}.")
        embedded = KeyFile.from_object(body.key_file)
        if embedded.origin == self._keys.origin and embedded.version > self._keys.version:
            return self._take_newer(embedded)
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
        """Who signed the certificate, and its time stamps."""
        check = "certificate-signature"
        certificate = self._certificate
        signature, over_stamps = certificate.signatures[0], certificate.timestamps_signature
        parts = [(signature, certificate.signed_bytes(), "certificate is")]
        if over_stamps is not None:
            parts.append((over_stamps, certificate.timestamps_signed_bytes(), "certificate's time stamps are"))
        self._keys.expect_valid(
            signature.keyid, size=self._claimed_size, time=certificate.certificate.issued_at, check=check
        )
        if over_stamps is not None:
            # Stamps are added years later too, by the record key of then.
            self._keys.expect_valid_later(over_stamps.keyid, size=self._claimed_size, check=check)
        for each, signed, what in parts:
            signers = count_signers(
                [(each.keyid, decode_base64(each.sig, what="certificate's signature"))],
                signed,
                keys={key.key_id: key for key in self._keys.keys(Role.RECORD)},
                check=check,
            )
            if not signers:
                raise VerificationError(
                    f"The {what} signed by no key that may sign certificates of this log.",
                    check=check,
                    hint=_NEWER_KEYS if each is over_stamps else "",
                )
        return Finding(f"The certificate is signed by record key {signature.keyid[:16]}….")

    def record_signature(self) -> Finding:
        """Who signed the entries; what they say is read from what was signed."""
        check = "record-signature"
        statements = []
        for entry in self._entries:
            if entry.envelope.payload_type != PAYLOAD_TYPE:
                _refuse(check, f"The {entry.name} is signed as something else than a statement.")
            try:
                for signature in entry.envelope.signatures:
                    self._keys.expect_valid(signature.keyid, size=entry.proof.index, check=check)
                payload = entry.envelope.verify(self._keys.keys(Role.RECORD), check=check)
                statement = Statement.from_bytes(payload)
                for signature in entry.envelope.signatures:
                    time = statement.predicate.recorded_at
                    self._keys.expect_valid(signature.keyid, size=entry.proof.index, time=time, check=check)
                statements.append(statement)
            except (InputError, VerificationError) as error:
                _refuse(check, f"The {entry.name}: {error.message}")
        self._statements = tuple(statements)
        steps = "" if len(statements) == 3 else ", and all steps of the history,"
        return Finding(f"The request, the removal and the verification{steps} are signed by record keys of the log.")

    def checkpoint_signature(self) -> Finding:
        """The log's signature on the one checkpoint."""
        check = "checkpoint-signature"
        texts = {entry.proof.checkpoint for entry in self._entries}
        if len(texts) != 1:
            _refuse(check, "The entries are proven against different checkpoints.")
        self._checkpoint = verified_checkpoint(texts.pop(), self._keys)
        every = "all three" if len(self._entries) == 3 else f"all {len(self._entries)}"
        return Finding(
            f"The log {self._checkpoint.origin} signed one checkpoint for {every}, of {self._checkpoint.size} entries."
        )

    def inclusion(self) -> Finding:
        """That the tree of the checkpoint holds the entries."""
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
        text = f"The log holds the request, removal and verification as entries {', '.join(numbers[:3])}"
        return Finding(text + (f", and the history: {', '.join(numbers[3:])}." if numbers[3:] else "."))

    def position(self) -> Finding:
        """That the entries were signed for the places where they are."""
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
        if any(after.seq <= before.seq for before, after in pairwise(places[3:])):
            _refuse(check, "The steps of the history are not in the order of the log.")
        ordered = sorted(zip(self._entries, places, strict=True), key=lambda each: each[1].seq)
        for (entry, before), (_, after) in pairwise(ordered):
            if after.seq == before.seq:
                _refuse(check, f"The {entry.name} stands in the certificate twice.")
            if after.seq == before.seq + 1 and after.prev != entry.leaf.hex():
                _refuse(check, f"The entry after the {entry.name} is chained to something else.")
        request, removal, verification = self._statements[:3]
        self._story = Story.from_statements(request=request, removal=removal, verification=verification)
        return Finding("Each entry was signed for this log and for the number that it has there.")

    def subject_binding(self) -> Finding:
        """That the entries speak about the same encoder and cases."""
        return check_binding(self._story)

    def plan(self) -> Finding:
        """That all planned tests were reported."""
        return check_plan(self._story)

    def verdict(self) -> Finding:
        """That the verdict follows from the figures."""
        return check_verdict(self._story)

    def encoder_digest(self) -> Finding:
        """That the reader's encoder is the one of the certificate."""
        if self._encoder is None:
            return Finding("No encoder was given to compare with.", decided=False, required=False)
        self._encoder.compare(self._story.removal_subject)
        return Finding(f"The encoder that was given is the one of the certificate: {self._encoder.digest}.")

    def time(self) -> Finding:
        """That the recorded times are in order."""
        return check_time(self._story, self._certificate.certificate.issued_at)

    def history(self) -> Finding:
        """That the steps of the requests fit."""
        if not self._statements[3:]:
            return Finding("The certificate lists no steps of the request.", decided=False, required=False)
        events = read_history(self._statements[3:])
        return check_history(self._story, events, last_time=self._certificate.certificate.issued_at)

    def validity(self) -> Finding:
        """That the certificate has not ended."""
        body, at = self._certificate.certificate, self._reader.at
        if at is not None and body.valid_until is not None and at > body.valid_until:
            self.status = CertificateStatus.EXPIRED
        return check_validity(body, at)

    def witness(self) -> Finding:
        """That the witnesses whom the reader asks for have seen the log."""
        return check_witness(self._entries[0].proof.checkpoint, self._reader.policy)

    def trusted_time(self) -> Finding:
        """What time stamps prove."""
        finding, proven = check_trusted_time(self._certificate, self._reader.tsa_roots)
        self.proven_time = None if proven is None else proven.time
        return finding

    def revocation(self) -> Finding:
        """What became of the certificate later."""
        body = self._certificate.certificate
        try:
            return check_revocation(body, self._checkpoint.size, self._keys, self._reader)
        except VerificationError:
            entry = find_status(body, self._reader)
            self.status = None if entry is None else CertificateStatus(entry.status)
            raise

    def _take_newer(self, embedded: KeyFile) -> Finding:
        # One step only: the versions in between are not in the certificate, and a chain with a gap proves nothing.
        yours = self._keys
        try:
            yours.expect_next(embedded)
        except VerificationError as error:
            raise VerificationError(
                f"The certificate was made with version {embedded.version} of the key file, which yours, version"
                f" {yours.version}, does not vouch for: {error.message} Get the key files since yours from the"
                " organisation, and run: ireu keys update --trusted YOURS.json NEWER.json",
                check="key-file",
            ) from None
        self._keys = embedded
        return Finding(
            f"The certificate was made with version {embedded.version} of the key file, which the root keys of"
            f" yours, version {yours.version}, signed; it is judged by the newer one."
        )


def _refuse(check: str, message: str) -> NoReturn:
    raise VerificationError(message, check=check)
