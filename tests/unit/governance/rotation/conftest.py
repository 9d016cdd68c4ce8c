"""Fixtures: a workspace with one removal, and no setting of whoever runs the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fixtures.records import RecordedRemoval, record_removal

from ireu_governance.workspace import Workspace


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("IREU_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def recorded_here(tmp_path: Path) -> RecordedRemoval:
    return record_removal(tmp_path / "work")


@pytest.fixture
def workspace(recorded_here: RecordedRemoval) -> Workspace:
    return recorded_here.workspace
