"""Whether a ledger continues what is known about it: the checks that stand between a rollback and a fork."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from sqlalchemy import Connection, bindparam, select

from ireu_governance.core import merkle
from ireu_governance.core.errors import LedgerRefusedError, VerificationError
from ireu_governance.ledger.records import FIRST_PREV, node_reader
from ireu_governance.ledger.tables import ENTRIES

__all__ = ["State", "expect_continued", "expect_whole_end", "follow", "load_end", "load_frontier"]

_LAST = select(ENTRIES.c.seq, ENTRIES.c.leaf_hash, ENTRIES.c.recorded_at).order_by(ENTRIES.c.seq.desc()).limit(1)
# Beyond so many entries a proof from the stored tree is shorter.
_MAX_STEPS: Final = 100
_SINCE = (
    select(ENTRIES.c.seq, ENTRIES.c.prev, ENTRIES.c.leaf_hash, ENTRIES.c.recorded_at)
    .where(ENTRIES.c.seq >= bindparam("last"))
    .order_by(ENTRIES.c.seq)
    .limit(_MAX_STEPS + 1)
)


@dataclass(frozen=True, slots=True)
class State:
    """The end of a ledger: everything that the next append needs.

    Attributes:
        size: Number of entries.
        last_leaf: Leaf hash of the last one.
        last_time: When it was recorded; empty without entries.
        frontier: Hashes of the complete subtrees that cover all entries, largest first.
    """

    size: int
    last_leaf: bytes
    last_time: str
    frontier: Sequence[bytes] = field(default=())

    @property
    def root(self) -> bytes:
        """Merkle root over all entries."""
        return merkle.root_of_frontier(self.frontier)


def load_end(connection: Connection) -> State:
    """Return the end of the ledger as its last row tells it, still without a frontier."""
    row = connection.execute(_LAST).first()
    if row is None:
        return State(0, FIRST_PREV, "")
    return State(row.seq + 1, row.leaf_hash, row.recorded_at)


def follow(connection: Connection, seen: State) -> State | None:
    """Return the end of the ledger by what was appended since it was seen, in one query.

    The entry that was last then still has to be there, and each later one to be linked to the one before it: the
    new frontier then grows out of the one that is known, whatever the stored tree says.

    Args:
        connection: In a transaction.
        seen: The end as it was, with its frontier.

    Returns:
        The end; None when this way does not tell, because much was appended, or something does not fit.
    """
    if seen.size == 0:
        return None
    rows = connection.execute(_SINCE, {"last": seen.size - 1}).all()
    if not 0 < len(rows) <= _MAX_STEPS or (rows[0].seq, rows[0].leaf_hash) != (seen.size - 1, seen.last_leaf):
        return None
    if len(rows) == 1:
        return seen
    for before, after in pairwise(rows):
        if (after.seq, after.prev) != (before.seq + 1, before.leaf_hash):
            return None
    _, frontier = merkle.extend(seen.size, seen.frontier, [row.leaf_hash for row in rows[1:]])
    last = rows[-1]
    return State(last.seq + 1, last.leaf_hash, last.recorded_at, frontier)


def load_frontier(connection: Connection, end: State) -> State:
    """Return the end of the ledger together with its frontier, from the stored nodes.

    Raises:
        LedgerRefusedError: Nodes are missing.
    """
    wanted = merkle.root_nodes(end.size)
    found = node_reader(connection)(wanted)
    return State(end.size, end.last_leaf, end.last_time, [found[node] for node in wanted])


def expect_continued(connection: Connection, state: State, *, size: int, root: bytes, what: str) -> None:
    """Check that the ledger has a known head among its own.

    Args:
        connection: In a transaction.
        state: The ledger's end.
        size: Number of entries of the known head.
        root: Root of the known head.
        what: Where it is known from, as the subject of a sentence.

    Raises:
        LedgerRefusedError: The ledger is older than the known head, or holds other entries.
    """
    if size > state.size:
        raise LedgerRefusedError(
            f"The ledger has {state.size} entries, but {what} has {size}: this is an older copy.",
            hint="Put the newest copy of the database back. Nothing was appended.",
        )
    if size == 0:  # nothing to continue
        if root != merkle.EMPTY_ROOT:
            raise LedgerRefusedError(f"What {what} has at size 0 is no empty ledger.", hint="Run an audit.")
        return
    proof = merkle.consistency_proof(size, state.size, node_reader(connection))
    try:
        merkle.verify_consistency(size1=size, size2=state.size, proof=proof, root1=root, root2=state.root)
    except VerificationError as error:
        raise LedgerRefusedError(
            f"The ledger does not continue what {what} has at size {size}: entries were changed.",
            hint="Run an audit; it tells where. Nothing was appended.",
        ) from error


def expect_whole_end(connection: Connection, state: State, envelope: bytes) -> None:
    """Check that the last entry's bytes are what the stored tree ends with.

    Rows that were rewritten without the tree above them, or the tree without the rows, are found here.

    Args:
        connection: In a transaction.
        state: The ledger's end, with at least one entry.
        envelope: The last entry's bytes.

    Raises:
        LedgerRefusedError: They are not.
    """
    last = state.size - 1
    proof = merkle.inclusion_proof(last, state.size, node_reader(connection))
    try:
        merkle.verify_inclusion(
            index=last,
            size=state.size,
            leaf_hash=merkle.leaf_hash(envelope),
            proof=proof,
            root=state.root,
        )
    except VerificationError as error:
        raise LedgerRefusedError(
            f"The stored tree does not end with entry {last} as it is stored.",
            hint="Run an audit. Nothing was appended.",
        ) from error
