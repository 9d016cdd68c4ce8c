"""Health and readiness: what a load balancer asks, and what it is told when a part is broken."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from fixtures.records import RecordedRemoval
from fixtures.service import Service, open_service
from test_problems import expect_problem

from ireu_governance.api.observability import Figure
from ireu_governance.core.errors import ErrorCode, LedgerError, ServiceError
from ireu_governance.core.keys import Role
from ireu_governance.jobs.queue import JobStatus
from ireu_governance.service.store import ServiceStore


class FakeQueue:
    """A queue that can be away."""

    def __init__(self) -> None:
        self.away = False
        self.closed = False

    def counts(self) -> dict[JobStatus, int]:
        if self.away:
            raise ServiceError("away", code=ErrorCode.QUEUE_UNAVAILABLE)
        return {JobStatus.QUEUED: 2, JobStatus.DONE: 5}

    def oldest_queued_age_s(self) -> float:
        return 12.5

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ireu_governance.api.routes.health._KEPT_S", -1.0)


def not_ready(service: Service, name: str) -> dict[str, Any]:
    answer = service.get("/readyz")
    document = expect_problem(answer, 503, "service-unavailable")
    assert answer.headers["retry-after"] == "5"
    (part,) = [each for each in document["checks"] if not each["ready"]]
    assert part["name"] == name
    assert document["detail"] == f"Not ready: {name}."
    assert service.get("/healthz").json() == {"status": "ok"}
    return part  # type: ignore[no-any-return]


def test_whole_service_is_ready(service: Service) -> None:
    answer = service.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": [
            {"name": "ledger", "ready": True, "reason": ""},
            {"name": "store", "ready": True, "reason": ""},
        ],
    }


def test_older_copy_of_the_ledger_is_not_ready(removal: RecordedRemoval) -> None:
    path = removal.workspace.ledger_path
    with removal.workspace.open_ledger() as ledger:
        ledger._engine.dispose()
    shutil.copy(path, path.with_suffix(".old"))
    from ireu_governance.core.statement import Draft

    with removal.workspace.open_ledger() as ledger:
        first = ledger.entry(0)
        statement = ledger.statement(first)
        fields = statement.predicate.model_dump(mode="json", by_alias=True, exclude={"kind", "ledger", "recorded_at"})
        subject = [each.model_dump(mode="json") for each in statement.subject]
        ledger.append([Draft(subject=subject, kind=first.kind, fields=fields)], removal.workspace.signer(Role.RECORD))
        ledger.publish(removal.workspace.signer(Role.LOG))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.copy(path.with_suffix(".old"), path)
    with open_service(removal) as opened:
        part = not_ready(opened, "ledger")
        assert part["reason"] == "it contradicts what was published"


def test_missing_checkpoint_file_is_not_ready(service: Service) -> None:
    service.workspace.checkpoint_path.unlink()
    part = not_ready(service, "ledger")
    assert str(service.workspace.root) not in part["reason"]


def test_store_that_cannot_be_written_is_not_ready(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise ServiceError("locked")

    monkeypatch.setattr(ServiceStore, "writing", refuse)
    not_ready(service, "store")


def test_queue_is_asked_too(removal: RecordedRemoval) -> None:
    queue = FakeQueue()
    with open_service(removal, queue=queue) as opened:
        assert [each["name"] for each in opened.get("/readyz").json()["checks"]] == ["ledger", "store", "queue"]
        queue.away = True
        not_ready(opened, "queue")
    assert queue.closed


def test_figures_about_jobs_are_there_while_the_queue_is(removal: RecordedRemoval) -> None:
    queue = FakeQueue()
    with open_service(removal, queue=queue) as opened:
        text = opened.get("/metrics", "admin").text
        assert 'ireu_verification_jobs{state="queued"} 2.0' in text
        assert "ireu_oldest_queued_job_age_seconds 12.5" in text
        queue.away = True
        text = opened.get("/metrics", "admin").text
        assert "ireu_verification_jobs" not in text
        assert "ireu_ledger_entries 3.0" in text


def test_parts_bring_figures_of_their_own(service: Service) -> None:
    service.context.metrics.add_figures(
        lambda: [Figure("ireu_open_alerts", "Open alerts.", {("holds",): 1}, ("verdict",))]
    )

    def refuse() -> list[Figure]:
        raise LedgerError("away")

    service.context.metrics.add_figures(refuse)
    assert 'ireu_open_alerts{verdict="holds"} 1.0' in service.get("/metrics", "admin").text


def test_answer_is_kept_for_a_second(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ireu_governance.api.routes.health._KEPT_S", 60.0)
    assert service.get("/readyz").status_code == 200
    service.workspace.checkpoint_path.unlink()
    assert service.get("/readyz").status_code == 200


def test_changed_key_file_is_read_without_a_restart(service: Service) -> None:
    before = service.context.reader
    assert service.context.reader is before
    path = service.workspace.key_file_path
    path.write_bytes(path.read_bytes() + b"\n")
    assert service.context.reader is not before
