"""`/v1/alerts`: what somebody has to look at, and who is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ireu_governance.api.auth import Caller, require
from ireu_governance.api.context import Context, ContextOf
from ireu_governance.api.observability import Figure
from ireu_governance.api.pagination import DEFAULT_LIMIT, Cursor, Limit, link_next, open_cursor, seal_cursor
from ireu_governance.api.problems import PROBLEMS
from ireu_governance.core.times import Timestamp
from ireu_governance.service.access import Scope
from ireu_governance.service.alerts import Alert, Alerts
from ireu_governance.service.deliveries import Deliveries, Delivery
from ireu_governance.service.deployments import Deployments
from ireu_governance.service.webhooks import Webhook, Webhooks, webhook_policy

__all__ = ["router", "watching_figures"]

router = APIRouter(prefix="/alerts", tags=["alerts"])

Reader = Annotated[Caller, Depends(require(Scope.READ))]
Writer = Annotated[Caller, Depends(require(Scope.WRITE))]
Admin = Annotated[Caller, Depends(require(Scope.ADMIN))]
Number = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
MessageNumber = Annotated[str, Path(pattern=r"^msg_[0-9a-f]{32}$")]


class AlertDocument(BaseModel):
    """An alert as it stands.

    Attributes:
        id: Its number.
        state: ``open``, ``acknowledged`` or ``resolved``.
        kind: ``resurfaced``, ``encoder-changed``, ``utility-lost``, ``check-failed`` or ``request-overdue``.
        deployment: The deployment; null for a request.
        case_id: The case; null where a removal or the check itself is concerned.
        removal_entry: The removal.
        verification_entry: The entry that recorded it last.
        verification: Number of the verification that found it last.
        opened_at: When it was first found.
        seen_at: When it was last found.
        times: How often.
        acknowledged_at: When somebody said that they know.
        acknowledged_by: Who.
        resolved_at: When it was found to hold again.
    """

    id: str
    state: str
    kind: str
    deployment: str | None
    case_id: str | None
    removal_entry: int | None
    verification_entry: int | None
    verification: str | None
    opened_at: Timestamp
    seen_at: Timestamp
    times: int
    acknowledged_at: Timestamp | None
    acknowledged_by: str | None
    resolved_at: Timestamp | None


class AlertPage(BaseModel):
    """Some alerts, the newest first."""

    alerts: list[AlertDocument]


class WebhookRequest(BaseModel):
    """Somebody who is to be told of alerts."""

    url: Annotated[str, Field(min_length=1, max_length=2000)]

    model_config = ConfigDict(extra="forbid")


class WebhookDocument(BaseModel):
    """A receiver of alerts."""

    id: str
    url: str
    created_at: Timestamp


class NewWebhookDocument(WebhookDocument):
    """A receiver with its secret, shown this once."""

    secret: str


class WebhookPage(BaseModel):
    """All receivers."""

    webhooks: list[WebhookDocument]


class DeliveryDocument(BaseModel):
    """A message to a receiver.

    Attributes:
        id: Its ``webhook-id``.
        alert: The alert.
        event: What it tells.
        state: ``pending``, ``delivered`` or ``dead``.
        attempts: How often it was tried.
        created_at: When it was written.
        delivered_at: When it was taken.
        last_error: Why the last attempt failed, by code.
    """

    id: str
    alert: str
    event: str
    state: str
    attempts: int
    created_at: Timestamp
    delivered_at: Timestamp | None
    last_error: str | None


class DeliveryPage(BaseModel):
    """The last messages, the newest first."""

    deliveries: list[DeliveryDocument]


@router.get("", operation_id="listAlerts", responses=PROBLEMS(401, 403))
def list_alerts(
    request: Request,
    response: Response,
    context: ContextOf,
    _: Reader,
    state: Annotated[Literal["open", "acknowledged", "resolved"] | None, Query(description="Only these.")] = None,
    deployment: Annotated[str | None, Query(pattern=r"^[0-9a-f]{32}$", description="Only of this one.")] = None,
    after: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> AlertPage:
    """List alerts, the newest first."""
    found = _alerts(context).list(state=state, deployment=deployment, after=open_cursor(after), limit=limit + 1)
    following = f"{found[limit - 1].opened_at} {found[limit - 1].id}" if len(found) > limit else None
    link_next(request, response, None if following is None else seal_cursor(following))
    return AlertPage(alerts=[_alert(each) for each in found[:limit]])


@router.get("/webhooks", operation_id="listWebhooks", responses=PROBLEMS(401, 403))
def list_webhooks(context: ContextOf, _: Admin) -> WebhookPage:
    """List who is told of alerts."""
    return WebhookPage(webhooks=[_webhook(each) for each in _webhooks(context).list()])


@router.post("/webhooks", operation_id="createWebhook", status_code=201, responses=PROBLEMS(401, 403))
def create_webhook(wanted: WebhookRequest, response: Response, context: ContextOf, _: Admin) -> NewWebhookDocument:
    """Tell somebody of alerts from now on. The secret is shown once, so an Idempotency-Key is not honoured."""
    made = _webhooks(context).add(wanted.url)
    response.headers["Location"] = f"/v1/alerts/webhooks/{made.webhook.id}"
    return NewWebhookDocument(secret=made.secret, **vars(made.webhook))


@router.get("/webhooks/{number}", operation_id="getWebhook", responses=PROBLEMS(401, 403, 404))
def get_webhook(number: Number, context: ContextOf, _: Admin) -> WebhookDocument:
    """Show a receiver."""
    return _webhook(_webhooks(context).get(number))


@router.delete("/webhooks/{number}", operation_id="removeWebhook", responses=PROBLEMS(401, 403, 404))
def remove_webhook(number: Number, context: ContextOf, _: Admin) -> WebhookDocument:
    """Tell a receiver nothing more; what waits for it is given up."""
    return _webhook(_webhooks(context).remove(number))


@router.get("/webhooks/{number}/deliveries", operation_id="listDeliveries", responses=PROBLEMS(401, 403, 404))
def list_deliveries(
    number: Number,
    context: ContextOf,
    _: Admin,
    state: Annotated[Literal["pending", "delivered", "dead"] | None, Query(description="Only these.")] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> DeliveryPage:
    """List the last messages to a receiver."""
    _webhooks(context).get(number)
    found = Deliveries(context.store, clock=context.clock).list(webhook=number, state=state, limit=limit)
    return DeliveryPage(deliveries=[_delivery(each) for each in found])


@router.post("/deliveries/{message}/repeat", operation_id="repeatDelivery", responses=PROBLEMS(401, 403, 404))
def repeat_delivery(message: MessageNumber, context: ContextOf, _: Admin) -> DeliveryDocument:
    """Try a dead message once more; others stay as they are."""
    return _delivery(Deliveries(context.store, clock=context.clock).repeat(message))


@router.get("/{number}", operation_id="getAlert", responses=PROBLEMS(401, 403, 404))
def get_alert(number: Number, context: ContextOf, _: Reader) -> AlertDocument:
    """Show an alert."""
    return _alert(_alerts(context).get(number))


@router.post("/{number}/acknowledgement", operation_id="acknowledgeAlert", responses=PROBLEMS(401, 403, 404))
def acknowledge_alert(number: Number, context: ContextOf, caller: Writer) -> AlertDocument:
    """Say that somebody knows of an alert; harmless when repeated."""
    return _alert(_alerts(context).acknowledge(number, by=caller.id))


def watching_figures(context: Context) -> Callable[[], Iterable[Figure]]:
    """Return the source of the figures about deployments, alerts and messages.

    Args:
        context: The service.
    """

    def read() -> Iterable[Figure]:
        for name, text, counts, label in (
            ("ireu_deployments", "Watched deployments by verdict.", Deployments(context.store).by_verdict(), "verdict"),
            ("ireu_open_alerts", "Open alerts by kind.", Alerts(context.store).counts(), "kind"),
            ("ireu_webhook_deliveries", "Messages by state.", Deliveries(context.store).counts(), "state"),
        ):
            yield Figure(name, text, {(key,): float(number) for key, number in counts.items()}, (label,))

    return read


def _alerts(context: Context) -> Alerts:
    return Alerts(context.store, clock=context.clock)


def _webhooks(context: Context) -> Webhooks:
    policy = webhook_policy(context.settings)
    return Webhooks(context.store, context.workspace.root, policy=policy, clock=context.clock)


def _alert(found: Alert) -> AlertDocument:
    return AlertDocument(
        id=found.id,
        state=found.state,
        kind=found.kind,
        deployment=found.deployment,
        case_id=found.case_id,
        removal_entry=found.removal,
        verification_entry=found.entry,
        verification=found.job,
        opened_at=found.opened_at,
        seen_at=found.seen_at,
        times=found.times,
        acknowledged_at=found.acknowledged_at,
        acknowledged_by=found.acknowledged_by,
        resolved_at=found.resolved_at,
    )


def _webhook(found: Webhook) -> WebhookDocument:
    return WebhookDocument(id=found.id, url=found.url, created_at=found.created_at)


def _delivery(found: Delivery) -> DeliveryDocument:
    return DeliveryDocument(
        id=found.id,
        alert=found.alert,
        event=found.event,
        state=found.state,
        attempts=found.attempts,
        created_at=found.created_at,
        delivered_at=found.delivered_at,
        last_error=found.last_error,
    )
