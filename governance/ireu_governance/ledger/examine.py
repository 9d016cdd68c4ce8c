"""What one entry's bytes say by themselves: the part of an audit that needs no database."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import Final

from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.merkle import leaf_hash
from ireu_governance.ledger.findings import FindingKind
from ireu_governance.ledger.records import case_ids, read_statement

__all__ = ["Examined", "Row", "examine", "examine_all"]

_CHUNK: Final = 200  # rows that are sent to another process at once


@dataclass(frozen=True, slots=True)
class Row:
    """A row of `entries` as it came out of the database; nothing in it can be relied on, not even types."""

    seq: object
    kind: object
    recorded_at: object
    prev: object
    leaf_hash: object
    envelope: object


@dataclass(frozen=True, slots=True)
class Examined:
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
        cases: The cases that it speaks of.
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


def examine(row: Row, key_file: KeyFile) -> Examined:
    """Recompute the hash of an entry, verify its signature, and read what it says.

    Args:
        row: As it is stored.
        key_file: Whose keys count.

    Returns:
        What was found; never raises because of what is in the row.
    """
    if not isinstance(row.envelope, bytes):
        return Examined(b"", FindingKind.UNREADABLE, "it holds no bytes")
    leaf = leaf_hash(row.envelope)
    at_size = row.seq if isinstance(row.seq, int) else None
    keys = key_file.keys(Role.RECORD, at_size=at_size)
    try:
        envelope = Envelope.from_bytes(row.envelope)
    except InputError as error:
        return Examined(leaf, FindingKind.UNREADABLE, f"it is no envelope ({error.message})")
    valid = {key.key_id for key in keys}
    if not any(each.keyid in valid for each in envelope.signatures):
        claimed = envelope.signatures[0].keyid[:16]
        known = key_file.find(envelope.signatures[0].keyid)
        why = "was revoked before" if known and known.role is Role.RECORD else "is no record key of this log"
        return Examined(leaf, FindingKind.UNKNOWN_SIGNER, f"its key {claimed}… {why}")
    try:
        statement = read_statement(envelope, keys)
    except VerificationError:
        return Examined(leaf, FindingKind.SIGNATURE, "its signature does not fit")
    except InputError as error:
        return Examined(leaf, FindingKind.UNREADABLE, f"it is signed, but no statement ({error.message})")
    predicate = statement.predicate
    return Examined(
        leaf=leaf,
        origin=predicate.ledger.origin,
        seq=predicate.ledger.seq,
        prev=bytes.fromhex(predicate.ledger.prev),
        kind=predicate.kind,
        recorded_at=predicate.recorded_at,
        cases=tuple(case_ids(statement)),
    )


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
        for row in rows:
            yield row, examine(row, key_file)
        return
    source = iter(rows)
    waiting: deque[tuple[list[Row], Future[list[Examined]]]] = deque()
    with ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=_start_worker, initargs=(key_file.to_bytes(),)
    ) as pool:
        while True:
            # A bounded queue: a ledger of any length is read only as fast as it is verified.
            while len(waiting) < 2 * processes and (chunk := list(islice(source, _CHUNK))):
                waiting.append((chunk, pool.submit(_examine_chunk, chunk)))
            if not waiting:
                return
            chunk, future = waiting.popleft()
            yield from zip(chunk, future.result(), strict=True)


_worker_keys: KeyFile | None = None


def _start_worker(key_file: bytes) -> None:
    global _worker_keys
    _worker_keys = KeyFile.from_bytes(key_file)


def _examine_chunk(rows: list[Row]) -> list[Examined]:
    if _worker_keys is None:
        raise RuntimeError("the worker was not started with keys")
    return [examine(row, _worker_keys) for row in rows]
