"""The published log as the service shows it: what a signed checkpoint covers, read straight from the database.

Entries that were appended and not published yet are not shown: what is shown here may be kept for ever by whoever
sees it, and only what was published can never become anything else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import Final

from sqlalchemy import Engine

from ireu_governance.core import merkle
from ireu_governance.core.errors import EntryVoidError, ErrorCode, InputError, LedgerRefusedError, VerificationError
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.statement import Statement
from ireu_governance.export.published import published_checkpoint
from ireu_governance.ledger.log_source import LedgerSource
from ireu_governance.ledger.read import LedgerReader
from ireu_governance.ledger.records import Entry
from ireu_governance.log_comparison import prove_consistency
from ireu_governance.service.bounded import BoundedCache
from ireu_governance.service.point_reads import fetch_rows, state_of
from ireu_governance.service.published_proofs import ContinuationProof, InclusionProof, Prover, PublishedHead

__all__ = ["ContinuationProof", "InclusionProof", "PublishedHead", "PublishedLog"]

_FRESH_S: Final = 2.0  # cosignatures come into the database without the file of the checkpoint being written
_MAX_STATEMENTS: Final = 1024
_MAX_CHECKPOINTS: Final = 64
_PAGE: Final = 500

_COLUMNS: Final = "seq, kind, recorded_at, prev, leaf_hash, envelope"
_ENTRY: Final = f"SELECT {_COLUMNS} FROM entries WHERE seq = :seq"  # noqa: S608 - fixed names
_RANGE: Final = f"SELECT {_COLUMNS} FROM entries WHERE seq >= :start AND seq < :stop ORDER BY seq"  # noqa: S608


class PublishedLog:
    """The log, for any number of threads.

    Args:
        engine: The ledger's database, opened for reading only.
        open_reader: Returns a reader on it with the key file that is in force.
    """

    def __init__(self, engine: Engine, open_reader: Callable[[], LedgerReader]) -> None:
        self._engine = engine
        self._open_reader = open_reader
        self._lock = threading.Lock()
        self._head: tuple[object, float, PublishedHead] | None = None
        self._prover = Prover(engine)
        self._statements: BoundedCache[tuple[str, bytes], Statement] = BoundedCache(_MAX_STATEMENTS)
        self._checkpoints: BoundedCache[tuple[str, int], PublishedHead] = BoundedCache(_MAX_CHECKPOINTS)

    @property
    def engine(self) -> Engine:
        """The ledger's database."""
        return self._engine

    @property
    def reader(self) -> LedgerReader:
        """A reader of all that is stored, with the key file that is in force."""
        return self._open_reader()

    @property
    def is_quick(self) -> bool:
        """Whether a read is a matter of microseconds: a file, and no server on a network."""
        return self._engine.dialect.name == "sqlite"

    def find_head(self) -> PublishedHead | None:
        """Return what was published last; None before anything was.

        Raises:
            LedgerRefusedError: What stands as the published checkpoint is none of this log.
        """
        try:
            return self.head()
        except InputError as error:
            if error.code is ErrorCode.ENTRY_UNKNOWN:
                return None
            raise

    def head(self) -> PublishedHead:
        """Return what was published last.

        Raises:
            InputError: Nothing was yet.
            LedgerRefusedError: What stands as the published checkpoint is none of this log.
        """
        reader = self._open_reader()
        state = (state_of(str(reader.checkpoint_path)), reader)
        known = self._head
        if known is not None and known[0] == state and monotonic() < known[1]:
            return known[2]
        try:
            text, checkpoint = published_checkpoint(reader)
        except VerificationError as error:
            raise LedgerRefusedError(
                f"What stands as the published checkpoint is none: {error.message}", hint="Run an audit."
            ) from error
        head = PublishedHead(text, checkpoint)
        self._head = state, monotonic() + _FRESH_S, head
        return head

    def head_of(self, size: int | None) -> PublishedHead:
        """Return a published checkpoint.

        Args:
            size: Its size; None for the latest one.

        Raises:
            InputError: None of this size was published.
        """
        head = self.head()
        if size is None or size == head.size:
            return head
        reader = self._open_reader()
        key = reader.key_file.digest, size
        if (known := self._checkpoints.get(key)) is not None:
            return known
        text = reader.checkpoint(size) if size < head.size else None
        if text is None:
            raise InputError(
                f"No checkpoint of size {size} was published.",
                hint=f"The latest one is of size {head.size}; leave the size out for it.",
                code=ErrorCode.ENTRY_UNKNOWN,
            )
        try:
            found = PublishedHead(text, verified_checkpoint(text, reader.key_file))
        except VerificationError as error:
            raise LedgerRefusedError(f"The checkpoint of size {size} is none: {error.message}") from error
        self._checkpoints.put(key, found)
        return found

    def entry(self, seq: int) -> Entry:
        """Return a published entry as it is stored.

        Raises:
            InputError: There is none of this number, or it is not published yet.
        """
        size = self.head().size
        rows = fetch_rows(self._engine, _ENTRY, {"seq": seq}) if 0 <= seq < size else ()
        if not rows:
            raise InputError(
                f"No entry {seq} was published.",
                hint=f"The published log has {size} entries; the first one is 0.",
                code=ErrorCode.ENTRY_UNKNOWN,
            )
        return Entry(*rows[0])

    def entries(self, start: int, stop: int) -> list[Entry]:
        """Return the published entries from one number up to another, at most 500."""
        values = {"start": max(start, 0), "stop": min(stop, start + _PAGE, self.head().size)}
        return [Entry(*row) for row in fetch_rows(self._engine, _RANGE, values)]

    def some_entries(self, seqs: Sequence[int]) -> list[Entry]:
        """Return entries by their numbers, in that order, whether they are published or not.

        Args:
            seqs: At most 500 numbers; those that are not there are left out.
        """
        if not seqs:
            return []
        names = ", ".join(f":seq{number}" for number in range(len(seqs)))
        query = f"SELECT {_COLUMNS} FROM entries WHERE seq IN ({names})"  # noqa: S608 - numbered parameters
        rows = fetch_rows(self._engine, query, {f"seq{number}": seq for number, seq in enumerate(seqs)})
        found = {row[0]: Entry(*row) for row in rows}
        return [found[seq] for seq in seqs if seq in found]

    def statement(self, entry: Entry, *, keep: bool = True) -> Statement:
        """Return what an entry says, after checking who signed it and where it stands.

        Args:
            entry: From this log.
            keep: Whether to remember it; not worth it for one of very many that are read at random.

        Raises:
            EntryVoidError: It counts no more, since its key is revoked there.
            LedgerRefusedError: It is not what was recorded: the ledger was tampered with.
        """
        reader = self._open_reader()
        key = (reader.key_file.digest, merkle.leaf_hash(entry.envelope))
        known = self._statements.get(key)
        if known is not None and known.predicate.ledger.seq == entry.seq:
            return known
        try:
            statement = reader.statement(entry)
        except EntryVoidError:
            raise  # the organisation said so itself; nothing was tampered with
        except (InputError, VerificationError) as error:
            raise LedgerRefusedError(
                f"Entry {entry.seq} does not hold: {error.message}", hint="Run an audit."
            ) from error
        if keep:
            self._statements.put(key, statement)
        return statement

    def statements(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Statement]]:
        """Walk through what entries say; those that count no more are passed over, as if they had never been.

        Args:
            entries: From this log.

        Raises:
            LedgerRefusedError: One is not what was recorded.
        """
        for entry in entries:
            try:
                statement = self.statement(entry)
            except EntryVoidError:
                continue
            yield entry, statement

    def prove_inclusion(self, seq: int, size: int | None = None) -> InclusionProof:
        """Prove that an entry is in the log.

        Args:
            seq: Its number.
            size: Prove against the checkpoint of this size; None for the latest one.

        Returns:
            The proof, which was verified before it is handed out.

        Raises:
            InputError: There is no such checkpoint, or it does not cover the entry.
            LedgerRefusedError: What is stored does not lead to the published root.
        """
        head = self.head_of(size)
        if not 0 <= seq < head.size:
            raise InputError(
                f"The checkpoint of size {head.size} does not cover entry {seq}.",
                hint="Ask again when a later one was published.",
                code=ErrorCode.ENTRY_UNKNOWN,
            )
        try:
            return self._prover.prove(seq, head)
        except VerificationError:
            self._prover.forget()  # the hashes of a ledger that was put in the place of this one
        try:
            return self._prover.prove(seq, head)
        except VerificationError as error:
            raise LedgerRefusedError(
                f"The ledger cannot prove entry {seq}: {error.message}", hint="Run an audit."
            ) from error

    def prove_consistency(self, from_size: int, to_size: int | None = None) -> ContinuationProof:
        """Prove that the log of one size begins with all entries of a smaller one.

        Args:
            from_size: The smaller size, from 1.
            to_size: The larger one; None for what was published last.

        Returns:
            The proof, verified.

        Raises:
            InputError: The published log never had such sizes.
            LedgerRefusedError: What is stored does not lead to the published root.
        """
        head = self.head()
        to_size = head.size if to_size is None else to_size
        if to_size > head.size:
            raise InputError(
                f"The published log has {head.size} entries, not {to_size}.",
                hint="Name two sizes that it had.",
                code=ErrorCode.ENTRY_UNKNOWN,
            )
        reader = self._open_reader()
        try:
            proof, older, newer = prove_consistency(
                LedgerSource(reader, where="this service"),
                origin=reader.key_file.origin,
                from_size=from_size,
                to_size=to_size,
                checkpoint=head.text if to_size == head.size else reader.checkpoint(to_size),
            )
        except VerificationError as error:
            raise LedgerRefusedError(
                f"The ledger's tree is not whole: {error.message}", hint="Run an audit."
            ) from error
        return ContinuationProof(proof, to_size, older, newer)
