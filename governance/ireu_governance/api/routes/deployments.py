"""`/v1/deployments`: encoders in use that are looked at again and again, and the checks of them."""

from __future__ import annotations

import logging
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ireu_governance.api.auth import Caller, require
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.api.idempotency import IdempotencyKey, IdempotentRoute
from ireu_governance.api.pagination import DEFAULT_LIMIT, Cursor, Limit, link_next, open_cursor, seal_cursor
from ireu_governance.api.problems import PROBLEMS
from ireu_governance.core.errors import IreuError
from ireu_governance.core.times import Timestamp
from ireu_governance.core.vocabulary import CaseId
from ireu_governance.jobs.orders import expect_cases, parse_order
from ireu_governance.jobs.tester import EncoderSource
from ireu_governance.jobs.watching import submit_checks
from ireu_governance.service.access import Scope
from ireu_governance.service.checks import Check, Checks
from ireu_governance.service.deployment_record import record_deployments
from ireu_governance.service.deployments import MAX_HOURS, Deployment, Deployments

__all__ = ["router"]

router = APIRouter(prefix="/deployments", tags=["deployments"], route_class=IdempotentRoute)

_LOG: Final = logging.getLogger("ireu.service")
_CHECKS: Final = 20

Reader = Annotated[Caller, Depends(require(Scope.READ))]
Tester = Annotated[Caller, Depends(require(Scope.TEST))]
Writer = Annotated[Caller, Depends(require(Scope.WRITE))]
Number = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="Number of the deployment.")]
Hours = Annotated[int, Field(ge=1, le=MAX_HOURS)]
CasesWanted = Literal["all"] | Annotated[list[CaseId], Field(min_length=1, max_length=1000)]


