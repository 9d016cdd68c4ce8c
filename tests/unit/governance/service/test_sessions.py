"""When sessions and sign-ins end: each limit by itself, to the second."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ireu_governance.service.access import AccessKeys, Role
from ireu_governance.service.sessions import IDLE_S, LIFETIME_S, Sessions
from ireu_governance.service.store import ServiceStore
from ireu_governance.workspace import Workspace


class Clock:
    """A time that goes on when it is told to."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def go_on(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(tmp_path: Path, clock: Clock) -> Iterator[Sessions]:
    workspace = Workspace.create(tmp_path / "workspace", organisation="Example GmbH")
    with ServiceStore.open(workspace) as store:
        yield Sessions(store, AccessKeys(store, clock=clock), clock=clock)


def test_session_ends_after_its_lifetime_however_busy_it_is(sessions: Sessions, clock: Clock) -> None:
    cookie = sessions.begin("somebody", [Role.VIEWER]).cookie
    for _ in range(LIFETIME_S // 600 - 1):
        clock.go_on(600)
        assert sessions.find(cookie) is not None
    clock.go_on(599)
    assert sessions.find(cookie) is not None
    clock.go_on(1)
    assert sessions.find(cookie) is None


def test_idle_session_ends_to_the_second(sessions: Sessions, clock: Clock) -> None:
    cookie = sessions.begin("somebody", [Role.VIEWER]).cookie
    clock.go_on(IDLE_S)
    assert sessions.find(cookie) is None


def test_sign_in_at_a_provider_counts_once_and_for_ten_minutes(sessions: Sessions, clock: Clock) -> None:
    quick, slow = sessions.begin_sign_in("/cases"), sessions.begin_sign_in("/cases")
    clock.go_on(599)
    assert sessions.take_sign_in(quick.state) == quick
    assert sessions.take_sign_in(quick.state) is None
    clock.go_on(1)
    assert sessions.take_sign_in(slow.state) is None
