"""Finding published entries by what they name, without walking through the ledger.

The look-up is built from the ledger bit by bit: a request brings it up to date as far as that is quick, and a thread
does the rest. What it finds are numbers of entries; what an entry says is read from the ledger itself. Should the
ledger be another one than it was built from, it is built anew.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from time import monotonic
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ireu_governance.core.errors import IreuError
from ireu_governance.service.entry_terms import What, terms_of
from ireu_governance.service.published_log import PublishedLog
from ireu_governance.service.search_tables import SEARCH_STATE, SEARCH_TERMS
from ireu_governance.service.store import ServiceStore

__all__ = ["EntryIndex"]

_LOGGER: Final = logging.getLogger("ireu.service")
_BATCH: Final = 500
_QUICK_S: Final = 0.25  # how long a request helps to build


class EntryIndex:
    """The look-up, for any number of threads and processes.

    Args:
        store: The service's database.
        log: The log.
    """

    def __init__(self, store: ServiceStore, log: PublishedLog) -> None:
        self._store = store
        self._log = log
        self._lock = threading.Lock()
        self._size: tuple[int, str] | None = None
        self._builder: threading.Thread | None = None
        self._closed = False

    def catch_up(self, *, seconds: float | None = _QUICK_S) -> int:
        """Take in what was published since; return how many entries can be found by it now.

        Args:
            seconds: Stop after so long, and let a thread go on; None to go on to the end.
        """
        head = self._log.find_head()
        wanted = 0 if head is None else head.size
        known = self._size
        if known is not None and known[0] >= wanted and (known[0] == 0 or known[1] == self._leaf_before(known[0])):
            return known[0]
        deadline = None if seconds is None else monotonic() + seconds
        while True:
            with self._lock:
                size = self._take_in(wanted)
            if size >= wanted or self._closed:
                return size
            if deadline is not None and monotonic() > deadline:
                self._go_on()
                return size

    def find(
        self, terms: Sequence[tuple[What, str]], *, after: int = -1, newest: bool = False, limit: int = 100
    ) -> list[int]:
        """Return numbers of entries that name all of some things.

        Args:
            terms: What they are and their whole names; best the rarest first.
            after: Only entries after this one; with `newest`, only those before it, and -1 for all.
            newest: The newest first, instead of the oldest.
            limit: At most this many.
        """
        (what, term), *others = terms
        seq = SEARCH_TERMS.c.seq
        query = select(seq).where(SEARCH_TERMS.c.what == what.value, SEARCH_TERMS.c.term == term)
        for other_what, other_term in others:
            other = SEARCH_TERMS.alias()
            is_named = (other.c.what == other_what.value) & (other.c.term == other_term) & (other.c.seq == seq)
            query = query.where(select(other.c.seq).where(is_named).exists())
        query = query.where(_beyond(seq, after, newest=newest)).order_by(seq.desc() if newest else seq)
        with self._store.reading() as connection:
            return [*connection.execute(query.limit(limit)).scalars()]

    def among(self, seqs: Sequence[int], terms: Sequence[tuple[What, str]]) -> list[int]:
        """Return those of some entries that name all of some things, in the order in which they were given."""
        left = list(seqs)
        with self._store.reading() as connection:
            for what, term in terms:
                named: set[int] = set()
                for start in range(0, len(left), _BATCH):
                    named.update(
                        connection.execute(
                            select(SEARCH_TERMS.c.seq).where(
                                SEARCH_TERMS.c.what == what.value,
                                SEARCH_TERMS.c.term == term,
                                SEARCH_TERMS.c.seq.in_(left[start : start + _BATCH]),
                            )
                        ).scalars()
                    )
                left = [seq for seq in left if seq in named]
        return left

    def complete(self, what: What, prefix: str, *, limit: int = 20) -> list[str]:
        """Return names that begin with some characters, in their order.

        Args:
            what: What they are.
            prefix: How they begin.
            limit: At most this many.
        """
        column = SEARCH_TERMS.c.term
        query = select(column).where(
            SEARCH_TERMS.c.what == what.value, column >= prefix, column < prefix + "\U0010ffff"
        )
        with self._store.reading() as connection:
            return [*connection.execute(query.distinct().order_by(column).limit(limit)).scalars()]

    def close(self) -> None:
        """Have the thread end that builds, and wait for it."""
        self._closed = True
        builder = self._builder
        if builder is not None and builder is not threading.current_thread():
            builder.join()

    def _go_on(self) -> None:
        if self._builder is not None and self._builder.is_alive():
            return

        def build() -> None:
            try:
                self.catch_up(seconds=None)
            except IreuError as error:
                _LOGGER.warning("index", extra={"code": error.code.value})

        self._builder = threading.Thread(target=build, name="ireu-index", daemon=True)
        self._builder.start()

    def _take_in(self, wanted: int) -> int:
        """Take in one batch; return how many entries are in now."""
        size, leaf = self._read_state()
        if size and leaf != self._leaf_before(size):
            return self._replace((size, leaf), (0, ""), [])
        if size >= wanted:  # more, where another process has seen a later publication already
            self._size = size, leaf
            return size
        entries = self._log.entries(size, min(size + _BATCH, wanted))
        if not entries:
            return wanted  # the ledger lacks what was published; that is for others to say
        rows: list[dict[str, object]] = [
            {"what": what.value, "term": term, "seq": each.seq}
            for each in entries
            for what, term in terms_of(each.envelope)
        ]
        after = entries[-1].seq + 1, entries[-1].leaf_hash.hex()
        return self._replace((size, leaf), after, rows)

    def _replace(self, before: tuple[int, str], after: tuple[int, str], rows: list[dict[str, object]]) -> int:
        # Several processes build the same look-up: who comes second finds the state changed, and looks again.
        try:
            with self._store.writing() as connection:
                if not self._move(connection, before, after):
                    return min(before[0], after[0])
                if after[0] == 0:
                    connection.execute(delete(SEARCH_TERMS))
                if rows:
                    connection.execute(insert(SEARCH_TERMS), rows)
        except IntegrityError:
            return min(before[0], after[0])
        self._size = after
        return after[0]

    def _move(self, connection: Connection, before: tuple[int, str], after: tuple[int, str]) -> bool:
        state = {"size": after[0], "last_leaf": after[1]}
        if before == (0, "") and connection.execute(select(SEARCH_STATE.c.id)).first() is None:
            connection.execute(insert(SEARCH_STATE), {"id": 0, **state})
            return True
        is_same = (SEARCH_STATE.c.size == before[0]) & (SEARCH_STATE.c.last_leaf == before[1])
        return connection.execute(update(SEARCH_STATE).where(is_same).values(state)).rowcount == 1

    def _read_state(self) -> tuple[int, str]:
        with self._store.reading() as connection:
            row = connection.execute(select(SEARCH_STATE.c.size, SEARCH_STATE.c.last_leaf)).first()
        return (0, "") if row is None else (row.size, row.last_leaf)

    def _leaf_before(self, size: int) -> str | None:
        found = self._log.some_entries([size - 1])
        return found[0].leaf_hash.hex() if found else None


def _beyond(seq: ColumnElement[int], after: int, *, newest: bool) -> ColumnElement[bool]:
    return seq < after if newest and after >= 0 else seq > (-1 if newest else after)
