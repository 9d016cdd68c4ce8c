"""The first page, for everybody; and the choice of colours."""

from __future__ import annotations

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import RedirectResponse, Response

from ireu_governance.api.catalogue import status_of
from ireu_governance.api.context import ContextOf
from ireu_governance.portal.forms import FormError, TypedForm
from ireu_governance.portal.page import PAGE_HEADERS, THEME_COOKIE, THEMES, page_router, show
from ireu_governance.portal.places import own_path
from ireu_governance.portal.record import log_summary
from ireu_governance.portal.visitors import VisitorOf, expect_own_page
from ireu_governance.service.log_summary import LedgerSummary

__all__ = ["router"]

router = page_router()

_YEAR_S = 365 * 24 * 3600


class StartModel(BaseModel):
    """The log, and whether anything of it is published by case."""

    log: LedgerSummary
    published_cases: list[str]


@router.get("/index.json")
@router.get("/")
def show_start(request: Request, context: ContextOf, visitor: VisitorOf) -> Response:
    """Show what this is, and where to go."""
    if visitor.may_read and not request.url.path.endswith(".json"):
        return RedirectResponse("/overview", 303, headers=PAGE_HEADERS)
    # Not the list of publications: a case can be on it before anything of it is in the published log.
    cases = context.record.cases.page(today=context.clock().date(), limit=10, everything=False)
    model = StartModel(log=log_summary(context), published_cases=[each.case_id for each in cases])
    return show(request, visitor, "start.html", model, title="Record of removals")


@router.post("/theme")
def choose_theme(request: Request, context: ContextOf, visitor: VisitorOf, typed: TypedForm) -> Response:
    """Remember which colours a visitor likes, in their browser alone."""
    expect_own_page(request, context)
    back = own_path(typed.raw("back"))
    try:
        theme = typed.one_of("theme", "Colours", THEMES)
        typed.expect_right()
    except FormError as error:
        names = {"failure": error, "back": back}
        title, status = "Colours of these pages", status_of(error)
        return show(request, visitor, "theme.html", names, title=title, status=status, has_twin=False)
    response = RedirectResponse(back, 303, headers=PAGE_HEADERS)
    response.set_cookie(THEME_COOKIE, theme, max_age=_YEAR_S, path="/", httponly=True, samesite="lax")
    return response
