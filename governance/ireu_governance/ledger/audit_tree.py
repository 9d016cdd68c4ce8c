"""The audit's walk through the stored hashes of the tree, and the roots that the entries really have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ireu_governance.core import merkle
from ireu_governance.ledger.findings import FindingKind, FindingList

__all__ = ["NodeAudit", "roots_at"]

_MAX_LEVEL: Final = 53  # no tree of JSON's largest number of leaves is higher


class NodeAudit:
    """Compares every row of `nodes` with what follows from the leaves.

    Args:
        leaves: The leaf hashes, None where one is not known; hashes above it are then not compared.
        findings: Where to report.

    Attributes:
        checked: Number of rows that were recomputed and compared.
        beyond: Rows over entries that are not there, as pairs of first and last entry.
    """

    def __init__(self, leaves: Sequence[bytes | None], findings: FindingList) -> None:
        self._findings = findings
        self.checked = 0
        self.beyond: list[tuple[int, int]] = []
        self._level = 1
        self._nodes = _parents(leaves)
        self._next = 0
        self._wrong: set[int] = set()
        self._wrong_below: set[int] = set()

    def run(self, rows: Iterable[tuple[object, ...]]) -> None:
        """Compare all rows.

        Args:
            rows: Columns level, index and hash of `nodes`, by level and index.
        """
        last = (0, 0)
        for level, index, hash_ in rows:
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
            if not self._nodes or index >= len(self._nodes):
                self.beyond.append((index << level, ((index + 1) << level) - 1))
                continue
            self._expect_none(self._next, index)
            self._next = index + 1
            self._compare(index, hash_)
        while self._nodes:
            self._finish_level()

    def report_beyond(self) -> None:
        """Report the rows over entries that are not there, where nothing else explains them."""
        for first, last in self.beyond:
            self._findings.add(
                FindingKind.NODE_MISMATCH,
                first,
                "The stored tree has a hash over absent entries.",
                until=last,
            )

    def _compare(self, index: int, stored: object) -> None:
        expected = self._nodes[index]
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
            if self._nodes[index] is not None:
                self._add(index, f"The stored tree lacks a hash of level {self._level} over these entries.")

    def _add(self, index: int, message: str) -> None:
        first, last = index << self._level, ((index + 1) << self._level) - 1
        self._findings.add(FindingKind.NODE_MISMATCH, first, message, until=last)

    def _finish_level(self) -> None:
        self._expect_none(self._next, len(self._nodes))
        self._nodes = _parents(self._nodes)
        self._level += 1
        self._next = 0
        self._wrong_below, self._wrong = self._wrong, set()


def roots_at(leaves: Sequence[bytes | None], sizes: Iterable[int]) -> dict[int, bytes | None]:
    """Return the Merkle roots over the first entries, for several sizes in one pass.

    Args:
        leaves: The leaf hashes, None where one is not known.
        sizes: Numbers of entries; those beyond the leaves are left out.

    Returns:
        The root of each size; None when a leaf below it is not known.
    """
    wanted = {size for size in sizes if 0 <= size <= len(leaves)}
    roots: dict[int, bytes | None] = {0: merkle.EMPTY_ROOT} if 0 in wanted else {}
    frontier: list[bytes | None] = []
    for number, leaf in enumerate(leaves):
        current, position = leaf, number
        while position & 1:
            current = _join(frontier.pop(), current)
            position >>= 1
        frontier.append(current)
        if number + 1 in wanted:
            known = [each for each in frontier if each is not None]
            roots[number + 1] = merkle.root_of_frontier(known) if len(known) == len(frontier) else None
    return roots


def _parents(hashes: Sequence[bytes | None]) -> list[bytes | None]:
    return [_join(hashes[i], hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]


def _join(left: bytes | None, right: bytes | None) -> bytes | None:
    return None if left is None or right is None else merkle.node_hash(left, right)
