"""Problems: every answer that is no success is an `application/problem+json` (RFC 9457), or a page for people.

A route raises an `IreuError`, or `problem(…)` where it knows better; the handlers here make the document. It says what
happened and what to do, never a stack trace, and nothing of what was sent that could be personal.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from ireu_governance.api.catalogue import CODES_OF_STATUS, PROBLEM_KINDS, status_of
from ireu_governance.api.negotiation import wants_page
from ireu_governance.core.errors import ErrorCode, IreuError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ireu_governance.api.context import Context

__all__ = [
    "PROBLEMS",
    "PROBLEM_TYPE",
    "Problem",
    "ProblemDocument",
    "add_problem_handlers",
    "answer",
    "fault",
    "problem",
    "problem_of",
    "type_base",
]

_LOG: Final = logging.getLogger("ireu.service")
PROBLEM_TYPE: Final = "application/problem+json"
ERRORS_PAGE: Final = "/docs/errors"
_MAX_ERRORS: Final = 10
_HIDDEN: Final = "The service failed. The number of the request stands in its log, with what happened."


class ProblemDocument(BaseModel):
    """A problem.

    Attributes:
        type: Address of the kind of problem; leads to its description.
        title: The kind of problem in a few words.
        status: HTTP status.
        detail: What happened this time.
        code: Stable name of the kind of problem.
        hint: What to do next; absent when there is nothing to advise.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str | None = None

    model_config = ConfigDict(extra="allow")


class Problem(HTTPException):
    """An answer that is no success. Made by `problem`.

    Args:
        status: HTTP status.
        code: Stable name of the kind of problem.
        detail: What happened this time.
        hint: What to do next.
        headers: Further headers of the answer.
        extra: Further members of the document.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        hint: str = "",
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code
        self.hint = hint
        self.extra = dict(extra or {})


def problem(
    status: int,
    code: ErrorCode | str,
    detail: str,
    *,
    hint: str = "",
    headers: Mapping[str, str] | None = None,
    **extra: Any,
) -> Problem:
    """Return an exception for a route to raise, which becomes a problem document.

    Args:
        status: HTTP status.
        code: Kind of problem, of `ireu_governance.core.errors.ErrorCode`.
        detail: What happened this time; nothing personal.
        hint: What to do next.
        headers: Further headers of the answer.
        extra: Further members of the document.
    """
    return Problem(status, str(code), detail, hint=hint, headers=headers, extra=extra)


def PROBLEMS(*statuses: int) -> dict[int | str, dict[str, Any]]:  # noqa: N802 - reads as the constant that it is
    """Return what a route declares in OpenAPI: ``responses=PROBLEMS(404, 409)``.

    Every route can answer 400, 408, 413, 422, 429, 500 and 503; these need not be named. Routes with `require` add
    401 and 403.

    Args:
        statuses: Further statuses of the route.
    """
    always = (400, 408, 413, 422, 429, 500, 503)
    titles = {status: [] for status in sorted({*always, *statuses})}  # type: dict[int, list[str]]
    for status, title in PROBLEM_KINDS.values():
        if status in titles and title not in titles[status]:
            titles[status].append(title)
    return {
        status: {
            "description": "; ".join(words) or "Problem",
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, words in titles.items()
    }


async def answer(context: Context, scope: Scope, found: Problem) -> Response:
    """Return the answer that says a problem: a document, or a page where a person with a browser asked for one.

    Args:
        context: The service.
        scope: Of the request.
        found: The problem.
    """
    if context.page_of_problem is not None and wants_page(scope):
        try:
            return await run_in_threadpool(context.page_of_problem, Request(scope), found)
        except Exception as error:  # noqa: BLE001 - what is wrong is said in any case, if less handsomely
            _LOG.error("error-page", extra={"reason": type(error).__name__})
    return _document(context.base, found)


def fault() -> Problem:
    """Return the problem of a fault in the service, which says nothing of it."""
    return Problem(500, ErrorCode.INTERNAL_FAULT.value, _HIDDEN)


def problem_of(error: IreuError | HTTPException) -> Problem:
    """Return the problem of an error, without what is for the administrator of the machine alone.

    Args:
        error: One of ireu's tree, or one of the framework.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        code = CODES_OF_STATUS.get(error.status_code, ErrorCode.INPUT_MALFORMED)
        detail = _DETAILS.get(error.status_code, error.detail)
        return Problem(error.status_code, code.value, detail, headers=error.headers)
    status = status_of(error)
    headers = {"Retry-After": "5"} if status == 503 else {}
    if status == 500 or error.code is ErrorCode.LEDGER_UNAVAILABLE:
        # Paths and settings of the machine stand in such messages.
        return Problem(status, error.code.value, _HIDDEN, headers=headers)
    return Problem(status, error.code.value, error.message, hint=error.hint, headers=headers)


def _document(base: str, found: Problem) -> Response:
    title = PROBLEM_KINDS[found.code][1] if found.code in PROBLEM_KINDS else found.code
    document: dict[str, Any] = {
        "type": f"{base}#{found.code}",
        "title": title,
        "status": found.status_code,
        "detail": found.detail,
        "code": found.code,
        **({"hint": found.hint} if found.hint else {}),
        **jsonable_encoder(found.extra),
    }
    return JSONResponse(document, found.status_code, headers=dict(found.headers or {}), media_type=PROBLEM_TYPE)


def type_base(docs_url: str | None, public_url: str | None) -> str:
    """Return what the types of problems begin with: the published manual, or the service's own list of problems."""
    return f"{docs_url}/errors.html" if docs_url else f"{public_url or ''}{ERRORS_PAGE}"


def add_problem_handlers(app: FastAPI, context: Context) -> None:
    """Make an application answer every error with a problem.

    Args:
        app: The application.
        context: The service.
    """

    async def on_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, IreuError | HTTPException)  # noqa: S101 - that is what it is registered for
        return await answer(context, request.scope, problem_of(error))

    async def on_validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        found = [
            # Not what was sent: it could be anything, and is known to who sent it.
            {"where": [part for part in each["loc"] if isinstance(part, str | int)], "message": each["msg"]}
            for each in error.errors()[:_MAX_ERRORS]
        ]
        first = found[0]
        where = ".".join(str(part)[:100] for part in first["where"])
        detail = f"{where}: {first['message']}" if where else str(first["message"])
        refused = problem(422, ErrorCode.INPUT_MALFORMED, detail, errors=found)
        return await answer(context, request.scope, refused)

    app.add_exception_handler(IreuError, on_error)
    app.add_exception_handler(HTTPException, on_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)


_DETAILS: Final[dict[int, str]] = {
    400: "The request cannot be read.",
    404: "There is nothing at this address.",
    405: "This address does not know this method.",
    500: _HIDDEN,
}
