"""Whether a ledger continues what is known about it: the checks that stand between a rollback and a fork."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from ireu_governance.core import merkle
from ireu_governance.core.errors import LedgerRefusedError, VerificationError
from ireu_governance.ledger.records import FIRST_PREV, node_reader
from ireu_governance.ledger.tables import ENTRIES

__all__ = ["State", "expect_continued", "expect_whole_end", "load_end", "load_frontier"]

_LAST = select(ENTRIES.c.seq, ENTRIES.c.leaf_hash, ENTRIES.c.recorded_at).order_by(ENTRIES.c.seq.desc()).limit(1)


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
