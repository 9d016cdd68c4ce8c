"""Comparing ledgers, folders and checkpoint files; and proofs between any two sizes of a ledger."""

from __future__ import annotations

from pathlib import Path

import pytest
from ledger_simulator import LedgerSimulator, make_draft, make_story

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint, SignedNote
from ireu_governance.core.consistency import ConsistencyProof
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.fork import Relation
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.ledger.log_source import LedgerSource
from ireu_governance.ledger.monitor import AlarmKind, look
from ireu_governance.log_comparison import compare_logs, prove_consistency, read_text
from ireu_governance.log_places import open_log
from ireu_governance.workspace import Workspace


class Company:
    """A workspace, and what somebody else makes of a copy of it."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace.create(root, organisation="Example", origin="example.org/ireu")

    @property
    def place(self) -> str:
        return str(self.workspace.root)

    @property
    def keys(self) -> KeyFile:
        return self.workspace.key_file()

    def grow(self, count: int) -> None:
        with self.workspace.open_ledger() as ledger:
            ledger.append([make_draft() for _ in range(count)], self.workspace.signer(Role.RECORD))
            ledger.publish(self.workspace.signer(Role.LOG))

    def copy(self, root: Path) -> Company:
        import shutil

        shutil.copytree(self.workspace.root, root)
        copied = object.__new__(Company)
        copied.workspace = Workspace(root)
        return copied


@pytest.fixture
def company(tmp_path: Path) -> Company:
    made = Company(tmp_path / "company")
    made.grow(5)
    return made


def test_grown_copy_is_consistent(company: Company, tmp_path: Path) -> None:
    copied = company.copy(tmp_path / "copy")
    found = compare_logs(company.place, copied.place, key_file=company.keys)
    assert (found.comparison.relation, found.first_difference) == (Relation.SAME, None)
    copied.grow(3)
    for a, b in ((company.place, copied.place), (copied.place, company.place)):
        found = compare_logs(a, b, key_file=company.keys)
        assert (found.comparison.relation, found.first_difference) == (Relation.CONSISTENT, None)


def test_fork_is_told_with_the_first_entry_that_differs(company: Company, tmp_path: Path) -> None:
    copied = company.copy(tmp_path / "copy")
    copied.grow(3)
    company.grow(2)
    found = compare_logs(company.place, copied.place, key_file=company.keys)
    assert (found.comparison.relation, found.first_difference) == (Relation.FORK, 5)
    assert found.comparison.fork is not None


def test_checkpoint_file_is_compared_with_a_ledger_and_with_a_proof(company: Company, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(company.workspace.checkpoint_path.read_bytes())
    company.grow(4)
    assert compare_logs(str(kept), company.place, key_file=company.keys).comparison.relation is Relation.CONSISTENT
    newer = tmp_path / "newer"
    newer.write_bytes(company.workspace.checkpoint_path.read_bytes())
    found = compare_logs(str(kept), str(newer), key_file=company.keys)
    assert found.comparison.relation is Relation.UNDECIDED
    with company.workspace.open_ledger() as ledger:
        proof = ConsistencyProof(5, tuple(ledger.prove_consistency(5, 9)), "")
        other = ConsistencyProof(4, tuple(ledger.prove_consistency(4, 9)), "")
    found = compare_logs(str(kept), str(newer), key_file=company.keys, proof=proof)
    assert found.comparison.relation is Relation.CONSISTENT
    with pytest.raises(InputError, match="begins at size 4"):
        compare_logs(str(kept), str(newer), key_file=company.keys, proof=other)


def test_damaged_tree_names_no_difference(company: Company, tmp_path: Path) -> None:
    copied = company.copy(tmp_path / "copy")
    copied.grow(3)
    simulator = LedgerSimulator(copied.workspace.root)
    with simulator.attacker() as database:
        database.execute("UPDATE nodes SET hash = zeroblob(32)")
    found = compare_logs(company.place, copied.place, key_file=company.keys)
    assert found.comparison.relation is Relation.UNDECIDED, "in no case a false accusation"
    assert found.first_difference is None


def test_what_is_not_there_is_named(company: Company, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        compare_logs(str(tmp_path / "absent"), company.place, key_file=company.keys)
    assert caught.value.code is ErrorCode.INPUT_MISSING
    for name, data in (("large", b"x" * 300_000), ("bytes", b"\xff\xfe")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=name):
            read_text(tmp_path / name, what="checkpoint")


class TestConsistencyProof:
    @pytest.fixture
    def source(self, tmp_path: Path) -> LedgerSource:
        self.simulator = LedgerSimulator.build(tmp_path / "ledger", 9, published=(5, 9))
        self.ledger = self.simulator.open()
        return LedgerSource(self.ledger, where="here")

    def test_any_two_sizes_are_proven(self, source: LedgerSource) -> None:
        origin = self.ledger.key_file.origin
        for size1 in range(1, 10):
            for size2 in range(size1, 10):
                proof, older, newer = prove_consistency(
                    source, origin=origin, from_size=size1, to_size=size2, checkpoint=self.ledger.checkpoint(size2)
                )
                merkle.verify_consistency(size1=size1, size2=size2, proof=proof.hashes, root1=older, root2=newer)
                signed = size2 in (5, 9)
                text = SignedNote.from_text(proof.checkpoint).text if signed else proof.checkpoint
                assert Checkpoint.from_text(text) == Checkpoint(origin, size2, newer)
                assert ConsistencyProof.from_text(proof.to_text()) == proof

    @pytest.mark.parametrize(("size1", "size2"), [(0, 3), (4, 3), (-1, 3)])
    def test_sizes_out_of_order_are_refused(self, source: LedgerSource, size1: int, size2: int) -> None:
        with pytest.raises(InputError):
            prove_consistency(source, origin="x", from_size=size1, to_size=size2, checkpoint=None)

    def test_signed_root_that_the_tree_does_not_have_is_told(self, source: LedgerSource, tmp_path: Path) -> None:
        other = LedgerSimulator.build(tmp_path / "other", 0)
        other.append(*[make_draft() for _ in range(5)])
        other.publish()
        with pytest.raises(VerificationError):
            prove_consistency(source, origin="x", from_size=3, to_size=5, checkpoint=other.checkpoint_path.read_text())


class TestLedgerSource:
    def test_workspace_is_followed_like_any_log(self, company: Company) -> None:
        with open_log(company.place) as source:
            assert source.where == company.place
            assert source.key_file() is not None
            report, state = look(source, None, key_file=company.keys)
        assert report.alarms == ()
        company.grow(2)
        with open_log(company.place) as source:
            report, _ = look(source, state, key_file=company.keys)
            assert (report.previous_size, report.size) == (5, 7)
            with pytest.raises(InputError, match="Version 7"):
                source.older_key_file(7)

    def test_unpublished_ledger_has_no_head(self, tmp_path: Path) -> None:
        company = Company(tmp_path / "new")
        with open_log(company.place) as source, pytest.raises(InputError, match="no published checkpoint"):
            source.checkpoint()

    def test_cut_ledger_lacks_what_its_checkpoint_covers(self, tmp_path: Path) -> None:
        simulator = LedgerSimulator.build(tmp_path / "ledger", 0)
        with simulator.open() as ledger:
            ledger.append(make_story(7), simulator.keys.record)
            ledger.publish(simulator.keys.log)
        with simulator.attacker() as database:
            database.execute("DELETE FROM entries WHERE seq > 4")
        with simulator.open() as ledger:
            source = LedgerSource(ledger, where="here", older_keys=[simulator.keys.key_file])
            report, state = look(source, None, key_file=simulator.keys.key_file)
            with pytest.raises(VerificationError):
                source.tree(7)([(0, 6)])
            assert source.older_key_file(1).version == 1
        assert [each.kind for each in report.alarms] == [AlarmKind.MISSING]
        assert state is None
