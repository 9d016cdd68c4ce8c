"""What the ledger says about requests: read back from its entries that count, signatures verified."""

from __future__ import annotations

from collections.abc import Collection

from ireu_governance.core.case_predicates import RequestEvent
from ireu_governance.core.errors import InputError
from ireu_governance.core.request_state import RequestState
from ireu_governance.core.statement import Removal
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.ledger.read import LedgerReader
from ireu_governance.ledger.removal_tests import latest_test

__all__ = ["find_request", "list_requests", "open_cases", "read_request", "removal_verdict"]


def read_request(ledger: LedgerReader, case_id: str) -> RequestState:
    """Return a request as the ledger tells it.

    Args:
        ledger: The ledger.
        case_id: Its case.

    Raises:
        InputError: The ledger has no request of this case.
    """
    return RequestState.of(case_id, _events(ledger, case_id))


def find_request(ledger: LedgerReader, case_id: str) -> RequestState | None:
    """Return a request as the ledger tells it; None if the case is no request's."""
    events = _events(ledger, case_id)
    return RequestState.of(case_id, events) if events else None


def list_requests(ledger: LedgerReader) -> list[RequestState]:
    """Return all requests, in the order in which they were recorded."""
    events: dict[str, list[RequestEvent]] = {}
    for _, statement in ledger.statements(ledger.entries(kind="request-event")):
        predicate = statement.predicate
        if isinstance(predicate, RequestEvent):
            events.setdefault(predicate.cases[0].case_id, []).append(predicate)
    return [RequestState.of(case_id, found) for case_id, found in events.items()]


def open_cases(ledger: LedgerReader, case_ids: Collection[str]) -> set[str]:
    """Return those of some cases that are of requests which still wait for an answer."""
    found = ((case_id, find_request(ledger, case_id)) for case_id in case_ids)
    return {case_id for case_id, state in found if state is not None and state.is_open}


def removal_verdict(ledger: LedgerReader, removal_seq: int) -> RetestVerdict | None:
    """Return what the latest test of the encoder that a removal made found; None if there is none.

    Args:
        ledger: The ledger.
        removal_seq: Entry of the removal.

    Raises:
        InputError: The entry is no removal.
    """
    removal = ledger.statement(ledger.entry(removal_seq))
    if not isinstance(removal.predicate, Removal):
        raise InputError(f"Entry {removal_seq} is a {removal.predicate.kind}, not a removal.")
    found = latest_test(ledger, removal_seq, removal)
    return None if found is None else found[1].verdict


def _events(ledger: LedgerReader, case_id: str) -> list[RequestEvent]:
    entries = (entry for entry in ledger.find_case(case_id) if entry.kind == "request-event")
    predicates = (statement.predicate for _, statement in ledger.statements(entries))
    return [each for each in predicates if isinstance(each, RequestEvent)]
