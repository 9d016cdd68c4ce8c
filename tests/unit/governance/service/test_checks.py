"""Checks that are due: of many processes one makes each, on both databases."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fixtures.postgres import open_schemas

from ireu_governance.core.errors import InputError
from ireu_governance.service.alerts import AlertCause, Alerts
from ireu_governance.service.checks import Checks
from ireu_governance.service.deployments import MAX_HOURS, Deployments, read_source
from ireu_governance.service.settings import ServiceSettings
from ireu_governance.service.store import ServiceStore
from ireu_governance.workspace import Workspace

SOURCE = {"kind": "folder", "path": "encoders/live"}
START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    if request.param == "sqlite":
        yield Workspace.create(tmp_path / "w", organisation="Example", origin="example.org/log")
        return
    with open_schemas() as schemas:
        yield Workspace.create(tmp_path / "w", organisation="Example", origin="example.org/log", database=schemas.new())


def look(folder: Path, hours: int, barrier: object, counts: object) -> None:
    """What a worker process does, at a given time."""
    with ServiceStore.open(Workspace(folder), ServiceSettings()) as store:
        checks = Checks(store, clock=lambda: START + timedelta(hours=hours))
        barrier.wait()  # type: ignore[attr-defined]
        counts.put(checks.claim_due())  # type: ignore[attr-defined]


def test_each_due_time_is_claimed_by_one_process(workspace: Workspace) -> None:
    spawn = multiprocessing.get_context("spawn")
    with ServiceStore.open(workspace) as store:
        made = [
            Deployments(store, clock=lambda: START).add(name=f"place-{n}", source=SOURCE, every_hours=6)
            for n in range(3)
        ]
    barrier, counts = spawn.Barrier(2), spawn.Queue()
    workers = [spawn.Process(target=look, args=(workspace.root, 13, barrier, counts)) for _ in range(2)]
    for each in workers:
        each.start()
    claimed = [counts.get(timeout=60) for _ in workers]
    for each in workers:
        each.join()
    assert sum(claimed) == 3
    with ServiceStore.open(workspace) as store:
        checks = Checks(store)
        assert [len(checks.list(each.id)) for each in made] == [1, 1, 1]
        assert len(checks.unsubmitted()) == 3
        assert Deployments(store).get(made[0].id).due_at == "2026-11-25T02:00:00Z"


def test_events_and_alerts_count_once_on_both_databases(workspace: Workspace) -> None:
    source = {"kind": "mlflow", "model": "m", "alias": "live"}
    with ServiceStore.open(workspace) as store:
        made = Deployments(store).add(name="live", source=source)
        checks, alerts = Checks(store), Alerts(store)
        assert checks.take_event("one", model="m", alias="live", version="2", keep_s=900) == [made.id]
        assert checks.take_event("one", model="m", alias="live", version="2", keep_s=900) is None
        cause = AlertCause("resurfaced", made.id, "0" * 32)
        with store.writing() as connection:
            alerts.raise_all(connection, [cause, cause])
            alerts.resolve_all(connection, alerts.standing(connection, deployment=made.id))
            alerts.raise_all(connection, [cause])
        assert sorted(each.state for each in alerts.list()) == ["open", "resolved"]


@pytest.mark.parametrize(("name", "hours"), [("Erika", 1), ("", 1), ("a b", 1), ("live", 0), ("live", MAX_HOURS + 1)])
def test_names_and_periods_that_cannot_be_are_refused(tmp_path: Path, name: str, hours: int) -> None:
    workspace = Workspace.create(tmp_path / "w", organisation="Example", origin="example.org/log")
    with ServiceStore.open(workspace) as store, pytest.raises(InputError):
        Deployments(store).add(name=name, source=SOURCE, every_hours=hours)


def test_the_place_of_a_removed_deployment_is_not_told(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "w", organisation="Example", origin="example.org/log")
    with ServiceStore.open(workspace) as store:
        made = Deployments(store).add(name="live", source=SOURCE)
        assert read_source(store, made.id) == SOURCE
        Deployments(store).remove(made.id)
        with pytest.raises(InputError):
            read_source(store, made.id)
