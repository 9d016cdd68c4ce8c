"""The Merkle tree of RFC 6962 (and RFC 9162): hashes, proofs, and their verification.

The tree is never held here. Builders ask a `NodeReader` once for all hashes they need, so that a ledger
answers with one query, and only *complete* subtrees are ever stored: their hashes never change again.

Source: RFC 9162, sections 2.1.1 to 2.1.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Final, NoReturn

from ireu_governance.core.errors import InputError, VerificationError

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "MAX_TREE_SIZE",
    "NodeId",
    "NodeReader",
    "consistency_proof",
    "extend",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "prefix_path",
    "prefix_root",
    "root",
    "root_nodes",
    "root_of_frontier",
    "verify_consistency",
    "verify_inclusion",
]

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
MAX_TREE_SIZE: Final = 2**53 - 1  # sizes are JSON numbers too, in statements and key files

NodeId = tuple[int, int]
"""A complete subtree: its level (0 for leaves) and its number from the left within that level."""

NodeReader = Callable[[Sequence[NodeId]], Mapping[NodeId, bytes]]
"""Returns the stored hashes of complete subtrees, all that are asked for."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of an entry as a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two hashes."""
    return sha256(b"\x01" + left + right).digest()


def root_nodes(size: int) -> list[NodeId]:
    """Return the complete subtrees that together cover the first `size` leaves, largest (leftmost) first."""
    _expect(0 <= size <= MAX_TREE_SIZE, f"{size} is no tree size")
    return _cover(0, size)


