"""Workers that are killed between any two steps of a re-test, and inside of each: another one ends the job once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fixtures.postgres import open_schemas
from fixtures.retests import FOLDER, RetestDesk

pytest.importorskip("dbos", reason="the part 'server' is not installed")

from ireu_governance.core.receipt_verification import verify_receipt
from ireu_governance.core.verdict import Verdict
from ireu_governance.jobs.dbos_queue import DbosQueue
from ireu_governance.jobs.orders import RECEIPT, parse_order, submit_verification
from ireu_governance.jobs.queue import JobState, JobStatus
from ireu_governance.ledger.audit import audit

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("retest_worker.py")
STEPS = ("identify", "test-", "append", "publish")  # MAX_ATTEMPTS workers: four that die and one that ends it
PATIENCE_S = 120.0  # of a busy machine


class Floor:
    """A desk, its queue, and worker processes."""

    def __init__(self, desk: RetestDesk) -> None:
        self.desk = desk
        self.queue = DbosQueue.open(desk.workspace, polling_s=0.1)
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, kill: str = "") -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(self.desk.workspace.root)],
            env={**os.environ, "IREU_TEST_KILL": kill, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.DEVNULL,
        )
        self.running.append(process)
        return process

    def submit(self, **order: Any) -> str:
        return submit_verification(self.queue, parse_order({"encoder": FOLDER, **order}))

    def wait(self, job: str, until: Callable[[JobState], bool] = lambda state: state.is_finished) -> JobState:
        end = time.monotonic() + PATIENCE_S
        while not until(state := self.queue.get(job)):
            assert time.monotonic() < end, state
            time.sleep(0.05)
        return state

    def told(self, job: str) -> list[str]:
        file = self.desk.workspace.root / "told.txt"
        return [line for line in file.read_text().splitlines() if line.startswith(job)] if file.exists() else []

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()
        self.queue.close()


@contextmanager
def open_floor(folder: Path, database: str | None = None) -> Iterator[Floor]:
    floor = Floor(RetestDesk.open(folder, sizes=(1, 2), database=database))
    try:
        yield floor
    finally:
        floor.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def floor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Floor]:
    if request.param == "sqlite":
        with open_floor(tmp_path / "floor") as opened:
            yield opened
        return
    with open_schemas() as schemas, open_floor(tmp_path / "floor", schemas.new()) as opened:
        try:
            yield opened
        finally:
            opened.close()
            with schemas.connect(schemas.url) as connection:
                connection.execute(f"DROP SCHEMA IF EXISTS {opened.queue.schema} CASCADE".encode())


def expect_ended_once(floor: Floor, job: str, state: JobState) -> None:
    assert state.status is JobStatus.DONE, state.failure
    recorded = floor.desk.verifications(job)
    assert [each.removal_seq for each in recorded] == floor.desk.removals
    assert [each["verification_entry"] for each in state.result["removals"]] == [each.ledger.seq for each in recorded]
    workspace = floor.desk.workspace
    found = audit(workspace.ledger_location, key_file=workspace.key_file(), checkpoint_path=workspace.checkpoint_path)
    assert found.findings == ()
    receipt = floor.queue.attachment(job, RECEIPT)
    assert verify_receipt(receipt.encode(), key_file=workspace.key_file()).verdict is Verdict.HOLDS


@pytest.mark.parametrize("when", ["inside", "before", "after"])
def test_a_job_survives_the_death_of_its_worker_at_each_step(floor: Floor, when: str) -> None:
    job = floor.submit()
    for step in STEPS:
        dying = floor.start(f"{when}:{step}")
        assert dying.wait(PATIENCE_S) == -signal.SIGKILL, step
        assert floor.queue.get(job).status is not JobStatus.DONE
    floor.start()
    state = floor.wait(job)
    expect_ended_once(floor, job, state)
    assert state.attempts == len(STEPS) + 1


def test_whoever_is_to_be_told_is_told_again_after_a_death(floor: Floor) -> None:
    job = floor.submit()
    assert floor.start("inside:notify").wait(PATIENCE_S) == -signal.SIGKILL
    floor.start()
    expect_ended_once(floor, job, floor.wait(job))
    assert floor.told(job) == [f"{job} holds"] * 2


def test_a_living_worker_takes_over_from_a_dead_one(floor: Floor) -> None:
    floor.desk.tell(sleep_s=30)
    job = floor.submit()
    first = floor.start()
    floor.wait(job, lambda state: state.progress.stage == "features")
    floor.start()
    time.sleep(1)
    assert floor.queue.get(job).attempts == 1, "a job of a living worker was taken from it"
    floor.desk.tell()
    first.kill()
    expect_ended_once(floor, job, floor.wait(job))
    assert floor.queue.get(job).attempts == 2


def test_a_worker_that_is_asked_to_end_hands_its_job_back(floor: Floor) -> None:
    floor.desk.tell(sleep_s=30)
    job = floor.submit()
    first = floor.start()
    floor.wait(job, lambda state: state.progress.stage == "features")
    first.send_signal(signal.SIGTERM)
    assert first.wait(PATIENCE_S) == 0
    state = floor.queue.get(job)
    assert (state.status, state.attempts) == (JobStatus.QUEUED, 0)
    floor.desk.tell()
    floor.start()
    expect_ended_once(floor, job, floor.wait(job))


def test_a_running_job_is_cancelled_and_records_nothing(floor: Floor) -> None:
    floor.desk.tell(sleep_s=60)
    job = floor.submit()
    floor.start()
    floor.wait(job, lambda state: state.progress.stage == "features")
    assert floor.queue.cancel(job).status is JobStatus.CANCELLED
    floor.desk.tell()
    other = floor.submit()
    expect_ended_once(floor, other, floor.wait(other))
    assert floor.queue.get(job).status is JobStatus.CANCELLED
    assert floor.desk.verifications(job) == []


def test_a_job_that_kills_every_worker_is_given_up_with_a_reason(floor: Floor) -> None:
    job = floor.submit()
    for _ in range(5):
        assert floor.start("inside:identify").wait(PATIENCE_S) == -signal.SIGKILL
    floor.start()
    state = floor.wait(job)
    assert (state.status, state.failure.code) == (JobStatus.FAILED, "job-poisoned")
    assert "died 5 times" in state.failure.detail
    healthy = floor.submit()
    expect_ended_once(floor, healthy, floor.wait(healthy))


def test_two_workers_share_many_jobs_and_do_each_once(floor: Floor) -> None:
    jobs = [floor.submit(cases=[floor.desk.cases[0][0]]) for _ in range(6)]
    floor.start()
    floor.start()
    for job in jobs:
        assert floor.wait(job).status is JobStatus.DONE
        assert len(floor.desk.verifications(job)) == 1
        assert len(floor.told(job)) == 1
