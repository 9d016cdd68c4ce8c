"""The Merkle tree against the vectors that every implementation of RFC 6962 shares, and against a naive tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core import merkle
from ireu_governance.core.errors import InputError, VerificationError

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
H1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
H23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
H47 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
H4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
H67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
H45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
INCLUSION = [
    (0, 1, []),
    (0, 8, [H1, H23, H47]),
    (5, 8, [H4, H67, ROOTS[4]]),
    (2, 3, [ROOTS[2]]),
    (1, 5, [ROOTS[1], H23, H4]),
]
CONSISTENCY = [
    (1, 1, []),
    (1, 8, [H1, H23, H47]),
    (6, 8, [H45, H67, ROOTS[4]]),
    (2, 5, [H23, H4]),
    (6, 7, [H45, "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f", ROOTS[4]]),
]


class Tree:
    """Stored nodes of complete subtrees, as a ledger has them; counts how often it is read."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        new, self.frontier = merkle.extend(0, [], [merkle.leaf_hash(each) for each in leaves])
        self.nodes = dict(new)
        self.reads = 0

    def read(self, wanted: Sequence[merkle.NodeId]) -> Mapping[merkle.NodeId, bytes]:
        self.reads += 1
        return {each: self.nodes[each] for each in wanted}


# The naive tree: a direct transcription of the recursive definitions in RFC 6962, section 2.1.


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(d: Sequence[bytes]) -> bytes:
    if not d:
        return merkle.EMPTY_ROOT
    if len(d) == 1:
        return merkle.leaf_hash(d[0])
    k = split(len(d))
    return merkle.node_hash(mth(d[:k]), mth(d[k:]))


def path(m: int, d: Sequence[bytes]) -> list[bytes]:
    if len(d) <= 1:
        return []
    k = split(len(d))
    return [*path(m, d[:k]), mth(d[k:])] if m < k else [*path(m - k, d[k:]), mth(d[:k])]


def subproof(m: int, d: Sequence[bytes], b: bool) -> list[bytes]:
    if m == len(d):
        return [] if b else [mth(d)]
    k = split(len(d))
    if m <= k:
        return [*subproof(m, d[:k], b), mth(d[k:])]
    return [*subproof(m - k, d[k:], False), mth(d[:k])]


@pytest.mark.parametrize("size", range(9))
def test_roots_of_the_classic_leaves(size: int) -> None:
    tree = Tree(LEAVES[:size])
    assert merkle.root(size, tree.read).hex() == ROOTS[size]
    assert merkle.root(size, Tree(LEAVES).read).hex() == ROOTS[size], "earlier roots stay readable"
    assert merkle.root_of_frontier(tree.frontier).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_inclusion_proofs_of_the_classic_leaves(index: int, size: int, proof: list[str]) -> None:
    hashes = merkle.inclusion_proof(index, size, Tree(LEAVES).read)
    assert [each.hex() for each in hashes] == proof
    merkle.verify_inclusion(
        index=index,
        size=size,
        leaf_hash=merkle.leaf_hash(LEAVES[index]),
        proof=hashes,
        root=bytes.fromhex(ROOTS[size]),
    )


@pytest.mark.parametrize(("size1", "size2", "proof"), CONSISTENCY)
def test_consistency_proofs_of_the_classic_leaves(size1: int, size2: int, proof: list[str]) -> None:
    hashes = merkle.consistency_proof(size1, size2, Tree(LEAVES).read)
    assert [each.hex() for each in hashes] == proof
    merkle.verify_consistency(
        size1=size1,
        size2=size2,
        proof=hashes,
        root1=bytes.fromhex(ROOTS[size1]),
        root2=bytes.fromhex(ROOTS[size2]),
    )


def check_size(size: int, indices: Sequence[int]) -> None:
    data = [b"entry %d" % number for number in range(size)]
    tree = Tree(data)
    root = mth(data)
    assert merkle.root(size, tree.read) == root
    for index in indices:
        tree.reads = 0
        proof = merkle.inclusion_proof(index, size, tree.read)
        assert tree.reads <= 1, "a proof is one query"
        assert proof == path(index, data)
        merkle.verify_inclusion(index=index, size=size, leaf_hash=merkle.leaf_hash(data[index]), proof=proof, root=root)
        older = index + 1
        tree.reads = 0
        proof = merkle.consistency_proof(older, size, tree.read)
        assert tree.reads <= 1
        assert proof == subproof(older, data, True)
        merkle.verify_consistency(size1=older, size2=size, proof=proof, root1=mth(data[:older]), root2=root)


