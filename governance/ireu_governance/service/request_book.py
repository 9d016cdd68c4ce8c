"""Requests as views, and all of them without walking through the ledger."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import date
from typing import Final

from ireu_governance.core.case_predicates import RequestEvent
from ireu_governance.core.errors import InputError
from ireu_governance.core.request_state import RequestState
from ireu_governance.service.entry_index import EntryIndex
from ireu_governance.service.entry_terms import What
from ireu_governance.service.published_log import PublishedLog
from ireu_governance.service.request_views import EventView, RequestView, view_of_request

__all__ = ["EventView", "RequestBook", "RequestView", "view_of_request"]

_PAGE: Final = 500


class RequestBook:
    """All requests of which something was published; each step of them is read once.

    Args:
        log: The log.
        index: Finds the steps.
    """

    def __init__(self, log: PublishedLog, index: EntryIndex) -> None:
        self._log = log
        self._index = index
        self._lock = threading.Lock()
        self._events: dict[str, list[RequestEvent]] = {}
        self._seen: tuple[str, int, str] = ("", 0, "")

    def list(self, today: date) -> list[RequestView]:
        """Return all requests, the most urgent first.

        Args:
            today: The day as of which.

        Raises:
            LedgerRefusedError: A step is not what was recorded.
        """
        with self._lock:
            self._catch_up()
            states = [*_states(self._events.items())]
        views = [view_of_request(state, today) for state in states]
        return sorted(views, key=lambda view: (view.days_left is None, view.due, view.case_id))

    def _catch_up(self) -> None:
        size = self._index.catch_up(seconds=None)
        digest, known, leaf = self._seen
        key_file = self._log.reader.key_file.digest
        # Another key file, or another ledger, says something else about what counts.
        if digest != key_file or known > size or (known and leaf != self._leaf(known)):
            self._events, known = {}, 0
        after = known - 1
        while seqs := self._index.find([(What.KIND, "request-event")], after=after, limit=_PAGE):
            for entry, statement in self._log.statements(self._log.some_entries(seqs)):
                predicate = statement.predicate
                if isinstance(predicate, RequestEvent) and entry.seq < size:
                    self._events.setdefault(predicate.cases[0].case_id, []).append(predicate)
            after = seqs[-1]
        self._seen = key_file, size, self._leaf(size)

    def _leaf(self, size: int) -> str:
        found = self._log.some_entries([size - 1])
        return found[0].leaf_hash.hex() if found else ""


def _states(events: Iterable[tuple[str, list[RequestEvent]]]) -> Iterable[RequestState]:
    for case_id, found in events:
        try:
            yield RequestState.of(case_id, found)
        except InputError:
            continue  # steps without the receipt are no request