def root_of_frontier(frontier: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of `root_nodes`, largest first; of none, the root of the empty tree."""
    if not frontier:
        return EMPTY_ROOT
    result = frontier[-1]
    for left in reversed(frontier[:-1]):
        result = node_hash(left, result)
    return result


def root(size: int, read: NodeReader) -> bytes:
    """Return the root of the tree over the first `size` leaves.

    Args:
        size: Number of leaves.
        read: Where the hashes of complete subtrees are.

    Returns:
        32 bytes.
    """
    return _fold([root_nodes(size)], read)[0]


def inclusion_proof(index: int, size: int, read: NodeReader) -> list[bytes]:
    """Return the hashes that lead from a leaf to the root of a tree of `size` leaves, its sibling first.

    Args:
        index: Number of the leaf, from 0.
        size: Number of leaves of the tree that is proven against.
        read: Where the hashes of complete subtrees are.

    Returns:
        At most one hash per level.

    Raises:
        InputError: The tree has no such leaf.
    """
    _expect(0 <= index < size <= MAX_TREE_SIZE, f"a tree of {size} leaves has no leaf {index}")
    parts: list[list[NodeId]] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _largest_power_below(high - low)
        if index < middle:
            parts.append(_cover(middle, high))
            high = middle
        else:
            parts.append(_cover(low, middle))
            low = middle
    parts.reverse()
    return _fold(parts, read)


def consistency_proof(size1: int, size2: int, read: NodeReader) -> list[bytes]:
    """Return the hashes that show the tree of `size1` leaves to be a prefix of the tree of `size2` leaves.

    Args:
        size1: Number of leaves of the older tree.
        size2: Number of leaves of the newer tree.
        read: Where the hashes of complete subtrees are.

    Returns:
        The hashes; none when the sizes are equal or the older tree is empty.

    Raises:
        InputError: The older tree would be the larger one.
    """
    _expect(0 <= size1 <= size2 <= MAX_TREE_SIZE, f"size {size1} is no prefix of size {size2}")
    if size1 in (0, size2):
        return []
    parts: list[list[NodeId]] = []
    low, high, whole = 0, size2, True  # whole: the older tree is exactly the part that is looked at
    while size1 != high:
        middle = low + _largest_power_below(high - low)
        if size1 <= middle:
            parts.append(_cover(middle, high))
            high = middle
        else:
            parts.append(_cover(low, middle))
            low, whole = middle, False
    if not whole:
        parts.append(_cover(low, high))
    parts.reverse()
    return _fold(parts, read)


def extend(
    size: int, frontier: Sequence[bytes], leaves: Sequence[bytes]
) -> tuple[list[tuple[NodeId, bytes]], list[bytes]]:
    """Append leaves to a tree of which only the frontier is known.

    Args:
        size: Number of leaves so far.
        frontier: Hashes of `root_nodes(size)`, largest first.
        leaves: Leaf hashes to append, in order.

    Returns:
        Every complete subtree that came into being (the leaves among them), and the new frontier.

    Raises:
        InputError: The frontier has another length than a tree of this size has.
    """
    _expect(0 <= size <= MAX_TREE_SIZE - len(leaves), f"a tree of {size} leaves cannot grow by {len(leaves)}")
    _expect(len(frontier) == size.bit_count(), f"{len(frontier)} hashes are no frontier of {size} leaves")
    nodes: list[tuple[NodeId, bytes]] = []
    stack = list(frontier)
    for leaf in leaves:
        level, index, current = 0, size, leaf
        nodes.append(((0, index), leaf))
        while index & 1:  # a right child completes its parent
            current = node_hash(stack.pop(), current)
            level, index = level + 1, index >> 1
            nodes.append(((level, index), current))
        stack.append(current)
        size += 1
    return nodes, stack


def verify_inclusion(*, index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf is in a tree (RFC 9162, section 2.1.3.2).

    Args:
        index: Number of the leaf, from 0.
        size: Number of leaves of the tree.
        leaf_hash: Hash of the leaf.
        proof: Hashes from the leaf's sibling upwards.
        root: Root of the tree.

    Raises:
        VerificationError: It is not, or the proof has another length than this tree asks for.
    """
    check = "inclusion"
    if not 0 <= index < size <= MAX_TREE_SIZE:
        _refuse(check, f"A tree of {size} leaves has no leaf number {index}.")
    _expect_hashes(check, (leaf_hash, root, *proof))
    node, last, current = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            _refuse(check, "The inclusion proof is longer than the way to the root.")
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        _refuse(check, "The inclusion proof is shorter than the way to the root.")
    if current != root:
        _refuse(check, f"Entry {index} is not in the log: the proof leads to another root.")


def verify_consistency(*, size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> None:
    """Check that a newer tree continues an older one (RFC 9162, section 2.1.4.2).

    Nothing can be proven about continuing an empty log, so that is refused, as the RFC and other
    implementations do: whoever knows no older head takes the newer one as the first.

    Args:
        size1: Number of leaves of the older tree.
        size2: Number of leaves of the newer tree.
        proof: The consistency proof.
        root1: Root of the older tree.
        root2: Root of the newer tree.

    Raises:
        VerificationError: It does not, or the proof has another length than these trees ask for.
    """
    check = "consistency"
    if not 0 <= size1 <= size2 <= MAX_TREE_SIZE:
        _refuse(check, f"A log of size {size2} cannot continue a log of size {size1}.")
    _expect_hashes(check, (root1, root2, *proof))
    if size1 == size2:
        if proof:
            _refuse(check, "The consistency proof between equal sizes is not empty.")
        if root1 != root2:
            _refuse(check, f"Two logs of size {size1} have different roots.")
        return
    if size1 == 0:
        _refuse(check, "An empty log is no beginning that could be proven to continue.")
    # Where the older size is a power of two, its root itself is the first hash of the way.
    older, newer = _climb(size1, size2, [root1, *proof] if size1 & (size1 - 1) == 0 else list(proof))
    if older != root1:
        _refuse(check, f"The log of size {size2} holds other first {size1} entries than before.")
    if newer != root2:
        _refuse(check, f"The proof does not lead to the root of the log of size {size2}.")


def prefix_path(size1: int, size2: int, read: NodeReader) -> list[bytes]:
    """Return the hashes that lead from the first `size1` leaves of a tree to the root of all its `size2` leaves.

    This is the consistency proof, but it always names the hash that it begins with: where the older size is a
    power of two, the consistency proof takes the older root for it, and can then not show that it is another one.

    Args:
        size1: Number of leaves of the prefix, at least 1.
        size2: Number of leaves of the tree, more than that.
        read: Where the hashes of the tree's complete subtrees are.

    Returns:
        The hashes, for `prefix_root`.

    Raises:
        InputError: There is no such prefix.
    """
    _expect(0 < size1 < size2 <= MAX_TREE_SIZE, f"{size1} is no prefix of {size2} leaves")
    proof = consistency_proof(size1, size2, read)
    return [root(size1, read), *proof] if size1 & (size1 - 1) == 0 else proof


def prefix_root(size1: int, size2: int, path: Sequence[bytes], *, root: bytes) -> bytes:
    """Return the root over the first `size1` leaves of a tree, which its own root fixes.

    Whoever finds two paths that lead to one root from different prefixes has found a collision of SHA-256.

    Args:
        size1: Number of leaves of the prefix, at least 1.
        size2: Number of leaves of the tree, more than that.
        path: From `prefix_path`.
        root: Root of the tree.

    Returns:
        32 bytes.

    Raises:
        VerificationError: The path does not lead to the tree's root.
    """
    check = "consistency"
    if not 0 < size1 < size2 <= MAX_TREE_SIZE:
        _refuse(check, f"{size1} is no prefix of a log of size {size2}.")
    _expect_hashes(check, (root, *path))
    older, newer = _climb(size1, size2, path)
    if newer != root:
        _refuse(check, f"The path does not lead to the root of the log of size {size2}.")
    return older


def _climb(size1: int, size2: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of both sizes that a path leads to (RFC 9162, section 2.1.4.2)."""
    check = "consistency"
    if not path:
        _refuse(check, "The consistency proof is empty.")
    node, last = size1 - 1, size2 - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            _refuse(check, "The consistency proof is longer than the way to the root.")
        if node & 1 or node == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        _refuse(check, "The consistency proof is shorter than the way to the root.")
    return older, newer


def _largest_power_below(width: int) -> int:
    return 1 << (width - 1).bit_length() - 1


def _cover(low: int, high: int) -> list[NodeId]:
    # `low` is a multiple of every power of two that fits into the range, which holds for all parts of a tree.
    nodes: list[NodeId] = []
    while low < high:
        level = (high - low).bit_length() - 1
        nodes.append((level, low >> level))
        low += 1 << level
    return nodes


def _fold(parts: Sequence[Sequence[NodeId]], read: NodeReader) -> list[bytes]:
    wanted = [node for part in parts for node in part]
    found = read(wanted) if wanted else {}
    missing = [node for node in wanted if node not in found]
    _expect(not missing, f"the tree has no stored hash for {missing[:1]}")
    return [root_of_frontier([found[node] for node in part]) for part in parts]


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise InputError(f"The proof cannot be built: {otherwise}.")


def _expect_hashes(check: str, hashes: Sequence[bytes]) -> None:
    if any(len(each) != HASH_SIZE for each in hashes):
        _refuse(check, f"A hash of the proof is not {HASH_SIZE} bytes long.")


def _refuse(check: str, message: str) -> NoReturn:
    raise VerificationError(message, check=check)
