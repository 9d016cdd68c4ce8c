"""`/v1/cases` and `/v1/requests`: published cases for anybody, all of them and their clocks for whoever has a key."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ireu_governance.api.auth import Caller, any_caller, require
from ireu_governance.api.context import context_of
from ireu_governance.api.idempotency import IdempotencyKey, IdempotentRoute
from ireu_governance.api.pagination import DEFAULT_LIMIT, Cursor, Limit, link_next, open_cursor, seal_cursor
from ireu_governance.api.problems import PROBLEMS
from ireu_governance.api.routes.certificates import pack_answer
from ireu_governance.core.errors import InputError
from ireu_governance.core.vocabulary import Sequence, Token
from ireu_governance.service.access import Scope
from ireu_governance.service.case_files import CaseFile, CaseLine, RequestDetail, unknown_case
from ireu_governance.service.request_book import RequestView

__all__ = ["router"]

CaseIdPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="The case's random number.")]
Reader = Annotated[Caller, Depends(require(Scope.READ))]
Writer = Annotated[Caller, Depends(require(Scope.WRITE))]

router = APIRouter(tags=["cases"], route_class=IdempotentRoute)


class CasePage(BaseModel):
    """Some cases, in the order of their ids."""

    cases: list[CaseLine]


class RequestPage(BaseModel):
    """Some requests, the most urgent first, as of a day."""

    today: date
    requests: list[RequestView]


class Publication(BaseModel):
    """Whether people without a key can see a case."""

    case_id: str
    published: bool
    published_at: str | None


class _Step(BaseModel):
    on: Annotated[date | None, Field(description="The day of it; today (UTC) if left out.")] = None

    model_config = ConfigDict(extra="forbid")


class Accepted(_Step):
    """The request is justified and will be carried out."""

    event: Literal["accepted"]
    grounds: Annotated[list[Token], Field(max_length=20)] = []


class Refused(_Step):
    """The request is refused; the person was told why and where to complain (GDPR Art. 12(4))."""

    event: Literal["refused"]
    grounds: Annotated[list[Token], Field(min_length=1, max_length=20)]


class Extended(_Step):
    """Two further months are needed, and the person was told so."""

    event: Literal["extended"]
    reason: Token


class Done(_Step):
    """A removal answered the request."""

    event: Literal["done"]
    removal_entry: Sequence


class Informed(_Step):
    """Those who had received the person's data were told of the erasure (GDPR Art. 19)."""

    event: Literal["informed"]
    recipients: Annotated[int, Field(ge=0, le=2**53 - 1)]


Step = Annotated[Accepted | Refused | Extended | Done | Informed, Field(discriminator="event")]


@router.get("/cases", operation_id="listCases", responses=PROBLEMS())
def list_cases(request: Request, response: Response, after: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> CasePage:
    """List cases: with a key all of them, without one those that are published."""
    context = context_of(request)
    everything = any_caller(request).may(Scope.READ)
    found = context.record.cases.page(
        today=context.clock().date(), after=open_cursor(after), limit=limit + 1, everything=everything
    )
    link_next(request, response, seal_cursor(found[limit - 1].case_id) if len(found) > limit else None)
    return CasePage(cases=found[:limit])


@router.get("/cases/{case_id}", operation_id="getCase", responses=PROBLEMS(404))
def get_case(request: Request, case_id: CaseIdPath) -> CaseFile:
    """Return everything that is recorded of a case. Nothing of the evidence vault is in it."""
    context = context_of(request)
    everything = any_caller(request).may(Scope.READ)
    return context.record.cases.open(case_id, today=context.clock().date(), everything=everything)


@router.get(
    "/cases/{case_id}/pack",
    operation_id="getCasePack",
    responses={
        **PROBLEMS(404),
        200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}},
    },
    response_class=Response,
)
def get_case_pack(request: Request, case_id: CaseIdPath) -> Response:
    """Return the evidence pack of a case: entries, proofs, keys, certificates; nothing of the vault."""
    if not context_of(request).record.cases.is_shown(case_id, everything=any_caller(request).may(Scope.READ)):
        raise unknown_case(case_id)
    return pack_answer(request, case_id)


