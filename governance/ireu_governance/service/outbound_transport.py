"""The transport under `open_client`: it connects to the address that was judged, and counts bytes and seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import httpcore2
import httpx2

from ireu_governance.core.errors import ErrorCode, OutboundError, Refusal
from ireu_governance.service.outbound import OutboundPolicy, check_address

if TYPE_CHECKING:
    import ssl

__all__ = ["GuardedTransport"]

REDIRECTS: Final = frozenset({300, 301, 302, 303, 305, 307, 308})
BODILESS: Final = frozenset({204, 304})


class GuardedTransport(httpx2.BaseTransport):
    """Carries requests by a policy.

    Args:
        policy: Who may be asked, and how much.
        ssl_context: Which authorities are trusted; the system's if not given.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        policy: OutboundPolicy,
        *,
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        context = ssl_context or httpcore2.default_ssl_context()
        # One connection for one request: a connection that is kept was judged for the request before.
        self._pools = {
            scheme: httpcore2.ConnectionPool(
                ssl_context=context,
                max_keepalive_connections=0,
                network_backend=_JudgedBackend(policy, clock, encrypted=scheme == "https"),
            )
            for scheme in ("http", "https")
        }

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask; see `ireu_governance.service.outbound`."""
        check_address(str(request.url), self._policy)
        with _translated():
            answer = self._pools[request.url.scheme].handle_request(
                httpcore2.Request(
                    method=request.method,
                    url=httpcore2.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        body = answer.stream
        try:
            self._check_head(answer)
        except OutboundError:
            answer.close()
            raise
        assert isinstance(body, Iterable)  # noqa: S101 - of a pool that is not asynchronous
        return httpx2.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_LimitedBody(body, self._policy.max_bytes),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        """Let go of connections."""
        for pool in self._pools.values():
            pool.close()

    def _check_head(self, answer: httpcore2.Response) -> None:
        headers = httpx2.Headers(answer.headers)
        if answer.status in REDIRECTS:
            raise OutboundError(
                f"The server answers {answer.status}, a redirect, which is not followed.",
                reason=Refusal.REDIRECT,
                hint="Give the address that it leads to, if that is the one you mean.",
            )
        if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise OutboundError(
                "The server compresses its answer although it was asked not to.",
                reason=Refusal.ENCODED,
                hint="Switch compression off: a small answer could unpack into a very large one.",
            )
        length = headers.get("content-length", "")
        if answer.status not in BODILESS and length.isdecimal() and int(length[:30]) > self._policy.max_bytes:
            raise _too_large(self._policy.max_bytes)


class _LimitedBody(httpx2.SyncByteStream):
    """A body that ends with an error when it is longer than permitted."""

    def __init__(self, parts: Iterable[bytes], limit: int) -> None:
        self._parts = parts
        self._limit = limit

    def __iter__(self) -> Iterator[bytes]:
        received = 0
        with _translated():
            for part in self._parts:
                received += len(part)
                if received > self._limit:
                    raise _too_large(self._limit)
                yield part

    def close(self) -> None:
        close = getattr(self._parts, "close", None)
        if close is not None:
            close()


class _JudgedBackend(httpcore2.NetworkBackend):
    """Connects to addresses that the policy has judged, never to a name."""

    def __init__(self, policy: OutboundPolicy, clock: Callable[[], float], *, encrypted: bool) -> None:
        self._policy = policy
        self._clock = clock
        self._encrypted = encrypted
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        deadline = self._clock() + self._policy.total_timeout_s
        failure: Exception | None = None
        for address in self._policy.choose_addresses(host, port, encrypted=self._encrypted):
            left = _remaining(deadline, timeout, self._clock)
            try:
                stream = self._sockets.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
                continue
            return _TimedStream(stream, deadline, self._clock)
        raise failure or httpcore2.ConnectError("no address")

    def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        raise httpcore2.UnsupportedProtocol("sockets of this machine are not asked")

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class _TimedStream(httpcore2.NetworkStream):
    """A connection that ends at a moment, however busy it is: a byte every few seconds is no way to hold it."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: float, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._deadline = deadline
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _remaining(self._deadline, timeout, self._clock))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _remaining(self._deadline, timeout, self._clock))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _remaining(self._deadline, timeout, self._clock))
        return _TimedStream(secured, self._deadline, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _remaining(deadline: float, timeout: float | None, clock: Callable[[], float]) -> float:
    left = deadline - clock()
    if left <= 0:
        raise OutboundError(
            "The server does not finish its answer in time.",
            reason=Refusal.TIMEOUT,
            hint="Look at how busy it is, then repeat.",
            code=ErrorCode.NETWORK_UNAVAILABLE,
        )
    return min(left, math.inf if timeout is None else timeout)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise OutboundError(
            "The server does not answer in time.",
            reason=Refusal.TIMEOUT,
            hint="Look at how busy it is, then repeat.",
            code=ErrorCode.NETWORK_UNAVAILABLE,
        ) from error
    except httpcore2.RemoteProtocolError as error:
        raise OutboundError(
            "The server breaks its answer off, or does not speak HTTP.",
            reason=Refusal.BROKEN,
            hint="Look at its log; repeat when it is well.",
            code=ErrorCode.NETWORK_UNAVAILABLE,
        ) from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol, OSError) as error:
        raise OutboundError(
            "The server cannot be reached.",
            reason=Refusal.UNREACHABLE,
            hint="Check the address, the certificate of the server and the connection, then repeat.",
            code=ErrorCode.NETWORK_UNAVAILABLE,
        ) from error


def _too_large(limit: int) -> OutboundError:
    return OutboundError(
        f"The server answers with more than {limit} bytes.",
        reason=Refusal.TOO_LARGE,
        hint="Ask it for less at once, or look at what it serves.",
    )
