"""Following a log: every kind of lie raises its alarm and is not believed, and an honest log raises none.

Each lie has a twin: the same log without it, followed in the same way.
"""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import builders
import httpx2
import pytest
from builders import BEFORE, KeySet, MemoryLog, make_key, make_keys
from fixtures.extended import Named
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint, SignedNote, sign_checkpoint
from ireu_governance.core.cosignature import Cosigner
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, LedgerError, VerificationError
from ireu_governance.core.fork import Relation, verify_fork_proof
from ireu_governance.core.key_change import KeyFileChange
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.policy import Policy, PolicyWitness
from ireu_governance.core.tiles import (
    TILE_WIDTH,
    entry_bundle_path,
    large_entry_path,
    pack_entry_bundle,
    pack_tile,
    tiles_of,
)
from ireu_governance.core.verdict import Verdict
from ireu_governance.ledger.log_source import StaticSource, folder_fetcher, web_fetcher
from ireu_governance.ledger.monitor import MAX_ALARMS, AlarmKind, MonitorReport, follow, look
from ireu_governance.ledger.monitor_state import MonitorState, load_state
from ireu_governance.log_places import open_log
from ireu_governance.web import WebClient

KEYS = make_keys()
TIMES = [f"2026-11-20T09:{minute:02}:00Z" for minute in range(60)]


