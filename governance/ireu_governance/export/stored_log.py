"""A log of one size as it lies in an exported folder. What is read here is what is stored; nothing is verified."""

from __future__ import annotations

from typing import Final

from ireu_governance.core import merkle
from ireu_governance.core.canonical import MAX_JSON_BYTES
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import InputError
from ireu_governance.core.statement import Statement
from ireu_governance.core.tiles import (
    MAX_BUNDLE_BYTES,
    TILE_WIDTH,
    Tile,
    entry_bundle_path,
    large_entry_path,
    parse_entry_bundle,
    parse_tile,
    tiles_of,
)
from ireu_governance.export.folder import ExportFolder

__all__ = ["StoredLog"]

_MAX_TILE_BYTES: Final = TILE_WIDTH * merkle.HASH_SIZE


class StoredLog:
    """Reads tiles, bundles and entries.

    Args:
        folder: The folder.
        size: Number of entries of the log that is looked for in it.

    Attributes:
        paths: Files that belong to this log; those of large entries once their bundle was read.
    """

    def __init__(self, folder: ExportFolder, size: int) -> None:
        self._folder = folder
        self.size = size
        self.paths = {tile.path for tile in tiles_of(size)}
        self.paths.update(self.bundle_path(number) for number in range(self.bundles))
        self._last: tuple[int, list[bytes | None]] = (-1, [])

    @property
    def bundles(self) -> int:
        """Number of bundles."""
        return -(-self.size // TILE_WIDTH)

    def width(self, number: int) -> int:
        """Return how many entries a bundle has."""
        return min(TILE_WIDTH, self.size - number * TILE_WIDTH)

    def bundle_path(self, number: int) -> str:
        """Return where a bundle lies."""
        return entry_bundle_path(number, self.width(number))

    def read_tile(self, tile: Tile) -> list[bytes] | None:
        """Return a tile's hashes, or None if it is not there; `InputError` if it is damaged."""
        data = self._folder.read(tile.path, max_bytes=_MAX_TILE_BYTES)
        return None if data is None else parse_tile(data, tile.width)

    def read_bundle(self, number: int) -> list[bytes | None] | None:
        """Return a bundle's entries, with those that lie in files of their own.

        Args:
            number: Its number.

        Returns:
            The entries, None in the place of one whose own file is missing or damaged; None in place of all when
            there is no such bundle.

        Raises:
            InputError: It is damaged.
        """
        data = self._folder.read(self.bundle_path(number), max_bytes=MAX_BUNDLE_BYTES)
        if data is None:
            return None
        entries = parse_entry_bundle(data, self.width(number))
        start = number * TILE_WIDTH
        return [each or self._read_large(start + offset) for offset, each in enumerate(entries)]

    def statement(self, seq: int) -> Statement | None:
        """Return what an entry claims to say; None if that cannot be told."""
        number, offset = divmod(seq, TILE_WIDTH)
        try:
            if not 0 <= seq < self.size:
                return None
            if self._last[0] != number:
                self._last = number, self.read_bundle(number) or []
            entry = self._last[1][offset] if self._last[1] else None
            return None if entry is None else Statement.from_bytes(Envelope.from_bytes(entry).payload)
        except InputError:
            return None

    def _read_large(self, seq: int) -> bytes | None:
        path = large_entry_path(seq)
        self.paths.add(path)
        try:
            return self._folder.read(path, max_bytes=MAX_JSON_BYTES)
        except InputError:
            return None
