"""Power, disks and clocks that fail: what was acknowledged is there, the ledger is whole, and goes on."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fault_harness import ERRORS, READING, WRITING, expect_whole, run_harness, why_no_strace
from ledger_simulator import LedgerSimulator, make_draft

from ireu_governance.core.errors import ErrorCode, IreuError, LedgerError, LedgerRefusedError
from ireu_governance.core.times import now
from ireu_governance.ledger import append as append_module
from ireu_governance.ledger.append import Ledger

SIZE = 7


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerSimulator:
    return LedgerSimulator.build(tmp_path / "ledger", SIZE, published=(5,))


class TestKilledWriters:
    @pytest.mark.slow
    def test_two_hundred_killed_writers_leave_a_whole_ledger_with_all_they_acknowledged(
        self, ledger: LedgerSimulator
    ) -> None:
        done = run_harness("kill", folder=str(ledger.folder), rounds=25, writers=8, seed=7)
        assert done["kills"] == 200
        assert done["acknowledged"] > 400
        assert ledger.audit().findings == ()


@pytest.fixture(scope="module")
def traceable() -> None:
    if reason := why_no_strace():
        print(f"Faults cannot be injected here: {reason}")
        pytest.skip(reason)


@pytest.mark.usefixtures("traceable")
class TestSystemCallsThatFail:
    """One append with publication, from opening to closing the ledger, in which a system call fails.

    The process must end well or with an error of ours. Afterwards nothing that it was told is recorded may be missing,
    the audit must find nothing, and the ledger must go on.
    """

    def inject(self, ledger: LedgerSimulator, faults: list[dict[str, Any]]) -> int:
        """Inject all faults, in two processes at once; return how many appends were refused."""
        halves = []
        for number in range(2):
            copy = ledger.copy(ledger.folder.parent / f"half{number}" / "ledger")
            halves.append((str(copy.folder), faults[number::2]))
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda half: run_harness("inject", folder=half[0], faults=half[1]), halves))
        assert sum(each.get("done", 0) + each.get("refused", 0) for each in done) == len(faults)
        return sum(each.get("refused", 0) for each in done)

    def test_a_third_of_all_writing_calls_that_fail_once_leave_a_whole_ledger(self, ledger: LedgerSimulator) -> None:
        calls = run_harness("count", folder=str(ledger.folder))
        assert calls["pwrite64"] > 10
        assert calls["fdatasync"] + calls["fsync"] > 3
        assert calls["rename"] == 1
        some = [
            {"call": call, "number": number, "error": ERRORS[number % 2]}
            for call in WRITING
            for number in range(1, calls.get(call, 0) + 1)
            if calls[call] <= 3 or number % 3 == 0
        ]
        assert self.inject(ledger, some) > 0

    @pytest.mark.slow
    def test_every_call_that_fails_leaves_a_whole_ledger(self, ledger: LedgerSimulator) -> None:
        calls = run_harness("count", folder=str(ledger.folder))
        writing = [
            {"call": call, "number": number, "error": error, "stays": stays}
            for call in WRITING
            for number in range(1, calls.get(call, 0) + 1)
            for error in ERRORS
            for stays in (False, True)  # once, or from then on: a disk that is full stays so
        ]
        reading = [
            {"call": call, "number": number, "error": "EIO"}
            for call in READING
            if call != "fcntl"  # locks: those that fail are waited for, so each costs its timeout
            for number in range(1, calls.get(call, 0) + 1)
        ]
        assert self.inject(ledger, writing + reading) > 0


# Disks --------------------------------------------------------------------------------------------------------

MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096


@contextmanager
def mounted(folder: Path, *, size: str) -> Iterator[None]:
    """Put a small disk of its own under a folder; skip where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, f"size={size}".encode()) != 0:
        pytest.skip(f"no disk can be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        libc.umount2(bytes(folder), 2)


def remount(folder: Path, *, read_only: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    flags = MS_REMOUNT | (MS_RDONLY if read_only else 0)
    if libc.mount(b"tmpfs", bytes(folder), b"tmpfs", flags, None) != 0:
        pytest.skip(f"a disk cannot be made read-only here: {os.strerror(ctypes.get_errno())}")


class TestFullDisk:
    def fill(self, ledger: LedgerSimulator, appended: list[int]) -> IreuError:
        with ledger.open() as opened:
            for _ in range(3000):
                try:
                    entries = opened.append([make_draft() for _ in range(20)], ledger.keys.record)
                    appended += [each.seq for each in entries]
                    opened.publish(ledger.keys.log)
                except IreuError as error:
                    return error
        raise AssertionError("the disk never filled up")

    def test_full_disk_is_told_and_nothing_acknowledged_is_lost(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        with mounted(disk, size="6m"):
            ledger = LedgerSimulator.build(disk / "ledger", SIZE, published=(5,))
            balloon = disk / "balloon"
            balloon.write_bytes(bytes(2_500_000))
            appended: list[int] = []
            error = self.fill(ledger, appended)
            assert error.code in {ErrorCode.DISK_FULL, ErrorCode.LEDGER_UNAVAILABLE}
            assert error.hint
            report = ledger.audit()
            assert report.findings == ()
            assert report.size >= SIZE + len(appended)
            balloon.unlink()  # somebody makes room, and it goes on
            ledger.append()
            ledger.publish()
            assert ledger.audit().findings == ()

    def test_file_that_may_not_grow_is_told_and_nothing_acknowledged_is_lost(self, ledger: LedgerSimulator) -> None:
        ledger.settle()
        limit = ledger.path.stat().st_size + 200_000
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        appended: list[int] = []
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            error = self.fill(ledger, appended)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        assert isinstance(error, IreuError)
        assert appended
        report = ledger.audit()
        assert (report.findings, report.size >= SIZE + len(appended)) == ((), True)
        ledger.append()
        assert ledger.audit().findings == ()


class TestReadOnly:
    def test_read_only_disk_refuses_appends_and_allows_audits(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        with mounted(disk, size="8m"):
            ledger = LedgerSimulator.build(disk / "ledger", SIZE, published=(5,))
            ledger.settle()
            remount(disk, read_only=True)
            try:
                with pytest.raises(LedgerError) as caught:
                    ledger.append()
                assert not isinstance(caught.value, LedgerRefusedError)
                assert ledger.audit().findings == ()
            finally:
                remount(disk, read_only=False)
            ledger.append()
            assert ledger.audit().size == SIZE + 1

    def test_checkpoint_that_cannot_be_written_leaves_the_older_one_and_can_be_published_later(
        self, ledger: LedgerSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = ledger.checkpoint_path.read_bytes()

        def refuse(source: Path, target: Path) -> None:
            raise OSError(30, "Read-only file system")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", refuse)
            with pytest.raises(IreuError, match="Read-only"):
                ledger.publish()
        assert ledger.checkpoint_path.read_bytes() == before
        assert [each.name for each in ledger.checkpoint_path.parent.iterdir()] == ["checkpoint"]
        assert ledger.audit().findings == ()
        ledger.append()
        ledger.publish()
        expect_whole(ledger, {})


# Clocks and machines ------------------------------------------------------------------------------------------


class TestClockSetBack:
    def test_time_never_runs_backwards_in_the_ledger(
        self, ledger: LedgerSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger.append()
        latest = now()
        for clock in ("2001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"):
            monkeypatch.setattr(append_module, "now", lambda clock=clock: clock)
            ledger.append()
        with ledger.open() as opened:
            times = [each.recorded_at for each in opened.entries()]
        assert times == sorted(times)
        assert "2026-11-20" <= times[-1] <= latest
        assert ledger.audit().findings == ()

    def test_clock_that_runs_ahead_holds_the_time_until_it_is_right_again(
        self, ledger: LedgerSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(append_module, "now", lambda: "2999-01-01T00:00:00Z")
            ledger.append()
        ledger.append()
        with ledger.open() as opened:
            assert [each.recorded_at for each in opened.entries(SIZE)] == ["2999-01-01T00:00:00Z"] * 2
        assert ledger.audit().findings == ()


class TestTwoMachines:
    """Two machines that share a database, each with its own copy of the published checkpoint."""

    def open(self, ledger: LedgerSimulator, name: str) -> Ledger:
        path = ledger.folder / name / "checkpoint"
        if not path.exists():
            path.parent.mkdir()
            path.write_bytes(ledger.checkpoint_path.read_bytes())
        return Ledger.open(ledger.location, key_file=ledger.keys.key_file, checkpoint_path=path)

    def test_both_append_and_publish_in_turns(self, ledger: LedgerSimulator) -> None:
        with self.open(ledger, "one") as one, self.open(ledger, "other") as other:
            for each in (one, other, one, one, other):
                each.append([make_draft()], ledger.keys.record)
                each.publish(ledger.keys.log)
        for name in ("one", "other"):
            report = ledger.audit(checkpoint_path=ledger.folder / name / "checkpoint")
            assert (report.findings, report.size) == ((), SIZE + 5)

    def test_the_machine_that_knows_more_refuses_an_older_copy(self, ledger: LedgerSimulator, tmp_path: Path) -> None:
        older = ledger.copy(tmp_path / "older")
        with self.open(ledger, "one") as one:
            one.append([make_draft()], ledger.keys.record)
            one.publish(ledger.keys.log)
        ledger.replace_database(older)
        with self.open(ledger, "one") as one, pytest.raises(LedgerRefusedError):
            one.append([make_draft()], ledger.keys.record)
        report = ledger.audit(checkpoint_path=ledger.folder / "one" / "checkpoint")
        assert [str(each.kind) for each in report.findings] == ["rolled-back"]


def test_what_is_acknowledged_was_synced_to_the_disk(ledger: LedgerSimulator) -> None:
    # A kill cannot show what a power cut would: that the commit waits for the disk is seen in the calls alone.
    if reason := why_no_strace():
        pytest.skip(reason)
    calls = run_harness("count", folder=str(ledger.folder))
    assert calls["fdatasync"] >= 2, "an append and a publication each sync the write-ahead log"
    assert calls["fsync"] >= 2, "the checkpoint's file and its folder are synced"
