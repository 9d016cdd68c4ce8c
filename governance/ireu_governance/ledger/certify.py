"""From a ledger to a certificate: find the entries of a removal, prove them, and have them sealed and stamped."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from ireu_governance.core.certificate import LoggedEntry, issue_certificate
from ireu_governance.core.certificate_document import MAX_HISTORY
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.keys import KeyFile, Signer
from ireu_governance.core.statement import Removal, RequestEvent
from ireu_governance.core.times import format_time, now, parse_time
from ireu_governance.core.timestamp import TsaRoots
from ireu_governance.ledger.published import newest_published
from ireu_governance.ledger.read import LedgerReader, verified_checkpoint
from ireu_governance.ledger.records import Entry
from ireu_governance.ledger.removal_tests import latest_test
from ireu_governance.ledger.stamps import TimeAuthority, obtain_token

__all__ = ["issue", "later"]


def issue(
    ledger: LedgerReader,
    *,
    key_file: KeyFile,
    signer: Signer,
    removal_seq: int | None = None,
    case_id: str | None = None,
    contact: str | None = None,
    issued_at: str | None = None,
    valid_days: int | None = None,
    status_url: str | None = None,
    authority: TimeAuthority | None = None,
    tsa_roots: TsaRoots | None = None,
) -> bytes:
    """Issue the certificate of a removal, with the latest verification of the encoder that it made.

    The steps of the cases' requests go into it as far as the published checkpoint covers them, unless there are
    more than a certificate can carry.

    Args:
        ledger: Where the removal is recorded.
        key_file: The log's keys, which go into the certificate.
        signer: Holds a record key.
        removal_seq: Number of the removal's entry; or
        case_id: The case, for its latest removal.
        contact: Where to ask about the certificate; an address of the organisation, not of a person.
        issued_at: Time of issue; None for now, but never before the verification.
        valid_days: For how many days it is meant to be relied on; None for no end.
        status_url: Where the log's status list will be found.
        authority: Stamps the certificate; None for no time stamp.
        tsa_roots: With them, the time stamp is verified before it is used.

    Returns:
        The certificate file.

    Raises:
        InputError: There is no such removal, it was not verified yet, or the published checkpoint does not
            cover it.
        ConfigError: The authority gave no time stamp.
        VerificationError: The certificate would not hold, such as when the case has resurfaced.
    """
    removal_entry, removal = _find_removal(ledger, removal_seq, case_id)
    verification = _latest_verification(ledger, removal_entry)
    size = _published_size(ledger, key_file)  # one checkpoint for all three
    request = ledger.entry(removal.request_seq)
    ledger.statement(request)  # one that counts no more is named, before anything is proven about it
    logged = [
        LoggedEntry(envelope=each.envelope, index=each.seq, proof=ledger.prove_inclusion(each.seq, size))
        for each in (request, removal_entry, verification)
    ]
    history = [] if size is None else _history(ledger, removal_entry, removal, size)
    time = issued_at or max(now(), verification.recorded_at, *(each.recorded_at for each in history))

    return issue_certificate(
        request=logged[0],
        removal=logged[1],
        verification=logged[2],
        key_file=key_file,
        signer=signer,
        issued_at=time,
        contact=contact,
        valid_until=None if valid_days is None else later(time, days=valid_days),
        status_url=status_url,
        history=[
            LoggedEntry(envelope=each.envelope, index=each.seq, proof=ledger.prove_inclusion(each.seq, size))
            for each in history
        ],
        stamp=None if authority is None else partial(obtain_token, authority, roots=tsa_roots),
    )


def _published_size(ledger: LedgerReader, key_file: KeyFile) -> int | None:
    """Return the size of the head that is published; one that waits for its witnesses is signed, and no such head."""
    published = newest_published(ledger.checkpoint_path, (), key_file)
    if published is not None:
        return verified_checkpoint(published.decode("utf-8", "replace"), key_file).size
    text = ledger.checkpoint()
    return None if text is None else verified_checkpoint(text, key_file).size


def _history(ledger: LedgerReader, removal_entry: Entry, removal: Removal, size: int) -> list[Entry]:
    """Return the steps of the cases' requests that this removal answers, in the order of the log.

    Of a request that another removal answered it has none after that: these are the other one's.
    """
    found: list[Entry] = []
    for case in removal.cases:
        received = False
        steps = (each for each in ledger.find_case(case.case_id) if each.kind == "request-event" and each.seq < size)
        for entry, statement in ledger.statements(steps):
            event = statement.predicate
            if not isinstance(event, RequestEvent):
                continue
            if event.removal_seq not in (None, removal_entry.seq):
                break
            received = received or event.event == "received"
            if received:  # without its beginning a history would tell half of it
                found.append(entry)
    return sorted(found, key=lambda each: each.seq) if len(found) <= MAX_HISTORY else []


def later(time: str, *, days: int) -> str:
    """Return the time some days after another; `InputError` if there is no such day."""
    try:
        return format_time(parse_time(time) + timedelta(days=days))
    except OverflowError:
        raise InputError(f"{days} days after {time} is no time.") from None


def _find_removal(ledger: LedgerReader, seq: int | None, case_id: str | None) -> tuple[Entry, Removal]:
    if (seq is None) == (case_id is None):
        raise InputError("Name the removal either by its entry or by a case.")
    if seq is not None:
        entry = ledger.entry(seq)
        predicate = ledger.statement(entry).predicate
        if not isinstance(predicate, Removal):
            raise InputError(f"Entry {entry.seq} is a {predicate.kind}, not a removal.")
        return entry, predicate
    entries = [each for each in ledger.find_case(case_id or "") if each.kind == "removal"]
    found = [
        (entry, statement.predicate)
        for entry, statement in ledger.statements(entries)
        if isinstance(statement.predicate, Removal)
    ]
    if not found and entries:
        ledger.statement(entries[-1])  # says why it does not count
    if not found:
        raise InputError("The ledger holds no removal of this case.", code=ErrorCode.CASE_UNKNOWN)
    return found[-1]


def _latest_verification(ledger: LedgerReader, removal_entry: Entry) -> Entry:
    found = latest_test(ledger, removal_entry.seq, ledger.statement(removal_entry))
    if found is None:
        raise InputError(
            f"The encoder of removal {removal_entry.seq} was not verified yet.", hint="Run: ireu verify, then publish."
        )
    return found[0]
