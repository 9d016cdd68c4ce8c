"""Fixtures: a workspace with one removal."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.records import RecordedRemoval, record_removal

from ireu_governance.workspace import Workspace


@pytest.fixture
def recorded_here(tmp_path: Path) -> RecordedRemoval:
    return record_removal(tmp_path / "work")


@pytest.fixture
def workspace(recorded_here: RecordedRemoval) -> Workspace:
    return recorded_here.workspace
