"""Faults for a ledger that is at work: writers that are killed, and system calls that fail.

Everything is done in processes that are forked from a warm one, since a Python that only just starts spends its time
with imports and not with appends. A test starts the warm one with `run_harness`, so that pytest's own threads are
never forked. What a writer was told (acknowledged) it notes in shared memory or in a file of its own, at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger_simulator import LedgerSimulator, make_draft

from ireu_governance.core.errors import IreuError
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.audit_state import VerifiedState

DONE, REFUSED, CRASHED = 0, 10, 20
WRITING = ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "openat", "unlink", "fchmod", "unlinkat")
READING = ("read", "pread64", "fcntl", "newfstatat", "fstat", "lseek", "mmap", "close", "getcwd", "readlink", "mkdir")
ERRORS = ("EIO", "ENOSPC")
PR_SET_PTRACER, ANYBODY = 0x59616D61, -1


def run_harness(job: str, **options: Any) -> Any:
    """Run a job of this module in a fresh process and return its answer; raises what went wrong in it."""
    here = Path(__file__).resolve().parent
    done = subprocess.run(
        [sys.executable, str(here / "fault_harness.py"), job, json.dumps(options)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{here}:{here.parent}", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, f"{job}: {done.stderr[-4000:]}"
    return json.loads(done.stdout)


def expect_whole(
    simulator: LedgerSimulator, acknowledged: dict[int, str], since: VerifiedState | None = None
) -> VerifiedState:
    """Check all that must hold after a fault, whatever it was.

    The rows are a whole prefix without forks, the checkpoint's file is not ahead of them (the audit), and every
    entry that somebody was told is recorded is there.
    """
    report = simulator.audit(since=since)
    assert report.findings == (), report.findings
    with simulator.open() as ledger:
        stored = {each.seq: each.leaf_hash.hex() for each in ledger.entries()}
        assert sorted(stored) == list(range(report.size)), "gaps"
        lost = {seq: leaf for seq, leaf in acknowledged.items() if stored.get(seq) != leaf}
        assert not lost, f"acknowledged and lost: {lost}"
        if simulator.checkpoint_path.exists():
            published = verified_checkpoint(simulator.checkpoint_path.read_text(), ledger.key_file)
            assert published.size <= report.size
    assert report.state is not None
    return report.state


# Killed writers -----------------------------------------------------------------------------------------------


def kill_writers(folder: str, rounds: int, writers: int, seed: int) -> dict[str, int]:
    """Let writers append and publish at once, kill each at a random moment, and check the ledger; again and again."""
    simulator = LedgerSimulator(Path(folder))
    choose = random.Random(seed)
    acknowledged: dict[int, str] = {}
    state: VerifiedState | None = None
    kills = 0
    for round_ in range(rounds):
        notes = [Path(folder) / f"acknowledged-{round_}-{number}" for number in range(writers)]
        started = [fork(lambda note=note: write_for_ever(simulator, note, choose.random())) for note in notes]
        deadline = time.monotonic() + 60
        while not all(note.exists() and note.stat().st_size for note in notes):  # all are at work
            assert time.monotonic() < deadline, "a writer never began"
            time.sleep(0.005)
        for pid in choose.sample(started, len(started)):  # not all at the same moment
            time.sleep(choose.random() * 0.02)
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            assert os.WIFSIGNALED(status), "the writer had ended by itself"
            kills += 1
        for note in notes:
            for line in note.read_text().splitlines(keepends=True):
                if line.endswith("\n"):  # the last one can be half
                    seq, leaf = line.split()
                    assert acknowledged.setdefault(int(seq), leaf) == leaf, f"entry {seq} was acknowledged twice"
            note.unlink()
        state = expect_whole(simulator, acknowledged, state)
        simulator.append()  # nothing that was killed holds the lock
    expect_whole(simulator, acknowledged)
    return {"kills": kills, "acknowledged": len(acknowledged), "entries": state.size if state else 0}


def write_for_ever(simulator: LedgerSimulator, note: Path, seed: float) -> None:
    choose = random.Random(seed)
    descriptor = os.open(note, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    with simulator.open(timeout_s=60) as ledger:
        while True:
            drafts = [make_draft() for _ in range(choose.choice((1, 1, 2, 5)))]
            entries = ledger.append(drafts, simulator.keys.record)
            os.write(descriptor, b"".join(b"%d %b\n" % (each.seq, each.leaf_hash.hex().encode()) for each in entries))
            if choose.random() < 0.25:
                ledger.publish(simulator.keys.log)


def fork(work: Callable[[], None]) -> int:
    """Run work in a forked process, which never comes back into the caller's code."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(DONE)
    except IreuError:
        os._exit(REFUSED)
    except BaseException:  # noqa: BLE001 - nothing may come back into the caller's code
        traceback.print_exc()
        os._exit(CRASHED)


