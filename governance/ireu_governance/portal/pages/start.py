"""The first page, for everybody; and the choice of colours."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from pydantic import BaseModel
from starlette.responses import RedirectResponse, Response

from ireu_governance.api.context import ContextOf
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
    model = StartModel(log=log_summary(context), published_cases=context.publications.list(limit=10))
    return show(request, visitor, "start.html", model, title="Record of removals")


@router.post("/theme")
def choose_theme(
    request: Request,
    context: ContextOf,
    theme: Annotated[str, Form(max_length=10)],
    back: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Remember which colours a visitor likes, in their browser alone."""
    expect_own_page(request, context)
    response = RedirectResponse(own_path(back), 303, headers=PAGE_HEADERS)
    if theme in THEMES:
        response.set_cookie(THEME_COOKIE, theme, max_age=_YEAR_S, path="/", httponly=True, samesite="lax")
    return response
