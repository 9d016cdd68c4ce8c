"""A worker process as a whole: it needs its engine at once, works, tells others, and ends when it is asked to."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import pytest
from fixtures.retests import FOLDER, RetestDesk

pytest.importorskip("dbos", reason="the part 'server' is not installed")

from ireu_governance.core.errors import LedgerError, MissingExtraError
from ireu_governance.jobs import worker
from ireu_governance.jobs.dbos_queue import DbosQueue
from ireu_governance.jobs.orders import KIND, VerificationResult, parse_order, submit_verification
from ireu_governance.jobs.queue import JobStatus
from ireu_governance.jobs.tester import load_tester, parse_source
from ireu_governance.jobs.worker import Extension, run_worker

ENGINE = "fixtures.retests:create_tester"


@pytest.fixture
def desk(tmp_path: Path) -> RetestDesk:
    return RetestDesk.open(tmp_path / "desk", sizes=(1,))


def test_without_its_engine_a_worker_does_not_begin(desk: RetestDesk) -> None:
    with pytest.raises(MissingExtraError) as caught:
        run_worker(desk.workspace, stop=threading.Event(), tester="no_such_engine:create_tester")
    assert caught.value.extra == "ml"
    with pytest.raises(MissingExtraError):
        load_tester(desk.workspace, "no_such_engine:create_tester")


def test_a_worker_works_with_its_extensions_and_ends(desk: RetestDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, VerificationResult]] = []
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(1)
        raise LedgerError("busy") if len(ticks) == 1 else RuntimeError("a fault")

    watching = ModuleType("watching")
    watching.extension = lambda workspace, queue: Extension(  # type: ignore[attr-defined]
        handlers={"echo": lambda payload, steps: dict(payload)},
        notify=lambda job, result: told.append((job, result)),
        tick=tick,
    )
    monkeypatch.setitem(sys.modules, "watching", watching)
    monkeypatch.setattr(watching, "__spec__", object(), raising=False)
    monkeypatch.setattr(worker, "_EXTENSIONS", ("watching", "ireu_governance.jobs.none_such"))
    monkeypatch.setattr(worker, "_TICK_S", 0.05)
    queue = DbosQueue.open(desk.workspace)
    job = submit_verification(queue, parse_order({"encoder": FOLDER}))
    echo = queue.submit("echo", {"a": 1})
    stop, ready = threading.Event(), threading.Event()
    thread = threading.Thread(
        target=run_worker,
        args=(desk.workspace,),
        kwargs={"stop": stop, "tester": ENGINE, "polling_s": 0.05, "ready": ready.set, "concurrency": 2, "grace_s": 2},
    )
    thread.start()
    end = time.monotonic() + 60
    while not (queue.get(job).is_finished and queue.get(echo).is_finished and len(ticks) > 2):
        assert time.monotonic() < end
        time.sleep(0.05)
    stop.set()
    thread.join(60)
    assert ready.is_set()
    assert queue.get(echo).result == {"a": 1}
    assert queue.get(job).status is JobStatus.DONE
    assert queue.get(job).kind == KIND
    assert [number for number, _ in told] == [job]
    queue.close()


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "folder", "path": "encoders/run-1"},
        {"kind": "pipeline", "path": "pipelines/prod"},
        {"kind": "mlflow", "model": "face encoder", "version": 3},
        {"kind": "mlflow", "model": "face-encoder", "alias": "champion"},
        {"kind": "http", "url": "http://[::1]:5000/invocations", "protocol": "mlflow"},
        {"kind": "named", "name": "testbed"},
        {"kind": "named", "name": "hf:openai/clip-vit-base-patch32"},
    ],
)
def test_sources_are_read_as_they_are_written(source: dict[str, object]) -> None:
    read = parse_source(source)
    assert {name: value for name, value in read.model_dump().items() if name in source} == source
