"""The verification of an evidence pack: everything in it, against the reader's own key file.

The archive is read in memory and must be in its one form (`ireu_governance.export.archive`), so no file of it ever
reaches a disk. Then, in this order: whose it is, that its list of files is signed and complete, the checkpoint, every
entry's signature, place and proof, that all of it is about one case, every certificate, and the status list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ireu_governance.core import merkle
from ireu_governance.core.certificate_document import parse_certificate
from ireu_governance.core.certificate_verification import verify_certificate
from ireu_governance.core.check_steps import Finding, Step, make_checks
from ireu_governance.core.envelope import PAYLOAD_TYPE, Envelope
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.proof import LogProof
from ireu_governance.core.statement import KeyChange, Revocation, Statement
from ireu_governance.core.status import StatusEntry, StatusList
from ireu_governance.core.verdict import Outcome, Report, Verdict
from ireu_governance.export.archive import looks_like_archive, read_archive
from ireu_governance.export.key_versions import follow_versions
from ireu_governance.export.layout import CHECKPOINT, KEYS, MANIFEST, STATUS, history_path
from ireu_governance.export.manifest import Manifest, open_manifest
from ireu_governance.export.pack_text import proof_path

__all__ = ["PACK_CHECKS", "PackReport", "verify_pack"]

_ENTRY: Final = re.compile(r"entries/([0-9]{8,16})\.json")
_CERTIFICATE: Final = re.compile(r"certificates/[^/]+\.json")


class PackReport(Report):
    """The report on an evidence pack.

    Attributes:
        case_id: The case, once the signed list that names it is verified.
        entries: Number of entries in it.
        certificates: Number of certificates in it.
    """

    case_id: str | None = None
    entries: int = 0
    certificates: int = 0


def verify_pack(data: bytes, *, key_file: KeyFile) -> PackReport:
    """Check an evidence pack against a trusted key file.

    Args:
        data: The archive, as it came.
        key_file: The log's keys, from a source that the reader trusts.

    Returns:
        All checks with their reasons, and the verdict that follows.

    Raises:
        InputError: The bytes are no archive at all. A damaged one gets a report.
    """
    if not looks_like_archive(data):
        raise InputError("This is no evidence pack.", hint="A pack is a .zip file that 'ireu certificate pack' wrote.")
    pack = _Pack(data, key_file)
    report, passed = make_checks(_STEPS, pack, optional=frozenset())
    return PackReport(
        checks=report.checks,
        case_id=pack.manifest.case_id if "manifest" in passed else None,
        entries=len(pack.statements),
        certificates=len(pack.certificates),
    )


class _Pack:
    """A pack while it is verified: each step may use what the steps before it have verified."""

    manifest: Manifest
    size: int

    def __init__(self, data: bytes, key_file: KeyFile) -> None:
        self._data = data
        self.key_file = key_file
        self.files: dict[str, bytes] = {}
        self.statements: dict[int, Statement] = {}
        self.certificates: dict[str, str] = {}  # id by name
        self._root = b""

    def check_archive(self) -> str:
        self.files = read_archive(self._data)
        return f"It is in the one form that packs have, with {len(self.files)} files."

    def check_keys(self) -> str:
        found = KeyFile.from_bytes(self._file(KEYS))
        self.key_file = follow_versions(
            self.key_file, found, lambda version: KeyFile.from_bytes(self._file(history_path(version)))
        )
        return f"It was made with the keys of {found.organisation}, version {found.version}."

    def check_manifest(self) -> str:
        manifest = open_manifest(self._file(MANIFEST), key_file=self.key_file, check="manifest")
        if manifest.about != "evidence-pack" or manifest.case_id is None:
            raise VerificationError("The signed list is one of something else than an evidence pack.", check="manifest")
        self.manifest = manifest
        return f"A record key signed the list of files, for the case {manifest.case_id}."

    def check_files(self) -> str:
        others = {name: data for name, data in self.files.items() if name != MANIFEST}
        wrong = self.manifest.compare(others)
        if wrong:
            name, what = min(wrong.items())
            more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise VerificationError(f"Not all files are those of the list: {name} is {what}{more}.", check="files")
        return f"All {len(others)} files are those of the list."

    def check_checkpoint(self) -> str:
        text = self._text(CHECKPOINT)
        checkpoint = verified_checkpoint(text, self.key_file)
        if checkpoint.size != self.manifest.log_size:
            raise VerificationError(
                f"The checkpoint has {checkpoint.size} entries, the list was signed for {self.manifest.log_size}.",
                check="checkpoint-signature",
            )
        self.size, self._root = checkpoint.size, checkpoint.root
        return f"The log's key signed the head of {checkpoint.size} entries."

    def check_entries(self) -> str:
        for name, data in self.files.items():
            if not name.startswith("entries/") or not name.endswith(".json"):
                continue
            match = _ENTRY.fullmatch(name)
            seq = int(match[1]) if match else -1
            if not 0 <= seq < self.size:
                raise InputError(f"{name} is named like no entry of this log.")
            envelope = Envelope.from_bytes(data)
            payload = envelope.verify(self.key_file.keys(Role.RECORD, at_size=seq), check="record-signature")
            if envelope.payload_type != PAYLOAD_TYPE:
                raise InputError(f"{name} is an envelope of something else than a statement.")
            statement = Statement.from_bytes(payload)
            for signature in envelope.signatures:
                self.key_file.expect_valid(
                    signature.keyid, size=seq, time=statement.predicate.recorded_at, check="record-signature"
                )
            place = statement.predicate.ledger
            if place.origin != self.key_file.origin or place.seq != seq:
                raise VerificationError(f"{name} was signed as entry {place.seq} of {place.origin!a}.", check="entries")
            self.statements[seq] = statement
        if not self.statements:
            raise VerificationError("There is no entry in the pack.", check="entries")
        return f"Entries that a record key signed, for the number that each has: {len(self.statements)}."

    def check_inclusion(self) -> str:
        names = {proof_path(seq): seq for seq in self.statements}
        for name in self.files:
            if name.endswith(".tlog-proof") and name not in names:
                raise VerificationError(f"{name} is the proof of no entry in the pack.", check="inclusion")
        checkpoint = self._text(CHECKPOINT)
        for name, seq in names.items():
            proof = LogProof.from_text(self._text(name))
            if proof.index != seq or proof.checkpoint != checkpoint or proof.extra is not None:
                raise VerificationError(f"{name} is about another entry or another checkpoint.", check="inclusion")
            merkle.verify_inclusion(
                index=seq,
                size=self.size,
                leaf_hash=merkle.leaf_hash(self.files[name.replace(".tlog-proof", ".json")]),
                proof=proof.hashes,
                root=self._root,
            )
        return "All of them are in the log, by their proofs."

    def check_certificates(self) -> str | None:
        names = [name for name in self.files if _CERTIFICATE.fullmatch(name)]
        for name in names:
            data = self.files[name]
            report = verify_certificate(data, key_file=self.key_file)
            if report.verdict is not Verdict.HOLDS:
                undecided = (each for each in report.checks if each.required and each.outcome is not Outcome.PASSED)
                first = next(iter(report.failed()), None) or next(undecided)
                raise VerificationError(f"{name} does not hold: {first.name}: {first.reason}", check="certificates")
            body = parse_certificate(data).certificate
            removal = Statement.from_bytes(Envelope.from_object(body.removal.envelope).payload)
            self.certificates[name] = body.id
            if self.manifest.case_id not in {each.case_id for each in getattr(removal.predicate, "cases", ())}:
                raise VerificationError(f"{name} is about other cases.", check="certificates")
        return f"Certificates that hold and are about this case: {len(names)}." if names else None

    def check_case(self) -> str:
        ids = set(self.certificates.values())
        for seq, statement in self.statements.items():
            predicate = statement.predicate
            about = {each.case_id for each in getattr(predicate, "cases", ())}
            belongs = (
                self.manifest.case_id in about
                or isinstance(predicate, KeyChange)
                or (isinstance(predicate, Revocation) and predicate.certificate_id in ids)
            )
            if not belongs:
                raise VerificationError(f"Entry {seq} is about something else than this case.", check="case")
        return "All entries are about this case, the log's keys, or the certificates here."

    def check_status(self) -> str | None:
        if STATUS not in self.files:
            return None
        status = StatusList.from_bytes(self.files[STATUS])
        status.verify(self.key_file)
        gone = {each.id: each for each in status.status_list.entries}
        listed = set(status.status_list.entries)
        for seq, each in self.statements.items():
            predicate = each.predicate
            if isinstance(predicate, Revocation) and seq < status.size and StatusEntry.of(predicate) not in listed:
                raise VerificationError(
                    f"The status list leaves out what entry {seq} says, or says something else.", check="status-list"
                )
        words = [
            f"{name} is {gone[each].status} since {gone[each].since}"
            for name, each in sorted(self.certificates.items())
            if each in gone
        ]
        said = "; ".join(words) if words else "none of the certificates is withdrawn"
        return f"By the list over the log's first {status.size} entries, {said}."

    def _file(self, name: str) -> bytes:
        if name not in self.files:
            raise VerificationError(f"{name} is missing in the pack.", check="files")
        return self.files[name]

    def _text(self, name: str) -> str:
        return self._file(name).decode("utf-8", "backslashreplace")


def _step(name: str, run: Callable[[_Pack], str | None], *needs: str) -> Step[_Pack]:
    def find(pack: _Pack) -> Finding:
        reason = run(pack)
        return (
            Finding("There is none in this pack.", decided=False, required=False) if reason is None else Finding(reason)
        )

    return Step(name, find, needs)


_STEPS: Final = (
    _step("archive", _Pack.check_archive),
    _step("key-file", _Pack.check_keys, "archive"),
    _step("manifest", _Pack.check_manifest, "key-file"),
    _step("files", _Pack.check_files, "manifest"),
    _step("checkpoint-signature", _Pack.check_checkpoint, "manifest"),
    _step("entries", _Pack.check_entries, "checkpoint-signature"),
    _step("inclusion", _Pack.check_inclusion, "entries"),
    _step("certificates", _Pack.check_certificates, "manifest"),
    _step("case", _Pack.check_case, "entries"),
    _step("status-list", _Pack.check_status, "entries"),
)

PACK_CHECKS: Final = tuple(each.name for each in _STEPS)
"""The checks in their order."""
