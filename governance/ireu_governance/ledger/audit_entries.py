"""The audit's walk through the entries: signatures, places, the chain, columns, and the look-up of cases."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from ireu_governance.core.keys import KeyFile
from ireu_governance.core.statement import Statement
from ireu_governance.ledger.audit_state import VerifiedState
from ireu_governance.ledger.examine import Examined, Reference, Row, examine_all
from ireu_governance.ledger.findings import FindingKind, FindingList
from ireu_governance.ledger.records import FIRST_PREV

__all__ = ["EntryAudit"]

_KIND_OF_DAMAGE = {
    FindingKind.UNREADABLE: "The entry cannot be read",
    FindingKind.SIGNATURE: "The entry was changed",
    FindingKind.UNKNOWN_SIGNER: "The entry was replaced or added",
    FindingKind.SIGNER_NOT_VALID: "The entry was signed when its key did not count",
}
_OF_SIGNER = frozenset({FindingKind.UNKNOWN_SIGNER, FindingKind.SIGNER_NOT_VALID})


class EntryAudit:
    """Judges rows of `entries` and works out the leaf hash that each entry had.

    Args:
        key_file: Whose keys count.
        findings: Where to report.
        since: Where a former audit ended; None to begin with the first entry.
        sizes: Sizes at which the time of the last entry is wanted.

    Attributes:
        first: Number of the first entry that is judged.
        leaves: Leaf hashes from there on: recomputed where the entry is intact, else taken from the signed entry
            after it, or from where the entry stands now; None where nothing tells.
        checked: Number of rows that were recomputed and verified.
        indexed_beyond: One more than the largest number in the look-up of cases beyond the last row, or 0.
        times: Latest time of an entry before each of the wanted sizes.
        times_after: Time of the first entry after each of them.
        statements: What entries say that refer to others, by their numbers.
        references: Entries before the first one that is judged, by the numbers of those that build on them.
        compared: Number of entries whose reference to an earlier one was compared.
        void: Keys by the numbers of the entries that they signed and that count no more, since the key is revoked
            there. They stand where the tree has them; what they say is compared with nothing.
        void_changes: What those of them say that record a change of keys.
        on_void: Numbers of such entries, by those of entries that count and build on them all the same.
    """

    def __init__(
        self,
        key_file: KeyFile,
        findings: FindingList,
        *,
        since: VerifiedState | None = None,
        sizes: Collection[int] = (),
    ) -> None:
        self._key_file = key_file
        self._findings = findings
        self.first = since.size if since else 0
        self.leaves: list[bytes | None] = []
        self.checked = 0
        self.indexed_beyond = 0
        self.times: dict[int, str] = {}
        self.times_after: dict[int, str] = {}
        self.statements: dict[int, Statement] = {}
        self.references: dict[int, Reference] = {}
        self.compared = 0
        self.void: dict[int, str] = {}
        self.void_changes: dict[int, Statement] = {}
        self.on_void: dict[int, int] = {}
        self._kinds: list[str | None] = []  # None where no entry is in its place
        self._sizes = frozenset(sizes)
        self._displaced: dict[int, bytes] = {}
        self._before = bytes.fromhex(since.last_leaf) if since else FIRST_PREV
        self.last_time = (since.last_time or "") if since else ""
        if since and since.size in self._sizes:
            self.times[since.size] = self.last_time
        # The stored leaf hash of the last row, while it differs from the computed one and it is open which of
        # both the next entry was signed to follow.
        self._stored_leaf: object = None
        self._is_open = False

    @property
    def size(self) -> int:
        """Number of entries, by the largest number of a row."""
        return self.first + len(self.leaves)

    def run(
        self,
        rows: Iterable[Sequence[object]],
        index: Iterable[Sequence[object]] | None,
        *,
        limit: int,
        processes: int,
    ) -> None:
        """Judge rows.

        Args:
            rows: Columns of `entries`, by seq, from the first number on.
            index: Columns seq and case_id of `entry_cases`, in this order; None when the table is gone.
            limit: Numbers from here on are no numbers of entries; a forged one must not cost memory.
            processes: How many processes verify signatures.
        """
        cases = None if index is None else _CaseIndex(index, self._findings)
        for row, examined in examine_all((Row(*each) for each in rows), self._key_file, processes=processes):
            self._take(row, examined, cases, limit)
        if cases is not None:
            self.indexed_beyond = cases.finish(self.size)

    def finish(self) -> None:
        """Settle what waited for a further row, and fill in what misplaced entries tell."""
        self._settle(None)
        for seq, leaf in self._displaced.items():
            if self.first <= seq < self.size and self.leaves[seq - self.first] is None:
                self.leaves[seq - self.first] = leaf

    def _take(self, row: Row, examined: Examined, cases: _CaseIndex | None, limit: int) -> None:
        if examined.problem is None and examined.seq != row.seq:
            self._displaced.setdefault(examined.seq, examined.leaf)
        if not isinstance(row.seq, int) or not self.first <= row.seq < limit:
            self._findings.add(FindingKind.POSITION, None, "A row has a number that no entry can have.")
            return
        seq = row.seq
        if seq < self.size:
            self._findings.add(FindingKind.POSITION, seq, "There is a second row of this number.")
            return
        if seq > self.size:
            self._settle(None)
            self._findings.add(FindingKind.MISSING, self.size, "The entry is missing.", until=seq - 1)
            self._kinds.extend([None] * (seq - self.size))
            self.leaves.extend([None] * (seq - self.size))
        self.checked += 1
        in_place = self._judge(row, examined, seq)
        self._settle(examined.prev if in_place else None)
        if in_place:
            self._check_chain(seq, examined)
            self._check_columns(row, examined, seq)
            if examined.void:
                self._take_void(seq, examined)
            else:
                self._check_time(seq, examined.recorded_at)
                self._check_reference(seq, examined.reference)
                if examined.statement is not None:
                    self.statements[seq] = examined.statement
        self.leaves.append(examined.leaf if in_place else None)
        self._kinds.append(examined.kind if in_place else None)
        if in_place and row.leaf_hash != examined.leaf:
            self._is_open, self._stored_leaf = True, row.leaf_hash
        if seq + 1 in self._sizes:
            self.times[seq + 1] = self.last_time
        if seq in self._sizes and in_place and not examined.void:
            self.times_after[seq] = examined.recorded_at
        indexed = cases.take(seq) if cases is not None else None
        if in_place and indexed is not None and indexed != set(examined.cases):
            self._findings.add(FindingKind.INDEX_MISMATCH, seq, "The look-up names other cases than the entry does.")

    def _judge(self, row: Row, examined: Examined, seq: int) -> bool:
        if examined.problem is not None:
            kind = examined.problem
            if kind not in _OF_SIGNER and row.leaf_hash != examined.leaf and examined.leaf:
                kind = FindingKind.EDITED
            start = _KIND_OF_DAMAGE.get(kind, "The entry was edited")
            self._findings.add(kind, seq, f"{start}: {examined.reason}.")
        elif examined.origin != self._key_file.origin:
            self._findings.add(FindingKind.POSITION, seq, f"The entry was signed for the ledger '{examined.origin}'.")
        elif examined.seq != seq:
            shift = examined.seq - seq
            where = f"{abs(shift)} {'later' if shift > 0 else 'earlier'}"
            self._findings.add(FindingKind.POSITION, seq, f"What stands here was signed for a place {where}.")
        else:
            return True
        return False

    def _settle(self, following: bytes | None) -> None:
        """Say what is wrong with the last row's hash, given what the next entry was signed to follow."""
        if not self._is_open:
            return
        last = self.size - 1
        if following is not None and following == self._stored_leaf:
            self._findings.add(
                FindingKind.EDITED, last, "The entry was replaced by another one that is properly signed."
            )
            self.leaves[-1] = following
        else:
            self._findings.add(
                FindingKind.LEAF_MISMATCH, last, "The stored hash is not the hash of the entry beside it."
            )
        self._is_open = False

    def _check_chain(self, seq: int, examined: Examined) -> None:
        before = self.leaves[-1] if self.leaves else self._before
        if before is None:
            self.leaves[-1] = examined.prev
        elif before != examined.prev:
            self._findings.add(
                FindingKind.CHAIN_BROKEN,
                seq,
                "The entry was signed to follow another one than stands before it.",
            )

    def _check_reference(self, seq: int, reference: Reference | None) -> None:
        if reference is None:
            return
        if reference.seq < self.first:
            self.references[seq] = reference
            return
        self.compared += 1
        kind = self._kinds[reference.seq - self.first] if reference.seq < seq else "later"
        if kind not in (None, reference.kind):  # one that is not in its place is a finding of its own
            message = f"It builds on entry {reference.seq}, which is no {reference.kind} before it."
            self._findings.add(FindingKind.REFERENCE, seq, message)
        elif reference.seq in self.void:
            self.on_void[seq] = reference.seq

    def _check_columns(self, row: Row, examined: Examined, seq: int) -> None:
        if (row.kind, row.recorded_at, row.prev) != (examined.kind, examined.recorded_at, examined.prev):
            names = ("kind", "recorded_at", "prev")
            changed = [name for name in names if getattr(row, name) != getattr(examined, name)]
            self._findings.add(
                FindingKind.EDITED,
                seq,
                f"Beside the entry, {' and '.join(changed)} is not what is signed in it.",
            )

    def _check_time(self, seq: int, recorded_at: str) -> None:
        if recorded_at < self.last_time:
            message = f"The entry is dated {recorded_at}, before the one that it follows."
            self._findings.add(FindingKind.TIME, seq, message)
        self.last_time = max(self.last_time, recorded_at)

    def _take_void(self, seq: int, examined: Examined) -> None:
        self.void[seq] = examined.void
        if examined.kind == "key-change" and examined.statement is not None:
            self.void_changes[seq] = examined.statement


class _CaseIndex:
    """The rows of `entry_cases`, taken along while the entries go by."""

    def __init__(self, rows: Iterable[Sequence[object]], findings: FindingList) -> None:
        self._findings = findings
        self._rows = self._readable(rows)
        self._next = next(self._rows, None)

    def take(self, seq: int) -> set[str]:
        """Return the cases that are looked up as those of an entry, and pass over those of absent entries."""
        found = set()
        while self._next is not None and self._next[0] <= seq:
            if self._next[0] == seq:
                found.add(self._next[1])
            self._next = next(self._rows, None)
        return found

    def finish(self, size: int) -> int:
        """Read to the end; return one more than the largest number beyond the last entry, or 0."""
        beyond = 0
        while self._next is not None:
            if self._next[0] >= size:
                beyond = self._next[0] + 1
            self._next = next(self._rows, None)
        return beyond

    def _readable(self, rows: Iterable[Sequence[object]]) -> Iterator[tuple[int, str]]:
        for seq, case_id in rows:
            if isinstance(seq, int) and seq >= 0 and isinstance(case_id, str):
                yield seq, case_id
            else:
                self._findings.add(FindingKind.INDEX_MISMATCH, None, "The look-up of cases has a row that is none.")
