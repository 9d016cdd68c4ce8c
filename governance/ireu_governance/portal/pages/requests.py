"""Recording that somebody asked to be forgotten."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.responses import Response

from ireu_governance.api.catalogue import status_of
from ireu_governance.api.context import ContextOf
from ireu_governance.core.errors import IreuError
from ireu_governance.ledger.requests import MAX_TEXT_BYTES
from ireu_governance.portal.forms import TypedForm
from ireu_governance.portal.once import do_once, new_number
from ireu_governance.portal.page import go, page_router, show, twin
from ireu_governance.portal.visitors import FormVisitor, Visitor, VisitorOf
from ireu_governance.service.access import Scope
from ireu_governance.service.request_book import RequestView

__all__ = ["router"]

router = page_router()

_MOST: Final = 500


@twin(router, "/requests")
def list_requests(request: Request, context: ContextOf, visitor: VisitorOf) -> Response:
    """Show all requests, the most urgent first."""
    visitor.expect(Scope.READ)
    views: list[RequestView] = context.record.requests.list(context.clock().date())
    return show(
        request,
        visitor,
        "requests.html",
        {"requests": views[:_MOST], "left_out": max(0, len(views) - _MOST)},
        title="Requests",
    )


@router.get("/requests/new")
def show_form(request: Request, visitor: VisitorOf) -> Response:
    """Ask for who asked, and when."""
    visitor.expect(Scope.WRITE)
    return _show(request, visitor)


@router.post("/requests/new")
def record(
    request: Request,
    context: ContextOf,
    visitor: FormVisitor,
    typed: TypedForm,
) -> Response:
    """Seal who asked in the vault, and record that a request was received."""
    visitor.expect(Scope.WRITE)

    try:
        text = typed.text("text", "Who asked, and how to answer them", most=MAX_TEXT_BYTES, needed=True)
        received = typed.day("received", "Day of receipt")
        typed.expect_right()

        def work() -> str:
            with context.record.cases.requests() as requests:
                return f"/cases/{requests.add(text, received=received).case_id}"

        where = do_once(context, visitor, typed.raw("number"), "request", work)
    except IreuError as error:
        if status_of(error) == 500:
            raise
        return _show(request, visitor, error=error, text=typed.raw("text"), received=typed.raw("received"))
    return go(where, message="request-received")


def _show(
    request: Request,
    visitor: Visitor,
    *,
    error: IreuError | None = None,
    text: str = "",
    received: str = "",
) -> Response:
    # What was typed goes back to who typed it, and is written nowhere.
    names = {"failure": error, "text": text, "received": received, "number": new_number()}
    status = 200 if error is None else status_of(error)
    return show(request, visitor, "request_new.html", names, title="Record a request", status=status, has_twin=False)
