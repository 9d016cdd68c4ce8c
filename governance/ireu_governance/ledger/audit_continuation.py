"""The audit's look back: whether what is new continues what a former audit had read, without reading that again."""

from __future__ import annotations

from sqlalchemy import Connection, text

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint
from ireu_governance.core.errors import LedgerError, VerificationError
from ireu_governance.ledger.audit_state import VerifiedState
from ireu_governance.ledger.findings import FindingKind, FindingList
from ireu_governance.ledger.records import node_reader

__all__ = ["ContinuationAudit"]


class ContinuationAudit:
    """Compares what is stored with where a former audit ended.

    Args:
        connection: In a transaction.
        since: Where it ended; with at least one entry.
        findings: Where to report.
    """

    def __init__(self, connection: Connection, since: VerifiedState, findings: FindingList) -> None:
        self._connection = connection
        self._since = since
        self._findings = findings

    def expect_end(self, *, size: int, count: int) -> bool:
        """Look for the entry that the former audit ended with.

        Args:
            size: Number of entries now, by the largest number of a row.
            count: Number of rows before that entry, and itself.

        Returns:
            Whether it stands where it stood, and as many entries before it.
        """
        former = self._since.size
        last = self._scalar("SELECT leaf_hash FROM entries WHERE seq = :seq", seq=former - 1)
        if last is None and size == former:  # nothing came after it either
            newest = self._scalar("SELECT max(seq) FROM entries")
            start = newest + 1 if isinstance(newest, int) and 0 <= newest < former else 0
            message = "The former audit read these entries, but the database ends before them."
            self._findings.add(FindingKind.ROLLED_BACK, start, message, until=former - 1)
        elif last is None:
            self._findings.add(FindingKind.MISSING, former - 1, "The entry is missing.")
        elif last != bytes.fromhex(self._since.last_leaf):
            message = "The entry that the former audit ended with is another one now."
            self._findings.add(FindingKind.FORKED, former - 1, message)
        elif count != former:
            message = f"The former audit read {former} entries; {count} of that part are there now."
            self._findings.add(FindingKind.MISSING, None, message)
        else:
            return True
        return False

    def expect_proof(self, *, size: int, root: bytes) -> None:
        """Ask the stored tree for the proof that the new head continues the former one.

        The new root was grown out of the former one, so it does. That the database can still prove it, to whoever
        asks it for a proof, is another question.

        Args:
            size: Number of entries now.
            root: Root over them, recomputed.
        """
        if not self._proves(self._since.size, size, bytes.fromhex(self._since.root), root):
            self._findings.add(
                FindingKind.NODE_MISMATCH,
                0,
                f"The stored tree does not prove that the ledger continues these {self._since.size} entries.",
                until=self._since.size - 1,
            )

    def proves_older(self, checkpoint: Checkpoint) -> bool:
        """Return whether the stored tree proves that the former audit's head continues an older checkpoint."""
        return self._proves(checkpoint.size, self._since.size, checkpoint.root, bytes.fromhex(self._since.root))

    def _proves(self, size1: int, size2: int, root1: bytes, root2: bytes) -> bool:
        try:
            proof = merkle.consistency_proof(size1, size2, node_reader(self._connection))
            merkle.verify_consistency(size1=size1, size2=size2, proof=proof, root1=root1, root2=root2)
        except (LedgerError, VerificationError):
            return False
        return True

    def _scalar(self, query: str, **values: int) -> object:
        return self._connection.execute(text(query), values).scalar()
