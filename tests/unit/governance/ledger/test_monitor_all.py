"""Reading a log again: what a monitor had verified is still there, in the form that it had, in entries and in tiles."""

from __future__ import annotations

import builders
import pytest
from fixtures.monitored import KEYS, Lied, Shown, accepted, make_log, rob

from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint
from ireu_governance.core.key_change import KeyFileChange
from ireu_governance.core.keys import Role
from ireu_governance.core.tiles import entry_bundle_path, pack_entry_bundle
from ireu_governance.ledger.monitor import AlarmKind


class TestHonestLog:
    @pytest.mark.parametrize(("before", "after"), [(0, 3), (3, 3), (3, 7), (255, 257), (256, 300), (300, 600)])
    def test_it_is_read_again_and_followed(self, shown: Shown, before: int, after: int) -> None:
        shown.show(make_log(before))
        shown.follow()
        shown.show(make_log(after))
        report = shown.follow(everything=True)
        assert report.alarms == ()
        assert report.advanced == (after > before)
        assert report.read_again == before
        assert sum(report.entries.values()) == after - before
        assert shown.believed() == after

    def test_what_is_seen_for_the_first_time_is_not_read_again(self, shown: Shown) -> None:
        shown.show(make_log(5))
        report = shown.follow(everything=True)
        accepted(report)
        assert (report.read_again, sum(report.entries.values())) == (0, 5)

    def test_without_it_only_what_is_new_is_read(self, shown: Shown) -> None:
        shown.show(make_log(5))
        shown.follow()
        shown.show(make_log(8))
        assert shown.follow().read_again == 0

    def test_entries_that_were_verified_before_they_were_given_up_are_told(self, shown: Shown) -> None:
        shown.show(make_log(5))
        accepted(shown.follow())
        log, shown.key_file = rob(make_log(5), from_size=3)
        shown.show(log)
        report = shown.follow(everything=True)
        accepted(report)
        (note,) = report.notes
        assert note.startswith("Entries 3 to 4 count no more: entry 5 revokes")

    def test_log_whose_stolen_key_signed_the_last_head_is_read_again(self, shown: Shown) -> None:
        shown.show(make_log(3))
        accepted(shown.follow())
        new = builders.make_key("next log key")
        change = KeyFileChange(KEYS.key_file).revoke(KEYS.log.public_key.key_id, from_size=2)
        change = change.add(new.public_key, Role.LOG, valid_from=KEYS.key_file.issued_at)
        shown.key_file = change.propose(issued_at=KEYS.key_file.issued_at).sign(KEYS.root).finish()
        log = make_log(5)
        shown.show(log, checkpoint=sign_checkpoint(Checkpoint(KEYS.key_file.origin, 5, log.root()), new))
        accepted(shown.follow(everything=True))


class TestChangedAfterwards:
    """A log that goes on honestly, and shows something old in another form."""

    @pytest.fixture(autouse=True)
    def followed(self, shown: Shown) -> None:
        shown.show(make_log(300))
        accepted(shown.follow())

    @pytest.mark.parametrize("size", [300, 310])
    def test_old_entry_that_is_none_any_more_is_an_alarm(self, shown: Shown, lied: Lied, size: int) -> None:
        log = make_log(size)
        shown.show(log)
        shown.write(entry_bundle_path(0), pack_entry_bundle([b"gone", *log.entries[1:256]]))
        assert shown.follow().alarms == (), "it is not read again unless everything is asked for"
        lied(AlarmKind.ENTRY, entry=0, everything=True)

    def test_old_entry_of_another_history_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        other = make_log(300, differs_from=255)
        shown.write(entry_bundle_path(0), pack_entry_bundle(other.entries[:256]))
        report = lied(AlarmKind.TREE, entry=255, everything=True)
        assert any(each.message.startswith("The first 300 entries") for each in report.alarms)

    def test_old_bundle_that_is_gone_is_an_alarm(self, shown: Shown, lied: Lied) -> None:
        (shown.folder / entry_bundle_path(0)).unlink()
        lied(AlarmKind.MISSING, entry=0, everything=True)

    @pytest.mark.parametrize("path", ["tile/0/000", "tile/1/000.p/1"])
    def test_old_tile_with_another_hash_is_an_alarm(self, shown: Shown, lied: Lied, path: str) -> None:
        file = shown.folder / path
        file.write_bytes(bytes(32) + file.read_bytes()[32:])
        assert shown.follow().alarms == ()
        lied(AlarmKind.TREE, entry=0, everything=True)

    @pytest.mark.parametrize("path", ["tile/0/000", "tile/1/000.p/1"])
    def test_old_tile_that_is_gone_is_an_alarm(self, shown: Shown, lied: Lied, path: str) -> None:
        (shown.folder / path).unlink()
        lied(AlarmKind.MISSING, everything=True)

    def test_other_history_under_a_new_key_names_what_was_verified_before(self, shown: Shown, lied: Lied) -> None:
        """The head that was believed proves nothing once its key is revoked: then the own hashes decide."""
        new = builders.make_key("next log key")
        change = KeyFileChange(KEYS.key_file).revoke(KEYS.log.public_key.key_id, from_size=2)
        change = change.add(new.public_key, Role.LOG, valid_from=KEYS.key_file.issued_at)
        shown.key_file = change.propose(issued_at=KEYS.key_file.issued_at).sign(KEYS.root).finish()
        log = make_log(310, differs_from=1)
        shown.show(log, checkpoint=sign_checkpoint(Checkpoint(KEYS.key_file.origin, 310, log.root()), new))
        report = lied(AlarmKind.TREE, everything=True)
        assert [each.message for each in report.alarms] == [
            "The first 300 entries that the log shows are not those that were verified before."
        ]


def test_tile_of_an_upper_row_with_another_hash_is_an_alarm_at_the_first_look(shown: Shown, lied: Lied) -> None:
    """Proofs are made of these tiles: a log that shows false ones proves nothing to others."""
    shown.show(make_log(300))
    shown.write("tile/1/000.p/1", bytes(32))
    lied(AlarmKind.TREE, entry=0)
