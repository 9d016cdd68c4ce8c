"""Forks: whether two checkpoints of one log contradict each other, and a proof of it that anybody can check.

What two signed checkpoints prove by themselves:

- of equal sizes and different roots: a fork. The log signed both, and one log cannot have both.
- of equal sizes and equal roots: they are the same.
- of different sizes: nothing. Neither that the larger one continues the smaller one (that takes a consistency
  proof), nor that it does not: a proof that fails may just be a wrong proof.

So a fork between different sizes is proven by the hashes that lead from the first entries *of the larger log* to its
own signed root. They fix the root that the smaller size has within the larger log; if the log signed another one for
that size, no consistency proof between the two can exist. Whoever holds a copy of the larger log can make them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ireu_governance.core import merkle
from ireu_governance.core.canonical import canonicalize, parse_json
from ireu_governance.core.checkpoint import MAX_NOTE_BYTES, Checkpoint
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.validation import describe

__all__ = ["FORK_PROOF_TYPE", "Comparison", "ForkProof", "Relation", "compare", "first_difference", "verify_fork_proof"]

FORK_PROOF_TYPE: Final = "urn:ireu:fork-proof:v1"
MAX_FORK_PROOF_BYTES: Final = 3 * MAX_NOTE_BYTES  # two notes and a path
MAX_PATH: Final = 64  # a hash for each level of the largest tree, and the one that the path begins with

_CHECK: Final = "fork"


class Relation(StrEnum):
    """How two checkpoints of one log stand to each other."""

    SAME = "same"
    CONSISTENT = "consistent"
    FORK = "fork"
    UNDECIDED = "undecided"


class _Document(BaseModel):
    type_: Annotated[Literal["urn:ireu:fork-proof:v1"], Field(alias="_type")]
    origin: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    checkpoints: tuple[str, str]
    path: (
        Annotated[
            tuple[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")], ...],
            Field(min_length=1, max_length=MAX_PATH),
        ]
        | None
    ) = None

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)


@dataclass(frozen=True)
class ForkProof:
    """Two signed checkpoints of one log that cannot both be true.

    Attributes:
        origin: The log's name.
        smaller: The signed checkpoint of the smaller (or equal) size.
        larger: The other one.
        path: For different sizes, what leads from the first entries of the larger log to its root
            (`merkle.prefix_path`); None for equal sizes.
    """

    origin: str
    smaller: str
    larger: str
    path: tuple[bytes, ...] | None = None

    def to_bytes(self) -> bytes:
        """Return the proof as canonical JSON, with a newline at its end."""
        document: dict[str, object] = {
            "_type": FORK_PROOF_TYPE,
            "origin": self.origin,
            "checkpoints": [self.smaller, self.larger],
        }
        if self.path is not None:
            document["path"] = [each.hex() for each in self.path]
        return canonicalize(document) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> ForkProof:
        """Read a proof; nothing is verified yet.

        Args:
            data: JSON in any layout.

        Returns:
            The proof.

        Raises:
            InputError: The bytes are no proof of a fork.
        """
        parse_json(data, what="fork proof", max_bytes=MAX_FORK_PROOF_BYTES)
        try:
            document = _Document.model_validate_json(data, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InputError(f"The fork proof is malformed {describe(error)}.") from None
        path = None if document.path is None else tuple(bytes.fromhex(each) for each in document.path)
        return cls(document.origin, *document.checkpoints, path)


@dataclass(frozen=True)
class Comparison:
    """What was found out about two checkpoints of one log.

    Attributes:
        relation: How they stand to each other.
        reason: Why, in a sentence.
        smaller: The checkpoint of the smaller size.
        larger: The other one.
        proof: The consistency proof, where one was made.
        fork: The proof of a fork, where there is one.
    """

    relation: Relation
    reason: str
    smaller: Checkpoint
    larger: Checkpoint
    proof: tuple[bytes, ...] | None = None
    fork: ForkProof | None = None


_Conclude = Callable[..., Comparison]


def compare(
    a_text: str,
    b_text: str,
    *,
    key_file: KeyFile,
    proof: Sequence[bytes] | None = None,
    read: merkle.NodeReader | None = None,
) -> Comparison:
    """Compare two signed checkpoints of one log.

    Args:
        a_text: A signed note.
        b_text: Another one; their order does not matter.
        key_file: The log's keys.
        proof: A consistency proof between them, if one is at hand; or
        read: Reads the tree of the larger log, so that a proof of either can be made.

    Returns:
        The verdict; `undecided` where the sizes differ and nothing at hand leads from one to the other.

    Raises:
        InputError: One of them is no checkpoint.
        VerificationError: The log did not sign one of them.
    """
    opened = sorted(
        ((verified_checkpoint(text, key_file), text) for text in (a_text, b_text)), key=lambda each: each[0].size
    )
    (smaller, smaller_text), (larger, larger_text) = opened

    def conclude(
        relation: Relation, reason: str, found: Sequence[bytes] | None = None, path: Sequence[bytes] | None = None
    ) -> Comparison:
        fork = None
        if relation is Relation.FORK:
            fork = ForkProof(key_file.origin, smaller_text, larger_text, None if path is None else tuple(path))
        return Comparison(relation, reason, smaller, larger, None if found is None else tuple(found), fork)

    if smaller.size == larger.size:
        if smaller.root == larger.root:
            return conclude(Relation.SAME, f"Both are of size {smaller.size} and have the same root.", ())
        return conclude(Relation.FORK, f"The log signed two different roots for size {smaller.size}.")
    if smaller.size == 0:
        if smaller.root == merkle.EMPTY_ROOT:
            return conclude(Relation.CONSISTENT, "Every log continues the empty one.", ())
        return conclude(Relation.FORK, "The log signed a root for size 0 that no empty log has.")
    if proof is not None:
        return _judge_proof(smaller, larger, proof, conclude)
    if read is not None:
        return _judge_tree(smaller, larger, read, conclude)
    return conclude(
        Relation.UNDECIDED,
        f"Two checkpoints of sizes {smaller.size} and {larger.size} prove neither that one continues the other nor"
        " that it does not: that takes a proof from the larger log.",
    )


def _judge_proof(smaller: Checkpoint, larger: Checkpoint, proof: Sequence[bytes], conclude: _Conclude) -> Comparison:
    try:
        merkle.verify_consistency(
            size1=smaller.size, size2=larger.size, proof=proof, root1=smaller.root, root2=larger.root
        )
    except VerificationError as error:
        # A path that leads to the larger root proves the prefix, also when it was meant to prove the opposite.
        if not _leads_elsewhere(smaller, larger, proof):
            return conclude(Relation.UNDECIDED, f"The proof given is none between the two: {error.message}")
        return conclude(Relation.FORK, _forked(smaller, larger), path=proof)
    return conclude(Relation.CONSISTENT, _continued(smaller, larger), proof)


def _judge_tree(smaller: Checkpoint, larger: Checkpoint, read: merkle.NodeReader, conclude: _Conclude) -> Comparison:
    try:
        path = merkle.prefix_path(smaller.size, larger.size, read)
        prefix = merkle.prefix_root(smaller.size, larger.size, path, root=larger.root)
    except (InputError, VerificationError) as error:
        return conclude(
            Relation.UNDECIDED, f"The tree at hand is not the one of the larger checkpoint: {error.message}"
        )
    if prefix != smaller.root:
        return conclude(Relation.FORK, _forked(smaller, larger), path=path)
    proof = path[1:] if smaller.size & (smaller.size - 1) == 0 else path
    return conclude(Relation.CONSISTENT, _continued(smaller, larger), proof)


def verify_fork_proof(data: bytes, *, key_file: KeyFile) -> Comparison:
    """Check that a document proves a fork of a log.

    Args:
        data: The document, from anybody.
        key_file: The log's keys, from a source that the reader trusts.

    Returns:
        The two checkpoints and the reason, with the relation `fork`.

    Raises:
        InputError: The bytes are no proof of a fork.
        VerificationError: It is of another log, the log did not sign a checkpoint, or they do not contradict each
            other.
    """
    proof = ForkProof.from_bytes(data)
    if proof.origin != key_file.origin:
        raise VerificationError(
            f"The proof is about the log {proof.origin[:200]!a}, the keys are of {key_file.origin!a}.", check=_CHECK
        )
    found = compare(proof.smaller, proof.larger, key_file=key_file, proof=proof.path)
    needs_path = 0 < found.smaller.size < found.larger.size
    if found.relation is not Relation.FORK or (proof.path is not None) != needs_path:
        raise VerificationError(f"This proves no fork. {found.reason}", check=_CHECK)
    return found


def first_difference(size: int, read_a: merkle.NodeReader, read_b: merkle.NodeReader) -> int | None:
    """Find the first entry in which two logs differ, by comparing hashes from the top down.

    Args:
        size: Look at so many entries, which both logs have.
        read_a: Reads the tree of one log.
        read_b: Reads the tree of the other one.

    Returns:
        Its number, or None when these entries are the same.
    """

    def differs(node: merkle.NodeId) -> bool:
        return read_a([node]).get(node) != read_b([node]).get(node)

    node = next((each for each in merkle.root_nodes(size) if differs(each)), None)
    while node is not None and node[0] > 0:
        left = (node[0] - 1, 2 * node[1])
        node = left if differs(left) else (left[0], left[1] + 1)
    return None if node is None else node[1]


def _leads_elsewhere(smaller: Checkpoint, larger: Checkpoint, path: Sequence[bytes]) -> bool:
    try:
        return merkle.prefix_root(smaller.size, larger.size, path, root=larger.root) != smaller.root
    except VerificationError:
        return False


def _continued(smaller: Checkpoint, larger: Checkpoint) -> str:
    return f"The log of size {larger.size} begins with the same {smaller.size} entries."


def _forked(smaller: Checkpoint, larger: Checkpoint) -> str:
    return f"The log of size {larger.size} does not begin with the entries that it signed for at size {smaller.size}."
