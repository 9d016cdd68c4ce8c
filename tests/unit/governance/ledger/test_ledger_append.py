"""Appending: what is stored, what is refused, and that all of it or nothing happens."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from builders import BEFORE, make_key, make_request
from ledger_simulator import LedgerSimulator, make_draft, make_story

from ireu_governance.core import merkle
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, IreuError, LedgerError
from ireu_governance.core.statement import Draft
from ireu_governance.ledger import append as append_module
from ireu_governance.ledger import published as published_module
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.database import reading, writing


def test_entries_are_numbered_chained_signed_and_hashed(simulator: LedgerSimulator, ledger: Ledger) -> None:
    entries = ledger.append(make_story(7), simulator.keys.record)
    assert [each.seq for each in entries] == list(range(7))
    assert [each.kind for each in entries[:3]] == ["removal-request", "removal", "verification"]
    prev = bytes(32)
    for each in entries:
        assert each == ledger.entry(each.seq)
        assert each.prev == prev
        assert each.leaf_hash == merkle.leaf_hash(each.envelope)
        Envelope.from_bytes(each.envelope).verify([simulator.keys.record.public_key], check="test")
        place = ledger.statement(each).predicate.ledger
        assert (place.seq, place.prev, place.origin) == (each.seq, prev.hex(), ledger.key_file.origin)
        prev = each.leaf_hash


@pytest.mark.usefixtures("each_database")
def test_tree_is_the_same_however_entries_are_batched(tmp_path: Path) -> None:
    story = make_story(23)
    for number, sizes in enumerate(([23], [1] * 23, [2, 3, 5, 7, 6], [16, 7])):
        built = LedgerSimulator.build(tmp_path / str(number), 0)
        with built.open() as ledger:
            done = 0
            for size in sizes:
                ledger.append(story[done : done + size], built.keys.record)
                done += size
            leaves = [each.leaf_hash for each in ledger.entries()]
            assert ledger.head().size == 23
            assert ledger.head().root == merkle.root_of_frontier(merkle.extend(0, [], leaves)[1])
        assert built.audit().findings == ()


def test_process_that_makes_the_same_ledger_a_moment_later_takes_nothing_away(
    simulator: LedgerSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with simulator.open() as ledger:
        ledger.append(make_story(3), simulator.keys.record)
    monkeypatch.setattr(append_module, "is_there", lambda _: False)  # it looked a moment before the other had begun
    with pytest.raises(ConfigError) as caught:
        Ledger.create(simulator.location, key_file=simulator.keys.key_file, checkpoint_path=simulator.folder / "other")
    assert caught.value.code is ErrorCode.WORKSPACE_EXISTS
    with simulator.open() as ledger:
        assert ledger.head().size == 3


def test_two_open_ledgers_take_turns(simulator: LedgerSimulator) -> None:
    # Each has the frontier of its own last append cached, and must notice that the other went on.
    with simulator.open() as one, simulator.open() as other:
        for _ in range(5):
            one.append([make_draft()], simulator.keys.record)
            other.append([make_draft(), make_draft()], simulator.keys.record)
        assert one.head() == other.head()
    assert simulator.audit().findings == ()
    assert simulator.audit().size == 15


def test_threads_share_one_ledger(simulator: LedgerSimulator, ledger: Ledger) -> None:
    def work() -> None:
        for _ in range(10):
            ledger.append([make_draft()], simulator.keys.record)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    report = simulator.audit()
    assert (report.size, report.findings) == (40, ())


def test_nothing_to_append_appends_nothing(simulator: LedgerSimulator, ledger: Ledger) -> None:
    assert ledger.append([], simulator.keys.record) == []
    assert ledger.head().size == 0


def bad_draft(**changes: object) -> Draft:
    fields = {**make_request(), **changes}
    del fields["recorded_at"]
    return Draft(subject=BEFORE.subjects(), kind="removal-request", fields=fields)


@pytest.mark.parametrize(
    "changes",
    [
        {"cases": ()},
        {"cases": [{"case_id": "Alice", "commitment": "0" * 64}]},
        {"plan": None},
        {"photo": "alice.jpg"},
        {"plan": {"tests": (), "min_retained_similarity": float("nan")}},
        {"plan": {"tests": (), "min_retained_similarity": "0.9"}},
        {"plan": {"tests": (), "min_retained_similarity": object()}},
        {"cases": [{"case_id": "\ud800", "commitment": "0" * 64}]},
    ],
)
def test_malformed_draft_is_refused_and_its_whole_batch_with_it(
    simulator: LedgerSimulator, ledger: Ledger, changes: dict[str, object]
) -> None:
    ledger.append([make_draft()], simulator.keys.record)
    before = ledger.head()
    with pytest.raises(InputError):
        ledger.append([make_draft(), make_draft(), bad_draft(**changes)], simulator.keys.record)
    assert ledger.head() == before
    ledger.append([make_draft()], simulator.keys.record)
    report = simulator.audit()
    assert (report.size, report.findings) == (2, ())


def test_message_about_a_malformed_draft_does_not_repeat_what_it_held(
    simulator: LedgerSimulator, ledger: Ledger
) -> None:
    with pytest.raises(InputError) as caught:
        ledger.append([bad_draft(cases=[{"case_id": "Alice Example"}])], simulator.keys.record)
    assert "Alice" not in f"{caught.value} {caught.value.hint}"


def test_failure_between_the_rows_and_the_tree_leaves_nothing(
    simulator: LedgerSimulator, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.append([make_draft()], simulator.keys.record)

    def fail(*_: object) -> None:
        raise RuntimeError("power")

    with monkeypatch.context() as patch:
        patch.setattr("ireu_governance.core.merkle.extend", fail)
        with pytest.raises(RuntimeError):
            ledger.append([make_draft(), make_draft()], simulator.keys.record)
    assert ledger.head().size == 1
    ledger.append([make_draft()], simulator.keys.record)
    assert simulator.audit().findings == ()


@pytest.mark.parametrize("key", ["log", "root", "stranger"])
def test_key_without_the_role_cannot_append(simulator: LedgerSimulator, ledger: Ledger, key: str) -> None:
    signer = getattr(simulator.keys, key, None) or make_key(key)
    with pytest.raises(ConfigError) as caught:
        ledger.append([make_draft()], signer)
    assert caught.value.code is ErrorCode.KEY_UNUSABLE
    with pytest.raises(ConfigError):
        ledger.publish(simulator.keys.record)
    assert ledger.head().size == 0
    assert not simulator.checkpoint_path.exists()


class TestTime:
    def test_clock_that_was_set_back_does_not_set_the_ledger_back(
        self, simulator: LedgerSimulator, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger.append([make_draft()], simulator.keys.record, recorded_at="2026-11-20T10:00:00Z")
        monkeypatch.setattr(append_module, "now", lambda: "2020-01-01T00:00:00Z")
        (entry,) = ledger.append([make_draft()], simulator.keys.record)
        assert entry.recorded_at == "2026-11-20T10:00:00Z"
        assert simulator.audit().findings == ()

    def test_given_time_before_the_last_entry_is_refused(self, simulator: LedgerSimulator, ledger: Ledger) -> None:
        ledger.append([make_draft()], simulator.keys.record, recorded_at="2026-11-20T10:00:00Z")
        with pytest.raises(InputError):
            ledger.append([make_draft()], simulator.keys.record, recorded_at="2026-11-20T09:59:59Z")
        ledger.append([make_draft()], simulator.keys.record, recorded_at="2026-11-20T10:00:00Z")
        assert ledger.head().size == 2

    def test_time_of_another_form_is_refused(self, simulator: LedgerSimulator, ledger: Ledger) -> None:
        with pytest.raises(InputError):
            ledger.append([make_draft()], simulator.keys.record, recorded_at="today")


class TestStorage:
    def test_locked_ledger_is_reported_after_the_timeout_and_left_as_it_was(self, simulator: LedgerSimulator) -> None:
        simulator.append()
        with simulator.open(timeout_s=0.2) as ledger:
            with simulator.open() as holder, writing(holder._engine):
                with pytest.raises(LedgerError) as caught:
                    ledger.append([make_draft()], simulator.keys.record)
                assert caught.value.code is ErrorCode.LEDGER_LOCKED
                assert ledger.head().size == 1  # readers are not kept out
            ledger.append([make_draft()], simulator.keys.record)
        report = simulator.audit()
        assert (report.size, report.findings) == (2, ())

    @pytest.mark.usefixtures("sqlite_only")
    def test_full_disk_is_reported_and_leaves_the_ledger_as_it_was(
        self, simulator: LedgerSimulator, ledger: Ledger
    ) -> None:
        ledger.append([make_draft()], simulator.keys.record)
        with reading(ledger._engine) as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 4}")
        with pytest.raises(LedgerError) as caught:
            ledger.append([make_draft() for _ in range(100)], simulator.keys.record)
        assert caught.value.code is ErrorCode.DISK_FULL
        assert ledger.head().size == 1
        with reading(ledger._engine) as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        ledger.append([make_draft()], simulator.keys.record)
        report = simulator.audit()
        assert (report.size, report.findings) == (2, ())

    @pytest.mark.usefixtures("sqlite_only")
    def test_commits_are_durable(self, ledger: Ledger) -> None:
        # FULL (2) in WAL mode: fsync before a commit is acknowledged.
        with reading(ledger._engine) as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2

    def test_existing_file_is_never_written_over(self, simulator: LedgerSimulator, tmp_path: Path) -> None:
        simulator.publish()
        for location, checkpoint in (
            (simulator.location, tmp_path / "new"),
            (tmp_path / "new.db", simulator.checkpoint_path),
        ):
            with pytest.raises(ConfigError) as caught:
                Ledger.create(location, key_file=simulator.keys.key_file, checkpoint_path=checkpoint)
            assert caught.value.code is ErrorCode.WORKSPACE_EXISTS

    def test_creation_that_fails_leaves_nothing(
        self, simulator: LedgerSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: object) -> None:
            raise RuntimeError("power")

        monkeypatch.setattr(append_module, "migrate", fail)
        path = tmp_path / "new.db"
        with pytest.raises(RuntimeError):
            Ledger.create(path, key_file=simulator.keys.key_file, checkpoint_path=tmp_path / "c")
        assert not list(tmp_path.glob("new.db*"))

    @pytest.mark.parametrize("content", [None, b"", b"no database at all " * 50])
    def test_path_without_a_ledger_is_refused_and_not_filled(
        self, simulator: LedgerSimulator, tmp_path: Path, content: bytes | None
    ) -> None:
        path = tmp_path / "other.db"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(LedgerError) as caught:
            Ledger.open(path, key_file=simulator.keys.key_file, checkpoint_path=tmp_path / "c")
        assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE
        assert (path.read_bytes() if path.exists() else None) == content

    def test_ledger_of_another_version_is_refused(self, simulator: LedgerSimulator) -> None:
        simulator.run("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(LedgerError, match="version"):
            simulator.open()
        with pytest.raises(LedgerError, match="version"):
            simulator.audit()

    def test_folder_that_is_missing_is_an_error_of_ours(self, simulator: LedgerSimulator, tmp_path: Path) -> None:
        with pytest.raises(IreuError):
            Ledger.create(
                tmp_path / "absent" / "l.db", key_file=simulator.keys.key_file, checkpoint_path=tmp_path / "c"
            )


class TestPublish:
    def test_checkpoint_is_in_the_table_and_in_the_file(self, simulator: LedgerSimulator, ledger: Ledger) -> None:
        assert ledger.checkpoint() is None
        ledger.append(make_story(3), simulator.keys.record)
        text = ledger.publish(simulator.keys.log)
        assert ledger.checkpoint() == text == simulator.checkpoint_path.read_text()

    def test_same_head_is_published_once(self, simulator: LedgerSimulator, ledger: Ledger) -> None:
        first = ledger.publish(simulator.keys.log)
        assert ledger.publish(simulator.keys.log) == first
        ledger.append([make_draft()], simulator.keys.record)
        assert ledger.publish(simulator.keys.log) != first
        assert simulator.audit().checked["checkpoints"] == 3

    def test_publication_that_was_stopped_half_way_is_completed_by_the_next(
        self, simulator: LedgerSimulator, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger.append([make_draft()], simulator.keys.record)
        ledger.publish(simulator.keys.log)
        ledger.append([make_draft()], simulator.keys.record)

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("power")

        with monkeypatch.context() as patch:
            patch.setattr(published_module, "write_atomically", fail)
            with pytest.raises(RuntimeError):
                ledger.publish(simulator.keys.log)
        assert simulator.audit().findings == ()
        text = ledger.publish(simulator.keys.log)
        assert text == simulator.checkpoint_path.read_text() == ledger.checkpoint()

    def test_first_publication_does_not_disturb_others(
        self, simulator: LedgerSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Between the commit of the first checkpoint and its file, others see the one without the other.
        with simulator.open() as publisher, simulator.open() as other:
            original = publisher.write_checkpoint_file
            thread = threading.Thread(target=lambda: other.append([make_draft()], simulator.keys.record))

            def delayed() -> None:
                thread.start()
                thread.join(0.2)
                assert thread.is_alive()  # it waits
                original()

            monkeypatch.setattr(publisher, "write_checkpoint_file", delayed)
            publisher.publish(simulator.keys.log)
            thread.join()
        report = simulator.audit()
        assert (report.size, report.findings) == (1, ())

    def test_file_that_never_comes_stops_appends(
        self, simulator: LedgerSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(append_module, "_FIRST_FILE_S", 0.1)
        simulator.publish()
        simulator.checkpoint_path.unlink()
        with pytest.raises(LedgerError, match="missing"):
            simulator.append()

    def test_slow_publisher_does_not_put_back_an_older_checkpoint(
        self, simulator: LedgerSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        simulator.publish()
        with simulator.open() as slow, simulator.open() as fast:
            original = slow.write_checkpoint_file

            def delayed() -> None:
                fast.append([make_draft()], simulator.keys.record)
                fast.publish(simulator.keys.log)
                original()

            monkeypatch.setattr(slow, "write_checkpoint_file", delayed)
            slow.append([make_draft()], simulator.keys.record)
            older = slow.publish(simulator.keys.log)
            newer = simulator.checkpoint_path.read_text()
            assert newer == fast.checkpoint() != older
