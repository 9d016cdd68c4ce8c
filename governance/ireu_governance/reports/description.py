"""From a certificate's bytes and the report about it to everything that a page shows.

What stands on a page comes from the file, verified or not; the verdict at its top says which. Nothing here
looks at a clock, a file or the network, so the same certificate and report give the same page everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ireu_governance.core.certificate_document import Certificate, CertificateBody, LoggedStatement, parse_certificate
from ireu_governance.core.checkpoint import Checkpoint, SignedNote
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import InputError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.proof import LogProof
from ireu_governance.core.statement import Removal, RemovalRequest, Statement, Verification
from ireu_governance.core.verdict import Outcome, Report, Verdict
from ireu_governance.reports.extensions import (
    describe_extensions,
    describe_history,
    describe_standing,
    status_link,
)
from ireu_governance.reports.figures import count, decimal, moment, percent, plain_number, visible
from ireu_governance.reports.scores import (
    MAX_ROWS,
    describe_case,
    describe_others,
    describe_plan,
    explain_scores,
    summarise_results,
)
from ireu_governance.reports.view import CaseView, CertificateView, CheckRow, ContentView, Fact, FileRow
from ireu_governance.reports.words import CHECKS, COUNTS, METHODS, NOT_VERIFIED, OUTCOMES, SETTINGS, VERDICTS

__all__ = ["MAX_FILES", "describe_certificate"]

MAX_FILES: Final = 200  # of an encoder, changed ones first; a sharded one has tens


def describe_certificate(data: bytes, report: Report | None) -> CertificateView:
    """Describe a certificate for people.

    Args:
        data: The certificate file.
        report: What its verification found; None if nobody verified it, which the page then says first of all.

    Returns:
        Everything that a page shows.

    Raises:
        InputError: The bytes do not claim to be a certificate.
    """
    content: ContentView | None = None
    unreadable = ""
    try:
        content = _describe_content(parse_certificate(data))
    except InputError as error:
        if report is None:
            raise
        unreadable = visible(error.message)
    reasons = () if report is None else tuple(visible(reason) for reason in _reasons(report))
    return CertificateView(
        stamp=NOT_VERIFIED if report is None else VERDICTS[report.verdict],
        reasons=tuple(each for each in reasons if each != unreadable),
        tally="" if report is None else _tally(report),
        standing=() if report is None else describe_standing(report),
        checks=() if report is None else tuple(_check_rows(report)),
        sha256=hashlib.sha256(data).hexdigest(),
        content=content,
        unreadable=unreadable,
    )


@dataclass(frozen=True)
class _Entry:
    # One of the three entries as it stands in the file.
    statement: Statement
    signers: tuple[str, ...]
    index: int
    checkpoint: str

    @classmethod
    def read(cls, logged: LoggedStatement) -> _Entry:
        envelope = Envelope.from_object(logged.envelope)
        proof = LogProof.from_text(logged.proof)
        signers = tuple(each.keyid for each in envelope.signatures)
        return cls(Statement.from_bytes(envelope.payload), signers, proof.index, proof.checkpoint)


@dataclass(frozen=True)
class _Parts:
    body: CertificateBody
    request: RemovalRequest
    removal: Removal
    verification: Verification
    entries: tuple[_Entry, _Entry, _Entry]


def _describe_content(certificate: Certificate) -> ContentView:
    parts = _read_parts(certificate.certificate)
    body, removal = parts.body, parts.removal
    plan, rule = describe_plan(parts.request.plan)
    cases, notes = _cases(parts)
    files = sorted(_files(parts), key=lambda row: (row.change == "unchanged", row.name))
    if len(files) > MAX_FILES:
        left_out = count(len(files) - MAX_FILES, "file", "files")
        notes = (*notes, f"{left_out} of the encoder left out here; the enclosed file has all.")
    return ContentView(
        number=body.id,
        organisation=visible(body.issuer.organisation),
        issued=moment(body.issued_at),
        issued_at=body.issued_at,
        summary=tuple(_summary(parts)),
        says=body.says,
        does_not_claim=body.does_not_claim,
        who=(*_who(parts), *describe_extensions(certificate)),
        history=describe_history(body),
        encoder=(
            Fact("Before the removal", removal.encoder_before.sha256, "code"),
            Fact("After the removal", parts.entries[1].statement.encoder_digest(), "code"),
            Fact("Kind of encoder", removal.architecture, "code"),
        ),
        files=tuple(files[:MAX_FILES]),
        method=tuple(_method(removal)),
        plan=plan,
        plan_rule=rule,
        cases=cases,
        others=describe_others(parts.verification.scores),
        glossary=explain_scores(parts.verification),
        ledger=tuple(_ledger(parts)),
        keys=tuple(_keys(certificate, parts)),
        link=status_link(body),
        notes=notes,
    )


def _read_parts(body: CertificateBody) -> _Parts:
    entries = (_Entry.read(body.request), _Entry.read(body.removal), _Entry.read(body.verification))
    asked, done, found = (each.statement.predicate for each in entries)
    if not (isinstance(asked, RemovalRequest) and isinstance(done, Removal) and isinstance(found, Verification)):
        raise InputError("The certificate does not hold a request, a removal and a verification.")
    return _Parts(body, asked, done, found, entries)


def _summary(parts: _Parts) -> Iterable[str]:
    request, removal, verification = parts.request, parts.removal, parts.verification
    people = count(len(request.cases), "person", "people")
    yield (
        f"{visible(parts.body.issuer.organisation)} recorded on {moment(request.recorded_at)} that an image encoder is"
        f" to forget {people}, changed that encoder by {moment(removal.recorded_at)}, and tested it by"
        f" {moment(verification.recorded_at)}."
    )
    yield from summarise_results(request.plan, verification)


def _who(parts: _Parts) -> Iterable[Fact]:
    body = parts.body
    yield Fact("Organisation", visible(body.issuer.organisation))
    yield Fact("Contact", visible(body.issuer.contact) if body.issuer.contact else "not recorded")
    yield Fact("Certificate number", body.id, "code")
    yield Fact("Request and plan recorded", moment(parts.request.recorded_at))
    yield Fact("Removal recorded", moment(parts.removal.recorded_at))
    occasion = "re-test of the encoder in use" if parts.verification.occasion == "retest" else "test after the removal"
    yield Fact("Tests recorded", f"{moment(parts.verification.recorded_at)} ({occasion})")
    yield Fact("Certificate issued", moment(body.issued_at))


def _files(parts: _Parts) -> Iterable[FileRow]:
    before = {each.name: each.digest.sha256 for each in parts.entries[0].statement.subject if each.name != "encoder"}
    after = {each.name: each.digest.sha256 for each in parts.entries[1].statement.subject if each.name != "encoder"}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        change = "unchanged" if old == new else "new" if old is None else "gone" if new is None else "changed"
        yield FileRow(visible(name), old or "none", new or "none", change)


def _method(removal: Removal) -> Iterable[Fact]:
    method = removal.method
    meaning = METHODS.get(method.name)
    yield Fact("Method", f"{method.name}: {meaning}" if meaning else method.name)
    yield Fact("Settings started from", method.preset, "code")
    yield Fact("Output that was moved", method.tap, "code")
    values = method.model_dump(by_alias=True)
    for name, label in SETTINGS.items():
        value = values[name]
        yield Fact(label, percent(value) if name == "k" else plain_number(value))
    for name, text in sorted(method.settings.items()):
        yield Fact(name, visible(text), "code")
    for name, number in sorted(removal.counts.items()):
        yield Fact(COUNTS.get(name, name), f"{number:,}")
    run = removal.run
    yield Fact("Ran for", f"{decimal(run.seconds, 1)} s on {run.device}")
    software = ", ".join(f"{name} {version}" for name, version in sorted(run.software.items()))
    yield Fact("Software", software or "not recorded", "code")
    yield Fact("Run in the organisation's own records", run.mlflow_run_id or "not recorded", "code")
    if run.pickle_allowed:
        yield Fact("Unsafe weights", "pickled weights were permitted in this run")


def _cases(parts: _Parts) -> tuple[tuple[CaseView, ...], tuple[str, ...]]:
    found: list[CaseView] = []
    room = MAX_ROWS
    left_out = 0
    for case in parts.verification.cases:
        room -= len(case.scores)
        left_out += room < 0
        found.append(describe_case(case, parts.request.plan, with_scores=room >= 0))
    notes: tuple[str, ...] = ()
    if left_out:
        notes = (f"The scores of {count(left_out, 'case', 'cases')} are left out here; the enclosed file has all.",)
    return tuple(found), notes


def _ledger(parts: _Parts) -> Iterable[Fact]:
    note = SignedNote.from_text(parts.entries[0].checkpoint)
    checkpoint = Checkpoint.from_text(note.text)
    request, removal, verification = (each.index for each in parts.entries)
    yield Fact("Log", parts.body.origin, "code")
    yield Fact("Entries", f"request {request:,}, removal {removal:,}, verification {verification:,} (counted from 0)")
    yield Fact("Size of the log when the certificate was issued", count(checkpoint.size, "entry", "entries"))
    yield Fact("Root over all of them", checkpoint.root.hex(), "code")
    witnesses = sorted({each.name for each in note.signatures if each.name != checkpoint.origin})
    yield Fact("Signatures of witnesses", visible(", ".join(witnesses)) if witnesses else "none in this certificate")


def _keys(certificate: Certificate, parts: _Parts) -> Iterable[Fact]:
    for signature in certificate.signatures:
        yield Fact("The certificate was signed by", signature.keyid, "code")
    for keyid in dict.fromkeys(keyid for each in parts.entries for keyid in each.signers):
        yield Fact("The entries were signed by", keyid, "code")
    try:
        key_file = KeyFile.from_object(parts.body.key_file)
    except InputError:
        yield Fact("Key file", "the one inside the certificate cannot be read")
        return
    yield Fact("Key file it was issued with", f"version {key_file.version}, issued {moment(key_file.issued_at)}")
    yield Fact("SHA-256 of that key file's content", key_file.digest, "code")


def _check_rows(report: Report) -> Iterable[CheckRow]:
    for check in report.checks:
        yield CheckRow(
            label=CHECKS.get(check.name, check.name),
            name=check.name,
            outcome=OUTCOMES[check.outcome],
            reason=visible(check.reason),
            required=check.required,
        )


def _reasons(report: Report) -> Iterable[str]:
    if report.verdict is Verdict.HOLDS:
        return ()
    if failed := report.failed():
        return (check.reason for check in failed)
    return (check.reason for check in report.checks if check.required and check.outcome is Outcome.NOT_CHECKED)


def _tally(report: Report) -> str:
    numbers = {outcome: sum(check.outcome is outcome for check in report.checks) for outcome in Outcome}
    return (
        f"{count(numbers[Outcome.PASSED], 'check', 'checks')} passed, {numbers[Outcome.FAILED]} failed,"
        f" {numbers[Outcome.NOT_CHECKED]} not made."
    )
