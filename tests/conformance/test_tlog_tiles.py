"""Tiles against the examples of the specification, and against a second implementation written from its text alone.

https://c2sp.org/tlog-tiles
"""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ireu_governance.core import merkle, tiles
from ireu_governance.core.errors import InputError


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word; of leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def spell(number: int) -> str:
    """The path elements of an index: three digits each, all but the last behind an x."""
    digits = str(number)
    digits = digits.rjust(-(-len(digits) // 3) * 3, "0")
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])


def expected_tiles(leaves: list[bytes]) -> dict[str, bytes]:
    """All tiles of a log, each hash by the formula of the specification."""
    size, found, level = len(leaves), {}, 0
    while size // 256**level:
        span = 256**level
        row = [mth(leaves[at * span : (at + 1) * span]) for at in range(size // span)]
        for number in range(0, len(row), 256):
            part = row[number : number + 256]
            suffix = "" if len(part) == 256 else f".p/{len(part)}"
            found[f"tile/{level}/{spell(number // 256)}{suffix}"] = b"".join(part)
        level += 1
    return found


@pytest.mark.parametrize(
    ("number", "path"),
    [
        (1234067, "x001/x234/067"),
        (0, "000"),
        (999, "999"),
        (1000, "x001/000"),
        (10**6 - 1, "x999/999"),
        (10**6, "x001/x000/000"),
    ],
)
def test_indices_are_spelt_as_in_the_specification(number: int, path: str) -> None:
    assert tiles.tile_path(3, number) == f"tile/3/{path}"
    assert tiles.tile_path(0, number, 17) == f"tile/0/{path}.p/17"
    assert tiles.entry_bundle_path(number) == f"tile/entries/{path}"
    assert tiles.entry_bundle_path(number, 255) == f"tile/entries/{path}.p/255"
    assert tiles.large_entry_path(number) == f"large/{path}"


@given(st.integers(0, 2**53 - 1), st.integers(0, 63), st.integers(1, 256))
def test_paths_are_those_of_the_second_implementation(number: int, level: int, width: int) -> None:
    suffix = "" if width == 256 else f".p/{width}"
    assert tiles.tile_path(level, number, width) == f"tile/{level}/{spell(number)}{suffix}"


@pytest.mark.parametrize(
    ("level", "number", "width"),
    [(-1, 0, 256), (64, 0, 256), (0, -1, 256), (0, 2**53, 256), (0, 0, 0), (0, 0, 257), (0, 0, -1)],
)
def test_tile_that_the_format_does_not_have_is_refused(level: int, number: int, width: int) -> None:
    with pytest.raises(InputError):
        tiles.tile_path(level, number, width)


def test_tree_of_seventy_thousand_has_the_tiles_of_the_specification() -> None:
    found = Counter((tile.level, tile.width) for tile in tiles.tiles_of(70_000))
    assert found == {(0, 256): 273, (0, 112): 1, (1, 256): 1, (1, 17): 1, (2, 1): 1}


def test_tree_of_256_has_a_full_tile_and_a_partial_one_above_it() -> None:
    assert list(tiles.tiles_of(256)) == [tiles.Tile(0, 0), tiles.Tile(1, 0, 1)]
    assert list(tiles.tiles_of(0)) == []


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 700])
def test_tiles_are_those_of_the_second_implementation(size: int) -> None:
    leaves = [merkle.leaf_hash(b"%d" % number) for number in range(size)]
    nodes = dict(merkle.extend(0, [], leaves)[0])
    mine = {tile.path: tiles.pack_tile([nodes[node] for node in tile.nodes()]) for tile in tiles.tiles_of(size)}
    assert mine == expected_tiles(leaves)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 65_536, 65_537, 70_000])
