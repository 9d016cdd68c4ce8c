"""Pages of published entries: all of them, or those that name something."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel

from ireu_governance.core import merkle
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import EntryVoidError, LedgerRefusedError
from ireu_governance.ledger.records import Entry, case_ids
from ireu_governance.ledger.summaries import summarise
from ireu_governance.service.bounded import BoundedCache
from ireu_governance.service.entry_index import EntryIndex
from ireu_governance.service.entry_terms import What
from ireu_governance.service.point_reads import fetch_rows
from ireu_governance.service.published_log import InclusionProof, PublishedLog

__all__ = ["KINDS", "EntryDetail", "EntryLine", "EntryPage", "EntryPages", "EntryQuery"]

KINDS: Final = (
    "removal-request",
    "removal",
    "verification",
    "request-event",
    "erasure",
    "key-change",
    "revocation",
    "deployment",
)

Order = Literal["oldest", "newest"]

_MAX_DOCUMENT_BYTES: Final = 32 * 2**20

_OF_CASE: Final = "SELECT seq FROM entry_cases WHERE case_id = :case AND seq > :low AND seq < :high ORDER BY seq"


class EntryLine(BaseModel):
    """One entry in a list.

    Attributes:
        seq: Its number.
        kind: Kind of its statement.
        recorded_at: When it was recorded.
        cases: Cases that it speaks of.
        encoder: Digest of the encoder that it is about, where it is about one.
        summary: What it says in a few words.
        problem: Why it counts for nothing, so that none of what it says is listed; else None.
        problem_code: The code of that, such as ``entry-void``.
    """

    seq: int
    kind: str
    recorded_at: str
    cases: list[str]
    encoder: str | None
    summary: str
    problem: str | None = None
    problem_code: str | None = None


class EntryDetail(BaseModel):
    """One entry, whole.

    Attributes:
        seq: Its number.
        kind: Kind of its statement.
        recorded_at: When it was recorded.
        prev: Leaf hash of the entry before.
        leaf_hash: Its own leaf hash.
        statement: What it says: the payload of the envelope, whose signature was verified.
        envelope: The DSSE envelope, whose canonical bytes are the log's leaf.
    """

    seq: int
    kind: str
    recorded_at: str
    prev: str
    leaf_hash: str
    statement: dict[str, Any]
    envelope: dict[str, Any]


class EntryPage(BaseModel):
    """A page of entries.

    Attributes:
        origin: Name of the log.
        size: Number of published entries.
        searched: How many of them a filter has looked at; less than `size` while the look-up is being built.
        entries: The page.
        next: What `after` has to be for the following page; null at the end.
    """

    origin: str
    size: int
    searched: int
    entries: list[EntryLine]
    next: int | None


@dataclass(frozen=True)
class EntryQuery:
    """What is asked for.

    Attributes:
        after: Only entries after this one, in the order asked for; -1 for all.
        limit: At most this many.
        order: The oldest or the newest first.
        kind: Only statements of this kind.
        case: Only those that speak of this case.
        digest: Only those that name this SHA-256.
        run: Only those of this MLflow run.
    """

    after: int = -1
    limit: int = 100
    order: Order = "oldest"
    kind: str | None = None
    case: str | None = None
    digest: str | None = None
    run: str | None = None

    @property
    def terms(self) -> list[tuple[What, str]]:
        """What entries have to name, the rarest kind of thing first."""
        given = ((What.RUN, self.run), (What.DIGEST, self.digest), (What.KIND, self.kind))
        return [(what, term) for what, term in given if term is not None]


class _Document(NamedTuple):
    data: bytes
    leaf_hash: bytes


class EntryPages:
    """Makes pages.

    Args:
        log: The log.
        index: The look-up.
    """

    def __init__(self, log: PublishedLog, index: EntryIndex) -> None:
        self._log = log
        self._index = index
        self._documents: BoundedCache[tuple[str, int], _Document] = BoundedCache(
            _MAX_DOCUMENT_BYTES, weigh=lambda document: len(document.data)
        )

    def page(self, query: EntryQuery) -> EntryPage:
        """Return a page.

        Args:
            query: What is asked for.

        Raises:
            LedgerRefusedError: An entry is not what was recorded.
        """
        head = self._log.find_head()
        size = searched = 0 if head is None else head.size
        if query.terms:
            searched = min(self._index.catch_up(), size)
        seqs = [] if size == 0 else self._find(query, size)
        has_more = len(seqs) > query.limit
        seqs = seqs[: query.limit]
        return EntryPage(
            origin=self._log.reader.key_file.origin,
            size=size,
            searched=searched,
            entries=[self.line(each) for each in self._log.some_entries(seqs)],
            next=seqs[-1] if has_more else None,
        )

    def document(self, seq: int) -> bytes:
        """Return an entry whole, as JSON: the same bytes for ever.

        Args:
            seq: Its number.

        Raises:
            InputError: There is no such entry, or it is not published yet.
            EntryVoidError: It counts no more.
            LedgerRefusedError: It is not what was recorded.
        """
        return self._document(seq).data

    def proven(self, seq: int, size: int | None = None) -> tuple[bytes, InclusionProof]:
        """Return an entry whole, and the proof that this very entry is in the log.

        Args:
            seq: Its number.
            size: Prove against the checkpoint of this size; None for the latest one.

        Returns:
            The entry as `document` returns it, and the proof.

        Raises:
            InputError: There is no such entry or checkpoint, or the checkpoint does not cover the entry.
            EntryVoidError: It counts no more.
            LedgerRefusedError: It is not what was recorded, or the ledger cannot prove it.
        """
        document = self._document(seq)
        proof = self._log.prove_inclusion(seq, size)
        if document.leaf_hash != proof.leaf_hash:
            self._documents.clear()  # of a ledger that was put in the place of this one
            document = self._document(seq)
        if document.leaf_hash != proof.leaf_hash:
            raise LedgerRefusedError(
                f"What stands as entry {seq} is not what the tree was grown from.", hint="Run an audit."
            )
        return document.data, proof

    def _document(self, seq: int) -> _Document:
        key = (self._log.reader.key_file.digest, seq)
        known = self._documents.get(key) if seq < self._log.head().size else None
        if known is not None:
            return known
        entry = self._log.entry(seq)
        predicate = self._log.statement(entry, keep=False).predicate
        leaf_hash = merkle.leaf_hash(entry.envelope)
        head = {
            "seq": seq,
            "kind": predicate.kind,
            "recorded_at": predicate.recorded_at,
            "prev": predicate.ledger.prev,
            "leaf_hash": leaf_hash.hex(),
        }
        # Statement and envelope are canonical JSON already; they go in as they were signed and logged.
        statement = Envelope.from_bytes(entry.envelope).payload
        data = b'%s,"statement":%s,"envelope":%s}' % (json.dumps(head).encode()[:-1], statement, entry.envelope)
        document = _Document(data, leaf_hash)
        self._documents.put(key, document)
        return document

    def line(self, entry: Entry) -> EntryLine:
        """Return an entry as it is listed, its signature verified."""
        try:
            statement = self._log.statement(entry)
        except EntryVoidError as error:
            return EntryLine(
                seq=entry.seq,
                kind=entry.kind,
                recorded_at=entry.recorded_at,
                cases=[],
                encoder=None,
                summary="",
                problem=error.message,
                problem_code=error.code.value,
            )
        predicate = statement.predicate
        return EntryLine(
            seq=predicate.ledger.seq,
            kind=predicate.kind,
            recorded_at=predicate.recorded_at,
            cases=case_ids(statement),
            encoder=statement.encoder_digest() if statement.is_about_encoder else None,
            summary=summarise(predicate),
        )

    def _find(self, query: EntryQuery, size: int) -> list[int]:
        """Return one number more than is asked for, if there are more."""
        wanted = query.limit + 1
        newest = query.order == "newest"
        if query.case is not None:
            return self._index.among(self._of_case(query, size), query.terms)[:wanted]
        if query.terms:
            # A little beyond what was published may be known already, by another process.
            found = self._index.find(query.terms, after=query.after, newest=newest, limit=wanted)
            return [seq for seq in found if seq < size]
        if newest:
            stop = size if query.after < 0 else min(query.after, size)
            return list(range(stop - 1, max(stop - 1 - wanted, -1), -1))
        return list(range(query.after + 1, min(query.after + 1 + wanted, size)))

    def _of_case(self, query: EntryQuery, size: int) -> list[int]:
        newest = query.order == "newest"
        low = -1 if newest else query.after
        high = min(query.after, size) if newest and query.after >= 0 else size
        rows = fetch_rows(self._log.engine, _OF_CASE, {"case": query.case, "low": low, "high": high})
        seqs = [int(row[0]) for row in rows]
        return seqs[::-1] if newest else seqs
