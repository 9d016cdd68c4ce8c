"""What two checkpoints prove about each other, and proofs of forks that everybody can check."""

from __future__ import annotations

import json

import pytest
from builders import MemoryLog, make_keys
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint
from ireu_governance.core.consistency import ConsistencyProof
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.fork import ForkProof, Relation, compare, first_difference, verify_fork_proof

KEYS = make_keys()
SIZES = [(1, 2), (1, 3), (2, 3), (3, 4), (4, 8), (4, 9), (5, 8), (6, 7), (7, 13), (8, 9), (8, 16), (13, 40)]


def make_log(size: int, *, differs_at: int | None = None) -> MemoryLog:
    log = MemoryLog()
    for index in range(size):
        log.append_bytes(b"forked" if index == differs_at else b"entry %d" % index)
    return log


def prove(size1: int, size2: int, log: MemoryLog) -> list[bytes]:
    return merkle.consistency_proof(size1, size2, log.read)


class TestEqualSizes:
    def test_same_root_is_the_same(self) -> None:
        text = make_log(5).checkpoint()
        found = compare(text, text, key_file=KEYS.key_file)
        assert (found.relation, found.fork) == (Relation.SAME, None)

    def test_another_root_is_a_fork_proven_by_the_checkpoints_alone(self) -> None:
        a, b = make_log(5).checkpoint(), make_log(5, differs_at=2).checkpoint()
        found = compare(a, b, key_file=KEYS.key_file)
        assert found.relation is Relation.FORK
        assert found.fork is not None
        assert found.fork.path is None
        again = verify_fork_proof(found.fork.to_bytes(), key_file=KEYS.key_file)
        assert (again.smaller.size, again.larger.size) == (5, 5)


