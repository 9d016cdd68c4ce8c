"""What one entry's bytes say by themselves: the part of an audit that needs no database."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import Final, NamedTuple

from ireu_governance.core.bulk_keys import BulkKeyFile
from ireu_governance.core.envelope import Envelope, Signature
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.keys import KeyFile, PublicKey, Role
from ireu_governance.core.merkle import leaf_hash
from ireu_governance.core.statement import Predicate, Statement
from ireu_governance.ledger.findings import FindingKind
from ireu_governance.ledger.records import case_ids, read_statement, revoked_signer

__all__ = ["KINDS_THAT_REFER", "Examined", "Examiner", "Reference", "Row", "examine_all"]

KINDS_THAT_REFER: Final = frozenset({"erasure", "key-change", "revocation"})
"""Kinds whose statements the audit compares with other entries and with the key file; few, so they are kept."""

_CHUNK: Final = 500  # rows that are sent to another process at once: about a megabyte


class Row(NamedTuple):
    """A row of `entries` as it came out of the database; nothing in it can be relied on, not even types."""

    seq: object
    kind: object
    recorded_at: object
    prev: object
    leaf_hash: object
    envelope: object


class Reference(NamedTuple):
    """The earlier entry that an entry builds on.

    Attributes:
        seq: Its number.
        kind: Of which kind it has to be.
    """

    seq: int
    kind: str


class Examined(NamedTuple):
    """What an entry's bytes prove.

    Attributes:
        leaf: Its leaf hash, recomputed; empty when there are no bytes.
        problem: Why it proves nothing: unreadable, or not signed by a key that could sign there.
        reason: The problem as the end of a sentence.
        origin: The ledger that it was signed for.
        seq: The place that it was signed for.
        prev: Leaf hash of the entry that it was signed to follow.
        kind: Its kind.
        recorded_at: Its time.
        cases: The cases that it speaks of, sorted.
        statement: What it says, if it is of `KINDS_THAT_REFER`.
        reference: The entry that a removal, a verification or a finished request builds on.
        void: The key that signed it, where that is revoked there: it is whole, and counts no more; else empty.
    """

    leaf: bytes
    problem: FindingKind | None = None
    reason: str = ""
    origin: str = ""
    seq: int = -1
    prev: bytes = b""
    kind: str = ""
    recorded_at: str = ""
    cases: tuple[str, ...] = ()
    statement: Statement | None = None
    reference: Reference | None = None
    void: str = ""


class Examiner:
    """Recomputes hashes, verifies signatures, and reads what entries say.

    Args:
        key_file: Whose keys count.
    """

    def __init__(self, key_file: KeyFile) -> None:
        self._key_file = BulkKeyFile.of(key_file)
        # Which keys count changes at few sizes only; in between they are looked up once.
        self._keys: tuple[PublicKey, ...] = ()
        self._valid = range(0)
        self._added = {each.key_id: each.valid_from for each in key_file.entries}
        changes = {size for each in key_file.entries for size in (each.first_size, each.revoked_from_size)}
        self._changes = sorted({0, 2**63} | {size for size in changes if size is not None})

    def __call__(self, row: Row) -> Examined:
        """Examine one row; never raises because of what is in it.

        Args:
            row: As it is stored.

        Returns:
            What was found.
        """
        data = row.envelope
        if not isinstance(data, bytes):
            return Examined(b"", FindingKind.UNREADABLE, "it holds no bytes")
        leaf = leaf_hash(data)
        at_size = row.seq if isinstance(row.seq, int) else -1
        try:
            envelope = Envelope.from_bytes(data)
        except InputError as error:
            return Examined(leaf, FindingKind.UNREADABLE, f"it is no envelope ({error.message})")
        keys = self._keys_at(at_size)
        signers = [each.keyid for each in envelope.signatures]
        void = ""
        if not any(key.key_id in signers for key in keys):
            revoked = revoked_signer(envelope, keys, self._key_file, seq=at_size)
            if revoked is None:
                return Examined(leaf, *self._why_not(envelope.signatures[0], at_size))
            # What a revoked key signed counts for nothing, and is a leaf of the tree all the same.
            void = revoked.key_id
            keys = [key for key in self._key_file.keys(Role.RECORD) if key.key_id == void]
        try:
            statement = read_statement(envelope, keys)
        except VerificationError:
            return Examined(leaf, FindingKind.SIGNATURE, "its signature does not fit")
        except InputError as error:
            return Examined(leaf, FindingKind.UNREADABLE, f"it is signed, but no statement ({error.message})")
        predicate = statement.predicate
        if early := self._dated_before_key(signers, predicate.recorded_at):
            return Examined(leaf, FindingKind.SIGNER_NOT_VALID, early)
        place = predicate.ledger
        return Examined(
            leaf,
            None,
            "",
            place.origin,
            place.seq,
            bytes.fromhex(place.prev),
            predicate.kind,
            predicate.recorded_at,
            tuple(case_ids(statement)),
            statement if predicate.kind in KINDS_THAT_REFER else None,
            _reference(predicate),
            void,
        )

    def _keys_at(self, size: int) -> Sequence[PublicKey]:
        if size not in self._valid:
            after = next((index for index, change in enumerate(self._changes) if size < change), 0)
            if not after:  # no number of an entry: what no key of any time signed is found all the same
                return self._key_file.keys(Role.RECORD)
            self._valid = range(self._changes[after - 1], self._changes[after])
            self._keys = self._key_file.keys(Role.RECORD, at_size=size)
        return self._keys

    def _why_not(self, signature: Signature, size: int) -> tuple[FindingKind, str]:
        claimed = f"its key {signature.keyid[:16]}…"
        entry = self._key_file.find(signature.keyid)
        if entry is None or entry.role is not Role.RECORD:
            return FindingKind.UNKNOWN_SIGNER, f"{claimed} is no record key of this log"
        if size < entry.first_size:
            return FindingKind.SIGNER_NOT_VALID, f"{claimed} counts only from entry {entry.first_size} on"
        return FindingKind.SIGNER_NOT_VALID, f"{claimed} counts no more from entry {entry.revoked_from_size} on"

    def _dated_before_key(self, signers: Iterable[str], recorded_at: str) -> str:
        for key_id in signers:
            added = self._added.get(key_id, "")
            if recorded_at < added:
                return f"it is dated {recorded_at}, before its key {key_id[:16]}… was added at {added}"
        return ""


def _reference(predicate: Predicate) -> Reference | None:
    # By the kind: an audit does this for every entry, and classes of pydantic are slow to ask.
    if predicate.kind == "removal":
        return Reference(predicate.request_seq, "removal-request")
    if predicate.kind in ("verification", "request-event"):
        seq: int | None = getattr(predicate, "removal_seq", None)
        return None if seq is None else Reference(seq, "removal")
    return None


def examine_all(rows: Iterable[Row], key_file: KeyFile, *, processes: int = 1) -> Iterator[tuple[Row, Examined]]:
    """Examine rows in their order, in several processes if asked: verifying signatures is most of an audit.

    Args:
        rows: As they are stored.
        key_file: Whose keys count.
        processes: How many processes verify.

    Yields:
        Each row with what was found.
    """
    if processes <= 1:
        examine = Examiner(key_file)
        for row in rows:
            yield row, examine(row)
        return
    source = iter(rows)
    waiting: deque[tuple[list[Row], Future[list[tuple[object, ...]]]]] = deque()
    with ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=_start_worker, initargs=(key_file.to_bytes(),)
    ) as pool:
        while True:
            # A bounded queue: a ledger of any length is read only as fast as it is verified.
            while len(waiting) < 2 * processes and (chunk := list(islice(source, _CHUNK))):
                # Only what is examined crosses over; plain tuples cross fastest.
                waiting.append((chunk, pool.submit(_examine_chunk, [(row.seq, row.envelope) for row in chunk])))
            if not waiting:
                return
            chunk, future = waiting.popleft()
            yield from zip(chunk, map(Examined._make, future.result()), strict=True)


_worker: Examiner | None = None


def _start_worker(key_file: bytes) -> None:
    global _worker
    _worker = Examiner(KeyFile.from_bytes(key_file))


def _examine_chunk(rows: list[tuple[object, object]]) -> list[tuple[object, ...]]:
    if _worker is None:
        raise RuntimeError("the worker was not started with keys")
    return [tuple(_worker(Row(seq, None, None, None, None, envelope))) for seq, envelope in rows]
