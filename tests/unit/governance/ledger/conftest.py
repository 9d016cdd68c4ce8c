"""Fixtures: an empty and a filled ledger on disk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.erasures import answered, case_id, desk
from fixtures.monitored import lied, shown
from fixtures.postgres import each_database, postgres, sqlite_only

sys.path.append(str(Path(__file__).parents[3] / "scenario"))  # for the ledger simulator

from ledger_simulator import LedgerSimulator

from ireu_governance.ledger.append import Ledger

__all__ = [
    "answered",
    "case_id",
    "desk",
    "each_database",
    "filled",
    "ledger",
    "lied",
    "postgres",
    "shown",
    "simulator",
    "sqlite_only",
]


@pytest.fixture
def simulator(tmp_path: Path, each_database: str) -> LedgerSimulator:
    """An empty ledger, in each database."""
    return LedgerSimulator.build(tmp_path / "ledger", 0)


@pytest.fixture
def ledger(simulator: LedgerSimulator) -> Iterator[Ledger]:
    """An empty ledger, open."""
    with simulator.open() as opened:
        yield opened


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, each_database: str) -> LedgerSimulator:
    """A ledger of 30 entries that tests only read; checkpoints at 7, 16 and 30."""
    return LedgerSimulator.build(tmp_path_factory.mktemp("filled") / "ledger", 30, published=(7, 16, 30))
