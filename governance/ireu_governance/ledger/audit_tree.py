"""The audit's walk through the stored hashes of the tree, and the roots that the entries really have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final

from ireu_governance.core import merkle
from ireu_governance.ledger.findings import FindingKind, FindingList

__all__ = ["NodeAudit"]

_MAX_LEVEL: Final = 53  # no tree of JSON's largest number of leaves is higher


class NodeAudit:
    """Grows the tree from the leaves once, compares every row of `nodes` with it, and keeps what roots are made of.

    Args:
        leaves: The leaf hashes, None where one is not known; hashes above it are then not compared.
        findings: Where to report.
        first: Number of the first leaf.
        frontier: The complete subtrees before it, which a former audit had read.
        sizes: Numbers of entries whose roots are wanted; those before `first` and beyond the end are left out.

    Attributes:
        checked: Number of rows that were recomputed and compared.
        beyond: Rows over entries that are not there, as pairs of first and last entry.
    """

    def __init__(
        self,
        leaves: Sequence[bytes | None],
        findings: FindingList,
        *,
        first: int = 0,
        frontier: Mapping[merkle.NodeId, bytes] | None = None,
        sizes: Iterable[int] = (),
    ) -> None:
        self._findings = findings
        self._frontier = frontier or {}
        self._size = first + len(leaves)
        self._sizes = {size for size in sizes if first <= size <= self._size}
        wanted: dict[int, set[int]] = {}
        for size in self._sizes:
            for level, index in merkle.root_nodes(size):
                wanted.setdefault(level, set()).add(index)
        self._wanted = wanted
        self._kept: dict[merkle.NodeId, bytes | None] = dict(self._frontier)
        self.checked = 0
        self.beyond: list[tuple[int, int]] = []
        self._level = 0
        self._start = first  # number of the first hash of this level
        self._nodes: Sequence[bytes | None] = leaves
        self._next = first
        self._wrong: set[int] = set()
        self._wrong_below: set[int] = set()
        self._climb()

    def run(self, rows: Iterable[Sequence[object]]) -> None:
        """Compare all rows.

        Args:
            rows: Columns level, index and hash of `nodes`, by level and index.
        """
        last = (0, 0)
        for level, index, hash_ in rows:
            if level == self._level and index == self._next and self._is(hash_):
                # What every row of an untouched tree is.
                last = (self._level, self._next)
                self._next += 1
                self.checked += 1
                continue
            if (
                not isinstance(level, int)
                or not isinstance(index, int)
                or not 0 < level <= _MAX_LEVEL
                or index < 0
                or (level, index) <= last
            ):
                self._findings.add(
                    FindingKind.NODE_MISMATCH, None, "The stored tree has a row that belongs to no tree."
                )
                continue
            last = (level, index)
            while self._nodes and self._level < level:
                self._finish_level()
            if not self._nodes or index >= self._start + len(self._nodes):
                self.beyond.append((index << level, ((index + 1) << level) - 1))
                continue
            self._expect_none(self._next, index)
            self._next = index + 1
            self._compare(index, hash_)

    def finish(self) -> None:
        """Report what is missing from where the rows ended on."""
        while self._nodes:
            self._finish_level()

    def roots(self) -> dict[int, bytes | None]:
        """Return the Merkle roots at the wanted sizes; None when a leaf below it is not known."""
        while self._nodes:  # the rows could not be read to their end
            self._climb()
        roots: dict[int, bytes | None] = {}
        for size in self._sizes:
            hashes = [self._kept[node] for node in merkle.root_nodes(size)]
            known = [each for each in hashes if each is not None]
            roots[size] = merkle.root_of_frontier(known) if len(known) == len(hashes) else None
        return roots

    def frontier_at(self, size: int) -> list[bytes]:
        """Return the frontier at a wanted size, for an audit that found nothing."""
        return [hash_ for node in merkle.root_nodes(size) if (hash_ := self._kept[node]) is not None]

    def report_beyond(self) -> None:
        """Report the rows over entries that are not there, where nothing else explains them."""
        for first, last in self.beyond:
            self._findings.add(
                FindingKind.NODE_MISMATCH,
                first,
                "The stored tree has a hash over absent entries.",
                until=last,
            )

    def _is(self, stored: object) -> bool:
        place = self._next - self._start
        return place < len(self._nodes) and stored == self._nodes[place] is not None

    def _compare(self, index: int, stored: object) -> None:
        expected = self._nodes[index - self._start] if index >= self._start else None
        if expected is None:
            return
        self.checked += 1
        if stored == expected:
            return
        self._wrong.add(index)
        # What is wrong below makes everything above it wrong as well: only the lowest hash is news.
        if not {2 * index, 2 * index + 1} & self._wrong_below:
            self._add(index, "The stored tree hash over these entries is not theirs.")

    def _expect_none(self, start: int, stop: int) -> None:
        for index in range(start, stop):
            if self._nodes[index - self._start] is not None:
                self._add(index, f"The stored tree lacks a hash of level {self._level} over these entries.")

    def _add(self, index: int, message: str) -> None:
        first, last = index << self._level, ((index + 1) << self._level) - 1
        self._findings.add(FindingKind.NODE_MISMATCH, first, message, until=last)

    def _finish_level(self) -> None:
        self._expect_none(self._next, self._start + len(self._nodes))
        self._climb()
        self._wrong_below, self._wrong = self._wrong, set()

    def _climb(self) -> None:
        """Keep what roots need of this level, and go to the one above it."""
        end = self._start + len(self._nodes)
        for index in self._wanted.get(self._level, ()):
            if self._start <= index < end:
                self._kept[self._level, index] = self._nodes[index - self._start]
        nodes = self._nodes
        if self._start & 1 and nodes:
            # The left sibling of the first new hash ends what was read before.
            nodes = [self._frontier[self._level, self._start - 1], *nodes]
        self._nodes = _parents(nodes)
        self._start >>= 1
        self._next = self._start
        self._level += 1


def _parents(hashes: Sequence[bytes | None]) -> list[bytes | None]:
    if None in hashes:
        pairs = zip(hashes[::2], hashes[1::2], strict=False)
        return [None if left is None or right is None else merkle.node_hash(left, right) for left, right in pairs]
    known: list[bytes] = hashes  # type: ignore[assignment]
    # Spelt out: an audit does this as often as there are entries.
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(known[::2], known[1::2], strict=False)]
