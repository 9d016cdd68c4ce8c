"""HEAD for every address that answers GET (RFC 9110, section 9.3.2): the same status and headers, and no body."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HeadRequests"]


class HeadRequests:
    """Middleware that asks routes for GET where HEAD was asked for, and leaves the body out of the answer.

    Args:
        app: The application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no HEAD as it is."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A copy: the server decides by its own scope whether an answer may be shorter than its Content-Length.
        asked = {**scope, "method": "GET"}

        async def send_without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        try:
            await self._app(asked, receive, send_without_body)
        finally:
            # Which route it was, and who asked, is for the log and the figures.
            scope.update({name: value for name, value in asked.items() if name != "method"})
