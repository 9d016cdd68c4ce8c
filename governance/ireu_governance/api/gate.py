"""The gate before all routes: who asks, how often they may, and how much they may send.

Failed attempts to authenticate count against the address they come from, also those with ever new keys. What is
counted is counted in this process: with several workers each has its own counts, and a proxy in front can count for
all of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import math
import socket
import time
from typing import Any, Final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ireu_governance.api.auth import ANONYMOUS, CALLER_KEY, Caller, caller_of_key, unauthenticated
from ireu_governance.api.context import Context
from ireu_governance.api.problems import Problem, answer, problem, problem_of
from ireu_governance.core.errors import ErrorCode, IreuError
from ireu_governance.service.settings import ServiceSettings

__all__ = ["LARGE_BODIES", "BodyLimits", "Gate", "address_of"]

LARGE_BODIES: Final[dict[str, int]] = {"/check": 9 * 2**20, "/v1/certificates/verify": 9 * 2**20}
"""Paths that take longer bodies than `max_body_bytes`, with their limit in bytes (a file and its envelope)."""

_UNCOUNTED: Final = frozenset({"/healthz"})
_FILES_OF_THE_LOG: Final = ("/tile/", "/large/")
"""Whoever follows the whole log asks for hundreds of these at once; each is read as it is, and proxies keep them."""

_MAX_TOKEN: Final = 16 * 1024
_COSTLY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Gate:
    """Lets requests through to the application, with their caller in the scope.

    Args:
        app: What comes after it.
        context: The service.
    """

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context
        self._rates = _Rates(context.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] in _UNCOUNTED:
            await self._app(scope, receive, send)
            return
        address = address_of(scope, self._context.settings.trusted_proxies)
        try:
            caller = await self._recognise(scope, address)
            counted = caller.kind != "anonymous" or not scope["path"].startswith(_FILES_OF_THE_LOG)
            rates = self._rates.count(caller, address, scope["method"]) if counted else {}
        except (Problem, IreuError) as error:
            response = await answer(self._context, scope, problem_of(error))
            await response(scope, receive, send)
            return
        scope[CALLER_KEY] = caller
        headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in rates.items()]

        async def send_with_rates(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self._app(scope, receive, send_with_rates)

    async def _recognise(self, scope: Scope, address: str) -> Caller:
        given = Headers(scope=scope).getlist("authorization")
        if not given:
            return ANONYMOUS
        self._rates.expect_few_failures(address)
        scheme, _, token = given[0].partition(" ")
        token = token.strip()
        caller: Caller | None = None
        if len(given) == 1 and scheme.lower() == "bearer" and 0 < len(token) <= _MAX_TOKEN:
            caller = await run_in_threadpool(self._verify, token)
        if caller is None:
            self._rates.count_failure(address)
            raise unauthenticated(
                "The key or token that was sent does not count: it is unknown, has expired, or was revoked.",
                error="invalid_token",
            )
        return caller

    def _verify(self, token: str) -> Caller | None:
        if token.startswith("ireu_"):
            key = self._context.keys.authenticate(token)
            return None if key is None else caller_of_key(key)
        return None if self._context.tokens is None else self._context.tokens.verify(token)


class _Storage(MemoryStorage):
    """Looks for what has run out once a second; the library would start a thread for that up to a hundred times."""

    _next = 0.0

    def _MemoryStorage__schedule_expiry(self) -> None:  # noqa: N802 - the library's own name for it
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 1.0
            # Read by the limits package: the timer of the library, at a slower pace.
            MemoryStorage._MemoryStorage__schedule_expiry(self)  # type: ignore[attr-defined]  # noqa: SLF001


class _Rates:
    def __init__(self, settings: ServiceSettings) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(_Storage())
        self._anonymous = parse(settings.rate_anonymous)
        self._costly = parse(settings.rate_anonymous_costly)
        self._caller = parse(settings.rate_caller)
        self._failures = parse(settings.rate_failures)

    def count(self, caller: Caller, address: str, method: str) -> dict[str, str]:
        if caller.kind != "anonymous":
            return self._hit("caller", self._caller, caller.id)
        headers = self._hit("anonymous", self._anonymous, address)
        return self._hit("anonymous-costly", self._costly, address) if method in _COSTLY else headers

    def expect_few_failures(self, address: str) -> None:
        if not self._limiter.test(self._failures, "failures", address):
            raise self._refusal("failures", self._failures, address)

    def count_failure(self, address: str) -> None:
        self._limiter.hit(self._failures, "failures", address)

    def _hit(self, name: str, limit: RateLimitItem, who: str) -> dict[str, str]:
        if not self._limiter.hit(limit, name, who):
            raise self._refusal(name, limit, who)
        return self._headers(name, limit, who)

    def _headers(self, name: str, limit: RateLimitItem, who: str) -> dict[str, str]:
        left = self._limiter.get_window_stats(limit, name, who)
        wait = max(0, math.ceil(left.reset_time - time.time()))
        return {
            "RateLimit-Policy": f'"{name}";q={limit.amount};w={limit.get_expiry()}',
            "RateLimit": f'"{name}";r={left.remaining};t={wait}',
        }

    def _refusal(self, name: str, limit: RateLimitItem, who: str) -> Problem:
        headers = self._headers(name, limit, who)
        wait = max(1, int(headers["RateLimit"].rpartition("=")[2]))
        what = "failed attempts to authenticate" if name == "failures" else "requests"
        return problem(
            429,
            ErrorCode.RATE_LIMITED,
            f"Too many {what}: {limit.amount} in {limit.get_expiry()} seconds are answered.",
            hint=f"Wait {wait} seconds." + (" A key allows more." if name.startswith("anonymous") else ""),
            headers={**headers, "Retry-After": str(wait)},
        )


def address_of(scope: Scope, trusted_proxies: int) -> str:
    """Return what tells clients apart: a digest of the address that a request comes from.

    Args:
        scope: The request's.
        trusted_proxies: How many proxies stand before the service; what was written before they added to
            X-Forwarded-For is anybody's invention.

    Returns:
        A short digest: addresses themselves are kept nowhere. Of IPv6 the first 64 bits count, which one holder has.
    """
    peer = scope.get("client") or ("", 0)
    hops = [each.strip() for line in Headers(scope=scope).getlist("x-forwarded-for") for each in line.split(",")]
    path = [*hops, str(peer[0])]
    text = path[max(0, len(path) - 1 - trusted_proxies)]
    try:  # what nearly all are: an address of IPv4 in its one spelling
        return hashlib.sha256(socket.inet_pton(socket.AF_INET, text)).hexdigest()[:32]
    except (OSError, ValueError):  # any other is looked at closely
        pass
    # Some proxies add the port, which is another one for each connection.
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    try:
        address = ipaddress.ip_address(host.partition(":")[0] if host.count(":") == 1 else host)
    except ValueError:
        return hashlib.sha256(text.encode()).hexdigest()[:32]
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        address = mapped or ipaddress.IPv6Network((int(address), 64), strict=False).network_address
    return hashlib.sha256(address.packed).hexdigest()[:32]


class BodyLimits:
    """Refuses bodies that are too long, while they arrive, and those that take too long to arrive.

    Args:
        app: What comes after it.
        context: The service.
    """

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context
        self._max_bytes = context.settings.max_body_bytes
        self._timeout_s = context.settings.body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = max(self._max_bytes, LARGE_BODIES.get(scope["path"].rstrip("/"), 0))
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared[:20]) > limit:
            await self._refuse(_too_large(limit), scope, receive, send)
            return
        body = _Body(receive, limit, self._timeout_s)
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, body.receive, send_and_note)
        except Problem as refused:
            if started or refused is not body.refused:
                raise
            await self._refuse(refused, scope, receive, send)

    async def _refuse(self, refused: Problem, scope: Scope, receive: Receive, send: Send) -> None:
        # What is still under way is not read: the connection is closed instead.
        refused.headers = {**(refused.headers or {}), "Connection": "close"}
        response = await answer(self._context, scope, refused)
        await response(scope, receive, send)


class _Body:
    def __init__(self, receive: Receive, limit: int, timeout_s: float) -> None:
        self._receive = receive
        self._limit = limit
        self._timeout_s = timeout_s
        self._deadline: float | None = None
        self._size = 0
        self._complete = False
        self.refused: Problem | None = None

    async def receive(self) -> Message:
        if self._complete:  # whoever waits now, waits for the client to leave
            return await self._receive()
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._timeout_s
        try:
            message: dict[str, Any] = dict(await asyncio.wait_for(self._receive(), max(0.001, self._deadline - now)))
        except TimeoutError:
            raise self._refuse(
                problem(
                    408,
                    ErrorCode.REQUEST_TIMEOUT,
                    f"The body of the request did not arrive in {self._timeout_s:g} seconds.",
                    hint="Repeat it over a better connection.",
                )
            ) from None
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            if self._size > self._limit:
                raise self._refuse(_too_large(self._limit))
            self._complete = not message.get("more_body", False)
        return message

    def _refuse(self, refused: Problem) -> Problem:
        self.refused = refused
        return refused


def _too_large(limit: int) -> Problem:
    return problem(
        413,
        ErrorCode.INPUT_TOO_LARGE,
        f"What was sent is too large: this address takes {limit} bytes at most.",
        hint="Send less: a shorter text, or a smaller file.",
    )