class TestDifferentSizes:
    def test_checkpoints_alone_prove_nothing(self) -> None:
        for other in (make_log(9), make_log(9, differs_at=2)):
            found = compare(make_log(5).checkpoint(), other.checkpoint(), key_file=KEYS.key_file)
            assert (found.relation, found.fork) == (Relation.UNDECIDED, None)

    @pytest.mark.parametrize(("size1", "size2"), SIZES)
    def test_growth_is_proven_from_the_larger_log(self, size1: int, size2: int) -> None:
        older, newer = make_log(size1), make_log(size2)
        for texts in ((older.checkpoint(), newer.checkpoint()), (newer.checkpoint(), older.checkpoint())):
            found = compare(*texts, key_file=KEYS.key_file, read=newer.read)
            assert found.relation is Relation.CONSISTENT
            assert found.fork is None
            assert list(found.proof or ()) == prove(size1, size2, newer)

    @pytest.mark.parametrize(("size1", "size2"), SIZES)
    def test_growth_is_proven_by_a_consistency_proof(self, size1: int, size2: int) -> None:
        older, newer = make_log(size1), make_log(size2)
        proof = prove(size1, size2, newer)
        found = compare(older.checkpoint(), newer.checkpoint(), key_file=KEYS.key_file, proof=proof)
        assert found.relation is Relation.CONSISTENT

    @pytest.mark.parametrize(("size1", "size2"), SIZES)
    def test_fork_is_proven_from_the_larger_log_and_verifies_for_others(self, size1: int, size2: int) -> None:
        for differs_at in {0, size1 // 2, size1 - 1}:
            older, newer = make_log(size1, differs_at=differs_at), make_log(size2)
            found = compare(older.checkpoint(), newer.checkpoint(), key_file=KEYS.key_file, read=newer.read)
            assert found.relation is Relation.FORK
            assert found.fork is not None
            again = verify_fork_proof(found.fork.to_bytes(), key_file=KEYS.key_file)
            assert (again.smaller, again.larger) == (found.smaller, found.larger)

    def test_difference_after_the_smaller_size_is_no_fork(self) -> None:
        older, newer = make_log(5), make_log(9, differs_at=5)
        found = compare(older.checkpoint(), newer.checkpoint(), key_file=KEYS.key_file, read=newer.read)
        assert found.relation is Relation.CONSISTENT

    def test_wrong_proof_proves_nothing(self) -> None:
        older, newer = make_log(5), make_log(9)
        proof = prove(5, 9, newer)
        for wrong in ([], proof[:-1], [*proof, bytes(32)], [bytes(32), *proof[1:]], [*proof[:-1], bytes(32)]):
            found = compare(older.checkpoint(), newer.checkpoint(), key_file=KEYS.key_file, proof=wrong)
            assert (found.relation, found.fork) == (Relation.UNDECIDED, None)

    def test_tree_of_another_log_proves_nothing(self) -> None:
        older, newer, other = make_log(5), make_log(9), make_log(9, differs_at=8)
        for read in (other.read, lambda wanted: {}):
            found = compare(older.checkpoint(), newer.checkpoint(), key_file=KEYS.key_file, read=read)
            assert (found.relation, found.fork) == (Relation.UNDECIDED, None)


class TestEmptyLog:
    def test_every_log_continues_it(self) -> None:
        found = compare(MemoryLog().checkpoint(), make_log(3).checkpoint(), key_file=KEYS.key_file)
        assert found.relation is Relation.CONSISTENT

    def test_another_root_at_size_zero_is_a_fork(self) -> None:
        text = sign_checkpoint(Checkpoint(KEYS.key_file.origin, 0, bytes(32)), KEYS.log)
        for other in (MemoryLog(), make_log(3)):
            found = compare(other.checkpoint(), text, key_file=KEYS.key_file)
            assert found.relation is Relation.FORK
            assert found.fork is not None
            verify_fork_proof(found.fork.to_bytes(), key_file=KEYS.key_file)


def test_checkpoint_that_the_log_did_not_sign_is_not_compared() -> None:
    stranger = MemoryLog(keys=make_keys("stranger"))
    stranger.fill(5)
    other = MemoryLog(origin="other.example/log")
    for text in (stranger.checkpoint(), other.checkpoint()):
        with pytest.raises(VerificationError) as caught:
            compare(make_log(5).checkpoint(), text, key_file=KEYS.key_file)
        assert caught.value.check == "checkpoint-signature"
    with pytest.raises(InputError):
        compare(make_log(5).checkpoint(), "x", key_file=KEYS.key_file)


class TestFalseAccusation:
    """Nobody can accuse an honest log, whatever they put into the document."""

    def refused(self, proof: ForkProof) -> None:
        with pytest.raises((VerificationError, InputError)):
            verify_fork_proof(proof.to_bytes(), key_file=KEYS.key_file)

    @pytest.mark.parametrize(("size1", "size2"), SIZES)
    def test_honest_growth_cannot_be_made_a_fork(self, size1: int, size2: int) -> None:
        older, newer = make_log(size1), make_log(size2)
        texts = older.checkpoint(), newer.checkpoint()
        path = merkle.prefix_path(size1, size2, newer.read)
        forged = make_log(size2, differs_at=0)
        for wrong in (
            None,
            path,
            prove(size1, size2, newer),
            merkle.prefix_path(size1, size2, forged.read),
            path[::-1],
            path[1:] or [bytes(32)],
            [*path, bytes(32)],
            [merkle.node_hash(path[0], path[0]), *path],
        ):
            self.refused(ForkProof(KEYS.key_file.origin, *texts, None if wrong is None else tuple(wrong)))

    def test_same_checkpoint_twice_is_no_fork(self) -> None:
        text = make_log(5).checkpoint()
        self.refused(ForkProof(KEYS.key_file.origin, text, text))
        self.refused(ForkProof(KEYS.key_file.origin, text, text, (bytes(32),)))

    def test_path_where_none_is_needed_is_refused(self) -> None:
        a, b = make_log(5).checkpoint(), make_log(5, differs_at=2).checkpoint()
        self.refused(ForkProof(KEYS.key_file.origin, a, b, (bytes(32),)))

    def test_proof_about_another_log_is_refused(self) -> None:
        a, b = make_log(5).checkpoint(), make_log(5, differs_at=2).checkpoint()
        self.refused(ForkProof("other.example/log", a, b))

    @given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=8))
    def test_random_paths_accuse_nobody(self, path: list[bytes]) -> None:
        self.refused(ForkProof(KEYS.key_file.origin, make_log(5).checkpoint(), make_log(9).checkpoint(), tuple(path)))


