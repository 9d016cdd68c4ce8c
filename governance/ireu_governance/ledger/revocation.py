"""Taking certificates back: entries of the log that say so, and the status list that is made of them.

The log does not know which certificates were issued; it knows the numbers of those that count no more. The
organisation keeps its certificates in a register (`ireu_governance.ledger.register`), and whoever holds another
copy finds out about it by its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ireu_governance.core.certificate_document import Certificate
from ireu_governance.core.certificate_verification import verify_certificate
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.keys import KeyFile, Signer
from ireu_governance.core.statement import Digest, Draft, Predicate, Removal, Revocation, Statement, Subject
from ireu_governance.core.status import StatusEntry, seal_status_list
from ireu_governance.core.times import now
from ireu_governance.core.verdict import Outcome
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.certify import later
from ireu_governance.ledger.read import LedgerReader, verified_checkpoint

__all__ = ["REISSUED", "Withdrawal", "make_status_list", "read_withdrawals", "removal_of", "revoke", "supersede"]

REISSUED = "reissued"
"""Reason of entries by which a newer certificate takes the place of an older one."""


@dataclass(frozen=True)
class Withdrawal:
    """What was recorded.

    Attributes:
        seq: Number of the entry.
        recorded_at: Its time.
    """

    seq: int
    recorded_at: str


def removal_of(certificate: Certificate) -> int:
    """Return the entry of the removal that a certificate is about, unverified; `InputError` if it cannot be read."""
    return _removal_in(certificate).ledger.seq


def read_withdrawals(ledger: LedgerReader, *, stop: int | None = None) -> list[StatusEntry]:
    """Return all entries by which certificates count no more, signatures verified.

    Args:
        ledger: The log.
        stop: End before this entry; None for the end of the log.
    """
    found = []
    for _, statement in ledger.statements(ledger.entries(stop=stop, kind="revocation")):
        predicate = statement.predicate
        if isinstance(predicate, Revocation):
            found.append(StatusEntry.of(predicate))
    return found


def revoke(
    ledger: Ledger,
    data: bytes,
    certificate: Certificate,
    *,
    reason: str,
    signer: Signer,
    replaced_by: str | None = None,
) -> Withdrawal:
    """Record that a certificate counts no more.

    Args:
        ledger: The log that it was issued from.
        data: The certificate's file.
        certificate: The same, as parsed.
        reason: Why, by code.
        signer: Holds a record key.
        replaced_by: Number of the certificate that takes its place.

    Returns:
        The entry.

    Raises:
        InputError: It was not issued from this log, or is revoked already.
    """
    _expect_own(data, ledger.key_file)
    body = certificate.certificate
    if replaced_by == body.id:
        raise InputError("A certificate cannot take its own place.")
    for each in read_withdrawals(ledger):
        if each.id == body.id and each.status == "revoked":
            raise InputError(f"Certificate {body.id} is revoked already, by entry {each.seq}.")
    draft = _draft(certificate, status="revoked", reason=reason, replaced_by=replaced_by)
    entry = ledger.append([draft], signer)[0]
    return Withdrawal(entry.seq, entry.recorded_at)


def supersede(ledger: Ledger, older: Sequence[Certificate], *, by: Certificate, signer: Signer) -> list[Withdrawal]:
    """Record that a newer certificate took the place of older ones.

    These are of the same removal, or of an earlier one by which the same cases, and no others, were removed from the
    same encoder: it was made once more.

    Args:
        ledger: The log that they were issued from.
        older: Certificates of any removals; those of others, and those that count no more, are passed over.
        by: The newer certificate.
        signer: Holds a record key.

    Returns:
        The entries.
    """
    gone = {each.id for each in read_withdrawals(ledger)} | {by.certificate.id}
    removal = _removal_in(by)
    drafts = [
        _draft(each, status="superseded", reason=REISSUED, replaced_by=by.certificate.id)
        for each in older
        if each.certificate.id not in gone
        and each.certificate.origin == by.certificate.origin
        and _takes_place_of(removal, _removal_in(each))
    ]
    return [Withdrawal(entry.seq, entry.recorded_at) for entry in ledger.append(drafts, signer)]


def make_status_list(
    ledger: LedgerReader, *, key_file: KeyFile, signer: Signer, days: int = 7, issued_at: str | None = None
) -> bytes:
    """Make the status list of a log, up to its published checkpoint.

    Args:
        ledger: The log.
        key_file: Its keys.
        signer: Holds a record key.
        days: For how many days the list is meant to be used.
        issued_at: Time of making; None for now, but never before the last entry that it lists.

    Returns:
        The file.

    Raises:
        InputError: There is no published checkpoint yet.
    """
    text = ledger.checkpoint()
    if text is None:
        raise InputError(
            "The ledger has no published checkpoint yet.",
            hint="Publish one with: ireu ledger checkpoint",
            code=ErrorCode.ENTRY_UNKNOWN,
        )
    entries = read_withdrawals(ledger, stop=verified_checkpoint(text, key_file).size)
    time = issued_at or max(now(), *(each.since for each in entries), "")
    return seal_status_list(
        origin=key_file.origin,
        checkpoint=text,
        issued_at=time,
        next_update=later(time, days=days),
        entries=entries,
        signer=signer,
    )


def _removal_in(certificate: Certificate) -> Predicate:
    payload = Envelope.from_object(certificate.certificate.removal.envelope).payload
    return Statement.from_bytes(payload).predicate


def _takes_place_of(newer: Predicate, older: Predicate) -> bool:
    if newer.ledger.seq == older.ledger.seq:
        return True
    return (
        isinstance(newer, Removal)
        and isinstance(older, Removal)
        and newer.ledger.seq > older.ledger.seq
        and set(newer.cases) == set(older.cases)
        and newer.encoder_before == older.encoder_before
    )


def _draft(certificate: Certificate, *, status: str, reason: str, replaced_by: str | None) -> Draft:
    fields: dict[str, object] = {
        "certificate_id": certificate.certificate.id,
        "status": status,
        "removal_seq": removal_of(certificate),
        "reason": reason,
        "replaced_by": replaced_by,
    }
    subject = Subject(name="certificate", digest=Digest(sha256=certificate.digest))
    return Draft(subject=(subject,), kind="revocation", fields=fields)


def _expect_own(data: bytes, key_file: KeyFile) -> None:
    # Only what makes it the log's own counts: a certificate whose removal no longer holds must be revocable.
    made = {"form", "certificate-signature", "inclusion", "position"}
    for check in verify_certificate(data, key_file=key_file).checks:
        if check.name in made and check.outcome is not Outcome.PASSED:
            raise InputError(
                f"The certificate was not issued from this ledger: {check.reason}",
                hint="Revoke it in the workspace that issued it. One that a revoked key signed needs no revocation:"
                " it does not hold.",
            )
