"""Reading a ledger: its entries, its head, and proofs about them.

What is read here is what is stored. Whoever does not trust the database uses `LedgerReader.statement`, which
verifies the signature, or the proofs, which lead to a signed checkpoint, or `ireu_governance.ledger.audit`,
which recomputes everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Connection, Engine, Select, select

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint
from ireu_governance.core.errors import EntryVoidError, ErrorCode, InputError, LedgerRefusedError, VerificationError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.proof import LogProof
from ireu_governance.core.statement import Statement
from ireu_governance.ledger.database import expect_there, open_snapshot, reading
from ireu_governance.ledger.location import Location
from ireu_governance.ledger.records import Entry, Head, node_reader, verified_statement
from ireu_governance.ledger.schema import expect_usable
from ireu_governance.ledger.tables import CHECKPOINTS, COSIGNATURES, ENTRIES, ENTRY_CASES, STAMPS

__all__ = ["LedgerReader", "cosignature_lines", "cosigned_checkpoint", "size_of", "verified_checkpoint"]

_PAGE: Final = 500  # entries per query while iterating: a slow reader then holds no long transaction

_ENTRY = select(
    ENTRIES.c.seq,
    ENTRIES.c.kind,
    ENTRIES.c.recorded_at,
    ENTRIES.c.prev,
    ENTRIES.c.leaf_hash,
    ENTRIES.c.envelope,
)
_LAST_SEQ = select(ENTRIES.c.seq).order_by(ENTRIES.c.seq.desc()).limit(1)
_LATEST_CHECKPOINT = select(CHECKPOINTS.c.size, CHECKPOINTS.c.text).order_by(CHECKPOINTS.c.size.desc()).limit(1)


class LedgerReader:
    """A ledger that is only read. Use it as a context manager, or close it.

    Args:
        engine: From `ireu_governance.ledger.database.open_engine`.
        location: The database file, or the URL of a PostgreSQL database.
        key_file: Whose keys count.
        checkpoint_path: Where the latest checkpoint is published, outside the database.
    """

    def __init__(self, *, engine: Engine, location: Location, key_file: KeyFile, checkpoint_path: Path) -> None:
        self._engine = engine
        self.location = location
        self.key_file = key_file
        self.checkpoint_path = checkpoint_path
        self._opened: tuple[str, Checkpoint] | None = None  # many proofs lead to the same checkpoint

    @classmethod
    def open(cls, location: Location, *, key_file: KeyFile, checkpoint_path: Path) -> Self:
        """Open a ledger that is there, to read it; also where nothing can be written.

        Args:
            location: The database file, or the URL of a PostgreSQL database.
            key_file: Whose keys count.
            checkpoint_path: Where its latest checkpoint is published.

        Raises:
            LedgerError: There is no ledger there, it is of another version, or it cannot be read now.
        """
        expect_there(location)
        engine = open_snapshot(location)
        expect_usable(engine)
        return cls(engine=engine, location=location, key_file=key_file, checkpoint_path=checkpoint_path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def head(self) -> Head:
        """Return the number of entries and the Merkle root over them.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        with reading(self._engine) as connection:
            size = size_of(connection)
            return Head(size, merkle.root(size, node_reader(connection)))

    def entry(self, seq: int) -> Entry:
        """Return one entry.

        Args:
            seq: Its number, from 0.

        Returns:
            The entry as it is stored.

        Raises:
            InputError: There is none of this number.
        """
        with reading(self._engine) as connection:
            found = _fetch(connection, _ENTRY.where(ENTRIES.c.seq == seq))
        if not found:
            raise InputError(f"The ledger has no entry {seq}.", code=ErrorCode.ENTRY_UNKNOWN)
        return found[0]

    def entries(self, start: int = 0, stop: int | None = None, kind: str | None = None) -> Iterator[Entry]:
        """Walk through entries in their order.

        Args:
            start: First number.
            stop: End before this number; None for the end of the ledger.
            kind: Only statements of this kind.

        Yields:
            Entries as they are stored.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        query = _ENTRY.order_by(ENTRIES.c.seq).limit(_PAGE)
        if stop is not None:
            query = query.where(ENTRIES.c.seq < stop)
        if kind is not None:
            query = query.where(ENTRIES.c.kind == kind)
        while True:
            with reading(self._engine) as connection:
                page = _fetch(connection, query.where(ENTRIES.c.seq >= start))
            yield from page
            if len(page) < _PAGE:
                return
            start = page[-1].seq + 1

    def find_case(self, case_id: str) -> list[Entry]:
        """Return all entries that speak of a case, oldest first; none when the case is unknown."""
        query = (
            _ENTRY.join(ENTRY_CASES, ENTRY_CASES.c.seq == ENTRIES.c.seq)
            .where(ENTRY_CASES.c.case_id == case_id)
            .order_by(ENTRIES.c.seq)
        )
        with reading(self._engine) as connection:
            return _fetch(connection, query)

    def statement(self, entry: Entry) -> Statement:
        """Return what an entry says, after checking who signed it and where it stands.

        Args:
            entry: From this ledger.

        Returns:
            The statement.

        Raises:
            EntryVoidError: It counts no more, since its key is revoked from there or from an earlier entry on.
            VerificationError: No record key of that time signed it, or it stands elsewhere than it was
                signed.
            InputError: The entry's bytes are no statement.
        """
        return verified_statement(entry, self.key_file)

    def statements(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Statement]]:
        """Walk through what entries say; those that count no more are passed over, as if they had never been.

        Args:
            entries: From this ledger.

        Yields:
            Each entry that counts, with its statement.

        Raises:
            VerificationError: One is not what was recorded; see `statement`.
            InputError: The bytes of one are no statement.
        """
        for entry in entries:
            try:
                statement = self.statement(entry)
            except EntryVoidError:
                continue
            yield entry, statement

    def checkpoint(self, size: int | None = None) -> str | None:
        """Return a checkpoint with the cosignatures that are stored for it.

        Args:
            size: Of this size; None for the latest one.

        Returns:
            The signed note, or None when there is none.
        """
        with reading(self._engine) as connection:
            return cosigned_checkpoint(connection, size)

    def cosignatures(self, size: int) -> list[str]:
        """Return the cosignatures of a checkpoint.

        Args:
            size: The checkpoint's size.

        Returns:
            Signature lines without their newlines, by the name of the witness.
        """
        with reading(self._engine) as connection:
            return cosignature_lines(connection, size)

    def stamps(self, size: int) -> list[tuple[str, bytes]]:
        """Return the time stamps of a checkpoint.

        Args:
            size: The checkpoint's size.

        Returns:
            The authority and the RFC 3161 token of each, in the order in which they came.
        """
        query = select(STAMPS.c.authority, STAMPS.c.token).where(STAMPS.c.size == size)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(STAMPS.c.received_at, STAMPS.c.digest))
            return [(authority, token) for authority, token in rows]

    def latest_stamp_time(self) -> str | None:
        """Return when the newest time stamp of any checkpoint came, or None before the first."""
        query = select(STAMPS.c.received_at).order_by(STAMPS.c.received_at.desc()).limit(1)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar()

    def prove_inclusion(self, seq: int, size: int | None = None) -> LogProof:
        """Prove that an entry is in the ledger.

        Args:
            seq: Number of the entry.
            size: Prove against the checkpoint of this size; None for the latest one.

        Returns:
            The proof, which leads to a published checkpoint and was verified before it is handed out.

        Raises:
            InputError: There is no such checkpoint, or it does not cover the entry.
            LedgerRefusedError: What is stored does not lead to the published root.
        """
        with reading(self._engine) as connection:
            text = cosigned_checkpoint(connection, size)
            if text is None:
                which = "has no checkpoint" if size is None else f"has no checkpoint of size {size}"
                raise InputError(
                    f"The ledger {which} yet.",
                    hint="Publish one, then prove.",
                    code=ErrorCode.ENTRY_UNKNOWN,
                )
            checkpoint = self._open_checkpoint(text)
            if not 0 <= seq < checkpoint.size:
                raise InputError(
                    f"The checkpoint of size {checkpoint.size} does not cover entry {seq}.",
                    hint="Publish a checkpoint, then prove.",
                    code=ErrorCode.ENTRY_UNKNOWN,
                )
            read = node_reader(connection)
            leaf = b""

            def read_with_leaf(wanted: Sequence[merkle.NodeId]) -> Mapping[merkle.NodeId, bytes]:
                nonlocal leaf
                found = read([*wanted, (0, seq)])
                leaf = found[0, seq]
                return found

            proof = merkle.inclusion_proof(seq, checkpoint.size, read_with_leaf)
            if not proof:
                read_with_leaf([])  # a log of one entry needs no hash to lead to its root, so none was read
        try:
            merkle.verify_inclusion(index=seq, size=checkpoint.size, leaf_hash=leaf, proof=proof, root=checkpoint.root)
        except VerificationError as error:
            raise LedgerRefusedError(
                f"The ledger cannot prove entry {seq}: {error.message}", hint="Run an audit."
            ) from error
        return LogProof(index=seq, hashes=tuple(proof), checkpoint=text)

    def _open_checkpoint(self, text: str) -> Checkpoint:
        opened = self._opened
        if opened is None or opened[0] != text:
            opened = text, verified_checkpoint(text, self.key_file)
            self._opened = opened
        return opened[1]

    def prove_consistency(self, size1: int, size2: int) -> list[bytes]:
        """Prove that the ledger of one size continues the ledger of a smaller one.

        Args:
            size1: The smaller number of entries.
            size2: The larger one, not beyond the head.

        Returns:
            The hashes of RFC 9162, section 2.1.4.

        Raises:
            InputError: The ledger never had such sizes.
        """
        with reading(self._engine) as connection:
            size = size_of(connection)
            if not 0 <= size1 <= size2 <= size:
                raise InputError(
                    f"Sizes {size1} and {size2} are no two sizes of a ledger of {size} entries.",
                    code=ErrorCode.ENTRY_UNKNOWN,
                )
            return merkle.consistency_proof(size1, size2, node_reader(connection))

    def nodes(self, wanted: Sequence[merkle.NodeId]) -> Mapping[merkle.NodeId, bytes]:
        """Return stored hashes of complete subtrees, for proofs that are built elsewhere (a `merkle.NodeReader`).

        Args:
            wanted: Level and index of each.

        Raises:
            LedgerRefusedError: One is not there.
        """
        with reading(self._engine) as connection:
            return node_reader(connection)(wanted)


def size_of(connection: Connection) -> int:
    """Return the number of entries: one more than the last entry's number."""
    last = connection.execute(_LAST_SEQ).scalar()
    return 0 if last is None else int(last) + 1


def cosignature_lines(connection: Connection, size: int) -> list[str]:
    """Return the cosignatures of a checkpoint as lines without newlines, in one order everywhere."""
    query = select(COSIGNATURES.c.name, COSIGNATURES.c.line).where(COSIGNATURES.c.size == size)
    return [line for _, line in sorted((name, line) for name, line in connection.execute(query))]


def cosigned_checkpoint(connection: Connection, size: int | None = None) -> str | None:
    """Return a checkpoint with its cosignatures, as it is published.

    Args:
        connection: In a transaction.
        size: Of this size; None for the latest one.

    Returns:
        The signed note, or None when there is none.
    """
    query = _LATEST_CHECKPOINT if size is None else _LATEST_CHECKPOINT.where(CHECKPOINTS.c.size == size)
    found = connection.execute(query).first()
    if found is None:
        return None
    return str(found.text) + "".join(f"{line}\n" for line in cosignature_lines(connection, found.size))


def _fetch(connection: Connection, query: Select[int, str, str, bytes, bytes, bytes]) -> list[Entry]:
    return [
        Entry(seq, kind, recorded_at, prev, leaf_hash, envelope)
        for seq, kind, recorded_at, prev, leaf_hash, envelope in connection.execute(query)
    ]