# System calls that fail ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """One system call that fails: the Nth of its name, or all from the Nth on."""

    call: str
    number: int
    error: str
    stays: bool = False

    def option(self) -> str:
        return f"inject={self.call}:error={self.error}:when={self.number}{'+' if self.stays else ''}"


class Told:
    """What the process under test was told, in memory that it shares with its parent: noting it needs no system call."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 4096)

    def entry(self, seq: int, leaf: bytes) -> None:
        self._memory[1:41] = seq.to_bytes(8, "big") + leaf
        self._memory[0] = 1

    def published(self, size: int) -> None:
        self._memory[64:72] = size.to_bytes(8, "big")

    @property
    def entries(self) -> dict[int, str]:
        return {int.from_bytes(self._memory[1:9], "big"): self._memory[9:41].hex()} if self._memory[0] else {}

    @property
    def size(self) -> int:
        return int.from_bytes(self._memory[64:72], "big")


def why_no_strace() -> str:
    """Return why system calls cannot be made to fail here; empty when they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = subprocess.run(
        ["strace", "-f", "-qq", "-o", os.devnull, "-e", "inject=unlink:error=EIO:when=1", "rm", "-f", "/nonexistent/x"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"strace may not trace processes here: {probe.stderr.strip()[:200]}" if "ptrace" in probe.stderr else ""


def count_calls(folder: str) -> dict[str, int]:
    """Return how many system calls of each name one append with publication makes, from opening to closing."""
    log = Path(folder).parent / "calls"
    calls = ",".join((*WRITING, *READING))
    status, _ = traced(LedgerSimulator(Path(folder)), ["-o", str(log), "-e", f"trace={calls}"])
    assert status == DONE
    found = Counter(re.findall(r"^(?:\d+ +)?(\w+)\(", log.read_text(), re.MULTILINE))
    return {name: found[name] for name in sorted(found)}


def inject_faults(folder: str, faults: list[dict[str, Any]]) -> dict[str, int]:
    """Let system calls fail, one fault a copy of the ledger, and check the copy each time."""
    outcomes: Counter[str] = Counter()
    for each in faults:
        fault = Fault(**each)
        copy = LedgerSimulator(Path(folder).parent / "faulty")
        shutil.rmtree(copy.folder, ignore_errors=True)
        shutil.copytree(folder, copy.folder)
        options = ["-o", os.devnull, "-e", f"trace={fault.call}", "-e", fault.option()]
        status, told = traced(copy, options)
        try:
            assert status in (DONE, REFUSED), f"the process ended with {status}, not with an error of ours"
            expect_whole(copy, told.entries)
            if told.size:
                assert verified_checkpoint(copy.checkpoint_path.read_text(), copy.keys.key_file).size >= told.size
            copy.append()
            copy.publish()
            assert copy.audit().findings == ()
            leftovers = [path.name for path in copy.checkpoint_path.parent.iterdir() if path.name != "checkpoint"]
            assert status == REFUSED or not leftovers, leftovers
        except (AssertionError, IreuError) as error:
            raise AssertionError(f"{fault}: {error}") from error
        outcomes["done" if status == DONE else "refused"] += 1
        outcomes["acknowledged"] += len(told.entries)
    return dict(outcomes)


def traced(simulator: LedgerSimulator, options: list[str]) -> tuple[int, Told]:
    """Append and publish once in a forked process under strace, which sees nothing of it before."""
    told = Told()
    wait, go = os.pipe()
    pid = fork(lambda: append_once(simulator, told, wait, go))
    os.close(wait)
    tracer = subprocess.Popen(["strace", "-f", *options, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    line = tracer.stderr.readline()
    assert "attached" in line, line
    os.close(go)  # now it may begin
    deadline = time.monotonic() + 60
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"it hangs under {options}")
        time.sleep(0.002)
    tracer.stderr.close()
    tracer.wait(10)
    return os.waitstatus_to_exitcode(status), told


def append_once(simulator: LedgerSimulator, told: Told, wait: int, go: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANYBODY)  # where only ancestors may trace otherwise
    draft, location = make_draft(), simulator.location
    os.close(go)
    select.select([wait], [], [])  # a call that is never made to fail
    with Ledger.open(
        location, key_file=simulator.keys.key_file, checkpoint_path=simulator.checkpoint_path, timeout_s=5
    ) as ledger:
        (entry,) = ledger.append([draft], simulator.keys.record)
        told.entry(entry.seq, entry.leaf_hash)
        ledger.publish(simulator.keys.log)
        told.published(entry.seq + 1)


JOBS = {"kill": kill_writers, "count": count_calls, "inject": inject_faults}

if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))  # type: ignore[operator]
