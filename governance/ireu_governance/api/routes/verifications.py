"""`/v1/verifications`: re-tests of encoders that are in use. They take minutes, so that a worker makes them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ireu_governance.api.auth import Caller, require
from ireu_governance.api.caching import cacheable
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.api.idempotency import IdempotencyKey, IdempotentRoute
from ireu_governance.api.pagination import link_next
from ireu_governance.api.problems import PROBLEMS, problem
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.times import Timestamp
from ireu_governance.core.vocabulary import CaseId, Token
from ireu_governance.jobs.orders import (
    KIND,
    RECEIPT,
    VerificationOrder,
    VerificationResult,
    expect_cases,
    parse_order,
    submit_verification,
)
from ireu_governance.jobs.queue import MAX_LISTED, JobFailure, JobProgress, JobState, JobStatus, unknown_job
from ireu_governance.jobs.receipts import remake_receipt
from ireu_governance.jobs.tester import EncoderSource
from ireu_governance.service.access import Scope

__all__ = ["RECEIPT_MEDIA_TYPE", "router"]

router = APIRouter(prefix="/verifications", tags=["verifications"], route_class=IdempotentRoute)

RECEIPT_MEDIA_TYPE: Final = "application/vnd.ireu.receipt+json"
_POLL_S: Final = 5  # what Retry-After says: a re-test takes seconds to minutes
_DEPLOYMENTS: Final = "ireu_governance.service.deployments"

Reader = Annotated[Caller, Depends(require(Scope.READ))]
Tester = Annotated[Caller, Depends(require(Scope.TEST))]
Job = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="Number of the job.")]
After = Annotated[
    str | None, Query(max_length=200, pattern=r"^[A-Za-z0-9_-]*$", description="From the Link of the page before.")
]
PageSize = Annotated[int, Query(ge=1, le=MAX_LISTED, description="Items in a page.")]


class VerificationRequest(BaseModel):
    """A re-test that is wanted: of an encoder, or of what a watched deployment uses now.

    Attributes:
        cases: The cases, or ``all`` that were ever removed.
        encoder: Where the encoder is.
        deployment: In its place, a deployment's number.
    """

    cases: Literal["all"] | Annotated[list[CaseId], Field(min_length=1, max_length=1000)] = "all"
    encoder: EncoderSource | None = None
    deployment: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _expect_one(self) -> VerificationRequest:
        if (self.encoder is None) == (self.deployment is None):
            raise ValueError("give either an encoder or a deployment")
        return self


class VerificationDocument(BaseModel):
    """A re-test: what was ordered, how far it is, and what was found.

    Attributes:
        id: Number of the job.
        status: How far it is.
        cases: The cases that were asked for.
        encoder: Where the encoder is.
        deployment: The watched deployment that it is a check of.
        created_at: When it was submitted.
        started_at: When a worker took it.
        finished_at: When it ended.
        attempts: How often a worker began it.
        progress: Batches of cases.
        result: What was found: the encoder's files (``white_box``) and its answers (``black_box``) told apart, and
            removal by removal the verdict of every case and the entry that records it.
        failure: Why it failed.
        receipt: Where its receipt is, once there is one.
    """

    id: str
    status: JobStatus
    cases: Literal["all"] | list[CaseId]
    encoder: EncoderSource
    deployment: Token | None
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    attempts: int
    progress: JobProgress
    result: VerificationResult | None
    failure: JobFailure | None
    receipt: str | None


class VerificationPage(BaseModel):
    """Some re-tests, newest first."""

    verifications: list[VerificationDocument]


@router.post(
    "",
    operation_id="createVerification",
    status_code=202,
    responses={
        **PROBLEMS(401, 403, 404, 409, 415),
        202: {
            "description": "Submitted: ask under Location.",
            "headers": {
                "Location": {"schema": {"type": "string"}, "description": "Where the re-test is."},
                "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait before asking."},
            },
        },
    },
)
def create_verification(
    wanted: VerificationRequest,
    response: Response,
    context: ContextOf,
    _: Tester,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - the route class reads it; named here for OpenAPI
) -> VerificationDocument:
    """Ask for a re-test; it waits for a worker."""
    order = _order(context, wanted)
    expect_cases(context.reader, order)
    job_id = submit_verification(context.queue, order)
    response.headers["Location"] = f"/v1/verifications/{job_id}"
    response.headers["Retry-After"] = str(_POLL_S)
    return _document(context.queue.get(job_id))


@router.get("", operation_id="listVerifications", responses=PROBLEMS(401, 403))
def list_verifications(
    request: Request,
    response: Response,
    context: ContextOf,
    _: Reader,
    after: After = None,
    limit: PageSize = 50,
) -> VerificationPage:
    """List re-tests, newest first."""
    page = context.queue.list(kind=KIND, after=after or None, limit=limit)
    link_next(request, response, page.next)
    return VerificationPage(verifications=[_document(each) for each in page.jobs])


@router.get("/{job_id}", operation_id="getVerification", responses=PROBLEMS(401, 403, 404))
def get_verification(job_id: Job, response: Response, context: ContextOf, _: Reader) -> VerificationDocument:
    """Show a re-test: how far it is, or what was found."""
    state = _state(context, job_id)
    if not state.is_finished:
        response.headers["Retry-After"] = str(_POLL_S)
    return _document(state)


@router.delete("/{job_id}", operation_id="cancelVerification", responses=PROBLEMS(401, 403, 404))
def cancel_verification(job_id: Job, context: ContextOf, _: Tester) -> VerificationDocument:
    """Cancel a re-test that is not finished; a finished one stays as it is, and so does what was recorded."""
    _state(context, job_id)
    return _document(context.queue.cancel(job_id))


@router.get(
    "/{job_id}/receipt",
    operation_id="getVerificationReceipt",
    responses={
        **PROBLEMS(401, 403, 404, 409),
        200: {"description": "The receipt; check it offline.", "content": {RECEIPT_MEDIA_TYPE: {}}},
        304: {"description": "The client has it already."},
    },
    response_class=Response,
)
def get_receipt(job_id: Job, request: Request, context: ContextOf, _: Reader) -> Response:
    """Return what lets the caller check a re-test without this service: `ireu receipt verify FILE --key KEYFILE`."""
    try:
        state = _state(context, job_id)
    except InputError as error:
        if error.code is not ErrorCode.JOB_UNKNOWN:
            raise
        # The job ended so long ago that it was removed. What it recorded is in the log.
        data = remake_receipt(context.workspace, context.reader, context.record.index, job=job_id)
        if data is None:
            raise
        return _receipt_file(request, job_id, data)
    if state.status is JobStatus.CANCELLED:
        raise problem(409, ErrorCode.JOB_CANCELLED, "The re-test was cancelled, so there is no receipt.")
    if not state.is_finished:
        raise problem(
            409,
            ErrorCode.JOB_UNFINISHED,
            "The re-test is not finished, so there is no receipt yet.",
            hint="Ask again when its status is 'done'.",
            headers={"Retry-After": str(_POLL_S)},
        )
    text = context.queue.attachment(job_id, RECEIPT)
    if text is None:
        note = (state.result or {}).get("note") or (state.failure.detail if state.failure else "")
        raise problem(409, ErrorCode.JOB_UNFINISHED, f"There is no receipt of this re-test. {note}".strip())
    return _receipt_file(request, job_id, text.encode("utf-8"))


def _receipt_file(request: Request, job_id: str, data: bytes) -> Response:
    return cacheable(
        request,
        data,
        media_type=RECEIPT_MEDIA_TYPE,
        cache_control="private, no-cache",
        headers={"Content-Disposition": f'attachment; filename="receipt-{job_id[:8]}.json"'},
    )


def _order(context: Context, wanted: VerificationRequest) -> VerificationOrder:
    source: object = None if wanted.encoder is None else wanted.encoder.model_dump(mode="json")
    if wanted.deployment is not None:
        if find_spec(_DEPLOYMENTS) is None:
            raise problem(404, ErrorCode.NOT_FOUND, "This service watches no deployments.")
        source = import_module(_DEPLOYMENTS).read_source(context.store, wanted.deployment)
    return parse_order({"cases": wanted.cases, "encoder": source, "deployment": wanted.deployment})


def _state(context: Context, job_id: str) -> JobState:
    state = context.queue.get(job_id)
    if state.kind != KIND:
        raise unknown_job(job_id)
    return state


def _document(state: JobState) -> VerificationDocument:
    order = parse_order(state.payload)
    result = None if state.result is None else VerificationResult.model_validate(state.result)
    has_receipt = result is not None and result.published
    return VerificationDocument(
        id=state.id,
        status=state.status,
        cases=order.cases if order.cases == "all" else list(order.cases),
        encoder=order.encoder,
        deployment=order.deployment,
        created_at=state.created_at,
        started_at=state.started_at,
        finished_at=state.finished_at,
        attempts=state.attempts,
        progress=state.progress,
        result=result,
        failure=state.failure,
        receipt=f"/v1/verifications/{state.id}/receipt" if has_receipt else None,
    )