def make_fork_proof() -> bytes:
    older, newer = make_log(5, differs_at=1), make_log(9)
    found = compare(older.checkpoint(), newer.checkpoint(), key_file=KEYS.key_file, read=newer.read)
    assert found.fork is not None
    return found.fork.to_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(_type="urn:ireu:fork-proof:v2"),
        lambda d: d.update(more=1),
        lambda d: d.pop("origin"),
        lambda d: d.update(checkpoints=d["checkpoints"][:1]),
        lambda d: d.update(checkpoints=d["checkpoints"] * 2),
        lambda d: d.update(checkpoints=[1, 2]),
        lambda d: d.update(path=[]),
        lambda d: d.update(path=["00"]),
        lambda d: d.update(path=[each.upper() for each in d["path"]]),
        lambda d: d.update(path=["00" * 32] * 65),
    ],
)
def test_malformed_proof_is_refused(change: object) -> None:
    document = json.loads(make_fork_proof())
    change(document)  # type: ignore[operator]
    with pytest.raises(InputError):
        ForkProof.from_bytes(json.dumps(document).encode())


def test_proof_goes_both_ways_in_any_layout() -> None:
    data = make_fork_proof()
    assert ForkProof.from_bytes(data).to_bytes() == data
    assert ForkProof.from_bytes(json.dumps(json.loads(data), indent=2).encode()).to_bytes() == data


@given(st.binary(max_size=200))
def test_any_bytes_are_answered_with_an_input_error(data: bytes) -> None:
    with pytest.raises(InputError):
        ForkProof.from_bytes(data)


@given(st.data())
def test_damaged_proof_never_raises_anything_else(data: st.DataObject) -> None:
    good = make_fork_proof()
    at = data.draw(st.integers(0, len(good)))
    bad = good[:at] + data.draw(st.binary(max_size=3)) + good[at + data.draw(st.integers(0, 3)) :]
    try:
        verify_fork_proof(bad, key_file=KEYS.key_file)
    except (InputError, VerificationError):
        return
    assert json.loads(bad) == json.loads(good), "what is accepted says the same"


@given(size=st.integers(1, 40), more=st.integers(0, 20), data=st.data())
def test_first_difference_is_found(size: int, more: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, size - 1))
    a, b = make_log(size), make_log(size + more, differs_at=at)
    assert first_difference(size, a.read, b.read) == at
    assert first_difference(size, a.read, make_log(size + more).read) is None
    assert first_difference(at, a.read, b.read) is None


@given(size1=st.integers(1, 40), more=st.integers(1, 40))
def test_prefix_has_the_root_of_the_smaller_log(size1: int, more: int) -> None:
    log = make_log(size1 + more)
    path = merkle.prefix_path(size1, size1 + more, log.read)
    assert merkle.prefix_root(size1, size1 + more, path, root=log.root()) == make_log(size1).root()
    with pytest.raises(VerificationError):
        merkle.prefix_root(size1, size1 + more, path, root=bytes(32))


@pytest.mark.parametrize(("size1", "size2"), [(0, 3), (3, 3), (4, 3)])
def test_no_prefix_has_no_path(size1: int, size2: int) -> None:
    log = make_log(4)
    with pytest.raises(InputError):
        merkle.prefix_path(size1, size2, log.read)
    with pytest.raises(VerificationError):
        merkle.prefix_root(size1, size2, [bytes(32)], root=log.root())


class TestConsistencyText:
    text = ConsistencyProof(3, (bytes(32), b"x" * 32), "log.example\n5\nroot\n").to_text()

    def test_it_goes_both_ways(self) -> None:
        assert self.text.startswith("old 3\nAAAA")
        assert ConsistencyProof.from_text(self.text).to_text() == self.text

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text.replace("old 3", "old 03"),
            lambda text: text.replace("old 3", "new 3"),
            lambda text: text.replace("old 3\n", ""),
            lambda text: text.replace("\n\n", "\n"),
            lambda text: text.replace("AAAA", "AAA", 1),
            lambda text: text.replace("old 3\n", "old 3\nAAAA\n"),
            lambda text: text.replace("old 3\n", "old 3\n" + ("A" * 43 + "=\n") * 62),
            lambda text: text + "x" * 600_000,
            lambda text: "",
        ],
    )
    def test_another_spelling_is_refused(self, change: object) -> None:
        with pytest.raises(InputError):
            ConsistencyProof.from_text(change(self.text))  # type: ignore[operator]

    def test_impossible_proof_is_not_made(self) -> None:
        with pytest.raises(InputError):
            ConsistencyProof(1, (b"",), "")
        with pytest.raises(InputError):
            ConsistencyProof(1, (bytes(32),) * 64, "")
