"""Finished jobs are removed when they are old: these and no others, with all that the queue kept of them."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fixtures.postgres import open_schemas

pytest.importorskip("dbos", reason="the part 'server' is not installed")

import sqlalchemy as sa

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.jobs import dbos_queue
from ireu_governance.jobs.dbos_queue import DbosQueue
from ireu_governance.jobs.queue import JobStatus, Steps
from ireu_governance.workspace import Workspace

PATIENCE_S = 60.0


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DbosQueue]:
    def open_queue(database: str | None) -> DbosQueue:
        workspace = Workspace.create(
            tmp_path / "w", organisation="Example", origin=f"example.org/{secrets.token_hex(4)}", database=database
        )
        return DbosQueue.open(workspace, polling_s=0.05)

    if request.param == "sqlite":
        opened = open_queue(None)
        yield opened
        opened.close()
        return
    with open_schemas() as schemas:
        opened = open_queue(schemas.new())
        yield opened
        with opened._using() as client, client._sys_db.engine.begin() as connection:
            connection.execute(sa.text(f"DROP SCHEMA {opened.schema} CASCADE"))
        opened.close()


def handle(payload: Mapping[str, Any], steps: Steps) -> dict[str, Any]:
    steps.run("step", lambda: {"found": 1})
    steps.attach("receipt", "what is kept")
    if payload.get("fail"):
        raise InputError("It was told to fail.")
    return {"n": payload["n"]}


@pytest.fixture
def jobs(queue: DbosQueue) -> dict[str, str]:
    """Jobs that ended in each way, and one that waits."""
    found = {f"done {n}": queue.submit("work", {"n": n}) for n in range(5)}
    found["failed"] = queue.submit("work", {"n": 5, "fail": True})
    stop = threading.Event()
    worker = threading.Thread(
        target=queue.run_worker, args=({"work": handle},), kwargs={"stop": stop, "concurrency": 2, "grace_s": 2}
    )
    worker.start()
    end = time.monotonic() + PATIENCE_S
    while not all(queue.get(each).is_finished for each in found.values()):
        assert time.monotonic() < end
        time.sleep(0.05)
    stop.set()
    worker.join(PATIENCE_S)
    found["cancelled"] = queue.submit("work", {"n": 6})
    queue.cancel(found["cancelled"])
    found["waiting"] = queue.submit("work", {"n": 7})
    found["delayed"] = queue.submit("work", {"n": 8}, delay_s=3600)
    return found


def rows(queue: DbosQueue, jobs: list[str]) -> int:
    """Return how many rows of all tables of the queue name one of some jobs."""
    with queue._using() as client, client._sys_db.engine.connect() as connection:
        count = 0
        schema = None if connection.dialect.name == "sqlite" else queue.schema
        metadata = sa.MetaData(schema=schema)
        metadata.reflect(connection)
        for table in metadata.tables.values():
            for name in {"workflow_uuid", "workflow_id"} & set(table.c.keys()):
                query = sa.select(sa.func.count()).select_from(table).where(table.c[name].in_(jobs))
                count += connection.execute(query).scalar_one()
        return count


def test_old_finished_jobs_are_removed_with_all_that_is_kept_of_them(
    queue: DbosQueue, jobs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbos_queue, "_BATCH", 2)  # so that there are several
    later = datetime.now(UTC) + timedelta(seconds=5)
    ended = [number for name, number in jobs.items() if name not in ("waiting", "delayed", "done 3")]
    assert rows(queue, ended) >= 3 * 6, "a job, its steps, and what it has attached"
    assert queue.remove_finished(later, keep={jobs["done 3"], jobs["waiting"]}) == len(ended) == 6
    assert rows(queue, ended) == 0
    for number in ended:
        with pytest.raises(InputError) as caught:
            queue.get(number)
        assert caught.value.code is ErrorCode.JOB_UNKNOWN
    assert {each.id for each in queue.list().jobs} == {jobs["waiting"], jobs["delayed"], jobs["done 3"]}
    assert queue.attachment(jobs["done 3"], "receipt") == "what is kept"
    assert queue.get(jobs["waiting"]).status is JobStatus.QUEUED
    assert queue.remove_finished(later) == 1
    assert queue.remove_finished(later) == 0


def test_jobs_that_ended_after_the_time_stay(queue: DbosQueue, jobs: dict[str, str]) -> None:
    assert queue.remove_finished(datetime.now(UTC) - timedelta(days=1)) == 0
    assert {each.id for each in queue.list().jobs} == set(jobs.values())
    assert queue.attachment(jobs["done 0"], "receipt") == "what is kept"
