"""What every page is made with: `page_router`, `show`, and the visitor.

    router = page_router()

    @twin(router, "/cases/{case_id}")
    def show_case(request: Request, context: ContextOf, visitor: VisitorOf, case_id: str) -> Response:
        visitor.expect(Scope.READ)
        return show(request, visitor, "case.html", CaseModel(...), title="Case")

`twin` also answers ``/cases/{case_id}.json`` with the model itself. An error of ireu's becomes a page that says what
happened and what to do next, on the twin a problem document.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from ireu_governance.api.catalogue import PROBLEM_KINDS
from ireu_governance.api.context import Context, context_of
from ireu_governance.api.negotiation import wants_page
from ireu_governance.api.problems import Problem, problem, problem_of
from ireu_governance.core.errors import ErrorCode, IreuError
from ireu_governance.portal.messages import MESSAGES
from ireu_governance.portal.navigation import navigation
from ireu_governance.portal.record import describe_head
from ireu_governance.portal.rendering import render
from ireu_governance.portal.visitors import SignInNeeded, Visitor, visitor_of

__all__ = [
    "PAGE_HEADERS",
    "THEMES",
    "THEME_COOKIE",
    "go",
    "page_router",
    "show",
    "show_problem",
    "twin",
    "unknown_pages",
]

THEME_COOKIE: Final = "ireu_theme"
THEMES: Final = ("auto", "light", "dark")

PAGE_HEADERS: Final = {
    # With the service's own "no-referrer", browsers send "Origin: null" with forms, which then cannot be told from
    # those of other sites.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}

Route = TypeVar("Route", bound=Callable[..., Any])


def page_router() -> APIRouter:
    """Return a router whose errors are pages."""
    return APIRouter(route_class=_PageRoute, include_in_schema=False)


def twin(router: APIRouter, path: str) -> Callable[[Route], Route]:
    """Register a page and its twin of JSON.

    Args:
        router: From `page_router`.
        path: The page's path.
    """

    def register(route: Route) -> Route:
        # The longer path first: "{case_id}" would match "….json" as well.
        router.get(f"{path}.json")(route)
        router.get(path)(route)
        return route

    return register


def is_twin(request: Request) -> bool:
    """Return whether the twin of a page is asked for."""
    return request.url.path.endswith(".json")


def show(
    request: Request,
    visitor: Visitor,
    template: str,
    model: BaseModel | Mapping[str, Any] | None = None,
    *,
    title: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    has_twin: bool = True,
    **extra: Any,
) -> Response:
    """Return a page, or its twin.

    Args:
        request: What was asked for.
        visitor: Who asks.
        template: Name of the template; it extends ``base.html``.
        model: What the page is about: the names of the template, and the document of the twin.
        title: The page's title, without the service's name.
        status: HTTP status.
        headers: Further headers; they win over the usual ones.
        has_twin: Whether the page has a twin.
        extra: Further names for the template alone.
    """
    all_headers = {**PAGE_HEADERS, **(headers or {})}
    if has_twin and is_twin(request):
        return JSONResponse(jsonable_encoder(model or {}), status, headers=all_headers)
    names = {} if model is None else _names(model)
    return _html(request, visitor, template, {**names, **extra}, title, status, all_headers, has_twin=has_twin)


def go(where: str, *, message: str | None = None) -> Response:
    """Return the answer to a form that did its work: go and look at the result.

    Args:
        where: Path of a page.
        message: Code of what to say there, of `ireu_governance.portal.messages`.
    """
    if message is not None:
        assert message in MESSAGES  # noqa: S101 - written down in the source
        where += ("&" if "?" in where else "?") + f"done={message}"
    return RedirectResponse(where, 303, headers=PAGE_HEADERS)


def theme_of(request: Request) -> str:
    """Return which colours a visitor chose: ``auto``, ``light`` or ``dark``."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else "auto"


