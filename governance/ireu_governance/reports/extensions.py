"""What only some certificates have: an end, an address for their status, the request's history, time stamps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from ireu_governance.core.case_predicates import RequestEvent
from ireu_governance.core.certificate_document import Certificate, CertificateBody
from ireu_governance.core.certificate_trust import CertificateReport
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import InputError
from ireu_governance.core.grounds import ERASURES, EXTENSIONS, GROUNDS, REFUSALS
from ireu_governance.core.statement import Statement
from ireu_governance.core.verdict import Report
from ireu_governance.reports.figures import count, moment
from ireu_governance.reports.view import Fact, HistoryRow
from ireu_governance.reports.words import EVENTS, STATUSES

__all__ = ["describe_extensions", "describe_history", "describe_standing", "status_link"]

_GROUNDS: Final = {**ERASURES, **EXTENSIONS, **GROUNDS, **REFUSALS}


def describe_extensions(certificate: Certificate) -> Iterable[Fact]:
    """Return what a certificate says about its end and carries about its time; nothing is said of it by absence."""
    body = certificate.certificate
    yield Fact("Valid until", "no end recorded" if body.valid_until is None else moment(body.valid_until))
    stamps = len(certificate.timestamps or ())
    yield Fact(
        "Time stamps of independent authorities",
        f"{count(stamps, 'stamp', 'stamps')} inside; see the checks" if stamps else "not recorded",
    )
    if body.status_url is not None:
        yield Fact("Where its present status is published", body.status_url, "code")


def describe_history(body: CertificateBody) -> tuple[HistoryRow, ...]:
    """Return the steps of the requests, in the order of the log; none where the certificate has no history.

    Args:
        body: Of the certificate.

    Raises:
        InputError: An entry of the history is no step of a request.
    """
    rows = []
    for logged in body.history or ():
        event = Statement.from_bytes(Envelope.from_object(logged.envelope).payload).predicate
        if not isinstance(event, RequestEvent):
            raise InputError(f"The certificate's history holds a {event.kind}, which is no step of a request.")
        rows.append(
            HistoryRow(
                event=EVENTS[event.event],
                case_id=event.cases[0].case_id,
                happened=moment(event.happened_at),
                due="" if event.due_at is None else moment(event.due_at),
                details="; ".join(_details(event)),
                entry=f"{event.ledger.seq:,}",
            )
        )
    return tuple(rows)


def describe_standing(report: Report) -> tuple[Fact, ...]:
    """Return which time a report is about, and what the certificate was then."""
    if not isinstance(report, CertificateReport):
        return ()
    facts = []
    if report.at is not None:
        facts.append(Fact("Verified as of", moment(report.at)))
    facts.append(Fact("Status", "not asked for" if report.status is None else STATUSES[report.status]))
    if report.proven_time is not None:
        facts.append(Fact("Proven to exist since", f"{moment(report.proven_time)} at the latest"))
    return tuple(facts)


def status_link(body: CertificateBody) -> str | None:
    """Return where the certificate's present status can be asked, if a page can make a link of it."""
    if body.status_url is None:
        return None
    try:
        parts = urlsplit(body.status_url)
    except ValueError:
        return None
    return body.status_url if parts.scheme in ("http", "https") and parts.hostname else None


def _details(event: RequestEvent) -> Iterable[str]:
    for code in event.grounds:
        yield f"{_GROUNDS[code]} ({code})" if code in _GROUNDS else code
    if event.recipients is not None:
        yield f"{count(event.recipients, 'recipient', 'recipients')} told"
    if event.removal_seq is not None:
        yield f"by the removal in entry {event.removal_seq:,}"
