"""Alerts: what somebody has to look at."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from ireu_governance.api.context import ContextOf
from ireu_governance.portal.forms import TypedForm
from ireu_governance.portal.page import go, page_router, show, twin
from ireu_governance.portal.places import own_path
from ireu_governance.portal.visitors import FormVisitor, VisitorOf
from ireu_governance.portal.watching import AlertView, alerts_of, deployments_of, view_of_alert
from ireu_governance.service.access import Scope

__all__ = ["router"]

router = page_router()

_PAGE: Final = 50
State = Literal["open", "acknowledged", "resolved", "all"]


class AlertList(BaseModel):
    """A page of alerts, the newest first; `next` is where the following one begins."""

    state: State
    alerts: list[AlertView]
    next: str | None


@twin(router, "/alerts")
def list_alerts(
    request: Request,
    context: ContextOf,
    visitor: VisitorOf,
    state: State = "open",
    after: Annotated[str, Query(max_length=100, pattern=r"^([0-9TZ:.-]{1,40} [0-9a-f]{32})?$")] = "",
) -> Response:
    """Show alerts."""
    visitor.expect(Scope.READ)
    found = alerts_of(context).list(state=None if state == "all" else state, after=after, limit=_PAGE + 1)
    names = {each.id: each.name for each in deployments_of(context).list(everything=True)}
    shown = found[:_PAGE]
    following = f"{shown[-1].opened_at} {shown[-1].id}" if len(found) > _PAGE else None
    model = AlertList(state=state, alerts=[view_of_alert(each, names) for each in shown], next=following)
    return show(request, visitor, "alerts.html", model, title="Alerts", after=after)


@router.post("/alerts/{alert_id}/acknowledgement")
def acknowledge_alert(
    context: ContextOf,
    visitor: FormVisitor,
    alert_id: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")],
    typed: TypedForm,
) -> Response:
    """Say that somebody knows of an alert."""
    visitor.expect(Scope.WRITE)
    alerts_of(context).acknowledge(alert_id, by=visitor.caller.id)
    return go(own_path(typed.raw("back"), "/alerts"), message="alert-acknowledged")
