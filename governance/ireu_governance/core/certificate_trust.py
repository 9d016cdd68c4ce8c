"""Whether a certificate may be relied on at a time: its end, witnesses, time stamps, and what became of it.

These checks need something that does not stand in the certificate: the time, a witness policy, root certificates
of time-stamping authorities, a status list. Who brings one asks for the check, and the verdict then needs it; who
brings none is told that it was not made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from ireu_governance.core.certificate_document import Certificate, CertificateBody
from ireu_governance.core.check_steps import Finding
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.status import CertificateStatus, StatusEntry, StatusList
from ireu_governance.core.times import parse_time
from ireu_governance.core.timestamp import ProvenTime, TsaRoots, verify_token
from ireu_governance.core.verdict import Report

if TYPE_CHECKING:
    from ireu_governance.core.keys import KeyFile
    from ireu_governance.core.policy import Policy

__all__ = [
    "CLOCK_TOLERANCE_S",
    "STAMPING_TOLERANCE_S",
    "CertificateReport",
    "Reader",
    "check_revocation",
    "check_trusted_time",
    "check_validity",
    "check_witness",
    "find_status",
]

CLOCK_TOLERANCE_S: Final = 300
"""How far two honest clocks may be apart."""
STAMPING_TOLERANCE_S: Final = 3600
"""How long after its issue a certificate is stamped, at most, for the stamp to confirm the time of issue."""


_LATEST: Final = "Fetch the latest status list of this log."


class CertificateReport(Report):
    """The report on a certificate.

    Attributes:
        at: The time that it is about; None when none was given.
        status: What the certificate was at that time; None when that is not known.
        proven_time: When it existed at the latest, by an authority that the reader trusts; None without one.
    """

    at: str | None = None
    status: CertificateStatus | None = None
    proven_time: str | None = None


@dataclass(frozen=True)
class Reader:
    """What a reader brings beside the key file.

    Attributes:
        at: The time that is asked about.
        policy: Which witnesses must have seen the log.
        tsa_roots: Which time-stamping authorities count.
        status: The log's status list.
    """

    at: str | None = None
    policy: Policy | None = None
    tsa_roots: TsaRoots | None = None
    status: StatusList | None = None


def check_validity(body: CertificateBody, at: str | None) -> Finding:
    """Check that the time that is asked about lies between the certificate's issue and its end."""
    if at is not None and _seconds(at, body.issued_at) > CLOCK_TOLERANCE_S:
        _refuse("validity", f"At {at} the certificate was not issued yet; it is dated {body.issued_at}.")
    if body.valid_until is None:
        return Finding("The certificate names no end of its validity.")
    if body.valid_until < body.issued_at:
        _refuse("validity", f"The certificate ends ({body.valid_until}) before it was issued ({body.issued_at}).")
    if at is None:
        return Finding(
            f"The certificate is valid until {body.valid_until}; no time was given to compare with.",
            decided=False,
            required=False,
        )
    if at > body.valid_until:
        _refuse("validity", f"The certificate expired at {body.valid_until}; ask for one with a newer test.")
    return Finding(f"The certificate is valid at {at}, until {body.valid_until}.")


def check_witness(checkpoint: str, policy: Policy | None) -> Finding:
    """Check that the witnesses that the reader asks for have cosigned the certificate's checkpoint."""
    if policy is None:
        return Finding(
            "No policy was given that says which witnesses must have seen the log.",
            decided=False,
            required=False,
            hint="Give one with: --policy FILE",
        )
    names = [name.encode("ascii", "backslashreplace").decode("ascii") for name in policy.require(checkpoint)]
    if not names:
        return Finding("Your policy asks for no witness, and none that it knows has cosigned.")
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    seen = "1 witness" if len(names) == 1 else f"{len(names)} witnesses"
    return Finding(f"The checkpoint is cosigned as your policy asks, by {seen}: {shown}.")


