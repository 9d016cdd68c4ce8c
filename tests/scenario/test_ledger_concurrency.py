"""Many writers at once, and writers that are killed: no fork, no gap, nothing lost that was acknowledged."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest
from ledger_simulator import LedgerSimulator, make_draft

from ireu_governance.core import merkle
from ireu_governance.ledger.read import verified_checkpoint

pytestmark = pytest.mark.slow

PROCESSES = 4
SECONDS = 3.0

Acknowledged = list[tuple[int, str]]


def write(folder: Path, start: Barrier, stop: Event, number: int, results: Queue[tuple[int, Acknowledged]]) -> None:
    """Append singly, in batches, and publish, until told to stop; report what was acknowledged."""
    simulator = LedgerSimulator(folder)
    choose = random.Random(number)
    acknowledged: Acknowledged = []
    published = 0
    with simulator.open(timeout_s=60) as ledger:
        start.wait(120)  # starting the interpreters takes its time, more on a busy machine
        while not (stop.is_set() and published and acknowledged):
            drafts = [make_draft() for _ in range(choose.choice((1, 1, 1, 5, 20)))]
            entries = ledger.append(drafts, simulator.keys.record)
            acknowledged += [(each.seq, each.leaf_hash.hex()) for each in entries]
            if not published or choose.random() < 0.1:
                size = verified_checkpoint(ledger.publish(simulator.keys.log), ledger.key_file).size
                assert size > published
                published = size
    results.put((number, acknowledged))


def test_processes_append_at_once_without_fork_gap_or_loss(tmp_path: Path, each_database: str) -> None:
    simulator = LedgerSimulator.build(tmp_path / "ledger", 0)
    context = get_context("spawn")
    results: Queue[tuple[int, Acknowledged]] = context.Queue()
    start, stop = context.Barrier(PROCESSES + 1), context.Event()
    workers = [
        context.Process(target=write, args=(simulator.folder, start, stop, number, results))
        for number in range(PROCESSES)
    ]
    for each in workers:
        each.start()
    start.wait(120)
    heads = watch(simulator, time.time() + SECONDS)
    stop.set()
    acknowledged = [results.get(timeout=60)[1] for _ in workers]
    for each in workers:
        each.join(60)
        assert each.exitcode == 0

    report = simulator.audit()
    assert report.findings == ()
    everything = [one for each in acknowledged for one in each]
    assert len({seq for seq, _ in everything}) == len(everything) == report.size  # no fork, no gap
    with simulator.open() as ledger:
        assert {each.seq: each.leaf_hash.hex() for each in ledger.entries()} == dict(everything)  # no loss
        assert verified_checkpoint(simulator.checkpoint_path.read_text(), ledger.key_file).size > 0
    assert all(acknowledged), "every writer got its turn"
    assert heads


def watch(simulator: LedgerSimulator, until: float) -> int:
    """Read while others write: each head continues the one before, and no audit raises a false alarm."""
    seen = 0
    with simulator.open() as ledger:
        head = ledger.head()
        while time.time() < until:
            newer = ledger.head()
            if newer.size > head.size:
                seen += 1
                if head.size:
                    merkle.verify_consistency(
                        size1=head.size,
                        size2=newer.size,
                        proof=ledger.prove_consistency(head.size, newer.size),
                        root1=head.root,
                        root2=newer.root,
                    )
                head = newer
            assert simulator.audit().findings == ()
            time.sleep(0.1)
    return seen


WRITER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from ledger_simulator import LedgerSimulator, make_draft
simulator = LedgerSimulator(Path(sys.argv[1]))
with simulator.open(timeout_s=60) as ledger:
    while True:
        for entry in ledger.append([make_draft(), make_draft()], simulator.keys.record):
            print(entry.seq, entry.leaf_hash.hex(), flush=True)
        if entry.seq % 20 < 2:
            ledger.publish(simulator.keys.log)
"""


def test_killed_writers_lose_nothing_that_they_acknowledged(tmp_path: Path, each_database: str) -> None:
    simulator = LedgerSimulator.build(tmp_path / "ledger", 0)
    places = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    acknowledged: dict[int, str] = {}
    for round_ in range(3):
        outputs = [tmp_path / f"{round_}-{number}.txt" for number in range(2)]
        workers = [start(simulator.folder, places, output) for output in outputs]
        deadline = time.monotonic() + 60
        while not all(b"\n" in output.read_bytes() for output in outputs):  # both are at work
            assert all(each.poll() is None for each in workers)
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.07 * round_)
        for each in workers:
            os.kill(each.pid, signal.SIGKILL)
            each.wait()
        for output in outputs:
            for line in output.read_text().splitlines(keepends=True):
                if line.endswith("\n"):
                    seq, leaf = line.split()
                    acknowledged[int(seq)] = leaf
        simulator.publish()  # one who was killed before its checkpoint's file was written is made up for by the next
        assert simulator.audit().findings == ()
        with simulator.open() as ledger:
            stored = {each.seq: each.leaf_hash.hex() for each in ledger.entries()}
            assert acknowledged.items() <= stored.items()
            ledger.append([make_draft()], simulator.keys.record)  # nothing that was killed holds the lock
    assert len(acknowledged) >= 12


def start(folder: Path, places: list[str], output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as file:
        return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), *places], stdout=file)
