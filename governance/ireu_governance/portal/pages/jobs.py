"""Re-tests that wait, run, or have ended."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from ireu_governance.api.caching import cacheable
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.jobs.orders import KIND, RECEIPT, VerificationResult, parse_order
from ireu_governance.jobs.queue import JobState, unknown_job
from ireu_governance.jobs.receipts import remake_receipt
from ireu_governance.portal.encoders import describe_source
from ireu_governance.portal.page import go, page_router, show, twin
from ireu_governance.portal.visitors import FormVisitor, VisitorOf
from ireu_governance.portal.watching import deployments_of
from ireu_governance.service.access import Scope

__all__ = ["JobModel", "describe_job", "router"]

router = page_router()

_PAGE: Final = 50
_RECEIPT_TYPE: Final = "application/vnd.ireu.receipt+json"
JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


class JobModel(BaseModel):
    """A re-test.

    Attributes:
        job: As the queue knows it.
        encoder: Where the encoder is, in words.
        cases: The cases; ``all`` for all that were ever removed.
        deployment: The watched deployment that it is a check of.
        result: What was found.
    """

    job: JobState
    encoder: str
    cases: str | list[str]
    deployment: str | None
    result: VerificationResult | None


class JobList(BaseModel):
    """A page of re-tests, newest first."""

    jobs: list[JobModel]
    next: str | None


def describe_job(state: JobState) -> JobModel:
    """Return a re-test as it is shown."""
    order = parse_order(state.payload)
    return JobModel(
        job=state,
        encoder=describe_source(order.encoder),
        cases=order.cases if order.cases == "all" else list(order.cases),
        deployment=order.deployment,
        result=None if state.result is None else VerificationResult.model_validate(state.result),
    )


@twin(router, "/jobs")
def list_jobs(
    request: Request,
    context: ContextOf,
    visitor: VisitorOf,
    after: Annotated[str, Query(max_length=200, pattern=r"^[A-Za-z0-9_-]*$")] = "",
) -> Response:
    """Show re-tests, newest first."""
    visitor.expect(Scope.READ)
    page = context.queue.list(kind=KIND, after=after or None, limit=_PAGE)
    model = JobList(jobs=[describe_job(each) for each in page.jobs], next=page.next)
    return show(request, visitor, "jobs.html", model, title="Re-tests", after=after)


@router.get("/jobs/{job_id}/receipt")
def get_receipt(request: Request, context: ContextOf, visitor: VisitorOf, job_id: JobId) -> Response:
    """Return the receipt of a re-test as a file."""
    visitor.expect(Scope.READ)
    data = _receipt(context, job_id)
    if data is None:
        raise InputError(
            "There is no receipt of this re-test.",
            hint="There is one once it is done, and what it recorded is published.",
            code=ErrorCode.JOB_UNFINISHED,
        )
    headers = {"Content-Disposition": f'attachment; filename="receipt-{job_id[:8]}.json"'}
    return cacheable(request, data, media_type=_RECEIPT_TYPE, cache_control="private, no-cache", headers=headers)


def _receipt(context: Context, job_id: str) -> bytes | None:
    try:
        _find(context, job_id)
    except InputError as error:
        # A job that was removed long after its end; what it recorded is in the log.
        remade = remake_receipt(context.workspace, context.reader, context.record.index, job=job_id)
        if error.code is not ErrorCode.JOB_UNKNOWN or remade is None:
            raise
        return remade
    text = context.queue.attachment(job_id, RECEIPT)
    return None if text is None else text.encode()


@twin(router, "/jobs/{job_id}")
def show_job(request: Request, context: ContextOf, visitor: VisitorOf, job_id: JobId) -> Response:
    """Show how far a re-test is, or what it found."""
    visitor.expect(Scope.READ)
    model = describe_job(_find(context, job_id))
    watched = deployments_of(context).list(everything=True) if model.deployment else []
    names: dict[str, Any] = {
        "removals": model.result.removals if model.result else (),
        "deployment_name": next((each.name for each in watched if each.id == model.deployment), ""),
    }
    return show(request, visitor, "job.html", model, title=f"Re-test {job_id[:8]}", **names)


@router.post("/jobs/{job_id}/cancellation")
def cancel_job(context: ContextOf, visitor: FormVisitor, job_id: JobId) -> Response:
    """Cancel a re-test that is not finished."""
    visitor.expect(Scope.TEST)
    _find(context, job_id)
    context.queue.cancel(job_id)
    return go(f"/jobs/{job_id}", message="job-cancelled")


def _find(context: Context, job_id: str) -> JobState:
    state = context.queue.get(job_id)
    if state.kind != KIND:
        raise unknown_job(job_id)
    return state
