"""The cases: all of them for who is signed in, the published ones for everybody."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from ireu_governance.api.context import Context, ContextOf
from ireu_governance.core.removal_predicates import Plan, RemovalRequest
from ireu_governance.portal.guidance import next_step
from ireu_governance.portal.page import page_router, show, twin
from ireu_governance.portal.pictures import Grid, find_grids
from ireu_governance.portal.score_series import ScoreSeries, draw_chart, make_series
from ireu_governance.portal.steps import Step, possible_steps
from ireu_governance.portal.timeline import TimelineItem, make_timeline
from ireu_governance.portal.visitors import VisitorOf
from ireu_governance.portal.watching import AlertView, CasePlace, watch_of_case
from ireu_governance.service.case_files import CaseFile, CaseLine

__all__ = ["CaseId", "router"]

router = page_router()

_PAGE: Final = 50
CaseId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
"""A case's number in a path."""


class CaseList(BaseModel):
    """A page of cases; `next` is where the following one begins."""

    cases: list[CaseLine]
    everything: bool
    next: str | None


class CaseModel(BaseModel):
    """A case: what is recorded, what happened in order, and the results of its tests.

    Attributes:
        case: What is recorded.
        timeline: What happened, in order.
        scores: The results of its tests.
        places: The deployments on which it is tested; None for people without a key.
        alerts: The alerts that stand because of it, the newest first; None for people without a key.
    """

    case: CaseFile
    timeline: list[TimelineItem]
    scores: list[ScoreSeries]
    places: list[CasePlace] | None = None
    alerts: list[AlertView] | None = None


@twin(router, "/cases")
def list_cases(
    request: Request,
    context: ContextOf,
    visitor: VisitorOf,
    after: Annotated[str, Query(pattern=r"^([0-9a-f]{32})?$")] = "",
) -> Response:
    """Show cases in the order of their ids."""
    today = context.clock().date()
    lines = context.record.cases.page(today=today, after=after, limit=_PAGE + 1, everything=visitor.may_read)
    has_more = len(lines) > _PAGE
    lines = lines[:_PAGE]
    model = CaseList(cases=lines, everything=visitor.may_read, next=lines[-1].case_id if has_more and lines else None)
    return show(
        request, visitor, "cases.html", model, title="Cases" if visitor.may_read else "Published cases", after=after
    )


@twin(router, "/cases/{case_id}")
def show_case(request: Request, context: ContextOf, visitor: VisitorOf, case_id: CaseId) -> Response:
    """Show everything that is recorded of a case."""
    file = context.record.cases.open(case_id, today=context.clock().date(), everything=visitor.may_read)
    series = make_series(file, plans_of(context, file))
    model = CaseModel(case=file, timeline=make_timeline(file), scores=series)
    if visitor.may_read:
        model.places, model.alerts = watch_of_case(context, file)
    grids: list[Grid] = find_grids(context.workspace, file) if visitor.may_read else []
    steps: list[Step] = possible_steps(file, visitor)
    return show(
        request,
        visitor,
        "case.html",
        model,
        title=f"Case {case_id[:8]}",
        chart=draw_chart(series),
        plot=[each.model_dump(mode="json") for each in series],
        grids=grids,
        steps=steps,
        next=next_step(file, {each.kind for each in model.alerts or ()}) if visitor.may_read else None,
        latest=file.verifications[-1] if file.verifications else None,
    )


def plans_of(context: Context, file: CaseFile) -> dict[int, Plan]:
    """Return the plan of each removal of a case, by the removal's entry."""
    log = context.record.log
    wanted = {removal.entry: removal.request_entry for removal in file.removals}
    seqs = sorted(set(wanted.values()))
    plans: dict[int, Plan] = {}
    for entry, statement in log.statements(log.some_entries(seqs[:500])):
        predicate = statement.predicate
        if isinstance(predicate, RemovalRequest):
            plans[entry.seq] = predicate.plan
    return {removal: plans[request] for removal, request in wanted.items() if request in plans}