def _names(model: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(model, BaseModel):
        return {name: getattr(model, name) for name in type(model).model_fields}
    return dict(model)


def _html(
    request: Request,
    visitor: Visitor,
    template: str,
    names: Mapping[str, Any],
    title: str,
    status: int,
    headers: Mapping[str, str],
    *,
    has_twin: bool,
) -> Response:
    context = context_of(request)
    query = request.url.query
    here = request.url.path
    body = render(
        template,
        {
            **names,
            "title": title,
            "visitor": visitor,
            "organisation": _organisation(context),
            "head": describe_head(context),
            "nav": navigation(visitor, here),
            "theme": theme_of(request),
            "here": here + (f"?{query}" if query and request.method == "GET" else ""),
            "twin": f"{here if here != '/' else '/index'}.json" + (f"?{query}" if query else "") if has_twin else None,
            "message": MESSAGES.get(request.query_params.get("done", "")),
            "today": context.clock().date(),
        },
    )
    return Response(body, status, headers={**headers, "Content-Type": "text/html; charset=utf-8"})


class _PageRoute(APIRoute):
    """A route whose errors are pages for people, unless its twin was asked for."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except (SignInNeeded, IreuError, HTTPException, RequestValidationError) as error:
                if is_twin(request):
                    raise
                return await run_in_threadpool(_show_error, request, error)

        return answer


class _UnknownRoute(_PageRoute):
    """Whatever no other route knows, for browsers: programs get a problem document, from the service itself."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and wants_page(scope):
            return super().matches(scope)
        return Match.NONE, {}


def unknown_pages() -> APIRouter:
    """Return the route of addresses that nothing is at; it comes last."""
    router = APIRouter(route_class=_UnknownRoute, include_in_schema=False)

    @router.get("/{path:path}")
    def show_nothing(path: str) -> Response:  # noqa: ARG001
        raise problem(404, ErrorCode.NOT_FOUND, "There is nothing at this address.")

    return router


def show_problem(request: Request, found: Problem) -> Response:
    """Return the page of a problem: what happened, and what to do next.

    Args:
        request: What was asked for; its body is not read.
        found: The problem.
    """
    kind = PROBLEM_KINDS.get(found.code, (found.status_code, "Something went wrong"))[1]
    names = {
        "status": found.status_code,
        "code": found.code,
        "detail": found.detail,
        "hint": found.hint,
        "number": request.scope.get("ireu.request_id") if found.status_code >= 500 else None,
    }
    headers = {**PAGE_HEADERS, **(found.headers or {})}
    visitor = _visitor(request)
    return _html(request, visitor, "error.html", names, kind, found.status_code, headers, has_twin=False)


def _show_error(request: Request, error: Exception) -> Response:
    if isinstance(error, SignInNeeded) and request.method == "GET":
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?back={quote(back, safe='/')}", 303, headers=PAGE_HEADERS)
    if isinstance(error, IreuError | HTTPException):
        return show_problem(request, problem_of(error))
    hint = "Follow a link of these pages to it."
    return show_problem(request, problem(422, ErrorCode.INPUT_MALFORMED, _address_words(error), hint=hint))


def _visitor(request: Request) -> Visitor:
    try:
        return visitor_of(request, context_of(request))
    except IreuError:
        return Visitor.nobody()


def _organisation(context: Context) -> str:
    try:
        return context.reader.key_file.organisation
    except IreuError:  # the page that says so needs a name too
        return "ireu"


def _address_words(error: Exception) -> str:
    # Forms say themselves what is wrong with them (`ireu_governance.portal.forms`), so that this is an address.
    found = error.errors()[:5] if isinstance(error, RequestValidationError) else []
    parts = [f"“{str(each['loc'][-1])[:40].replace('_', ' ')}”" for each in found if each.get("loc")]
    where = f" in the part {' and '.join(parts)}" if parts else ""
    return f"There can be nothing at this address: it holds something{where} that is too long, too large or misspelt."
