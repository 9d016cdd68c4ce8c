"""Proofs about the published log: what they are, and how one is made and verified in well below a millisecond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint
from ireu_governance.core.consistency import ConsistencyProof
from ireu_governance.core.errors import LedgerRefusedError
from ireu_governance.core.proof import LogProof
from ireu_governance.ledger.records import node_query
from ireu_governance.service.point_reads import fetch_rows

__all__ = ["ContinuationProof", "InclusionProof", "Prover", "PublishedHead"]

_KEPT_LEVEL: Final = 5  # hashes over 32 entries and more are kept: of a million entries that is 8 MiB
_MAX_NODES: Final = 131_072


@dataclass(frozen=True)
class PublishedHead:
    """What was published last.

    Attributes:
        text: The signed checkpoint with all cosignatures that it has by now.
        checkpoint: What it says.
    """

    text: str
    checkpoint: Checkpoint

    @property
    def size(self) -> int:
        """Number of published entries."""
        return self.checkpoint.size


@dataclass(frozen=True)
class InclusionProof:
    """A proof that was verified.

    Attributes:
        proof: As it is handed out.
        size: Number of entries of the log that it is about.
        leaf_hash: Hash of the entry.
        root: What the proof leads to.
    """

    proof: LogProof
    size: int
    leaf_hash: bytes
    root: bytes


@dataclass(frozen=True)
class ContinuationProof:
    """A proof between two sizes that was verified.

    Attributes:
        proof: As it is handed out.
        to_size: The larger size.
        from_root: Root of the smaller log.
        to_root: Root of the larger one.
    """

    proof: ConsistencyProof
    to_size: int
    from_root: bytes
    to_root: bytes


class Prover:
    """Makes proofs of inclusion, for any number of threads. It keeps hashes of the upper tree, which never change.

    Args:
        engine: The ledger's database, opened for reading only.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._nodes: dict[merkle.NodeId, bytes] = {}

    def forget(self) -> None:
        """Forget all hashes."""
        self._nodes.clear()

    def prove(self, seq: int, head: PublishedHead) -> InclusionProof:
        """Prove that an entry is in the log of a head.

        Args:
            seq: Its number, below the head's size.
            head: The head.

        Raises:
            VerificationError: The stored hashes do not lead to the head's root.
            LedgerRefusedError: A hash is not there.
        """
        leaves: list[bytes] = []

        def read(wanted: Sequence[merkle.NodeId]) -> Mapping[merkle.NodeId, bytes]:
            found = self._read_nodes([*wanted, (0, seq)])
            leaves.append(found[0, seq])
            return found

        hashes = merkle.inclusion_proof(seq, head.size, read)
        leaf = leaves[0] if leaves else self._read_nodes([(0, seq)])[0, seq]  # a log of one entry needs no hashes
        root = head.checkpoint.root
        merkle.verify_inclusion(index=seq, size=head.size, leaf_hash=leaf, proof=hashes, root=root)
        return InclusionProof(LogProof(seq, tuple(hashes), head.text), head.size, leaf, root)

    def _read_nodes(self, wanted: Sequence[merkle.NodeId]) -> Mapping[merkle.NodeId, bytes]:
        kept = self._nodes
        # Asked for once each: another thread may forget all of them in between.
        found = {node: hash_ for node in wanted if (hash_ := kept.get(node)) is not None}
        missing = [node for node in wanted if node not in found]
        if missing:
            query, values = node_query(self._engine.dialect.name, missing)
            for level, index, hash_ in fetch_rows(self._engine, query, values):
                found[level, index] = hash_
                if level >= _KEPT_LEVEL:
                    kept[level, index] = hash_
            if len(kept) > _MAX_NODES:
                kept.clear()
        absent = [node for node in wanted if len(found.get(node, b"")) != merkle.HASH_SIZE]
        if absent:
            raise LedgerRefusedError(f"The ledger lacks the hash {absent[0]} of its tree.", hint="Run an audit.")
        return found
