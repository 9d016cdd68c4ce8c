"""`/healthz`, `/readyz` and `/metrics`: for whoever keeps the service running."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.responses import Response

from ireu_governance.api.auth import Caller, require
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.api.observability import METRICS_TYPE, Figure
from ireu_governance.api.problems import PROBLEMS, problem
from ireu_governance.core.errors import ErrorCode
from ireu_governance.service.access import Scope
from ireu_governance.service.readiness import Readiness, check_parts, expect_ledger_continues, read_sizes

__all__ = ["root_router", "standard_figures"]

root_router = APIRouter(tags=["service"])

_KEPT_S: Final = 1.0  # anybody may ask, and the answer costs some look-ups


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


class Part(BaseModel):
    """One part of the service: `ledger`, `store` or `queue`."""

    name: str
    ready: bool
    reason: str = ""


class ReadyDocument(BaseModel):
    """All parts do their work."""

    status: str = "ready"
    checks: list[Part]


class _Recent:
    def __init__(self) -> None:
        self._lock = Lock()
        self._found: tuple[float, list[Readiness]] | None = None

    def get(self, check: Callable[[], list[Readiness]]) -> list[Readiness]:
        with self._lock:
            if self._found is None or time.monotonic() - self._found[0] > _KEPT_S:
                self._found = (time.monotonic(), check())
            return self._found[1]


@root_router.get("/healthz", operation_id="getHealth", responses=PROBLEMS())
async def get_health() -> Health:
    """Say that the process answers; nothing else is looked at."""
    return Health()


@root_router.get("/readyz", operation_id="getReadiness", responses=PROBLEMS(503))
def get_readiness(context: ContextOf) -> ReadyDocument:
    """Say whether requests can be answered: the ledger continues what was published, store and queue can be used."""
    recent = context.memory.setdefault("readiness", _Recent())
    assert isinstance(recent, _Recent)  # noqa: S101 - nobody else uses this name
    found = recent.get(lambda: _check(context))
    parts = [Part(name=each.name, ready=each.ready, reason=each.reason) for each in found]
    failed = [each.name for each in found if not each.ready]
    if failed:
        raise problem(
            503,
            ErrorCode.SERVICE_UNAVAILABLE,
            f"Not ready: {', '.join(failed)}.",
            headers={"Retry-After": "5"},
            checks=[part.model_dump() for part in parts],
        )
    return ReadyDocument(checks=parts)


def _check(context: Context) -> list[Readiness]:
    jobs = context.jobs
    return check_parts(
        {
            "ledger": lambda: expect_ledger_continues(context.workspace, context.engine),
            "store": context.store.expect_writable,
            **({} if jobs is None else {"queue": jobs.counts}),
        }
    )


@root_router.get(
    "/metrics",
    operation_id="getMetrics",
    responses={
        **PROBLEMS(401, 403),
        200: {"description": "Figures in Prometheus's text format.", "content": {"text/plain": {}}},
    },
    response_class=Response,
)
def get_metrics(context: ContextOf, _: Annotated[Caller, Depends(require(Scope.ADMIN))]) -> Response:
    """Return the figures of this process for Prometheus."""
    return Response(context.metrics.to_text(), headers={"Content-Type": METRICS_TYPE})


def standard_figures(context: Context) -> Callable[[], Iterable[Figure]]:
    """Return the source of the figures that every service has.

    Args:
        context: The service.
    """

    def read() -> Iterable[Figure]:
        sizes = read_sizes(context.engine)
        yield Figure("ireu_ledger_entries", "Entries of the ledger.", {(): sizes.integrated})
        yield Figure("ireu_ledger_signed_entries", "Entries that the newest checkpoint covers.", {(): sizes.signed})
        yield Figure(
            "ireu_ledger_witnessed_entries",
            "Entries that the newest checkpoint with a witness's signature covers.",
            {(): sizes.witnessed},
        )

    return read


def job_figures(context: Context) -> Callable[[], Iterable[Figure]]:
    """Return the source of the figures about jobs.

    Args:
        context: The service.
    """

    def read() -> Iterable[Figure]:
        if context.jobs is None:
            return
        counts: dict[tuple[str, ...], float] = {
            (status.value,): float(number) for status, number in context.jobs.counts().items()
        }
        yield Figure("ireu_verification_jobs", "Jobs by state.", counts, ("state",))
        age = context.jobs.oldest_queued_age_s()
        yield Figure("ireu_oldest_queued_job_age_seconds", "How long the oldest job has been waiting.", {(): age})

    return read
