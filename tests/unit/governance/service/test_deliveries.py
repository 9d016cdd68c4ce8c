"""Messages that ended are removed when they are old, on both databases; what waits is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fixtures.postgres import open_schemas
from sqlalchemy import insert

from ireu_governance.core.errors import ConfigError, ErrorCode
from ireu_governance.core.times import format_time
from ireu_governance.service.alert_tables import DELIVERIES
from ireu_governance.service.deliveries import Deliveries
from ireu_governance.service.settings import ServiceSettings
from ireu_governance.service.store import ServiceStore
from ireu_governance.workspace import Workspace

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServiceStore]:
    def make(database: str | None) -> Workspace:
        return Workspace.create(tmp_path / "w", organisation="Example", origin="example.org/log", database=database)

    if request.param == "sqlite":
        with ServiceStore.open(make(None), ServiceSettings()) as opened:
            yield opened
        return
    with open_schemas() as schemas, ServiceStore.open(make(schemas.new()), ServiceSettings()) as opened:
        yield opened


def write(store: ServiceStore, state: str, days: int) -> str:
    """Write a message down that ended, or is due, so many days ago; it was made long before."""
    time = NOW - timedelta(days=days)
    row = {
        "id": f"{state}-{days}",
        "webhook": "w",
        "alert": f"{state}-{days}",
        "event": "alert.opened",
        "body": "{}",
        "state": state,
        "attempts": 1,
        "due_at": int((NOW - timedelta(days=900) if state == "delivered" else time).timestamp()),
        "created_at": format_time(NOW - timedelta(days=900)),
        "delivered_at": format_time(time) if state == "delivered" else None,
    }
    with store.writing() as connection:
        connection.execute(insert(DELIVERIES), row)
    return f"{state}-{days}"


def test_only_messages_that_ended_before_the_time_are_removed(store: ServiceStore) -> None:
    messages = Deliveries(store, clock=lambda: NOW)
    for state in ("delivered", "dead", "pending"):
        for days in (9, 11):
            write(store, state, days)
    assert messages.remove_ended(NOW - timedelta(days=10)) == 2
    assert {each.id for each in messages.list()} == {"delivered-9", "dead-9", "pending-9", "pending-11"}
    assert messages.remove_ended(NOW - timedelta(days=10)) == 0


def test_database_of_the_service_that_is_no_url_is_told_as_such(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="the part 'postgres' is not installed")
    workspace = Workspace.create(tmp_path / "w", organisation="Example", origin="example.org/log")
    settings = ServiceSettings(database="postgresql://nobody@127.0.0.1:1/none?nonsense=secret-word")
    with pytest.raises(ConfigError) as caught:
        ServiceStore.open(workspace, settings)
    assert caught.value.code is ErrorCode.CONFIG_INVALID
    assert "secret-word" not in str(caught.value)
