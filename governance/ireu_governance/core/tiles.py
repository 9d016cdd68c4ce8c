"""A log as files: its tree in tiles, its entries in bundles, each at a path that follows from its number.

A tile is a row of up to 256 hashes, each over a complete subtree; the rows between follow from them. A full tile
never changes again, so whoever has it never asks for it twice. The right-most tile of a row may be partial; its
width is then part of its path, so that partial tiles do not change either.

The format counts an entry's length in two bytes. An envelope can be longer (a re-test of 200 cases is), and then
it stands in its bundle as an entry of length zero, which no envelope has, and its bytes are a file of their
own at `large_entry_path`. Readers that do not know of this find that the empty entry does not fit the tree: they
stop there, and are never misled.

Format: https://c2sp.org/tlog-tiles
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.merkle import HASH_SIZE, MAX_TREE_SIZE, NodeId, NodeReader, node_hash

__all__ = [
    "MAX_BUNDLED_ENTRY",
    "MAX_BUNDLE_BYTES",
    "TILE_WIDTH",
    "Tile",
    "TileFetcher",
    "entry_bundle_path",
    "large_entry_path",
    "pack_entry_bundle",
    "pack_tile",
    "parse_entry_bundle",
    "parse_tile",
    "tile_path",
    "tile_reader",
    "tiles_of",
]

TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8  # levels of the tree from one row of tiles to the next: 2^8 hashes become one
MAX_TILE_LEVEL: Final = 63  # of the format; a tree of ireu's largest size has tiles up to level 6
MAX_BUNDLED_ENTRY: Final = 2**16 - 1  # an entry's length is two bytes
MAX_BUNDLE_BYTES: Final = TILE_WIDTH * (2 + MAX_BUNDLED_ENTRY)

_LENGTH_BYTES: Final = 2

TileFetcher = Callable[["Tile"], Sequence[bytes]]
"""Returns the hashes of a tile, as `parse_tile` read them."""


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A row of neighbouring hashes of one level.

    Attributes:
        level: 0 for leaf hashes; a hash of level n stands for 256 of level n − 1.
        index: Its number from the left within its level.
        width: How many hashes it has, 1 to 256.
    """

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """Where it lies below the log's folder or URL."""
        return tile_path(self.level, self.index, self.width)

    def nodes(self) -> list[NodeId]:
        """Return the complete subtrees whose hashes it holds, left to right."""
        first = self.index * TILE_WIDTH
        return [(self.level * TILE_HEIGHT, first + offset) for offset in range(self.width)]


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return where a tile lies.

    Args:
        level: Its level, 0 to 63.
        index: Its number within the level.
        width: How many hashes it has; fewer than 256 make it a partial tile.

    Returns:
        A path such as ``tile/0/x001/234/067`` or ``tile/1/000.p/17``.

    Raises:
        InputError: There is no such tile.
    """
    if not 0 <= level <= MAX_TILE_LEVEL:
        raise InputError(f"No tile has the level {level}: levels go from 0 to {MAX_TILE_LEVEL}.")
    return f"tile/{level}/{_numbered(index)}{_partial(width)}"


def entry_bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return where the entries under a tile of level 0 lie.

    Args:
        index: Number of the tile, and so of the bundle.
        width: How many entries it has; fewer than 256 make it a partial bundle.

    Returns:
        A path such as ``tile/entries/x001/234/067`` or ``tile/entries/000.p/8``.

    Raises:
        InputError: There is no such bundle.
    """
    return f"tile/entries/{_numbered(index)}{_partial(width)}"


