"""Headers on every answer, and the answer to faults: what browsers may do with it, and that nobody keeps it unasked."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ireu_governance.api.context import Context
from ireu_governance.api.problems import answer, fault

__all__ = ["CONTENT_SECURITY_POLICY", "SecurityHeaders"]

_LOG: Final = logging.getLogger("ireu.service")

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""What pages may do. A route that allows even less sets its own header, which then stays."""

_ALWAYS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_HSTS: Final = {"Strict-Transport-Security": "max-age=31536000"}


class SecurityHeaders:
    """Adds what a route has not set, and answers faults without showing them.

    Args:
        app: What comes after it.
        context: The service.
    """

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context
        self._https = (context.settings.public_url or "").startswith("https://")
        self._plain = _encode(_ALWAYS)
        self._secure = _encode(_ALWAYS | _HSTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        # Over plain http browsers have to ignore what is meant for https.
        always = self._secure if self._https or scope.get("scheme") == "https" else self._plain

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                set_already = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in always if each[0] not in set_already)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:  # the last line of defence: a fault is answered as one
            _LOG.error("fault", extra={"fault": describe_fault(error), "request_id": scope.get("ireu.request_id")})
            if started:
                raise
            response = await answer(self._context, scope, fault())
            await response(scope, receive, send_with_headers)


def _encode(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in headers.items()]


def describe_fault(error: BaseException) -> list[str]:
    """Return where a fault happened: its type and the lines of code, without its message, which can hold anything."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return [type(error).__name__, *(f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in frames)]
