"""Idempotency-Key for routes: ``router = APIRouter(route_class=IdempotentRoute)``.

Every POST of such a router can be repeated with the same key by the same caller. Routes that answer with a secret must
not use it: answers are kept in the service's database. Keys of anonymous callers are ignored, since one could read the
answer of another.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import Header, Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ireu_governance.api.auth import any_caller
from ireu_governance.api.context import context_of
from ireu_governance.service.idempotency import Attempt, KeptAnswer, fingerprint_of, parse_key

__all__ = ["IdempotencyKey", "IdempotentRoute"]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Chosen by the client, new for each new request: repeated with it, a request is done once.",
    ),
]
"""Parameter ``idempotency_key: IdempotencyKey = None``, so that OpenAPI names it; the route class does the work."""

_KEPT_HEADERS: Final = frozenset({"content-type", "location", "retry-after", "link", "etag"})


class IdempotentRoute(APIRoute):
    """A route whose POSTs are done once for each Idempotency-Key."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with the kept answers before it."""
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            header = request.headers.get("idempotency-key")
            caller = any_caller(request)
            if request.method != "POST" or header is None or caller.kind == "anonymous":
                return await handle(request)
            answers = context_of(request).answers
            target = f"{request.url.path}?{request.url.query}"
            fingerprint = fingerprint_of(
                request.method, target, request.headers.get("content-type", ""), await request.body()
            )
            begun = await run_in_threadpool(
                answers.begin, key=parse_key(header), caller=caller.id, fingerprint=fingerprint
            )
            if isinstance(begun, KeptAnswer):
                return Response(begun.body, begun.status, headers={**begun.headers, "Idempotency-Replayed": "true"})
            return await _do_once(handle, request, begun)

        return handle_once


async def _do_once(
    handle: Callable[[Request], Coroutine[Any, Any, Response]], request: Request, attempt: Attempt
) -> Response:
    answers = context_of(request).answers
    try:
        response = await handle(request)
    except BaseException:
        # Refused or failed: nothing was answered that could be repeated.
        await run_in_threadpool(answers.abandon, attempt)
        raise
    body = getattr(response, "body", None)
    if not isinstance(body, bytes) or response.status_code >= 500:
        await run_in_threadpool(answers.abandon, attempt)
        return response
    headers = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
    await run_in_threadpool(answers.finish, attempt, KeptAnswer(response.status_code, headers, body))
    return response
