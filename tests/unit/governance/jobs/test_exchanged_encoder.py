"""A job that another worker began goes on with the encoder that was looked at first, and with no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures.retests import FOLDER, FakeTester, RetestDesk

from ireu_governance.core.errors import EncoderError
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.jobs.leases import FileLeases
from ireu_governance.jobs.orders import VerificationResult, parse_order
from ireu_governance.jobs.verification import verification_handler

JOB = "f" * 32


class KilledError(BaseException):
    """The worker is gone."""


class DyingTester(FakeTester):
    """An engine whose process is killed when the test begins."""

    def test(self, *_: Any, **__: Any) -> Any:
        raise KilledError


class KeptSteps:
    """Steps whose results outlive the worker, as a queue keeps them."""

    job_id = JOB
    submitted_at = "2026-11-20T08:00:00Z"

    def __init__(self) -> None:
        self.done: dict[str, str] = {}

    def run(self, name: str, work: Callable[[], dict[str, Any]], *, attempts: int = 1) -> dict[str, Any]:
        if name not in self.done:
            self.done[name] = json.dumps(work())
        return json.loads(self.done[name])

    def report(self, *_: Any) -> None:
        """Nobody looks."""

    def attach(self, *_: Any) -> None:
        """Nobody asks for it."""

    def is_cancelled(self) -> bool:
        return False


@pytest.fixture
def desk(tmp_path: Path) -> RetestDesk:
    return RetestDesk.open(tmp_path / "desk")


@pytest.fixture
def steps(desk: RetestDesk) -> KeptSteps:
    """The steps of a job whose first worker has looked at the encoder, and died before it tested it."""
    kept = KeptSteps()
    with pytest.raises(KilledError):
        work(desk, kept, DyingTester(desk.workspace))
    assert list(kept.done) == ["identify"]
    return kept


def work(desk: RetestDesk, steps: KeptSteps, tester: FakeTester) -> VerificationResult:
    handler = verification_handler(
        desk.workspace,
        lambda: tester,
        leases=FileLeases(desk.workspace.root / "jobs.locks"),
        notify=lambda *_: None,
    )
    order = parse_order({"encoder": FOLDER})
    return VerificationResult.model_validate(handler(order.model_dump(mode="json"), steps))


@pytest.mark.parametrize("change", [{"encoder": "other"}, {"encoder": None}, {"claimed": "ab" * 32}])
def test_encoder_that_was_exchanged_between_two_workers_ends_the_job(
    desk: RetestDesk, steps: KeptSteps, change: dict[str, Any]
) -> None:
    desk.tell(**change)
    with pytest.raises(EncoderError, match="exchanged"):
        work(desk, steps, FakeTester(desk.workspace))
    assert list(steps.done) == ["identify"]
    assert desk.verifications(JOB) == []


def test_next_worker_ends_the_job_with_the_same_encoder(desk: RetestDesk, steps: KeptSteps) -> None:
    assert work(desk, steps, FakeTester(desk.workspace)).verdict is RetestVerdict.HOLDS
    assert [each.removal_seq for each in desk.verifications(JOB)] == desk.removals
