"""Searching the record for whatever somebody typed: it is guessed what it is, and said what it was taken for.

A number is an entry; 32 hexadecimal digits are a case, a certificate or a run; 64 are a digest or a key; fewer are
the beginning of any of these. Whatever is found is found by a look-up: no search walks through the ledger.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from pydantic import BaseModel

from ireu_governance.service.certificate_desk import CertificateDesk
from ireu_governance.service.entry_index import EntryIndex
from ireu_governance.service.entry_pages import KINDS, EntryLine, EntryPages
from ireu_governance.service.entry_terms import What
from ireu_governance.service.point_reads import fetch_rows
from ireu_governance.service.published_log import PublishedLog

__all__ = ["MAX_HITS", "MAX_QUERY", "MIN_PREFIX", "SEARCHABLE", "Hit", "Search", "SearchResult", "TakenFor"]

MAX_QUERY: Final = 200
MIN_PREFIX: Final = 6  # fewer digits are the beginning of too much
MAX_HITS: Final = 20  # of each sort

_NUMBER: Final = re.compile(r"(?:entry\s*)?#?\s*(0|[1-9][0-9]{0,15})")
_HEX: Final = re.compile(r"[0-9a-f]{6,64}")
_NAME: Final = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._:/@+-]{0,199}")

_CASES: Final = (
    "SELECT DISTINCT case_id FROM entry_cases WHERE case_id >= :low AND case_id < :high ORDER BY case_id LIMIT 20"
)
_LEAVES: Final = "SELECT seq FROM entries WHERE leaf_hash >= :low AND leaf_hash <= :high ORDER BY leaf_hash LIMIT 20"

SEARCHABLE: Final = (
    "the number of an entry, such as 17",
    "a case: its 32 hexadecimal digits, or the first 6 or more",
    "a digest (SHA-256) of an encoder, a file, a recogniser or an entry, or its first 6 or more digits",
    "an MLflow run or a registered model",
    "a certificate, by its number",
    "a key, by its id",
    "a kind of entry: " + ", ".join(KINDS),
)
"""What can be typed, for whoever found nothing."""


class TakenFor(StrEnum):
    """What something that was typed can be."""

    ENTRY = "entry"
    CASE = "case"
    DIGEST = "digest"
    RUN = "run"
    MODEL = "model"
    CERTIFICATE = "certificate"
    KEY = "key"
    KIND = "kind"


class Hit(BaseModel):
    """Something that was found.

    Attributes:
        what: What it is.
        id: Its whole name: a number, digest, case, run, certificate or key.
        entries: The entries that name it, the newest first.
    """

    what: TakenFor
    id: str
    entries: list[EntryLine]


class SearchResult(BaseModel):
    """What was found.

    Attributes:
        query: What was typed, without what surrounds it.
        taken_for: All that it can be.
        hits: What was found.
        more: Whether there is more than is shown; type more of it then.
        size: Number of published entries.
        searched: How many of them were looked at; less than `size` while the look-up is being built.
        searchable: What can be typed; only when nothing was found.
    """

    query: str
    taken_for: list[TakenFor]
    hits: list[Hit]
    more: bool = False
    size: int
    searched: int
    searchable: list[str] = []


class Search:
    """Searches, for any number of threads.

    Args:
        log: The log.
        index: The look-up.
        pages: Shows entries.
        desk: The certificates.
    """

    def __init__(self, *, log: PublishedLog, index: EntryIndex, pages: EntryPages, desk: CertificateDesk) -> None:
        self._log = log
        self._index = index
        self._pages = pages
        self._desk = desk

    def find(self, text: str, *, everything: bool = False) -> SearchResult:
        """Find whatever somebody typed.

        Args:
            text: What was typed.
            everything: Also certificates of cases that are not published.

        Returns:
            What it was taken for and what was found.
        """
        query = " ".join(text[:MAX_QUERY].split()).removeprefix("sha256:")
        head = self._log.find_head()
        size = 0 if head is None else head.size
        searched = min(self._index.catch_up(), size)
        result = SearchResult(query=query, taken_for=[], hits=[], size=size, searched=searched)
        for taken, look_up in self._guesses(query, everything=everything):
            result.taken_for.append(taken)
            hits = [hit for each in look_up() if (hit := self._hit(taken, each, size)) is not None]
            result.more = result.more or len(hits) >= MAX_HITS
            result.hits.extend(hits)
        if not result.hits:
            result.searchable = list(SEARCHABLE)
        return result

    def _guesses(self, query: str, *, everything: bool) -> list[tuple[TakenFor, Callable[[], list[str]]]]:
        guesses: list[tuple[TakenFor, Callable[[], list[str]]]] = []
        lower = query.lower()
        if number := _NUMBER.fullmatch(lower):
            guesses.append((TakenFor.ENTRY, lambda: [number[1]]))
        if lower in KINDS:
            return [(TakenFor.KIND, lambda: [lower])]
        if _HEX.fullmatch(lower):
            if len(lower) <= 32:
                guesses.append((TakenFor.CASE, lambda: self._cases(lower)))
                guesses.append((TakenFor.CERTIFICATE, lambda: self._certificates(lower, everything=everything)))
                guesses.append((TakenFor.RUN, lambda: self._index.complete(What.RUN, lower, limit=MAX_HITS)))
            guesses.append((TakenFor.DIGEST, lambda: self._digests(lower)))
            guesses.append((TakenFor.KEY, lambda: self._keys(lower)))
        elif _NAME.fullmatch(query) and not query.isdecimal():
            guesses.append((TakenFor.RUN, lambda: self._index.complete(What.RUN, query, limit=MAX_HITS)))
            guesses.append((TakenFor.MODEL, lambda: self._index.complete(What.MODEL, query, limit=MAX_HITS)))
        return guesses

    def _cases(self, prefix: str) -> list[str]:
        rows = fetch_rows(self._log.engine, _CASES, {"low": prefix, "high": prefix + "g"})
        return [str(row[0]) for row in rows]

    def _certificates(self, prefix: str, *, everything: bool) -> list[str]:
        named = self._index.complete(What.CERTIFICATE, prefix, limit=MAX_HITS)
        kept = [
            each.id
            for each in self._desk.stored()
            if each.id.startswith(prefix) and (everything or self._desk.is_published(each))
        ]
        return sorted({*named, *kept})[:MAX_HITS]

    def _digests(self, prefix: str) -> list[str]:
        return sorted({*self._index.complete(What.DIGEST, prefix, limit=MAX_HITS), *self._leaves(prefix)})[:MAX_HITS]

    def _leaves(self, prefix: str) -> list[str]:
        low, high = (bytes.fromhex(prefix.ljust(64, digit)) for digit in "0f")
        rows = fetch_rows(self._log.engine, _LEAVES, {"low": low, "high": high})
        return [each.leaf_hash.hex() for each in self._log.some_entries([int(row[0]) for row in rows])]

    def _keys(self, prefix: str) -> list[str]:
        present = [each.key_id for each in self._log.reader.key_file.entries if each.key_id.startswith(prefix)]
        return sorted({*present, *self._index.complete(What.KEY, prefix, limit=MAX_HITS)})[:MAX_HITS]

    def _hit(self, taken: TakenFor, name: str, size: int) -> Hit | None:
        seqs = self._entries_of(taken, name)
        entries = self._log.some_entries([seq for seq in seqs if seq < size])
        if not entries and taken not in (TakenFor.CERTIFICATE, TakenFor.KEY):
            return None
        return Hit(what=taken, id=name, entries=[self._pages.line(each) for each in entries])

    def _entries_of(self, taken: TakenFor, name: str) -> list[int]:
        if taken is TakenFor.ENTRY:
            return [int(name)]
        if taken is TakenFor.CASE:
            query = "SELECT seq FROM entry_cases WHERE case_id = :case ORDER BY seq DESC LIMIT 20"
            return [int(row[0]) for row in fetch_rows(self._log.engine, query, {"case": name})]
        found = self._index.find([(What(taken.value), name)], newest=True, limit=MAX_HITS)
        if taken is TakenFor.DIGEST and not found:
            leaf = {"low": bytes.fromhex(name), "high": bytes.fromhex(name)}
            found = [int(row[0]) for row in fetch_rows(self._log.engine, _LEAVES, leaf)]
        return found
