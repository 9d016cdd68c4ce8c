"""The queue on DBOS: what is submitted is found again, whatever becomes of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dbos", reason="the part 'server' is not installed")

from ireu_governance.core.errors import (
    ConfigError,
    EncoderError,
    ErrorCode,
    InputError,
    LedgerError,
    QueueError,
    RunInterruptedError,
)
from ireu_governance.jobs.dbos_queue import DbosQueue
from ireu_governance.jobs.queue import JobState, JobStatus, Steps
from ireu_governance.workspace import Workspace

PATIENCE_S = 60.0


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[DbosQueue]:
    workspace = Workspace.create(tmp_path / "workspace", organisation="Example", origin="example.org/jobs")
    opened = DbosQueue.open(workspace, polling_s=0.05)
    yield opened
    opened.close()


@contextmanager
def working(queue: DbosQueue, handler: Callable[[Mapping[str, Any], Steps], dict[str, Any]]) -> Iterator[None]:
    stop = threading.Event()
    worker = threading.Thread(
        target=queue.run_worker, args=({"work": handler},), kwargs={"stop": stop, "concurrency": 2, "grace_s": 2}
    )
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join(PATIENCE_S)
        assert not worker.is_alive()


def wait(queue: DbosQueue, job: str) -> JobState:
    end = time.monotonic() + PATIENCE_S
    while not (state := queue.get(job)).is_finished:
        assert time.monotonic() < end, state
        time.sleep(0.02)
    return state


def test_jobs_wait_without_a_worker_and_are_counted(queue: DbosQueue) -> None:
    job = queue.submit("work", {"case": "a"})
    state = queue.get(job)
    assert (state.status, state.payload, state.attempts) == (JobStatus.QUEUED, {"case": "a"}, 0)
    assert queue.counts()[JobStatus.QUEUED] == 1
    assert queue.oldest_queued_age_s() >= 0
    assert queue.attachment(job, "receipt") is None


def test_the_file_is_its_owners_only(queue: DbosQueue, tmp_path: Path) -> None:
    queue.submit("work", {})
    assert (tmp_path / "workspace" / "jobs.db").stat().st_mode & 0o777 == 0o600


def test_a_number_is_submitted_once(queue: DbosQueue) -> None:
    first = queue.submit("work", {"x": 1}, job_id="a" * 32)
    assert queue.submit("work", {"x": 2}, job_id="a" * 32) == first
    assert queue.get(first).payload == {"x": 1}
    assert queue.counts()[JobStatus.QUEUED] == 1


def test_unknown_jobs_are_refused(queue: DbosQueue) -> None:
    for ask in (queue.get, queue.cancel, lambda job: queue.attachment(job, "x")):
        with pytest.raises(InputError) as caught:
            ask("0" * 32)
        assert caught.value.code is ErrorCode.JOB_UNKNOWN


def test_lists_page_without_gap_or_repeat_also_within_a_millisecond(queue: DbosQueue) -> None:
    made = {queue.submit("work" if number % 3 else "other", {"n": number}) for number in range(10)}
    found: list[str] = []
    after = None
    while True:
        page = queue.list(after=after, limit=3)
        found += [each.id for each in page.jobs]
        if (after := page.next) is None:
            break
    assert len(found) == 10
    assert set(found) == made
    assert {each.kind for each in queue.list(kind="other").jobs} == {"other"}


@pytest.mark.parametrize("cursor", ["x", "!!", "MTIz", "YWJj", "", "é"])
def test_strange_cursors_are_refused(queue: DbosQueue, cursor: str) -> None:
    with pytest.raises(InputError, match="cursor"):
        queue.list(after=cursor)


def test_pages_have_bounds(queue: DbosQueue) -> None:
    for limit in (0, 201):
        with pytest.raises(InputError):
            queue.list(limit=limit)


def test_a_job_runs_through_its_steps(queue: DbosQueue) -> None:
    def handle(payload: Mapping[str, Any], steps: Steps) -> dict[str, Any]:
        def one() -> dict[str, Any]:
            steps.report(1, 2, "one")
            return {"n": payload["n"]}

        found = steps.run("one", one)
        steps.attach("receipt", "text of " + steps.job_id)
        assert not steps.is_cancelled()
        return {**found, "at": steps.submitted_at}

    job = queue.submit("work", {"n": 7})
    with working(queue, handle):
        state = wait(queue, job)
    assert state.status is JobStatus.DONE
    assert state.result == {"n": 7, "at": state.created_at}
    assert (state.progress.done, state.progress.total, state.progress.stage) == (1, 2, "one")
    assert state.attempts == 1
    assert queue.attachment(job, "receipt") == f"text of {job}"
    assert queue.cancel(job).status is JobStatus.DONE


def test_a_refusal_is_the_reason_and_is_not_tried_again(queue: DbosQueue) -> None:
    tries = []

    def handle(_: Mapping[str, Any], steps: Steps) -> dict[str, Any]:
        def refuse() -> dict[str, Any]:
            tries.append(1)
            raise InputError("This is no encoder.", hint="Name another.", code=ErrorCode.INPUT_MISSING)

        return steps.run("refuse", refuse, attempts=3)

    job = queue.submit("work", {})
    with working(queue, handle):
        state = wait(queue, job)
    assert state.status is JobStatus.FAILED
    assert (state.failure.code, state.failure.detail, state.failure.hint) == (
        "input-missing", "This is no encoder.", "Name another.",
    )  # fmt: skip
    assert len(tries) == 1


def test_a_busy_ledger_and_an_unknown_fault_are_tried_again(
    queue: DbosQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ireu_governance.jobs.dbos_worker._FIRST_PAUSE_S", 0.01)
    errors: list[Exception] = [
        LedgerError("Another process holds the ledger."),
        OSError("a hiccup"),
        EncoderError("Nobody answers.", code=ErrorCode.NETWORK_UNAVAILABLE),
    ]

    def handle(_: Mapping[str, Any], steps: Steps) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            if errors:
                raise errors.pop()
            return {"done": True}

        return steps.run("work", work, attempts=4)

    job = queue.submit("work", {})
    with working(queue, handle):
        assert wait(queue, job).result == {"done": True}


@pytest.mark.parametrize("where", ["step", "handler"])
def test_a_fault_ends_one_job_and_tells_its_submitter_nothing_of_the_inside(
    queue: DbosQueue, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    def handle(payload: Mapping[str, Any], steps: Steps) -> dict[str, Any]:
        if payload["good"]:
            return {"good": True}

        def burst() -> dict[str, Any]:
            raise RuntimeError("/secret/path of Erika")

        return steps.run("burst", burst) if where == "step" else burst()

    bad, good = queue.submit("work", {"good": False}), queue.submit("work", {"good": True})
    with caplog.at_level(logging.CRITICAL), working(queue, handle):
        state = wait(queue, bad)
        assert wait(queue, good).result == {"good": True}
    assert (state.status, state.failure.code) == (JobStatus.FAILED, "internal-fault")
    assert "secret" not in state.model_dump_json()


def test_a_job_that_takes_too_long_fails_and_says_so(queue: DbosQueue) -> None:
    def handle(_: Mapping[str, Any], steps: Steps) -> dict[str, Any]:
        def slow() -> dict[str, Any]:
            while not steps.is_cancelled():
                time.sleep(0.05)
            raise RunInterruptedError("stopped")

        return steps.run("slow", slow)

    job = queue.submit("work", {}, timeout_s=0.5)
    with working(queue, handle):
        state = wait(queue, job)
    assert (state.status, state.failure.code) == (JobStatus.FAILED, "job-timed-out")


def test_a_delayed_job_waits(queue: DbosQueue) -> None:
    later = queue.submit("work", {}, delay_s=3600)
    now = queue.submit("work", {})
    with working(queue, lambda *_: {}):
        wait(queue, now)
        assert queue.get(later).status is JobStatus.QUEUED
    assert queue.cancel(later).status is JobStatus.CANCELLED
    assert queue.oldest_queued_age_s() == 0


def test_a_worker_that_ends_during_a_step_hands_the_job_back(queue: DbosQueue) -> None:
    begun = threading.Event()

    def handle(payload: Mapping[str, Any], steps: Steps) -> dict[str, Any]:
        def slow() -> dict[str, Any]:
            begun.set()
            while not steps.is_cancelled():
                time.sleep(0.02)
            raise RunInterruptedError("stopped")

        return steps.run("slow", slow)

    job = queue.submit("work", {})
    with working(queue, handle):
        assert begun.wait(PATIENCE_S)
    state = queue.get(job)
    assert (state.status, state.attempts) == (JobStatus.QUEUED, 0)


def test_a_queue_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "workspace", organisation="Example", origin="example.org/jobs")
    (tmp_path / "workspace" / "jobs.db").mkdir()
    queue = DbosQueue.open(workspace)
    for ask in (lambda: queue.submit("work", {}), queue.counts, lambda: queue.run_worker({})):
        with pytest.raises(QueueError, match="cannot be reached") as caught:
            ask()
        assert caught.value.code is ErrorCode.QUEUE_UNAVAILABLE
    queue.close()


def test_a_queue_beside_a_server_that_is_down_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace.create(tmp_path / "workspace", organisation="Example", origin="example.org/jobs")
    monkeypatch.setenv("IREU_DATABASE", "postgresql://nobody@127.0.0.1:1/none")
    queue = DbosQueue.open(Workspace(workspace.root))
    with pytest.raises(QueueError, match="cannot be reached"):
        queue.counts()
    monkeypatch.setenv("IREU_DATABASE", "postgresql://nobody@127.0.0.1:1/none?nonsense=1")
    with pytest.raises(ConfigError):
        DbosQueue.open(Workspace(workspace.root))
