"""The way from an entry to the root of the log, ready to be drawn: a table of hashes, and a picture of the tree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from pydantic import BaseModel

from ireu_governance.core import merkle
from ireu_governance.service.published_log import InclusionProof

__all__ = ["ProofStep", "ProofView", "TreeLine", "TreeNode", "view_proof"]

_ROW: Final = 58
_WIDTH: Final = 340
_LEFT: Final = 90
_MIDDLE: Final = 170
_RIGHT: Final = 250


class ProofStep(BaseModel):
    """One step upwards.

    Attributes:
        number: From 1.
        side: On which side the other hash stands.
        sibling: The other hash, from the proof.
        hash: SHA-256 of both: what the next step begins with.
    """

    number: int
    side: Literal["left", "right"]
    sibling: str
    hash: str


class TreeNode(BaseModel):
    """A node of the picture.

    Attributes:
        x: Middle of its box.
        y: Top of its box.
        text: The beginning of its hash.
        kind: ``leaf``, ``path`` (computed), ``given`` (from the proof) or ``root``.
        step: Which step computes it; 0 for the leaf and for what is given.
    """

    x: int
    y: int
    text: str
    kind: Literal["leaf", "path", "given", "root"]
    step: int


class TreeLine(BaseModel):
    """A line from a node to the one above."""

    x1: int
    y1: int
    x2: int
    y2: int


class ProofView(BaseModel):
    """A proof of an entry.

    Attributes:
        index: Number of the entry.
        size: Number of entries under the checkpoint.
        leaf: Hash of the entry.
        root: Root of the log.
        steps: From the leaf upwards; none in a log of one entry.
        checkpoint: The signed checkpoint.
        proof: The proof as text (C2SP tlog-proof).
        width: Of the picture.
        height: Of the picture.
        nodes: Of the picture.
        lines: Of the picture.
    """

    index: int
    size: int
    leaf: str
    root: str
    steps: list[ProofStep]
    checkpoint: str
    proof: str
    width: int
    height: int
    nodes: list[TreeNode]
    lines: list[TreeLine]


def view_proof(proof: InclusionProof) -> ProofView:
    """Return a proof ready to be drawn.

    Args:
        proof: Verified.
    """
    index = proof.proof.index
    steps = list(_steps(index, proof.size, proof.leaf_hash, proof.proof.hashes))
    height = _ROW * len(steps) + 34
    nodes, lines = _draw(steps, proof.leaf_hash.hex(), height)
    return ProofView(
        index=index,
        size=proof.size,
        leaf=proof.leaf_hash.hex(),
        root=proof.root.hex(),
        steps=steps,
        checkpoint=proof.proof.checkpoint,
        proof=proof.proof.to_text(),
        width=_WIDTH,
        height=height,
        nodes=nodes,
        lines=lines,
    )


def _steps(index: int, size: int, leaf: bytes, hashes: Iterable[bytes]) -> Iterable[ProofStep]:
    # The walk of RFC 9162, section 2.1.3.2, which `merkle.verify_inclusion` made before.
    node, last, current = index, size - 1, leaf
    for number, sibling in enumerate(hashes, start=1):
        side: Literal["left", "right"] = "left" if node & 1 or node == last else "right"
        if side == "left":
            current = merkle.node_hash(sibling, current)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            current = merkle.node_hash(current, sibling)
        node, last = node >> 1, last >> 1
        yield ProofStep(number=number, side=side, sibling=sibling.hex(), hash=current.hex())


def _draw(steps: list[ProofStep], leaf: str, height: int) -> tuple[list[TreeNode], list[TreeLine]]:
    # A ladder: the leaf at the bottom, the root at the top; what is given stands beside the node that it joins.
    nodes: list[TreeNode] = []
    lines: list[TreeLine] = []
    y = height - 34
    current, kind, done = leaf, "leaf", 0
    for step in steps:
        ours, given = (_RIGHT, _LEFT) if step.side == "left" else (_LEFT, _RIGHT)
        nodes.append(_node(ours, y, current, kind, done))
        nodes.append(_node(given, y, step.sibling, "given", 0))
        above = y - _ROW
        up = _MIDDLE if step is steps[-1] else None
        target = up or (_RIGHT if steps[step.number].side == "left" else _LEFT)
        lines += [TreeLine(x1=x, y1=y, x2=target, y2=above + 28) for x in (ours, given)]
        y, current, kind, done = above, step.hash, "path", step.number
    nodes.append(_node(_MIDDLE, y, current, "root", done))
    return nodes, lines


def _node(x: int, y: int, digest: str, kind: str, step: int) -> TreeNode:
    return TreeNode.model_validate({"x": x, "y": y, "text": f"{digest[:12]}…", "kind": kind, "step": step})
