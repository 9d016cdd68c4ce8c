"""Fixtures: a witness for the log of the builders, and a real ledger that asks it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import MemoryLog
from fixtures.witnesses import log_key, make_witness

sys.path.append(str(Path(__file__).parents[3] / "scenario"))  # for the ledger simulator

from ledger_simulator import LedgerSimulator

from ireu_governance.ledger.append import Ledger
from ireu_governance.witness.app import Witness


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return make_witness(tmp_path, log_key(MemoryLog()))


@pytest.fixture
def simulator(tmp_path: Path) -> LedgerSimulator:
    """A ledger of two entries, nothing published."""
    return LedgerSimulator.build(tmp_path / "ledger", 2)


@pytest.fixture
def ledger(simulator: LedgerSimulator) -> Iterator[Ledger]:
    with simulator.open() as opened:
        yield opened
