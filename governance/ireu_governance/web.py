"""HTTP as ireu speaks it to logs and witnesses: no redirects, a limit on bytes and on time, one kind of error.

Whoever answers is not trusted. A redirect could lead into the own network, an endless body could fill the memory;
what arrives is verified by whoever asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from ireu_governance.core.errors import ErrorCode, InputError, LedgerError, MissingExtraError

if TYPE_CHECKING:
    import httpx2

__all__ = ["DEFAULT_TIMEOUT_S", "WebAnswer", "WebClient", "check_url", "describe_failure"]

DEFAULT_TIMEOUT_S: Final = 20.0  # for the whole answer; witnesses and static files answer within a second

_GONE: Final = frozenset({404, 410})
_FAILURES: Final = {
    "ConnectError": "nothing answers there",
    "ConnectTimeout": "it could not be reached in time",
    "TimeoutException": "it did not answer in time",
    "ProtocolError": "what answers there does not speak HTTP",
    "NetworkError": "the connection broke off",
    "InvalidURL": "the address is none",
    "UnsupportedProtocol": "the address is none that can be asked",
    "DecodingError": "its answer is damaged",
}


@dataclass(frozen=True)
class WebAnswer:
    """What a server answered.

    Attributes:
        status: The HTTP status.
        content_type: The media type without parameters, in lower case; empty if none was given.
        body: The decoded body.
    """

    status: int
    content_type: str
    body: bytes

    @property
    def is_absent(self) -> bool:
        """Whether the server says that there is nothing."""
        return self.status in _GONE


class WebClient:
    """Speaks to one server below one address. Use it as a context manager, or close it.

    Args:
        url: The address, ``http://`` or ``https://``.
        timeout_s: How long a whole answer may take.
        transport: What carries the requests; None for the network.
    """

    def __init__(
        self, url: str, *, timeout_s: float = DEFAULT_TIMEOUT_S, transport: httpx2.BaseTransport | None = None
    ) -> None:
        try:
            import httpx2
        except ModuleNotFoundError:
            raise MissingExtraError("server", "Speaking to a log or a witness over HTTP") from None
        self.url = check_url(url)
        self._timeout_s = timeout_s
        self._errors: type[Exception] = httpx2.HTTPError
        self._client = httpx2.Client(follow_redirects=False, timeout=timeout_s, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def get(self, path: str, *, max_bytes: int) -> WebAnswer:
        """Fetch a resource.

        Args:
            path: Below the address.
            max_bytes: Refuse a longer body.

        Returns:
            The answer, whatever its status.

        Raises:
            LedgerError: There is no answer, it takes too long, is too large, or redirects.
        """
        return self._ask("GET", path, None, max_bytes)

    def post(self, path: str, body: bytes, *, max_bytes: int) -> WebAnswer:
        """Send a text; see `get`."""
        return self._ask("POST", path, body, max_bytes)

    def _ask(self, method: str, path: str, body: bytes | None, max_bytes: int) -> WebAnswer:
        deadline = monotonic() + self._timeout_s
        headers = {"Content-Type": "text/plain; charset=utf-8"} if body is not None else {}
        received = bytearray()
        try:
            with self._client.stream(method, f"{self.url}/{path}", content=body, headers=headers) as answer:
                for chunk in answer.iter_bytes():
                    received += chunk
                    if len(received) > max_bytes:
                        raise self._unavailable(f"answers with more than {max_bytes} bytes")
                    if monotonic() > deadline:
                        raise self._unavailable("does not finish its answer in time")
                if answer.is_redirect:
                    raise self._unavailable("answers with a redirect, which is not followed")
                kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
                return WebAnswer(answer.status_code, kind, bytes(received))
        except self._errors as error:
            raise self._unavailable(f"cannot be asked: {describe_failure(error)}") from error

    def _unavailable(self, what: str) -> LedgerError:
        return LedgerError(
            f"{self.url} {what}.",
            hint="Check the address and the connection, then repeat.",
            code=ErrorCode.NETWORK_UNAVAILABLE,
        )


def describe_failure(error: Exception) -> str:
    """Return why nobody could be asked, in words; what the error itself says can hold anything.

    Args:
        error: From httpx2.
    """
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "this computer does not trust its TLS certificate"
    names = [each.__name__ for each in type(error).__mro__]
    return next((_FAILURES[name] for name in names if name in _FAILURES), names[0])


def check_url(text: str) -> str:
    """Return an address without a slash at its end.

    Args:
        text: Such as ``https://log.example/ireu/``.

    Raises:
        InputError: It is no plain web address: another scheme, or with a user, a query or a fragment.
    """
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or not text.isprintable() or " " in text or any(sign in text for sign in "?#@\\"):
        raise InputError(
            f"{text[:200]!a} is no web address that can be asked.", hint="Use one such as https://log.example/ireu."
        )
    return text.rstrip("/")