def test_every_size_to_130_agrees_with_the_naive_tree() -> None:
    for size in range(1, 131):
        check_size(size, sorted({0, 1 % size, size // 3, size // 2, size - 1, split(size) % size}))


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 31, 33])
def test_every_leaf_of_small_trees_agrees_with_the_naive_tree(size: int) -> None:
    check_size(size, range(size))


@given(st.data())
def test_random_sizes_to_300_agree_with_the_naive_tree(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    check_size(size, [data.draw(st.integers(0, size - 1))])


@given(st.lists(st.integers(0, 40), max_size=6))
def test_growing_in_batches_gives_the_same_tree_as_growing_at_once(batches: list[int]) -> None:
    leaves = [merkle.leaf_hash(b"%d" % number) for number in range(sum(batches))]
    at_once, frontier = merkle.extend(0, [], leaves)
    size, nodes, grown = 0, [], []
    for batch in batches:
        new, grown = merkle.extend(size, grown, leaves[size : size + batch])
        nodes += new
        size += batch
    assert grown == frontier
    assert nodes == at_once
    assert [dict(nodes)[each] for each in merkle.root_nodes(size)] == frontier


@given(st.data())
def test_changed_inclusion_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 64))
    index = data.draw(st.integers(0, size - 1))
    leaves = [b"%d" % number for number in range(size)]
    tree = Tree(leaves)
    good = {
        "index": index,
        "size": size,
        "leaf_hash": merkle.leaf_hash(leaves[index]),
        "proof": merkle.inclusion_proof(index, size, tree.read),
        "root": merkle.root(size, tree.read),
    }
    merkle.verify_inclusion(**good)
    proof = good["proof"]
    at = data.draw(st.integers(0, len(proof) - 1))
    flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
    for change in (
        {"proof": [*proof[:at], flipped, *proof[at + 1 :]]},
        {"proof": proof[:at] + proof[at + 1 :]},
        {"proof": [*proof[:at], proof[at], *proof[at:]]},
        {"proof": [*proof, merkle.EMPTY_ROOT]},
        {"proof": [merkle.EMPTY_ROOT, *proof]},
        {"proof": [*proof[:at], proof[at][:31], *proof[at + 1 :]]},
        {"proof": []},
        {"index": index ^ 1},
        {"index": -1},
        {"index": size},
        {"size": 0},
        {"size": size * 2},
        {"leaf_hash": good["root"]},
        {"leaf_hash": b""},
        {"root": merkle.EMPTY_ROOT},
    ):
        with pytest.raises(VerificationError) as caught:
            merkle.verify_inclusion(**{**good, **change})
        assert caught.value.check == "inclusion"


@given(st.data())
def test_changed_consistency_proof_is_refused(data: st.DataObject) -> None:
    size2 = data.draw(st.integers(2, 64))
    size1 = data.draw(st.integers(1, size2 - 1))
    tree = Tree([b"%d" % number for number in range(size2)])
    good = {
        "size1": size1,
        "size2": size2,
        "proof": merkle.consistency_proof(size1, size2, tree.read),
        "root1": merkle.root(size1, tree.read),
        "root2": merkle.root(size2, tree.read),
    }
    merkle.verify_consistency(**good)
    proof = good["proof"]
    at = data.draw(st.integers(0, len(proof) - 1))
    flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
    for change in (
        {"proof": [*proof[:at], flipped, *proof[at + 1 :]]},
        {"proof": proof[:at] + proof[at + 1 :]},
        {"proof": [*proof[:at], proof[at], *proof[at:]]},
        {"proof": [*proof, good["root1"]]},
        {"proof": [*proof, good["root2"]]},
        {"proof": [good["root1"], *proof]},
        {"proof": [*proof[:at], proof[at] + b"\0", *proof[at + 1 :]]},
        {"proof": []},
        {"size1": size2 + 1},
        {"size1": 0},
        {"size1": -1},
        {"root1": good["root2"]},
        {"root2": good["root1"]},
        {"root1": good["root2"], "root2": good["root1"]},
        {"root1": merkle.EMPTY_ROOT},
        {"size1": size2},
    ):
        with pytest.raises(VerificationError) as caught:
            merkle.verify_consistency(**{**good, **change})
        assert caught.value.check == "consistency"


def test_proof_that_leads_beyond_the_claimed_size_is_refused() -> None:
    # The hashes do lead to the root, but to that of a larger tree than is claimed.
    first, second = (merkle.leaf_hash(each) for each in LEAVES[:2])
    both = merkle.node_hash(first, second)
    with pytest.raises(VerificationError, match="longer"):
        merkle.verify_inclusion(index=0, size=1, leaf_hash=second, proof=[first], root=both)
    tree = Tree(LEAVES)
    proof = [merkle.EMPTY_ROOT, *merkle.consistency_proof(2, 4, tree.read)]
    with pytest.raises(VerificationError, match="longer"):
        merkle.verify_consistency(
            size1=2, size2=4, proof=proof, root1=bytes.fromhex(ROOTS[2]), root2=bytes.fromhex(ROOTS[4])
        )


def test_equal_sizes_need_equal_roots_and_no_proof() -> None:
    root, other = bytes.fromhex(ROOTS[3]), bytes.fromhex(ROOTS[4])
    for size in (0, 3):
        merkle.verify_consistency(size1=size, size2=size, proof=[], root1=root, root2=root)
        with pytest.raises(VerificationError, match="different roots"):
            merkle.verify_consistency(size1=size, size2=size, proof=[], root1=root, root2=other)
        with pytest.raises(VerificationError, match="not empty"):
            merkle.verify_consistency(size1=size, size2=size, proof=[root], root1=root, root2=root)


def test_an_empty_log_proves_no_continuation() -> None:
    assert merkle.consistency_proof(0, 5, Tree([]).read) == []
    with pytest.raises(VerificationError, match="empty log"):
        merkle.verify_consistency(size1=0, size2=5, proof=[], root1=merkle.EMPTY_ROOT, root2=bytes.fromhex(ROOTS[5]))


def test_impossible_requests_are_input_errors() -> None:
    tree = Tree(LEAVES)
    for build in (
        lambda: merkle.inclusion_proof(8, 8, tree.read),
        lambda: merkle.inclusion_proof(-1, 8, tree.read),
        lambda: merkle.inclusion_proof(0, 2**53, tree.read),
        lambda: merkle.consistency_proof(5, 4, tree.read),
        lambda: merkle.root(-1, tree.read),
        lambda: merkle.extend(3, [b""], [b""]),
        lambda: merkle.root(8, lambda wanted: {}),
    ):
        with pytest.raises(InputError):
            build()