def test_roots_and_proofs_from_tiles_are_those_of_the_tree(size: int) -> None:
    leaves = [hashlib.sha256(b"%d" % number).digest() for number in range(size)]
    new, frontier = merkle.extend(0, [], leaves)
    nodes = dict(new)
    asked = Counter()

    def fetch(tile: tiles.Tile) -> list[bytes]:
        asked[tile] += 1
        return tiles.parse_tile(b"".join(nodes[node] for node in tile.nodes()), tile.width)

    read = tiles.tile_reader(fetch, size)
    assert merkle.root(size, read) == merkle.root_of_frontier(frontier)
    assert set(asked) <= set(tiles.tiles_of(size))
    assert max(asked.values()) == 1
    for index in {0, size // 2, size - 1}:
        proof = merkle.inclusion_proof(index, size, read)
        assert proof == merkle.inclusion_proof(index, size, lambda wanted: {node: nodes[node] for node in wanted})
    if size > 2:
        assert merkle.consistency_proof(size // 2, size, read)


def test_reader_of_tiles_leaves_out_what_a_log_does_not_have() -> None:
    read = tiles.tile_reader(lambda tile: [bytes(32)] * tile.width, 5)
    assert set(read([(0, 4), (0, 5), (1, 1), (1, 2), (3, 0), (-1, 0), (0, -1)])) == {(0, 4), (1, 1)}
    with pytest.raises(InputError):
        merkle.root(6, read)


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=256))
def test_bundle_is_read_as_it_was_packed(entries: list[bytes]) -> None:
    data = tiles.pack_entry_bundle(entries)
    assert data == b"".join(len(each).to_bytes(2, "big") + each for each in entries)
    assert tiles.parse_entry_bundle(data) == tiles.parse_entry_bundle(data, len(entries)) == entries


def test_entry_of_the_largest_length_is_bundled_and_a_longer_one_leaves_its_place_empty() -> None:
    longest, longer = b"a" * 65_535, b"b" * 65_536
    data = tiles.pack_entry_bundle([longest, longer, b"c"])
    assert tiles.parse_entry_bundle(data, 3) == [longest, b"", b"c"]


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_bundle_or_an_input_error(data: bytes) -> None:
    try:
        entries = tiles.parse_entry_bundle(data)
    except InputError:
        return
    assert b"".join(len(each).to_bytes(2, "big") + each for each in entries) == data


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"\0\2a", b"\0\1ab", b"\0\0" * 257, b"\xff\xff" + b"a" * 65_534],
    ids=["empty", "half a length", "short", "trailing", "257 entries", "cut"],
)
def test_bundle_that_is_cut_or_has_more_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        tiles.parse_entry_bundle(data)


def test_bundle_of_another_width_than_its_path_says_is_refused() -> None:
    with pytest.raises(InputError, match="has 1 entries"):
        tiles.parse_entry_bundle(b"\0\1a", 2)
    with pytest.raises(InputError):
        tiles.parse_entry_bundle(b"\0\1a", 0)
    with pytest.raises(InputError, match="at most"):
        tiles.parse_entry_bundle(bytes(tiles.MAX_BUNDLE_BYTES + 1))


@given(st.integers(1, 256), st.integers(-40, 40))
def test_tile_of_another_length_than_its_width_asks_for_is_refused(width: int, more: int) -> None:
    data = bytes(max(width * 32 + more, 0))
    if more:
        with pytest.raises(InputError):
            tiles.parse_tile(data, width)
    else:
        assert tiles.parse_tile(data, width) == [bytes(32)] * width


@pytest.mark.parametrize("hashes", [[], [b"short"], [bytes(32)] * 257], ids=["none", "short", "257"])
def test_hashes_that_are_no_tile_are_not_packed(hashes: list[bytes]) -> None:
    with pytest.raises(InputError):
        tiles.pack_tile(hashes)


@pytest.mark.parametrize("entries", [[], [b""], [b"a"] * 257], ids=["none", "empty", "257"])
def test_entries_that_are_no_bundle_are_not_packed(entries: list[bytes]) -> None:
    with pytest.raises(InputError):
        tiles.pack_entry_bundle(entries)
