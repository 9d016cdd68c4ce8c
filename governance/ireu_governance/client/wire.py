"""Requests to a service: the key, limits, repetitions, and problems as ireu's own errors."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ireu_governance.core.errors import (
    ConfigError,
    ErrorCode,
    InputError,
    IreuError,
    LedgerError,
    MissingExtraError,
    QueueError,
    ServiceError,
)
from ireu_governance.web import check_url, describe_failure

if TYPE_CHECKING:
    import httpx2

__all__ = ["ENVIRONMENT", "Answer", "Wire", "error_of", "read_access_key"]

ENVIRONMENT: Final = "IREU_API_KEY"
"""Name of the environment variable with the access key."""

MAX_BYTES: Final = 32 * 2**20
_ATTEMPTS: Final = 4
_MAX_PAUSE_S: Final = 30.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_BUSY: Final = frozenset({429, 503})


@dataclass(frozen=True)
class Answer:
    """A success: status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON; `InputError` if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise InputError(
                "The service's answer is no JSON.", hint="Check that the address is that of `ireu serve`."
            ) from None


class Wire:
    """Asks one service.

    Args:
        url: Its address, such as ``https://ireu.example.org``.
        key: An access key; it is sent over https, or to this machine, and nowhere else.
        timeout_s: How long a request may take.
        transport: What carries requests; None for the network.
        sleep: Waits.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None,
        timeout_s: float,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        try:
            import httpx2
        except ModuleNotFoundError:
            raise MissingExtraError("server", "Asking a verification service") from None
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ConfigError("The access key holds characters that no access key has.", hint="Copy it once more.")
        self.url = check_url(url)
        parts = urlsplit(self.url)
        if key is not None and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise InputError("An access key is not sent without TLS.", hint="Use the https:// address of the service.")
        headers = {"User-Agent": "ireu-client", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._errors: type[Exception] = httpx2.HTTPError
        self._client = httpx2.Client(
            follow_redirects=False, timeout=timeout_s, transport=transport, headers=headers, trust_env=False
        )
        self._sleep = sleep

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask, and ask again where that is harmless: a GET, or a request with an Idempotency-Key.

        Args:
            method: HTTP method.
            path: From the first slash on.
            query: Parameters; those that are None are left out.
            body: To be sent.
            headers: Further headers.

        Raises:
            IreuError: The service answered a problem, or nothing; the code is the service's.
        """
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        repeatable = method == "GET" or "Idempotency-Key" in (headers or {})
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS or not repeatable
            try:
                answer = self._ask(method, path, given, body, headers)
            except self._errors as error:
                if last:
                    raise ServiceError(
                        f"{self.url} cannot be asked: {describe_failure(error)}.",
                        hint="Check the address and the connection, then repeat.",
                        code=ErrorCode.NETWORK_UNAVAILABLE,
                    ) from None
                pause = 0.5 * 2**attempt
            else:
                if 200 <= answer.status < 300:
                    return answer
                if last or answer.status not in _BUSY:
                    raise error_of(answer)
                pause = _pause_of(answer, 0.5 * 2**attempt)
            self._sleep(min(pause, _MAX_PAUSE_S))
        raise AssertionError("unreachable")  # pragma: no cover - the last attempt returns or raises

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Answer:
        received = bytearray()
        with self._client.stream(
            method, f"{self.url}{path}", params=dict(query) or None, content=body, headers=dict(headers or {})
        ) as answer:
            for chunk in answer.iter_bytes():
                received += chunk
                if len(received) > MAX_BYTES:
                    raise InputError("The service's answer is too long.", code=ErrorCode.INPUT_TOO_LARGE)
            found = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status_code, found, bytes(received))


def error_of(answer: Answer) -> IreuError:
    """Return a problem as an error of ireu's tree, with the service's code.

    Args:
        answer: No success.
    """
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    known = document if isinstance(document, dict) else {}
    detail = str(known.get("detail") or f"The service answers with the status {answer.status}.")[:1000]
    hint = str(known.get("hint") or "")[:1000]
    try:
        code = ErrorCode(str(known.get("code")))
    except ValueError:
        code = ErrorCode.SERVICE_UNAVAILABLE if answer.status >= 500 else ErrorCode.INPUT_MALFORMED
    return _class_of(code, answer.status)(detail, hint=hint, code=code)


def read_access_key(path: Path | None = None) -> str | None:
    """Return the access key: from a file, or from the environment variable ``IREU_API_KEY``.

    Args:
        path: A file with nothing else in it, which only its owner can read.

    Raises:
        ConfigError: Others can read the file, or it cannot be read.
    """
    if path is None:
        return os.environ.get(ENVIRONMENT, "").strip() or None
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError("Others can read the file with the access key.", hint=f"Run: chmod 600 {path}")
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(
            "The file with the access key cannot be read.", hint="Write the key into it, and nothing else."
        ) from None


def _class_of(code: ErrorCode, status: int) -> type[IreuError]:
    if code is ErrorCode.QUEUE_UNAVAILABLE:
        return QueueError
    if code.value.startswith("ledger-"):
        return LedgerError
    if status in (401, 403, 429) or status >= 500 or status < 400:
        return ServiceError
    return InputError


def _pause_of(answer: Answer, otherwise: float) -> float:
    given = answer.headers.get("retry-after", "")
    return float(given) if given.isascii() and given.isdigit() and len(given) < 6 else otherwise
