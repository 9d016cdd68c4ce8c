"""The overview, for who is signed in: what is overdue, what is wrong, what runs, and what was done last."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from ireu_governance.api.context import Context, ContextOf
from ireu_governance.core.errors import IreuError
from ireu_governance.jobs.orders import KIND
from ireu_governance.portal.page import page_router, show, twin
from ireu_governance.portal.pages.jobs import JobModel, describe_job
from ireu_governance.portal.visitors import VisitorOf
from ireu_governance.portal.watching import (
    AlertView,
    DeploymentView,
    alerts_of,
    deployments_of,
    view_of_alert,
    view_of_deployment,
)
from ireu_governance.service.access import Scope
from ireu_governance.service.entry_pages import EntryLine, EntryQuery
from ireu_governance.service.request_book import RequestView

__all__ = ["router"]

router = page_router()

_LINES: Final = 8
_ALERTS: Final = 50


class OverviewModel(BaseModel):
    """Where everything stands.

    Attributes:
        requests: Those that wait for an answer, the most urgent first; at most a few.
        open_requests: How many wait.
        overdue_requests: How many of them wait too long.
        alerts: Those that nobody has acknowledged, the newest first.
        deployments: Those that are watched.
        jobs: The newest re-tests that are not finished; none when the queue cannot be asked.
        queue_trouble: Why not, else empty.
        removals: The newest removals.
        verifications: The newest tests.
    """

    requests: list[RequestView]
    open_requests: int
    overdue_requests: int
    alerts: list[AlertView]
    deployments: list[DeploymentView]
    jobs: list[JobModel]
    queue_trouble: str
    removals: list[EntryLine]
    verifications: list[EntryLine]


@twin(router, "/overview")
def show_overview(request: Request, context: ContextOf, visitor: VisitorOf) -> Response:
    """Show where everything stands."""
    visitor.expect(Scope.READ)
    now = context.clock()
    waiting = [each for each in context.record.requests.list(now.date()) if each.days_left is not None]
    deployments = deployments_of(context).list()
    names = {each.id: each.name for each in deployments}
    alerts = alerts_of(context).list(state="open", limit=_ALERTS)
    jobs, trouble = _jobs(context)
    model = OverviewModel(
        requests=waiting[:_LINES],
        open_requests=len(waiting),
        overdue_requests=sum(each.overdue for each in waiting),
        alerts=[view_of_alert(each, names) for each in alerts],
        deployments=[
            view_of_deployment(each, now=now, open_alerts=sum(alert.deployment == each.id for alert in alerts))
            for each in deployments[:_LINES]
        ],
        jobs=jobs,
        queue_trouble=trouble,
        removals=_newest(context, "removal"),
        verifications=_newest(context, "verification"),
    )
    return show(request, visitor, "overview.html", model, title="Overview", more_deployments=len(deployments) > _LINES)


def _jobs(context: Context) -> tuple[list[JobModel], str]:
    try:
        found = context.queue.list(kind=KIND, limit=_LINES).jobs
    except IreuError as error:  # the rest of the page does not hang on the queue
        return [], error.message
    return [describe_job(each) for each in found if not each.is_finished], ""


def _newest(context: Context, kind: str) -> list[EntryLine]:
    found: list[EntryLine] = []
    after = -1
    while len(found) < _LINES:  # what counts no more is in the log's own list, and not here
        page = context.record.pages.page(EntryQuery(after=after, limit=_LINES, order="newest", kind=kind))
        found.extend(each for each in page.entries if each.problem is None)
        if page.next is None:
            break
        after = page.next
    return found[:_LINES]
