"""The static audit's look at tiles: each is computed from the entries and compared, earlier partial ones too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ireu_governance.core import merkle
from ireu_governance.core.errors import InputError
from ireu_governance.core.tiles import (
    MAX_BUNDLE_BYTES,
    TILE_WIDTH,
    entry_bundle_path,
    parse_entry_bundle,
    parse_tile,
    tile_path,
)
from ireu_governance.export.folder import ExportFolder
from ireu_governance.ledger.findings import FindingKind, FindingList

__all__ = ["TileAudit"]

_PARTIAL: Final = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})\.p/([1-9][0-9]{0,2})")


class TileAudit:
    """Compares stored tiles with those that follow from the entries.

    Args:
        folder: Where the tiles are.
        leaves: The leaf hashes, None where one is not known; hashes above it are then not compared.
        findings: Where to report.

    Attributes:
        checked: Number of tiles that were compared.
    """

    def __init__(self, folder: ExportFolder, leaves: Sequence[bytes | None], findings: FindingList) -> None:
        self._folder = folder
        self._findings = findings
        self._levels: list[Sequence[bytes | None]] = [leaves]
        self.checked = 0

    def compare(self, level: int, tiles: Sequence[Sequence[bytes] | None]) -> None:
        """Compare all tiles of a level.

        Args:
            level: The level, from 0.
            tiles: Their hashes as they are stored, left to right; None for one that is absent or damaged, which
                is reported already.
        """
        expected = self._expected(level)
        for number, stored in enumerate(tiles):
            if stored is None:
                continue
            self.checked += 1
            # A leaf hash that differs from its entry's is the audit of the entries' to report.
            for offset, hash_ in enumerate(stored) if level else ():
                at = number * TILE_WIDTH + offset
                right = expected[at]
                if right is not None and hash_ != right:
                    self._report(level, at)

    def is_earlier_part(self, path: str) -> bool:
        """Return whether a file is a partial tile or bundle of an earlier checkpoint, as logs keep them for a while.

        Args:
            path: Its path; none that belongs to the present checkpoint.

        Returns:
            True if it is one, right or not; that it is wrong is reported.
        """
        match = _PARTIAL.fullmatch(path)
        if not match:
            return False
        kind, number, width = match[1], int(match[2].replace("x", "").replace("/", "")), int(match[3])
        level = 0 if kind == "entries" else int(kind)
        if not 1 <= width < TILE_WIDTH or level >= len(self._levels):
            return False
        canonical = entry_bundle_path(number, width) if kind == "entries" else tile_path(level, number, width)
        start = number * TILE_WIDTH
        right = self._levels[level][start : start + width]
        if canonical != path or len(right) < width:
            return False
        try:
            hashes = self._hashes(path, width, is_bundle=kind == "entries")
        except InputError as error:
            self._findings.add(FindingKind.UNREADABLE, None, f"The earlier part {path} cannot be read: {error.message}")
            return True
        self.checked += 1
        if any(a is not None and b is not None and a != b for a, b in zip(hashes, right, strict=True)):
            self._findings.add(
                FindingKind.NODE_MISMATCH, None, f"The earlier part {path} is not the beginning of what stands there."
            )
        return True

    def _hashes(self, path: str, width: int, *, is_bundle: bool) -> Sequence[bytes | None]:
        data = self._folder.read(path, max_bytes=MAX_BUNDLE_BYTES) or b""
        if not is_bundle:
            return parse_tile(data, width)
        # An entry of length zero lies in its own file, which is checked with the whole bundle.
        return [merkle.leaf_hash(each) if each else None for each in parse_entry_bundle(data, width)]

    def _expected(self, level: int) -> Sequence[bytes | None]:
        while len(self._levels) <= level:
            below = self._levels[-1]
            full = range(0, len(below) - TILE_WIDTH + 1, TILE_WIDTH)
            self._levels.append([_over(below[start : start + TILE_WIDTH]) for start in full])
        return self._levels[level]

    def _report(self, level: int, at: int) -> None:
        span = TILE_WIDTH**level
        message = "The stored tree hash over these entries is not theirs."
        self._findings.add(FindingKind.NODE_MISMATCH, at * span, message, until=(at + 1) * span - 1)


def _over(hashes: Sequence[bytes | None]) -> bytes | None:
    row = [each for each in hashes if each is not None]
    if len(row) < len(hashes):
        return None
    while len(row) > 1:
        row = [merkle.node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]
