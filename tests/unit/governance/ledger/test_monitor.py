"""Following a log: every kind of lie raises its alarm and is not believed, and an honest log raises none.

Each lie has a twin: the same log without it, followed in the same way.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable

import builders
import pytest
from builders import BEFORE, MemoryLog, make_key, make_keys
from fixtures.monitored import KEYS, TIMES, Lied, Shown, accepted, make_log

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint, SignedNote, sign_checkpoint
from ireu_governance.core.cosignature import Cosigner
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.fork import Relation, verify_fork_proof
from ireu_governance.core.policy import Policy, PolicyWitness
from ireu_governance.core.tiles import (
    entry_bundle_path,
    large_entry_path,
    pack_entry_bundle,
    pack_tile,
)
from ireu_governance.ledger.monitor import MAX_ALARMS, AlarmKind, look


class TestHonestLog:
    @pytest.mark.parametrize("sizes", [(0, 1, 2), (3, 3, 7), (5, 255, 256, 257), (256, 512, 513), (300, 700)])
    def test_it_is_followed_from_size_to_size(self, shown: Shown, sizes: tuple[int, ...]) -> None:
        log = MemoryLog()
        before = None
        for size in sizes:
            shown.show(make_log(size, log=log))
            report = shown.follow()
            assert report.alarms == ()
            assert report.advanced == (size != before)
            assert (report.previous_size, report.size) == (before, size)
            assert sum(report.entries.values()) == size - (before or 0)
            assert shown.believed() == size
            before = size

    def test_what_was_published_in_between_is_not_needed(self, shown: Shown) -> None:
        shown.show(make_log(5))
        accepted(shown.follow())
        shutil.rmtree(shown.folder)
        shown.show(make_log(300))
        accepted(shown.follow())

    def test_full_tile_may_stand_for_the_partial_one(self, shown: Shown) -> None:
        shown.show(make_log(300))
        partial = make_log(40)
        shown.write("checkpoint", partial.checkpoint().encode())
        accepted(shown.follow())

    def test_entry_that_is_too_long_for_a_bundle_is_read_from_its_file(self, shown: Shown) -> None:
        log = make_log(2)
        log.append(
            BEFORE, "removal-request", builders.make_request([f"{n:032x}" for n in range(600)], recorded_at=TIMES[0])
        )
        make_log(5, log=log)
        assert len(log.entries[2]) > 65_535
        shown.show(log)
        accepted(shown.follow())

    def test_more_cosignatures_are_remembered(self, shown: Shown) -> None:
        log = make_log(3)
        shown.show(log)
        accepted(shown.follow())
        note = SignedNote.from_text(log.checkpoint())
        line = Cosigner("w.example", make_key("w")).cosign(Checkpoint.from_text(note.text), timestamp=1)
        shown.write("checkpoint", (note.to_text() + line.to_line()).encode())
        accepted(shown.follow())

    def test_state_is_its_owners(self, shown: Shown) -> None:
        shown.show(make_log(3))
        shown.follow()
        assert stat.S_IMODE(shown.state.stat().st_mode) == 0o600


class TestRollback:
    @pytest.mark.parametrize("size", [0, 1, 4, 6])
    def test_shorter_log_is_an_alarm(self, shown: Shown, lied: Lied, size: int) -> None:
        shown.show(make_log(7))
        shown.follow()
        shown.show(make_log(size))
        report = lied(AlarmKind.ROLLBACK)
        assert report.believed == make_log(7).checkpoint()
        assert report.checkpoint == make_log(size).checkpoint()

    def test_twin(self, shown: Shown) -> None:
        shown.show(make_log(7))
        shown.follow()
        shown.show(make_log(7))
        assert shown.follow().alarms == ()


class TestFork:
    @pytest.mark.parametrize(("size1", "size2"), [(7, 7), (7, 8), (8, 12), (5, 300)])
    def test_other_history_is_an_alarm_with_a_proof(self, shown: Shown, lied: Lied, size1: int, size2: int) -> None:
        shown.show(make_log(size1))
        shown.follow()
        shown.show(make_log(size2, differs_from=3))
        report = lied(AlarmKind.FORK)
        assert report.fork_proof is not None
        found = verify_fork_proof(report.fork_proof.encode(), key_file=KEYS.key_file)
        assert found.relation is Relation.FORK

    @pytest.mark.parametrize(("size1", "size2"), [(7, 8), (8, 12), (5, 300)])
    def test_twin(self, shown: Shown, size1: int, size2: int) -> None:
        shown.show(make_log(size1))
        shown.follow()
        shown.show(make_log(size2, differs_from=size1))
        accepted(shown.follow())

    def test_fork_whose_tiles_are_hidden_is_still_an_alarm(self, shown: Shown, lied: Lied) -> None:
        shown.show(make_log(5))
        shown.follow()
        forked = make_log(9, differs_from=3)
        shown.show(forked)
        (shown.folder / "tile/0/000.p/9").unlink()
        assert lied().fork_proof is None


class TestMissing:
    def test_bundle_that_is_not_there_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        shown.show(make_log(300))
        (shown.folder / "tile/entries/000").unlink()
        lied(AlarmKind.MISSING, entry=0)

    def test_bundle_in_the_middle_is_named(self, shown: Shown, lied: Lied) -> None:
        shown.show(make_log(5))
        shown.follow()
        shown.show(make_log(600))
        (shown.folder / "tile/entries/001").unlink()
        lied(AlarmKind.MISSING, entry=256)

    def test_tile_of_hashes_that_is_not_there_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        shown.show(make_log(300))
        (shown.folder / "tile/0/000").unlink()
        lied(AlarmKind.MISSING, entry=0)

    def test_long_entry_without_its_file_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        log = make_log(1)
        log.append(BEFORE, "removal-request", builders.make_request([f"{n:032x}" for n in range(600)]))
        shown.show(log)
        (shown.folder / large_entry_path(1)).unlink()
        lied(AlarmKind.MISSING)

    def test_head_that_claims_any_number_of_entries_ends(self, shown: Shown, lied: Lied) -> None:
        shown.show(make_log(5))
        shown.write("checkpoint", sign_checkpoint(Checkpoint(builders.ORIGIN, 2**50, bytes(32)), KEYS.log).encode())
        assert len(lied(AlarmKind.MISSING).alarms) == MAX_ALARMS


class TestTruncated:
    @pytest.mark.parametrize("path", ["tile/entries/000.p/44", "tile/entries/000", "tile/0/000.p/44", "tile/0/000"])
    @pytest.mark.parametrize("cut", [1, 40])
    def test_cut_file_is_an_alarm(self, shown: Shown, lied: Lied, path: str, cut: int) -> None:
        shown.show(make_log(44))
        shown.show(make_log(300))
        if path.endswith("44"):
            shown.write("checkpoint", make_log(44).checkpoint().encode())
        file = shown.folder / path
        file.write_bytes(file.read_bytes()[:-cut])
        lied(AlarmKind.TREE, entry=0)

    def test_file_that_is_too_long_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        shown.show(make_log(3))
        file = shown.folder / "tile/entries/000.p/3"
        file.write_bytes(file.read_bytes() + b"\0\1x")
        lied(AlarmKind.TREE)
        file.write_bytes(bytes(20_000_000))
        lied(AlarmKind.TREE)

    def test_twin(self, shown: Shown) -> None:
        shown.show(make_log(44))
        shown.show(make_log(300))
        accepted(shown.follow())


class TestEntries:
    """A log that signs for entries that are none of its own."""

    def forged(self, change: Callable[[MemoryLog], None], *, size: int = 3, more: int = 2) -> MemoryLog:
        log = make_log(size)
        change(log)
        return make_log(log.size + more, log=log)

    def test_entry_of_a_stranger_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        def change(log: MemoryLog) -> None:
            fields = {"ledger": log.position(), **builders.make_request(recorded_at=TIMES[0])}
            statement = builders.make_statement(BEFORE, "removal-request", fields)
            log.append_bytes(Envelope.sign(statement.to_bytes(), make_key("stranger")).to_bytes())

        shown.show(self.forged(change))
        lied(AlarmKind.ENTRY, entry=3)

    def test_bytes_that_are_no_entry_are_an_alarm(self, shown: Shown, lied: Lied) -> None:
        shown.show(self.forged(lambda log: log.fill(1)))
        lied(AlarmKind.ENTRY, entry=3)

    @pytest.mark.parametrize(
        "place",
        [
            {"seq": 7},
            {"origin": "other.example/log"},
            {"prev": "00" * 32},
        ],
    )
    def test_entry_that_was_signed_for_another_place_is_an_alarm(
        self, shown: Shown, lied: Lied, place: dict[str, object]
    ) -> None:
        def change(log: MemoryLog) -> None:
            fields = {"ledger": {**log.position(), **place}, **builders.make_request(recorded_at=TIMES[1])}
            statement = builders.make_statement(BEFORE, "removal-request", fields)
            log.append_bytes(Envelope.sign(statement.to_bytes(), KEYS.record).to_bytes())

        shown.show(self.forged(change))
        lied(AlarmKind.ENTRY, entry=3)

    def test_entry_that_is_dated_back_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        def change(log: MemoryLog) -> None:
            log.append(BEFORE, "removal-request", builders.make_request(recorded_at="2026-11-19T09:00:00Z"))

        shown.show(self.forged(change))
        lied(AlarmKind.ENTRY, entry=3)

    def test_entry_that_is_dated_before_its_key_was_added_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        shown.show(make_log(3))
        shown.follow()
        shown.key_file = make_keys(issued_at=TIMES[30]).key_file
        shown.show(make_log(4))
        lied(AlarmKind.ENTRY, entry=3)

    def test_entry_that_was_exchanged_under_the_signed_root_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        log = make_log(5)
        shown.show(log)
        other = make_log(5, differs_from=4)
        shown.write(entry_bundle_path(0, 5), pack_entry_bundle(other.entries))
        lied(AlarmKind.TREE)

    def test_hash_that_was_exchanged_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        log = make_log(5)
        shown.show(log)
        hashes = [merkle.leaf_hash(each) for each in log.entries]
        shown.write("tile/0/000.p/5", pack_tile([*hashes[:4], bytes(32)]))
        lied(AlarmKind.TREE, entry=4)

    def test_what_came_before_is_not_looked_at_again(self, shown: Shown) -> None:
        """A monitor has verified it once, and its own hashes stand for it."""
        shown.show(make_log(5))
        shown.follow()
        shown.show(make_log(8))
        bundle = [b"gone", *make_log(8).entries[1:]]
        shown.write(entry_bundle_path(0, 8), pack_entry_bundle(bundle))
        accepted(shown.follow())


class TestCheckpoint:
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"junk",
            b"\xff\xfe",
            make_log(3).checkpoint().replace("\n3\n", "\n4\n").encode(),
            sign_checkpoint(Checkpoint(builders.ORIGIN, 3, make_log(3).root()), make_key("stranger")).encode(),
            MemoryLog(origin="other.example/log").checkpoint().encode(),
        ],
    )
    def test_what_the_log_did_not_sign_is_an_alarm(self, shown: Shown, lied: Lied, data: bytes) -> None:
        shown.show(make_log(3))
        shown.follow()
        shown.write("checkpoint", data)
        lied(AlarmKind.CHECKPOINT)

    def test_root_that_the_entries_do_not_have_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        shown.show(make_log(3), checkpoint=sign_checkpoint(Checkpoint(builders.ORIGIN, 3, bytes(32)), KEYS.log))
        lied(AlarmKind.TREE)


class TestWitnesses:
    witness = Cosigner("w.example", make_key("w"))
    policy = Policy(witnesses=(PolicyWitness("W", witness.key),), quorum="W")

    def test_missing_quorum_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        shown.show(make_log(3))
        lied(AlarmKind.WITNESS, policy=self.policy)

    def test_twin(self, shown: Shown) -> None:
        log = make_log(3)
        line = self.witness.cosign(Checkpoint(log.origin, 3, log.root()), timestamp=1).to_line()
        shown.show(log, checkpoint=log.checkpoint() + line)
        report = shown.follow(self.policy)
        accepted(report)
        assert report.witnesses == ("W",)


def test_looking_writes_nothing(shown: Shown) -> None:
    shown.show(make_log(3))
    report, state = look(shown.source, None, key_file=KEYS.key_file)
    assert report.alarms == ()
    assert state is not None
    assert not shown.state.exists()
