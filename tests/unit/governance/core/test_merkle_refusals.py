"""Proofs that fit another tree than the one that a checkpoint claims: the way has to have the length of that tree."""

from __future__ import annotations

import pytest
from builders import MemoryLog

from ireu_governance.core import merkle
from ireu_governance.core.errors import VerificationError


def log_of(size: int) -> MemoryLog:
    log = MemoryLog()
    log.fill(size)
    return log


def test_smaller_tree_that_was_signed_as_a_larger_one_continues_nothing() -> None:
    # Every hash is genuine and leads to the root that was signed. Only the claimed size is false.
    log = log_of(4)
    proof = merkle.consistency_proof(1, 4, log.read)
    first = merkle.root(1, log.read)
    merkle.verify_consistency(size1=1, size2=4, proof=proof, root1=first, root2=log.root())
    with pytest.raises(VerificationError, match="shorter"):
        merkle.verify_consistency(size1=1, size2=8, proof=proof, root1=first, root2=log.root())


def test_whole_tree_is_no_prefix_of_itself() -> None:
    log = log_of(4)
    for size in (0, 4, 5):
        with pytest.raises(VerificationError, match="no prefix"):
            merkle.prefix_root(size, 4, [log.root()], root=log.root())


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_hash_of_another_length_is_named_as_such(length: int) -> None:
    log = log_of(3)
    leaf = merkle.leaf_hash(log.entries[0])
    proof = merkle.inclusion_proof(0, 3, log.read)
    odd = (proof[0] * 2)[:length]
    with pytest.raises(VerificationError, match="not 32 bytes"):
        merkle.verify_inclusion(index=0, size=3, leaf_hash=leaf, proof=[odd, *proof[1:]], root=log.root())
    with pytest.raises(VerificationError, match="not 32 bytes"):
        merkle.verify_consistency(
            size1=2, size2=3, proof=[odd], root1=merkle.root(2, log.read), root2=merkle.root(3, log.read)
        )
