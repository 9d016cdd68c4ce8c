"""Pictures of a case, for who may read."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request
from starlette.responses import Response

from ireu_governance.api.caching import cacheable
from ireu_governance.api.context import ContextOf
from ireu_governance.portal.page import page_router
from ireu_governance.portal.pages.cases import CaseId
from ireu_governance.portal.pictures import read_grid
from ireu_governance.portal.visitors import VisitorOf
from ireu_governance.service.access import Scope

__all__ = ["router"]

router = page_router()


@router.get("/cases/{case_id}/pictures/{entry}/{number}.png")
def show_picture(
    request: Request,
    context: ContextOf,
    visitor: VisitorOf,
    case_id: CaseId,
    entry: Annotated[int, Path(ge=0, le=2**53 - 1)],
    number: Annotated[int, Path(ge=0, le=99)],
) -> Response:
    """Return a before/after picture of synthetic people."""
    visitor.expect(Scope.READ)
    file = context.record.cases.open(case_id, today=context.clock().date(), everything=True)
    data = read_grid(context.workspace, file, removal_entry=entry, number=number)
    # Not kept by anything between, and asked for again each time: after an erasure it is gone.
    return cacheable(request, data, media_type="image/png", cache_control="private, no-cache")