class DeploymentRequest(BaseModel):
    """An encoder that is to be watched.

    Attributes:
        name: What the place is called where it is used; never a person's name.
        encoder: Where it is.
        cases: Which cases are tested.
        every_hours: How often.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
    encoder: EncoderSource
    cases: CasesWanted = "all"
    every_hours: Hours = 24

    model_config = ConfigDict(extra="forbid")


class DeploymentChange(BaseModel):
    """What is to be changed; what is left out stays."""

    paused: bool | None = None
    every_hours: Hours | None = None
    cases: CasesWanted | None = None

    model_config = ConfigDict(extra="forbid")


class CheckDocument(BaseModel):
    """A check: a verification, and what came out of it.

    Attributes:
        verification: Number of the verification; ``/v1/verifications/{…}`` tells more.
        cause: ``schedule``, ``manual``, ``hook`` or ``poll``.
        created_at: When it was asked for.
        finished_at: When its outcome was noted.
        verdict: What came out; ``check-failed`` or ``cancelled`` if nothing did.
        note: Why nothing came out, by code.
    """

    verification: str
    cause: str
    created_at: Timestamp
    finished_at: Timestamp | None
    verdict: str | None
    note: str | None


class DeploymentDocument(BaseModel):
    """A deployment as it stands.

    Attributes:
        id: Its number.
        name: Its name.
        state: ``active``, ``paused`` or ``removed``.
        encoder: Where the encoder is.
        cases: Which cases are tested.
        every_hours: How often.
        owner: Who added it.
        created_at: When.
        removed_at: When it was removed.
        due_at: When it is looked at next; null unless it is active.
        digest: Of the encoder that was seen last.
        resolved: What its alias stood for then.
        verdict: Of the last check.
        checked_at: When that was.
    """

    id: str
    name: str
    state: str
    encoder: dict[str, Any]
    cases: CasesWanted
    every_hours: int
    owner: str
    created_at: Timestamp
    removed_at: Timestamp | None
    due_at: Timestamp | None
    digest: str | None
    resolved: str | None
    verdict: str | None
    checked_at: Timestamp | None


class DeploymentDetail(DeploymentDocument):
    """A deployment with its last checks, the newest first."""

    checks: list[CheckDocument]


class DeploymentPage(BaseModel):
    """Some deployments, in the order of their names."""

    deployments: list[DeploymentDocument]


@router.post("", operation_id="createDeployment", status_code=201, responses=PROBLEMS(401, 403, 404, 409))
def create_deployment(
    wanted: DeploymentRequest,
    response: Response,
    context: ContextOf,
    caller: Writer,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - the route class reads it; named here for OpenAPI
) -> DeploymentDetail:
    """Watch an encoder from now on; its first check is due at once."""
    source = wanted.encoder.model_dump(mode="json", exclude_none=True)
    _expect_cases(context, source, wanted.cases)
    made = _deployments(context).add(
        name=wanted.name,
        source=source,
        cases="all" if wanted.cases == "all" else tuple(wanted.cases),
        every_hours=wanted.every_hours,
        owner=caller.id,
    )
    _record(context)
    response.headers["Location"] = f"/v1/deployments/{made.id}"
    return _detail(context, made)


@router.get("", operation_id="listDeployments", responses=PROBLEMS(401, 403))
def list_deployments(
    request: Request,
    response: Response,
    context: ContextOf,
    _: Reader,
    removed: Annotated[bool, Query(description="Also those that are watched no more.")] = False,
    after: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> DeploymentPage:
    """List deployments."""
    found = _deployments(context).list(after=open_cursor(after), limit=limit + 1, everything=removed)
    following = f"{found[limit - 1].name} {found[limit - 1].id}" if len(found) > limit else None
    link_next(request, response, None if following is None else seal_cursor(following))
    return DeploymentPage(deployments=[DeploymentDocument(**_members(each)) for each in found[:limit]])


@router.get("/{number}", operation_id="getDeployment", responses=PROBLEMS(401, 403, 404))
def get_deployment(number: Number, context: ContextOf, _: Reader) -> DeploymentDetail:
    """Show a deployment and its last checks."""
    return _detail(context, _deployments(context).get(number))


@router.patch("/{number}", operation_id="changeDeployment", responses=PROBLEMS(401, 403, 404))
def change_deployment(number: Number, wanted: DeploymentChange, context: ContextOf, _: Writer) -> DeploymentDetail:
    """Pause a deployment, let it go on, or change how often and against which cases it is tested."""
    found = _deployments(context).get(number)
    if wanted.cases is not None:
        _expect_cases(context, found.source, wanted.cases)
    changed = _deployments(context).change(
        number,
        paused=wanted.paused,
        every_hours=wanted.every_hours,
        cases=wanted.cases if wanted.cases is None or wanted.cases == "all" else tuple(wanted.cases),
    )
    return _detail(context, changed)


@router.delete("/{number}", operation_id="removeDeployment", responses=PROBLEMS(401, 403, 404))
def remove_deployment(number: Number, context: ContextOf, _: Writer) -> DeploymentDetail:
    """Watch a deployment no more; what was found stays."""
    removed = _deployments(context).remove(number)
    _record(context)
    return _detail(context, removed)


@router.post(
    "/{number}/checks",
    operation_id="createCheck",
    status_code=202,
    responses={
        **PROBLEMS(401, 403, 404),
        202: {
            "description": "Submitted: ask under Location.",
            "headers": {
                "Location": {"schema": {"type": "string"}, "description": "Where the verification is."},
                "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait before asking."},
            },
        },
    },
)
def create_check(
    number: Number,
    response: Response,
    context: ContextOf,
    _: Tester,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - as above
) -> CheckDocument:
    """Check a deployment now, also one that is paused; it waits for a worker."""
    queue, checks = context.queue, Checks(context.store, clock=context.clock)
    made = checks.ask(number)
    submit_checks(checks, queue)
    response.headers["Location"] = f"/v1/verifications/{made.job}"
    response.headers["Retry-After"] = "5"
    return _check(made)


def _deployments(context: Context) -> Deployments:
    return Deployments(context.store, clock=context.clock)


def _expect_cases(context: Context, source: Any, cases: CasesWanted) -> None:
    # Nothing removed yet is no mistake: whoever is to be forgotten later is tested later.
    if cases != "all":
        expect_cases(context.reader, parse_order({"cases": cases, "encoder": source}))


def _record(context: Context) -> None:
    try:
        record_deployments(context.workspace, context.store)
    except IreuError as error:
        # It is found undone, and recorded, by the next worker that looks.
        _LOG.warning("A change of deployments is not recorded yet.", extra={"code": error.code.value})


def _members(found: Deployment) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "state": found.state,
        "encoder": dict(found.source),
        "cases": found.cases if found.cases == "all" else list(found.cases),
        "every_hours": found.every_s // 3600,
        "owner": found.owner,
        "created_at": found.created_at,
        "removed_at": found.removed_at,
        "due_at": found.due_at if found.state == "active" else None,
        "digest": found.digest,
        "resolved": found.resolved,
        "verdict": found.verdict,
        "checked_at": found.checked_at,
    }


def _detail(context: Context, found: Deployment) -> DeploymentDetail:
    checks = Checks(context.store, clock=context.clock).list(found.id, limit=_CHECKS)
    return DeploymentDetail(**_members(found), checks=[_check(each) for each in checks])


def _check(check: Check) -> CheckDocument:
    return CheckDocument(
        verification=check.job,
        cause=check.cause,
        created_at=check.created_at,
        finished_at=check.finished_at,
        verdict=check.verdict,
        note=check.note,
    )