@router.post(
    "/cases/{case_id}/publication",
    operation_id="publishCase",
    status_code=201,
    responses={**PROBLEMS(401, 403, 404, 409), 200: {"description": "It was published already.", "model": Publication}},
)
def publish_case(
    request: Request,
    response: Response,
    case_id: CaseIdPath,
    _: Writer,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - the route class reads it
) -> Publication:
    """Show a case, and certificates that are about published cases alone, to people without a key.

    The case's entries are in the public log in any case; what is published is what belongs to them.
    """
    context = context_of(request)
    if not context.record.cases.publish(case_id):
        response.status_code = 200
    return Publication(case_id=case_id, published=True, published_at=context.publications.published_at(case_id))


@router.delete("/cases/{case_id}/publication", operation_id="withdrawCase", responses=PROBLEMS(401, 403))
def withdraw_case(request: Request, case_id: CaseIdPath, _: Writer) -> Publication:
    """Show a case to people without a key no longer. Who has a copy keeps it."""
    context_of(request).record.cases.withdraw(case_id)
    return Publication(case_id=case_id, published=False, published_at=None)


@router.post(
    "/cases/{case_id}/events", operation_id="recordEvent", status_code=201, responses=PROBLEMS(401, 403, 404, 409)
)
def record_event(
    step: Step,
    request: Request,
    response: Response,
    case_id: CaseIdPath,
    _: Writer,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - the route class reads it
) -> RequestDetail:
    """Record the next step of a request: accepted, refused, extended, done, informed. It cannot be taken back."""
    context = context_of(request)
    with context.record.cases.requests() as requests:
        if isinstance(step, Accepted):
            requests.accept(case_id, grounds=step.grounds, on=step.on)
        elif isinstance(step, Refused):
            requests.refuse(case_id, grounds=step.grounds, on=step.on)
        elif isinstance(step, Extended):
            requests.extend(case_id, reason=step.reason, on=step.on)
        elif isinstance(step, Done):
            requests.done(case_id, removal_seq=step.removal_entry, on=step.on)
        else:
            requests.inform(case_id, recipients=step.recipients, on=step.on)
    detail = context.record.cases.request(case_id, today=context.clock().date())
    response.headers["Location"] = f"/v1/ledger/entries/{detail.events[-1].entry}"
    return detail


@router.get("/requests", operation_id="listRequests", responses=PROBLEMS(401, 403))
def list_requests(
    request: Request,
    response: Response,
    _: Reader,
    overdue: Annotated[bool, Query(description="Only those past their last day.")] = False,
    after: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> RequestPage:
    """List requests with their clocks, the most urgent first."""
    context = context_of(request)
    today = context.clock().date()
    last = _open_place(after)
    views = [each for each in context.record.requests.list(today) if each.overdue or not overdue]
    rest = [each for each in views if last is None or _place(each) > last]
    link_next(request, response, _seal_place(rest[limit - 1]) if len(rest) > limit else None)
    return RequestPage(today=today, requests=rest[:limit])


def _place(view: RequestView) -> tuple[bool, date, str]:
    return view.days_left is None, view.due, view.case_id


def _seal_place(view: RequestView) -> str:
    return seal_cursor(f"{int(view.days_left is None)} {view.due.isoformat()} {view.case_id}")


def _open_place(cursor: str | None) -> tuple[bool, date, str] | None:
    key = open_cursor(cursor)
    if not key:
        return None
    try:
        answered, due, case_id = key.split(" ")
        return answered == "1", date.fromisoformat(due), case_id
    except ValueError:
        raise InputError("The cursor is none.", hint="Take it from the Link header of the page before.") from None