def check_trusted_time(certificate: Certificate, roots: TsaRoots | None) -> tuple[Finding, ProvenTime | None]:
    """Check what the time stamps prove about the time of issue.

    A stamp proves that the certificate existed at its time. So the stated time of issue must not be later; and
    when it is much earlier, nobody confirms it.

    Args:
        certificate: Its own signatures are verified.
        roots: Whom the reader trusts.

    Returns:
        What was found, and the earliest proven time.

    Raises:
        InputError: A time stamp is malformed.
        VerificationError: A time stamp is of something else or of nobody whom the reader trusts, or the stated
            time of issue contradicts the earliest one.
    """
    check = "trusted-time"
    tokens, body = certificate.tokens, certificate.certificate
    if roots is None:
        if not tokens:
            return Finding("The certificate carries no time stamp.", decided=False, required=False), None
        stamps = "1 time stamp" if len(tokens) == 1 else f"{len(tokens)} time stamps"
        reason = f"The certificate carries {stamps}; no root certificates were given to check with."
        return Finding(reason, decided=False, required=False, hint="Give them with: --tsa-roots FILE"), None
    if not tokens:
        return Finding("The certificate carries no time stamp, so nobody else confirms its times.", decided=False), None
    message = certificate.unstamped_bytes()
    proven = min((verify_token(each, message, roots=roots) for each in tokens), key=lambda each: each.time)
    gap = _seconds(body.issued_at, proven.time)
    by = f"by {proven.authority}" if len(tokens) == 1 else f"by {proven.authority} (the first of {len(tokens)} stamps)"
    if -gap > CLOCK_TOLERANCE_S:
        _refuse(
            check,
            f"The certificate is dated {body.issued_at}, {_span(-gap)} after it was stamped {by} at {proven.time}.",
        )
    if gap <= STAMPING_TOLERANCE_S:
        after = f"{_span(abs(gap))} {'after' if gap > 0 else 'before'} " if gap else ""
        return Finding(f"The certificate existed at {proven.time}, {after}the stated time of issue, {by}."), proven
    if body.stamped is not None:
        _refuse(
            check,
            f"The certificate is backdated: it says that it was stamped when it was issued, at {body.issued_at}, but"
            f" its first stamp is of {proven.time}, {_span(gap)} later.",
        )
    reason = (
        f"The certificate existed at {proven.time}, {by}; that it was issued {_span(gap)} before, at"
        f" {body.issued_at}, nobody confirms."
    )
    return Finding(reason, decided=False), proven


def check_revocation(body: CertificateBody, size: int, key_file: KeyFile, reader: Reader) -> Finding:
    """Check by a status list that the certificate is neither revoked nor superseded.

    A list that is not the log's own, too old, or older than the certificate decides nothing: nobody can take a
    certificate down by showing a false list, nor keep it up by showing an old one.

    Args:
        body: The certificate's verified content.
        size: Size of its checkpoint.
        key_file: The trusted keys.
        reader: The list, and the time that is asked about.
    """
    status, at = reader.status, reader.at
    if status is None:
        where = "" if body.status_url is None else f"; the certificate says that one is at {body.status_url}"
        return Finding(
            f"No status list was given{where}.",
            decided=False,
            required=False,
            hint="Fetch the log's list and give it with: --status FILE",
        )
    try:
        checkpoint = status.verify(key_file, current=True)
    except (InputError, VerificationError) as error:
        return Finding(
            f"The status list cannot be used: {error.message}", decided=False, hint="Get the list of this log again."
        )
    entry = find_status(body, reader)
    if entry is not None:
        _refuse("revocation", _describe(entry))
    shown = f"The status list of {status.issued_at}, for the first {checkpoint.size} entries of the log,"
    if checkpoint.size < size or status.issued_at < body.issued_at:
        return Finding(f"{shown} is older than the certificate, so it cannot know of it.", decided=False, hint=_LATEST)
    if at is None:
        return Finding(f"{shown} ends at {status.next_update}; no time was given to compare with.", decided=False)
    if at > status.next_update:
        return Finding(f"{shown} was meant for use until {status.next_update} only.", decided=False, hint=_LATEST)
    age = _seconds(status.issued_at, at)
    old = f"{_span(age)} before {at}" if age >= 0 else f"{_span(-age)} after {at}"
    return Finding(f"{shown} made {old}, names the certificate neither as revoked nor as superseded.")


def find_status(body: CertificateBody, reader: Reader) -> StatusEntry | None:
    """Return by which entry of the reader's status list a certificate counts no more; the list must be verified."""
    if reader.status is None:
        return None
    return reader.status.find(body.id, reader.at or reader.status.issued_at)


def _describe(entry: StatusEntry) -> str:
    text = (
        f"The certificate was {entry.status} at {entry.since} (entry {entry.seq} of the log, reason {entry.reason!a})"
    )
    return text + ("." if entry.replaced_by is None else f"; ask for certificate {entry.replaced_by} in its place.")


def _seconds(earlier: str, later: str) -> int:
    return round((parse_time(later) - parse_time(earlier)).total_seconds())


def _span(seconds: int) -> str:
    for name, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size or seconds == size:
            count = seconds // size
            return f"1 {name}" if count == 1 else f"{count} {name}s"
    return "1 second" if seconds == 1 else f"{seconds} seconds"


def _refuse(check: str, message: str) -> NoReturn:
    raise VerificationError(message, check=check)
