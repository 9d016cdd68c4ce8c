"""The published checkpoint outside the database: its file and its copies, and what each of them catches."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from builders import make_keys
from ledger_simulator import LedgerSimulator, make_draft

from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint
from ireu_governance.core.errors import ConfigError, LedgerError, LedgerRefusedError
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.audit import audit
from ireu_governance.ledger.findings import FindingKind
from ireu_governance.ledger.published import PublishedCheckpoint, newest_published


class Places:
    """A ledger whose checkpoint is kept in a file and in two further places."""

    def __init__(self, simulator: LedgerSimulator, folder: Path) -> None:
        self.simulator = simulator
        self.file = simulator.checkpoint_path
        self.copies = [folder / "usb" / "checkpoint", folder / "share" / "checkpoint"]
        for each in self.copies:
            each.parent.mkdir()

    def open(self, file: Path | None = None) -> Ledger:
        return Ledger.open(
            self.simulator.location,
            key_file=self.simulator.keys.key_file,
            checkpoint_path=file or self.file,
            checkpoint_copies=self.copies,
        )

    def grow(self) -> str:
        with self.open() as ledger:
            ledger.append([make_draft()], self.simulator.keys.record)
            return ledger.publish(self.simulator.keys.log)

    @property
    def published(self) -> PublishedCheckpoint:
        return PublishedCheckpoint(self.file, self.copies, self.simulator.keys.key_file)


@pytest.fixture
def places(simulator: LedgerSimulator, tmp_path: Path) -> Places:
    return Places(simulator, tmp_path)


def test_publishing_writes_every_place(places: Places) -> None:
    for _ in range(2):
        text = places.grow()
        assert [each.read_text() for each in (places.file, *places.copies)] == [text] * 3
    assert [behind for _, behind, _ in places.published.compare_copies()] == [False, False]


def test_older_database_is_refused_by_a_copy_when_the_file_went_back_with_it(places: Places, tmp_path: Path) -> None:
    # Whoever restores yesterday's machine restores the file beside the database, too.
    places.grow()
    older = places.simulator.copy(tmp_path / "older")
    file = places.file.read_bytes()
    places.grow()
    places.simulator.replace_database(older)
    places.file.write_bytes(file)
    with places.open() as ledger:
        for deed in (
            lambda: ledger.append([make_draft()], places.simulator.keys.record),
            lambda: ledger.publish(places.simulator.keys.log),
        ):
            with pytest.raises(LedgerRefusedError, match="older copy"):
                deed()
    assert places.published.read() == file
    assert places.simulator.audit().findings == ()  # the file alone tells nothing
    report = audit(
        places.simulator.location,
        key_file=places.simulator.keys.key_file,
        checkpoint_path=places.file,
        checkpoint_copies=places.copies,
    )
    assert [(each.kind, each.entry) for each in report.findings] == [(FindingKind.ROLLED_BACK, 1)]
    assert newest_published(places.file, places.copies, places.simulator.keys.key_file) != file


def test_one_place_is_enough_to_go_on(places: Places) -> None:
    text = places.grow()
    places.file.unlink()
    places.copies[0].unlink()
    with places.open() as ledger:
        ledger.append([make_draft()], places.simulator.keys.record)
    places.copies[1].unlink()
    with places.open() as ledger, pytest.raises(LedgerError, match="missing"):
        ledger.append([make_draft()], places.simulator.keys.record)
    with places.open() as ledger:
        assert text != ledger.publish(places.simulator.keys.log) == places.file.read_text()
    assert places.file.read_text() == places.copies[0].read_text() == places.copies[1].read_text()


def test_copy_that_cannot_be_written_is_reported_and_does_not_stop_the_rest(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    places.grow()
    shutil.rmtree(places.copies[0].parent)  # the medium was taken out
    with caplog.at_level(logging.WARNING):
        text = places.grow()
    (message,) = [each.getMessage() for each in caplog.records if each.name.startswith("ireu_governance")]
    assert str(places.copies[0]) in message
    assert places.file.read_text() == text == places.copies[1].read_text()
    places.copies[0].parent.mkdir()
    (path, behind, detail), _ = places.published.compare_copies()
    assert (path, behind) == (places.copies[0], True)
    assert "missing" in detail
    text = places.grow()
    assert places.copies[0].read_text() == text


def test_place_that_is_a_folder_counts_as_absent(places: Places) -> None:
    places.copies[0].mkdir()
    places.grow()
    assert [behind for _, behind, _ in places.published.compare_copies()] == [True, False]


@pytest.mark.parametrize("content", [b"", b"\xff", b"not a note"])
def test_copy_that_is_no_checkpoint_is_refused(places: Places, content: bytes) -> None:
    places.grow()
    places.copies[1].write_bytes(content)
    with places.open() as ledger, pytest.raises(LedgerRefusedError, match="none of this log"):
        ledger.append([make_draft()], places.simulator.keys.record)
    assert places.published.compare_copies()[1][1:] == (True, "no checkpoint of this log")


def test_copy_of_another_history_of_the_same_length_is_refused(places: Places) -> None:
    # Roots are compared, not sizes.
    places.grow()
    keys = places.simulator.keys
    forged = sign_checkpoint(Checkpoint(keys.key_file.origin, 1, b"\x07" * 32), keys.log)
    places.copies[0].write_text(forged)
    with places.open() as ledger, pytest.raises(LedgerRefusedError, match="does not continue"):
        ledger.append([make_draft()], keys.record)


def test_copies_never_go_back(places: Places) -> None:
    places.grow()
    older = places.file.read_text()
    newer = places.grow()
    assert places.published.write(older, 1) == newer
    assert [each.read_text() for each in (places.file, *places.copies)] == [newer] * 3
    assert newest_published(places.file, places.copies, places.simulator.keys.key_file) == newer.encode()


def test_copy_behind_the_file_says_by_how_much(places: Places) -> None:
    places.grow()
    older = places.copies[0].read_bytes()
    places.grow()
    places.copies[0].write_bytes(older)
    found = places.published.compare_copies()
    assert found[0][1:] == (True, "1 entries behind the published checkpoint")
    assert found[1][1:] == (False, "2 entries")


def test_newest_published_is_the_file_unless_a_copy_is_further(places: Places, tmp_path: Path) -> None:
    key_file = places.simulator.keys.key_file
    assert newest_published(places.file, places.copies, key_file) is None
    text = places.grow().encode()
    assert newest_published(places.file, [], key_file) == text
    assert newest_published(tmp_path / "absent", places.copies, key_file) == text
    places.file.write_bytes(b"spoilt")
    assert newest_published(places.file, places.copies, key_file) == b"spoilt"  # so that it is reported


def test_new_ledger_is_not_made_over_a_copy_of_another(places: Places, tmp_path: Path) -> None:
    places.grow()
    with pytest.raises(ConfigError):
        Ledger.create(
            tmp_path / "new.db",
            key_file=places.simulator.keys.key_file,
            checkpoint_path=tmp_path / "c",
            checkpoint_copies=places.copies,
        )


class TestTwoMachines:
    """One database, and a checkpoint's file on each machine."""

    def test_machine_whose_file_lags_goes_on(self, places: Places, tmp_path: Path) -> None:
        places.copies.clear()
        places.grow()
        other = tmp_path / "other machine"
        shutil.copy(places.file, other)
        places.grow()
        places.grow()
        with places.open(other) as ledger:
            ledger.append([make_draft()], places.simulator.keys.record)
            text = ledger.publish(places.simulator.keys.log)
        assert other.read_text() == text != places.file.read_text()
        places.grow()  # and now this one's lags

    def test_both_take_turns_while_open(self, places: Places, tmp_path: Path) -> None:
        places.copies.clear()
        places.grow()
        other = tmp_path / "other machine"
        shutil.copy(places.file, other)
        keys = places.simulator.keys
        with places.open() as here, places.open(other) as there:
            for _ in range(3):
                here.append([make_draft()], keys.record)
                there.append([make_draft()], keys.record)
                there.publish(keys.log)
                here.append([make_draft()], keys.record)
                here.publish(keys.log)
        assert places.simulator.audit().findings == ()

    def test_machine_whose_file_is_ahead_of_the_database_refuses(self, places: Places, tmp_path: Path) -> None:
        places.copies.clear()
        places.grow()
        other = tmp_path / "other machine"
        shutil.copy(places.file, other)
        older = places.simulator.copy(tmp_path / "older")
        places.grow()
        places.simulator.replace_database(older)
        with places.open(other) as ledger:  # it knows of nothing newer
            ledger.append([make_draft()], places.simulator.keys.record)
        with places.open() as ledger, pytest.raises(LedgerRefusedError):
            ledger.append([make_draft()], places.simulator.keys.record)

    def test_new_machine_without_a_file_publishes_first(self, places: Places, tmp_path: Path) -> None:
        places.copies.clear()
        places.grow()
        places.grow()
        with places.open(tmp_path / "new machine") as ledger:
            with pytest.raises(LedgerError, match="missing") as caught:
                ledger.append([make_draft()], places.simulator.keys.record)
            assert "ireu ledger checkpoint" in caught.value.hint
            ledger.publish(places.simulator.keys.log)
            ledger.append([make_draft()], places.simulator.keys.record)


def test_unreadable_file_is_an_error_of_ours(places: Places) -> None:
    places.grow()
    places.file.unlink()
    places.file.mkdir()
    with places.open() as ledger, pytest.raises(LedgerError, match="cannot be read"):
        ledger.append([make_draft()], places.simulator.keys.record)


def test_keys_of_another_log_open_nothing(places: Places) -> None:
    places.grow()
    other = make_keys("other", origin="log.example/other").key_file
    with (
        Ledger.open(places.simulator.location, key_file=other, checkpoint_path=places.file) as ledger,
        pytest.raises(LedgerRefusedError, match="This is the ledger of"),
    ):
        ledger.append([make_draft()], places.simulator.keys.record)
