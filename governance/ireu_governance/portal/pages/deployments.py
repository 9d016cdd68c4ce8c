"""Deployments: places where an encoder is in use, and what their checks found."""

from __future__ import annotations

import logging
from typing import Annotated, Final

from fastapi import Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from ireu_governance.api.catalogue import status_of
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.core.errors import IreuError
from ireu_governance.jobs.watching import submit_checks
from ireu_governance.portal.encoders import read_encoder
from ireu_governance.portal.forms import FormError, Typed, TypedForm
from ireu_governance.portal.page import go, page_router, show, twin
from ireu_governance.portal.visitors import FormVisitor, Visitor, VisitorOf
from ireu_governance.portal.watching import (
    AlertView,
    CheckView,
    DeploymentView,
    alerts_of,
    checks_of,
    deployments_of,
    recent_checks,
    view_of_alert,
    view_of_deployment,
)
from ireu_governance.service.access import Scope
from ireu_governance.service.deployment_record import record_deployments
from ireu_governance.service.deployments import MAX_HOURS

__all__ = ["router"]

router = page_router()

_LOG: Final = logging.getLogger("ireu.service")

_EMPTY: Final = {"name": "", "encoder": "", "every_hours": "24"}
DeploymentId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


class DeploymentList(BaseModel):
    """All deployments that are watched."""

    deployments: list[DeploymentView]


class DeploymentModel(BaseModel):
    """A deployment with its last checks and the alerts about it, both the newest first."""

    deployment: DeploymentView
    checks: list[CheckView]
    alerts: list[AlertView]


@twin(router, "/deployments")
def list_deployments(request: Request, context: ContextOf, visitor: VisitorOf) -> Response:
    """Show all deployments."""
    visitor.expect(Scope.READ)
    return _show_list(request, context, visitor)


@router.post("/deployments")
def add_deployment(
    request: Request,
    context: ContextOf,
    visitor: FormVisitor,
    typed: TypedForm,
) -> Response:
    """Watch an encoder from now on."""
    visitor.expect(Scope.WRITE)
    try:
        name = typed.text("name", "Name of the place", most=64, needed=True)
        encoder = typed.text("encoder", "Where its encoder is", most=500, needed=True)
        hours = typed.number("every_hours", "Check it every … hours", least=1, most=MAX_HOURS, needed=True)
        typed.expect_right()
        source = read_encoder(encoder).model_dump(mode="json", exclude_none=True)
        found = deployments_of(context).add(
            name=name, source=source, every_hours=hours or MAX_HOURS, owner=visitor.caller.id
        )
    except IreuError as error:
        if status_of(error) == 500:
            raise
        return _show_list(request, context, visitor, error=error, typed=typed)
    _record(context)
    return go(f"/deployments/{found.id}", message="deployment-added")


@twin(router, "/deployments/{deployment_id}")
def show_deployment(request: Request, context: ContextOf, visitor: VisitorOf, deployment_id: DeploymentId) -> Response:
    """Show a deployment and what its checks found."""
    visitor.expect(Scope.READ)
    return _show_one(request, context, visitor, deployment_id)


def _show_one(
    request: Request, context: Context, visitor: Visitor, deployment_id: str, *, error: IreuError | None = None
) -> Response:
    found = deployments_of(context).get(deployment_id)
    alerts = alerts_of(context).list(deployment=deployment_id, limit=50)
    standing = sum(each.state != "resolved" for each in alerts)
    model = DeploymentModel(
        deployment=view_of_deployment(found, now=context.clock(), open_alerts=standing),
        checks=recent_checks(context, deployment_id),
        alerts=[view_of_alert(each, {found.id: found.name}) for each in alerts],
    )
    ended = [each for each in model.checks if each.verdict not in (None, "cancelled")]
    ended.sort(key=lambda each: each.finished_at or "", reverse=True)
    return show(
        request,
        visitor,
        "deployment.html",
        model,
        title=f"Deployment {found.name}",
        status=200 if error is None else status_of(error),
        has_twin=error is None,
        failure=error,
        case_ids=None if found.cases == "all" else list(found.cases),
        failed=ended[0] if found.verdict == "check-failed" and ended else None,
        reached=next((each for each in ended if each.verdict != "check-failed"), None),
    )


@router.post("/deployments/{deployment_id}/checks")
def check_deployment(context: ContextOf, visitor: FormVisitor, deployment_id: DeploymentId) -> Response:
    """Ask for a check now."""
    visitor.expect(Scope.TEST)
    queue, checks = context.queue, checks_of(context)
    made = checks.ask(deployment_id)
    submit_checks(checks, queue)
    return go(f"/jobs/{made.job}", message="retest-ordered")


@router.post("/deployments/{deployment_id}/pause")
def pause_deployment(
    request: Request, context: ContextOf, visitor: FormVisitor, deployment_id: DeploymentId, typed: TypedForm
) -> Response:
    """Leave a deployment alone, or watch it again."""
    visitor.expect(Scope.WRITE)
    try:
        paused = typed.one_of("paused", "Pause, or resume", ("yes", "no"))
        typed.expect_right()
    except FormError as error:
        return _show_one(request, context, visitor, deployment_id, error=error)
    deployments_of(context).change(deployment_id, paused=paused == "yes")
    return go(f"/deployments/{deployment_id}", message="deployment-paused" if paused == "yes" else "deployment-resumed")


@router.get("/deployments/{deployment_id}/removal")
def ask_to_remove(request: Request, context: ContextOf, visitor: VisitorOf, deployment_id: DeploymentId) -> Response:
    """Ask whether a deployment shall be watched no more."""
    visitor.expect(Scope.WRITE)
    found = deployments_of(context).get(deployment_id)
    names = {"deployment": view_of_deployment(found, now=context.clock())}
    return show(request, visitor, "deployment_remove.html", names, title="Watch no more", has_twin=False)


@router.post("/deployments/{deployment_id}/removal")
def remove_deployment(context: ContextOf, visitor: FormVisitor, deployment_id: DeploymentId) -> Response:
    """Watch a deployment no more; what was found stays."""
    visitor.expect(Scope.WRITE)
    deployments_of(context).remove(deployment_id)
    _record(context)
    return go("/deployments", message="deployment-removed")


def _record(context: Context) -> None:
    try:
        record_deployments(context.workspace, context.store)
    except IreuError as error:
        # It is found undone, and recorded, by the next worker that looks.
        _LOG.warning("A change of deployments is not recorded yet.", extra={"code": error.code.value})


def _show_list(
    request: Request,
    context: Context,
    visitor: Visitor,
    *,
    error: IreuError | None = None,
    typed: Typed | None = None,
) -> Response:
    alerts = alerts_of(context).list(state="open", limit=200)
    now = context.clock()
    model = DeploymentList(
        deployments=[
            view_of_deployment(each, now=now, open_alerts=sum(alert.deployment == each.id for alert in alerts))
            for each in deployments_of(context).list()
        ]
    )
    return show(
        request,
        visitor,
        "deployments.html",
        model,
        title="Deployments",
        status=200 if error is None else status_of(error),
        failure=error,
        given={name: typed.raw(name) if typed else value for name, value in _EMPTY.items()},
        max_hours=MAX_HOURS,
    )