def make_log(size: int, *, differs_from: int | None = None, log: MemoryLog | None = None) -> MemoryLog:
    """Return a log of properly signed entries; from some entry on others than those of its twin."""
    log = log or MemoryLog()
    while log.size < size:
        seq = log.size
        other = differs_from is not None and seq >= differs_from
        case = f"{seq + (1000 if other else 0):032x}"
        log.append(BEFORE, "removal-request", builders.make_request((case,), recorded_at=TIMES[min(seq // 10, 59)]))
    return log


@dataclass
class Shown:
    """A folder of static files, as a log shows it."""

    folder: Path
    state: Path
    key_file: KeyFile | None = field(default_factory=lambda: KEYS.key_file)

    def show(self, log: MemoryLog, *, checkpoint: str | None = None) -> None:
        """Put a log into the folder, over what is there."""
        for tile in tiles_of(log.size):
            hashes = [log.nodes[node] for node in tile.nodes()]
            self.write(tile.path, pack_tile(hashes))
            if tile.level == 0:
                first = tile.index * TILE_WIDTH
                self.write(
                    entry_bundle_path(tile.index, tile.width),
                    pack_entry_bundle(log.entries[first : first + tile.width]),
                )
        for seq, entry in enumerate(log.entries):
            if len(entry) > 65_535:
                self.write(large_entry_path(seq), entry)
        self.write("checkpoint", (checkpoint or log.checkpoint()).encode())

    def write(self, path: str, data: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    @property
    def source(self) -> StaticSource:
        return StaticSource(folder_fetcher(self.folder), where="here")

    def follow(self, policy: Policy | None = None) -> MonitorReport:
        return follow(self.source, self.state, key_file=self.key_file, policy=policy)

    def believed(self) -> int:
        state, _ = load_state(self.state)
        return -1 if state is None else state.size


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    (tmp_path / "log").mkdir()
    return Shown(tmp_path / "log", tmp_path / "state.json")


def rob(log: MemoryLog, *, from_size: int) -> tuple[MemoryLog, KeyFile]:
    """Have a log give up its record key from an entry on, and record that with the next one; also its key file."""
    stolen, older = log.keys.record.public_key.key_id, log.keys.key_file
    record, at = make_key(f"record key of version {older.version + 1}"), older.issued_at
    change = KeyFileChange(older).revoke(stolen, from_size=from_size)
    change = change.add(record.public_key, Role.RECORD, valid_from=at, valid_from_size=log.size)
    newer = change.propose(issued_at=at).sign(KEYS.root).finish()
    log.keys = KeySet(KEYS.root, KEYS.log, record, newer)
    given_up = {"key_id": stolen, "role": "record", "change": "compromised"}
    fields = {
        "version": newer.version,
        "previous": older.digest,
        "reason": "compromised",
        "changes": [{**given_up, "revoked_from_size": from_size}],
        "recorded_at": TIMES[-1],
    }
    log.append(Named("key-file", newer.digest), "key-change", fields)
    return log, newer


def accepted(report: MonitorReport) -> None:
    assert report.alarms == ()
    assert report.verdict is Verdict.HOLDS
    assert report.advanced


class Lied:
    """Checks that a lie is told, and not believed: neither now nor the next time."""

    def __init__(self, shown: Shown) -> None:
        self.shown = shown

    def __call__(self, *kinds: AlarmKind, entry: int | None = None, policy: Policy | None = None) -> MonitorReport:
        before = self.shown.state.read_bytes() if self.shown.state.exists() else None
        for _ in range(2):
            report = self.shown.follow(policy)
            assert [each.kind for each in report.alarms][: len(kinds)] == list(kinds)
            assert report.alarms
            assert report.verdict is Verdict.DOES_NOT_HOLD
            assert not report.advanced
            assert (self.shown.state.read_bytes() if self.shown.state.exists() else None) == before
        if entry is not None:
            assert report.alarms[0].entry == entry
        return report


@pytest.fixture
def lied(shown: Shown) -> Lied:
    return Lied(shown)


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


class TestKeys:
    def test_keys_beside_the_log_are_believed_the_first_time_and_remembered(self, shown: Shown) -> None:
        shown.key_file = None
        shown.show(make_log(3))
        shown.write("keys.json", KEYS.key_file.to_bytes())
        accepted(shown.follow())
        (shown.folder / "keys.json").unlink()
        shown.show(make_log(5))
        accepted(shown.follow())

    def test_without_any_keys_nothing_is_believed(self, shown: Shown) -> None:
        shown.key_file = None
        shown.show(make_log(3))
        with pytest.raises(InputError, match="no keys"):
            shown.follow()

    def test_made_up_newer_keys_are_an_alarm(self, shown: Shown, lied: Lied) -> None:
        shown.key_file = None
        shown.show(make_log(3))
        shown.write("keys.json", KEYS.key_file.to_bytes())
        shown.follow()
        shown.write("keys.json", make_keys("stranger", version=2).key_file.to_bytes())
        lied(AlarmKind.KEYS)

    @pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[" * 100])
    def test_what_is_no_key_file_is_an_alarm(self, shown: Shown, lied: Lied, data: bytes) -> None:
        shown.key_file = None
        shown.show(make_log(3))
        shown.write("keys.json", KEYS.key_file.to_bytes())
        shown.follow()
        shown.write("keys.json", data)
        lied(AlarmKind.KEYS)

    def test_versions_that_do_not_follow_are_not_read_on_and_on(self, shown: Shown, lied: Lied) -> None:
        shown.key_file = None
        shown.show(make_log(3))
        shown.write("keys.json", KEYS.key_file.to_bytes())
        shown.follow()
        shown.write("keys.json", make_keys(version=2**40).key_file.to_bytes())
        for version in (2, 3, 4):
            shown.write(f"history/keys.v{version}.json", make_keys("stranger", version=version).key_file.to_bytes())
        assert "version 5" not in lied(AlarmKind.KEYS).alarms[0].message.lower()

    def test_entries_that_the_organisation_gave_up_after_a_theft_are_told_and_passed_over(self, shown: Shown) -> None:
        shown.show(make_log(3))
        accepted(shown.follow())
        log, newer = rob(make_log(5), from_size=3)
        shown.key_file = newer
        shown.show(log)
        report = shown.follow()
        accepted(report)
        assert report.entries == {"key-change": 1}
        (note,) = report.notes
        assert note.startswith("Entries 3 to 4 count no more: entry 5 revokes")
        assert shown.believed() == 6

    def test_theft_whose_own_announcement_is_given_up_after_a_second_one_is_told_and_passed_over(
        self, shown: Shown
    ) -> None:
        log, _ = rob(make_log(5), from_size=3)
        log, shown.key_file = rob(log, from_size=5)
        shown.show(log)
        report = shown.follow()
        accepted(report)
        assert report.entries == {"removal-request": 3, "key-change": 1}
        first, second = report.notes
        assert first.startswith("Entries 3 to 4 count no more: entry 5 revokes")
        assert second.startswith("Entry 5 counts no more: entry 6 revokes")

    def test_entry_that_a_thief_signs_after_its_key_was_given_up_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        log, newer = rob(make_log(5), from_size=3)
        log.keys = KeySet(KEYS.root, KEYS.log, KEYS.record, newer)
        log.fill(1)
        shown.key_file = newer
        shown.show(log)
        lied(AlarmKind.ENTRY, entry=6)

    def test_entries_of_a_key_that_only_the_key_file_gives_up_are_an_alarm(self, shown: Shown, lied: Lied) -> None:
        _, shown.key_file = rob(make_log(5), from_size=3)
        shown.show(make_log(5))
        lied(AlarmKind.ENTRY, entry=3)

    def test_log_whose_stolen_key_signed_the_last_head_is_followed_on(self, shown: Shown) -> None:
        shown.show(make_log(3))
        accepted(shown.follow())
        new = make_key("next log key")
        change = KeyFileChange(KEYS.key_file).revoke(KEYS.log.public_key.key_id, from_size=2)
        change = change.add(new.public_key, Role.LOG, valid_from=KEYS.key_file.issued_at)
        shown.key_file = change.propose(issued_at=KEYS.key_file.issued_at).sign(KEYS.root).finish()
        log = make_log(5)
        shown.show(log, checkpoint=sign_checkpoint(Checkpoint(KEYS.key_file.origin, 5, log.root()), new))
        accepted(shown.follow())

    def test_other_history_after_the_key_of_the_last_head_was_stolen_is_an_alarm(
        self, shown: Shown, lied: Lied
    ) -> None:
        shown.show(make_log(3))
        accepted(shown.follow())
        new = make_key("next log key")
        change = KeyFileChange(KEYS.key_file).revoke(KEYS.log.public_key.key_id, from_size=2)
        change = change.add(new.public_key, Role.LOG, valid_from=KEYS.key_file.issued_at)
        shown.key_file = change.propose(issued_at=KEYS.key_file.issued_at).sign(KEYS.root).finish()
        log = make_log(5, differs_from=1)
        shown.show(log, checkpoint=sign_checkpoint(Checkpoint(KEYS.key_file.origin, 5, log.root()), new))
        lied(AlarmKind.ENTRY, AlarmKind.TREE)

    def test_missing_version_between_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        shown.key_file = None
        shown.show(make_log(3))
        shown.write("keys.json", KEYS.key_file.to_bytes())
        shown.follow()
        shown.write("keys.json", make_keys(version=3).key_file.to_bytes())
        lied(AlarmKind.KEYS)

    def test_versions_that_follow_are_followed(self, shown: Shown) -> None:
        shown.key_file = None
        shown.show(make_log(3))
        shown.write("keys.json", KEYS.key_file.to_bytes())
        shown.follow()
        shown.write("history/keys.v2.json", make_keys(version=2).key_file.to_bytes())
        shown.write("keys.json", make_keys(version=3).key_file.to_bytes())
        accepted(shown.follow())
        state, _ = load_state(shown.state)
        assert state is not None
        assert state.key_file is not None
        assert state.key_file.version == 3

    def test_versions_that_follow_the_file_that_was_given_out_are_followed(self, shown: Shown) -> None:
        """Whoever names the organisation's file each day gets no alarm when the log's key is changed as it should be."""
        new = make_key("next log key")
        change = KeyFileChange(KEYS.key_file).revoke(KEYS.log.public_key.key_id, from_size=4)
        change = change.add(new.public_key, Role.LOG, valid_from=KEYS.key_file.issued_at)
        newer = change.propose(issued_at=KEYS.key_file.issued_at).sign(KEYS.root).finish()
        shown.show(make_log(3))
        accepted(shown.follow())
        log = make_log(5)
        shown.show(log, checkpoint=sign_checkpoint(Checkpoint(KEYS.key_file.origin, 5, log.root()), new))
        shown.write("keys.json", newer.to_bytes())
        assert shown.key_file == KEYS.key_file
        accepted(shown.follow())
        assert shown.believed() == 5

    def test_version_that_is_missing_after_the_file_that_was_given_out_is_told_and_no_alarm(self, shown: Shown) -> None:
        shown.show(make_log(3))
        shown.write("keys.json", make_keys(version=3).key_file.to_bytes())
        report = shown.follow()
        accepted(report)
        (note,) = report.notes
        assert "Version 2 of the key file is not beside the log" in note

    def test_made_up_newer_keys_are_an_alarm_beside_the_file_that_was_given_out(self, shown: Shown, lied: Lied) -> None:
        stranger = make_keys("stranger", version=2)
        log = make_log(3)
        head = Checkpoint(KEYS.key_file.origin, 3, log.root())
        shown.show(log, checkpoint=sign_checkpoint(head, stranger.log))
        shown.write("keys.json", stranger.key_file.to_bytes())
        lied(AlarmKind.KEYS)

    def test_older_keys_beside_the_log_are_not_taken(self, shown: Shown) -> None:
        shown.show(make_log(3))
        shown.key_file = make_keys(version=2).key_file
        shown.follow()
        shown.key_file = None
        shown.write("keys.json", KEYS.key_file.to_bytes())
        shown.show(make_log(4))
        accepted(shown.follow())


class TestState:
    def refused(self, shown: Shown, says: str) -> None:
        before = shown.state.read_bytes()
        with pytest.raises(ConfigError, match=says) as caught:
            shown.follow()
        assert caught.value.code is ErrorCode.MONITOR_STATE_UNUSABLE
        assert caught.value.hint
        assert shown.state.read_bytes() == before

    def test_state_of_another_log_is_refused(self, shown: Shown) -> None:
        other = MemoryLog(keys=make_keys("other", origin="other.example/log"), origin="other.example/log")
        shown.key_file = other.keys.key_file
        shown.show(make_log(3, log=other))
        accepted(shown.follow())
        shown.key_file = KEYS.key_file
        shown.show(make_log(5))
        self.refused(shown, "other.example/log")

    @pytest.mark.parametrize(
        "change",
        [
            lambda d: d.update(_type="x"),
            lambda d: d.update(more=1),
            lambda d: d.update(frontier=[]),
            lambda d: d.update(frontier=["00" * 32] * 2),
            lambda d: d.update(checkpoint="x"),
            lambda d: d.update(last_leaf="x"),
            lambda d: d.update(key_file={}),
            lambda d: d.update(key_file=make_keys("o", origin="other.example/log").key_file.to_object()),
        ],
    )
    def test_damaged_state_is_never_taken_for_a_new_one(self, shown: Shown, change: object) -> None:
        shown.show(make_log(3))
        shown.follow()
        document = json.loads(shown.state.read_bytes())
        change(document)  # type: ignore[operator]
        shown.state.write_text(json.dumps(document))
        self.refused(shown, "damaged")

    def test_state_that_cannot_be_read_is_refused(self, shown: Shown) -> None:
        shown.show(make_log(3))
        shown.state.mkdir()
        with pytest.raises(ConfigError, match="cannot be read"):
            shown.follow()

    def test_state_that_another_monitor_changed_is_not_overwritten(self, shown: Shown) -> None:
        shown.show(make_log(3))
        shown.follow()
        shown.show(make_log(5))

        class Other(StaticSource):
            def bundle(self, index: int, width: int) -> list[bytes]:
                shown.state.write_bytes(shown.state.read_bytes() + b"\n")
                return super().bundle(index, width)

        source = Other(folder_fetcher(shown.folder), where="here")
        with pytest.raises(ConfigError, match="another monitor"):
            follow(source, shown.state, key_file=KEYS.key_file)

    def test_state_goes_both_ways(self, shown: Shown) -> None:
        shown.show(make_log(300))
        shown.follow()
        data = shown.state.read_bytes()
        state = MonitorState.from_bytes(data)
        assert state.to_bytes() == data
        assert len({state, MonitorState.from_bytes(data)}) == 1
        assert state != data

    @given(st.binary(max_size=200))
    def test_any_bytes_are_answered_with_an_input_error(self, data: bytes) -> None:
        with pytest.raises(InputError):
            MonitorState.from_bytes(data)


class TestSources:
    def test_folder_without_a_log_is_no_log(self, shown: Shown) -> None:
        with pytest.raises(InputError) as caught:
            shown.follow()
        assert caught.value.code is ErrorCode.INPUT_MISSING

    def test_place_that_is_not_there_is_no_log(self, tmp_path: Path) -> None:
        with pytest.raises(InputError), open_log(str(tmp_path / "absent")):
            pass

    def test_links_are_not_followed(self, shown: Shown) -> None:
        shown.show(make_log(3))
        (shown.folder / "tile").rename(shown.folder / "elsewhere")
        (shown.folder / "tile").symlink_to(shown.folder / "elsewhere")
        with pytest.raises(LedgerError, match="link"):
            shown.follow()

    def test_file_that_cannot_be_read_leaves_it_open(self, shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
        shown.show(make_log(3))

        def fail(*_: object, **__: object) -> None:
            raise PermissionError(13, "denied")

        monkeypatch.setattr(Path, "open", fail)
        with pytest.raises(LedgerError, match="denied"):
            shown.source.checkpoint()

    def served(self, shown: Shown, status: int = 200) -> StaticSource:
        def handle(request: httpx2.Request) -> httpx2.Response:
            file = shown.folder / request.url.path.removeprefix("/log/")
            return httpx2.Response(status, content=file.read_bytes()) if file.is_file() else httpx2.Response(404)

        client = WebClient("http://log.invalid/log/", transport=httpx2.MockTransport(handle))
        return StaticSource(web_fetcher(client), where=client.url)

    def test_log_is_followed_over_http(self, shown: Shown) -> None:
        shown.show(make_log(300))
        report = follow(self.served(shown), shown.state, key_file=KEYS.key_file)
        accepted(report)
        shutil.rmtree(shown.folder / "tile/entries")
        shown.show(make_log(301))
        (shown.folder / "tile/entries/001.p/45").unlink()
        assert follow(self.served(shown), shown.state, key_file=KEYS.key_file).alarms[0].kind is AlarmKind.MISSING

    def test_server_with_a_fault_leaves_it_open(self, shown: Shown) -> None:
        """What does not answer is no liar: no alarm, and nothing is believed."""
        shown.show(make_log(3))
        with pytest.raises(LedgerError) as caught:
            follow(self.served(shown, status=500), shown.state, key_file=KEYS.key_file)
        assert caught.value.code is ErrorCode.NETWORK_UNAVAILABLE
        assert not shown.state.exists()

    def test_address_is_opened_as_one(self) -> None:
        with open_log("http://log.invalid/x/") as source:
            assert source.where == "http://log.invalid/x"


def test_looking_writes_nothing(shown: Shown) -> None:
    shown.show(make_log(3))
    report, state = look(shown.source, None, key_file=KEYS.key_file)
    assert report.alarms == ()
    assert state is not None
    assert not shown.state.exists()


def test_key_file_version_that_is_not_there_is_named(shown: Shown) -> None:
    with pytest.raises(InputError, match="Version 2"):
        shown.source.older_key_file(2)


def test_tree_that_is_not_served_is_a_failed_check(shown: Shown) -> None:
    with pytest.raises(VerificationError) as caught:
        shown.source.tree(3)([(0, 0)])
    assert caught.value.check == "missing"
