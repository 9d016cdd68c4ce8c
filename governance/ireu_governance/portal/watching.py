"""Deployments, their checks and alerts, as the portal shows them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel

from ireu_governance.api.context import Context
from ireu_governance.core.errors import InputError, IreuError
from ireu_governance.core.times import parse_time
from ireu_governance.jobs.queue import FINISHED, JobStatus
from ireu_governance.portal.encoders import EncoderChoice, describe_source
from ireu_governance.service.alerts import Alert, Alerts
from ireu_governance.service.case_views import CaseFile
from ireu_governance.service.case_watching import alerts_about, places_of
from ireu_governance.service.checks import Check, Checks
from ireu_governance.service.deployments import Deployment, Deployments, read_source

__all__ = [
    "AlertView",
    "CasePlace",
    "CheckView",
    "DeploymentView",
    "alerts_of",
    "checks_of",
    "deployment_choices",
    "deployments_of",
    "recent_checks",
    "source_of_deployment",
    "view_of_alert",
    "view_of_deployment",
    "watch_of_case",
]


_CHECKS: Final = 100
_ASKED: Final = 20  # of checks without an outcome; there are a few
_LATE: Final = timedelta(minutes=10)  # workers look every few seconds; one that is restarted is back by then


class DeploymentView(BaseModel):
    """A deployment in a list.

    Attributes:
        id: Its number.
        name: What it is called.
        state: ``active``, ``paused`` or ``removed``.
        encoder: Where its encoder is, in words.
        cases: How many cases are tested; None for all that were ever removed.
        every_hours: How often it is checked.
        verdict: Of the last check; None before the first.
        checked_at: When that was.
        due_at: When it is checked next; None while it is paused or removed.
        late: Whether that is past, and no worker has begun it: what is known may be out of date.
        digest: Of the encoder that was seen last.
        resolved: What a moving name stood for then.
        open_alerts: How many alerts stand.
    """

    id: str
    name: str
    state: str
    encoder: str
    cases: int | None
    every_hours: int
    verdict: str | None
    checked_at: str | None
    due_at: str | None
    late: bool
    digest: str | None
    resolved: str | None
    open_alerts: int


class CheckView(BaseModel):
    """A check of a deployment.

    Attributes:
        job: Number of its re-test.
        state: ``noted`` with its outcome; before that ``under-way``, or ``cancelled`` or ``ended`` when the queue says
            so and no worker has noted it yet.
        cause: Why it was made.
        created_at: When it was asked for.
        finished_at: When its outcome was noted; None before.
        verdict: What came out.
        note: Why nothing came out.
    """

    job: str
    state: str
    cause: str
    created_at: str
    finished_at: str | None
    verdict: str | None
    note: str | None


class AlertView(BaseModel):
    """An alert, with the name of its deployment."""

    id: str
    kind: str
    state: str
    deployment: str | None
    deployment_name: str | None
    case_id: str | None
    removal: int | None
    entry: int | None
    job: str | None
    opened_at: str
    seen_at: str
    times: int
    acknowledged_at: str | None
    resolved_at: str | None


class CasePlace(BaseModel):
    """A deployment on which a case is tested.

    Attributes:
        deployment: The deployment, with the verdict of its last check over all cases.
        verdict: What the last test there found for this case; None before the first.
        entry: The entry that records it.
        recorded_at: When.
    """

    deployment: DeploymentView
    verdict: str | None
    entry: int | None
    recorded_at: str | None


def deployments_of(context: Context) -> Deployments:
    """Return the deployments of a service."""
    return Deployments(context.store, clock=context.clock)


def checks_of(context: Context) -> Checks:
    """Return the checks of a service."""
    return Checks(context.store, clock=context.clock)


def alerts_of(context: Context) -> Alerts:
    """Return the alerts of a service."""
    return Alerts(context.store, clock=context.clock)


def view_of_deployment(found: Deployment, *, now: datetime, open_alerts: int = 0) -> DeploymentView:
    """Return a deployment as it is shown.

    Args:
        found: The deployment.
        now: The time as of which.
        open_alerts: How many alerts stand.
    """
    is_active = found.state == "active"
    return DeploymentView(
        id=found.id,
        name=found.name,
        state=found.state,
        encoder=describe_source(dict(found.source)),
        cases=None if found.cases == "all" else len(found.cases),
        every_hours=found.every_s // 3600,
        verdict=found.verdict,
        checked_at=found.checked_at,
        due_at=found.due_at if is_active else None,
        late=is_active and parse_time(found.due_at) + _LATE < now,
        digest=found.digest,
        resolved=found.resolved,
        open_alerts=open_alerts,
    )


def recent_checks(context: Context, deployment: str) -> list[CheckView]:
    """Return the last checks of a deployment, the newest first, with what the queue says of those without outcome.

    A worker notes outcomes when it looks; until then only the queue knows that a check was cancelled or has ended.

    Args:
        context: The service.
        deployment: Number of the deployment.
    """
    found = checks_of(context).list(deployment, limit=_CHECKS)
    states = _states(context, [each.job for each in found if each.finished_at is None][:_ASKED])
    return [_view_of_check(each, states.get(each.job, "under-way")) for each in found]


def _states(context: Context, jobs: list[str]) -> dict[str, str]:
    states: dict[str, str] = {}
    for job in jobs:
        try:
            status = context.queue.get(job).status
        except InputError:
            continue  # not submitted yet
        except IreuError:
            break  # the queue does not answer: the page is shown without it
        if status is JobStatus.CANCELLED:
            states[job] = "cancelled"
        elif status in FINISHED:
            states[job] = "ended"
    return states


def _view_of_check(check: Check, state: str) -> CheckView:
    return CheckView(
        job=check.job,
        state=state if check.finished_at is None else "noted",
        cause=check.cause,
        created_at=check.created_at,
        finished_at=check.finished_at,
        verdict=check.verdict,
        note=check.note,
    )


def view_of_alert(alert: Alert, names: dict[str, str]) -> AlertView:
    """Return an alert as it is shown.

    Args:
        alert: The alert.
        names: Names of deployments by number.
    """
    return AlertView(
        id=alert.id,
        kind=alert.kind,
        state=alert.state,
        deployment=alert.deployment,
        deployment_name=names.get(alert.deployment or ""),
        case_id=alert.case_id,
        removal=alert.removal,
        entry=alert.entry,
        job=alert.job,
        opened_at=alert.opened_at,
        seen_at=alert.seen_at,
        times=alert.times,
        acknowledged_at=alert.acknowledged_at,
        resolved_at=alert.resolved_at,
    )


def watch_of_case(context: Context, file: CaseFile) -> tuple[list[CasePlace], list[AlertView]]:
    """Return where a case is tested, and the alerts that stand because of it.

    Args:
        context: The service.
        file: What is recorded of the case.
    """
    found = places_of(context.store, file)
    alerts = alerts_about(context.store, file, found)
    places = [
        CasePlace(
            deployment=view_of_deployment(
                each.deployment,
                now=context.clock(),
                open_alerts=sum(alert.deployment == each.deployment.id for alert in alerts),
            ),
            verdict=None if each.test is None else each.test.verdict,
            entry=None if each.test is None else each.test.entry,
            recorded_at=None if each.test is None else each.test.recorded_at,
        )
        for each in found
    ]
    names = {each.id: each.name for each in deployments_of(context).list(everything=True)} if alerts else {}
    return places, [view_of_alert(each, names) for each in alerts]


def deployment_choices(context: Context) -> list[EncoderChoice]:
    """Return the watched deployments, for a form."""
    return [
        EncoderChoice(f"deployment:{each.id}", f"What the deployment “{each.name}” uses now")
        for each in deployments_of(context).list(limit=50)
    ]


def source_of_deployment(context: Context, deployment: str) -> dict[str, Any]:
    """Return where the encoder of a deployment is.

    Raises:
        InputError: There is no such deployment.
    """
    return dict(read_source(context.store, deployment))
