"""Following a log whose keys change: versions that follow are followed, made-up keys and thieves raise an alarm."""

from __future__ import annotations

import pytest
from builders import KeySet, make_key, make_keys
from fixtures.monitored import KEYS, Lied, Shown, accepted, make_log, rob

from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint
from ireu_governance.core.errors import InputError
from ireu_governance.core.key_change import KeyFileChange
from ireu_governance.core.keys import Role
from ireu_governance.ledger.monitor import AlarmKind
from ireu_governance.ledger.monitor_state import load_state


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


def test_key_file_version_that_is_not_there_is_named(shown: Shown) -> None:
    with pytest.raises(InputError, match="Version 2"):
        shown.source.older_key_file(2)