def large_entry_path(seq: int) -> str:
    """Return where an entry lies that is too long for a bundle: ``large/x001/234/067`` for entry 1,234,067."""
    return f"large/{_numbered(seq)}"


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield the tiles that together are a log of a size, the lowest level first and left to right.

    Args:
        size: Number of entries; an empty log has no tiles.

    Raises:
        InputError: There is no log of this size.
    """
    _expect_size(size)
    level, row = 0, size
    while row:
        for index in range(row // TILE_WIDTH):
            yield Tile(level, index)
        if row % TILE_WIDTH:
            yield Tile(level, row // TILE_WIDTH, row % TILE_WIDTH)
        level, row = level + 1, row // TILE_WIDTH


def pack_tile(hashes: Sequence[bytes]) -> bytes:
    """Return a tile's bytes.

    Args:
        hashes: 1 to 256 hashes of 32 bytes.
    """
    _expect_width(len(hashes))
    if any(len(each) != HASH_SIZE for each in hashes):
        raise InputError(f"A hash of a tile is not {HASH_SIZE} bytes long.")
    return b"".join(hashes)


def parse_tile(data: bytes, width: int) -> list[bytes]:
    """Read a tile.

    Args:
        data: Its bytes.
        width: How many hashes its path says that it has.

    Returns:
        Its hashes. Nothing is verified: they follow from the level below, and lead to a signed root.

    Raises:
        InputError: The bytes are no tile of this width.
    """
    _expect_width(width)
    if len(data) != width * HASH_SIZE:
        raise InputError(
            f"A tile of {width} hashes has {width * HASH_SIZE} bytes, not {len(data)}.",
            hint="Fetch it again; if that does not help, it was damaged where it lies.",
        )
    return [data[start : start + HASH_SIZE] for start in range(0, len(data), HASH_SIZE)]


def pack_entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Return a bundle's bytes.

    Args:
        entries: 1 to 256 entries; those longer than `MAX_BUNDLED_ENTRY` leave an empty place, and belong at
            `large_entry_path`.

    Raises:
        InputError: An entry is empty, or there are too few or too many.
    """
    _expect_width(len(entries))
    parts = []
    for entry in entries:
        if not entry:
            raise InputError("An entry of a log is not empty.")
        bundled = entry if len(entry) <= MAX_BUNDLED_ENTRY else b""
        parts += [len(bundled).to_bytes(_LENGTH_BYTES, "big"), bundled]
    return b"".join(parts)


def parse_entry_bundle(data: bytes, width: int | None = None) -> list[bytes]:
    """Read a bundle of entries.

    Args:
        data: Its bytes.
        width: How many entries its path says that it has; None for any possible number.

    Returns:
        Its entries; an empty one stands for an entry that lies at `large_entry_path`. Nothing is verified: the
        hash of each entry is in the tile of level 0 with the same number.

    Raises:
        InputError: The bytes are no bundle of this width.
    """
    if width is not None:
        _expect_width(width)
    if len(data) > MAX_BUNDLE_BYTES:
        raise InputError(
            f"A bundle of entries has at most {MAX_BUNDLE_BYTES} bytes, not {len(data)}.",
            code=ErrorCode.INPUT_TOO_LARGE,
        )
    entries: list[bytes] = []
    position = 0
    while position < len(data):
        start = position + _LENGTH_BYTES
        end = start + int.from_bytes(data[position:start], "big")
        if start > len(data) or end > len(data):
            raise InputError(f"The bundle of entries ends within its entry {len(entries)}.")
        if len(entries) == TILE_WIDTH:
            raise InputError(f"The bundle of entries has more than {TILE_WIDTH}.")
        entries.append(data[start:end])
        position = end
    if not entries or (width is not None and len(entries) != width):
        expected = f"1 to {TILE_WIDTH}" if width is None else str(width)
        raise InputError(f"The bundle has {len(entries)} entries; it should have {expected}.")
    return entries


def tile_reader(fetch: TileFetcher, size: int) -> NodeReader:
    """Return a reader of tree hashes over tiles, for proofs and roots of `ireu_governance.core.merkle`.

    Args:
        fetch: Returns a tile's hashes; asked once per tile and call of the reader.
        size: Number of entries of the log that the tiles are of.

    Returns:
        The reader. It leaves out subtrees that this log does not have. What `fetch` raises passes through.

    Raises:
        InputError: There is no log of this size.
    """
    _expect_size(size)

    def read(wanted: Sequence[NodeId]) -> Mapping[NodeId, bytes]:
        fetched: dict[Tile, Sequence[bytes]] = {}
        found: dict[NodeId, bytes] = {}
        for level, index in wanted:
            if level < 0 or index < 0 or (index + 1) << level > size:
                continue
            row, above = divmod(level, TILE_HEIGHT)
            number, offset = divmod(index << above, TILE_WIDTH)
            tile = Tile(row, number, min(TILE_WIDTH, (size >> row * TILE_HEIGHT) - number * TILE_WIDTH))
            if tile not in fetched:
                fetched[tile] = fetch(tile)
            found[level, index] = _fold(fetched[tile][offset : offset + (1 << above)])
        return found

    return read


def _fold(hashes: Sequence[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def _numbered(index: int) -> str:
    _expect_size(index)
    parts = [f"{index % 1000:03d}"]
    while index := index // 1000:
        parts.insert(0, f"x{index % 1000:03d}")
    return "/".join(parts)


def _partial(width: int) -> str:
    _expect_width(width)
    return "" if width == TILE_WIDTH else f".p/{width}"


def _expect_width(width: int) -> None:
    if not 1 <= width <= TILE_WIDTH:
        raise InputError(f"A tile or bundle is 1 to {TILE_WIDTH} wide, not {width}.")


def _expect_size(size: int) -> None:
    if not 0 <= size <= MAX_TREE_SIZE:
        raise InputError(f"A log has 0 to {MAX_TREE_SIZE} entries, not {size}.")
