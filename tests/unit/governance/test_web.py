"""HTTP: no redirects, limits on bytes and time, and one kind of error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.errors import ErrorCode, InputError, LedgerError, MissingExtraError
from ireu_governance.web import WebAnswer, WebClient, check_url


def client(handle: Callable[[httpx2.Request], httpx2.Response], **options: float) -> WebClient:
    return WebClient("https://log.invalid/a/", transport=httpx2.MockTransport(handle), **options)  # type: ignore[arg-type]


def test_answer_is_handed_on_whatever_its_status() -> None:
    seen: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(f"{request.method} {request.url} {request.read()!r}")
        return httpx2.Response(404, content=b"no", headers={"content-type": "Text/Plain; charset=utf-8"})

    with client(handle) as web:
        assert web.get("tile/0/000", max_bytes=10) == WebAnswer(404, "text/plain", b"no")
        assert web.post("add", b"x", max_bytes=10).is_absent
    assert seen == ["GET https://log.invalid/a/tile/0/000 b''", "POST https://log.invalid/a/add b'x'"]


def refused(web: WebClient, says: str) -> None:
    with web, pytest.raises(LedgerError, match=says) as caught:
        web.get("x", max_bytes=100)
    assert caught.value.code is ErrorCode.NETWORK_UNAVAILABLE
    assert caught.value.hint


def test_redirect_is_not_followed() -> None:
    asked: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(302, headers={"location": "http://169.254.169.254/secret"})

    refused(client(handle), "redirect")
    assert asked == ["https://log.invalid/a/x"]


def test_endless_body_is_cut_off() -> None:
    def stream() -> Iterator[bytes]:
        while True:
            yield b"x" * 60

    refused(client(lambda request: httpx2.Response(200, content=stream())), "more than 100 bytes")


def test_compressed_body_counts_as_what_it_becomes() -> None:
    import gzip

    body = gzip.compress(bytes(10_000))
    assert len(body) < 100
    refused(
        client(lambda request: httpx2.Response(200, content=body, headers={"content-encoding": "gzip"})),
        "more than 100 bytes",
    )


def test_slow_body_is_cut_off() -> None:
    def stream() -> Iterator[bytes]:
        while True:
            yield b""
            yield b"x"

    refused(client(lambda request: httpx2.Response(200, content=stream()), timeout_s=0.0), "in time")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (httpx2.ConnectError("10.0.0.1 said something"), "nothing answers there"),
        (httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] 10.0.0.1"), "does not trust its TLS certificate"),
        (httpx2.ConnectTimeout("10.0.0.1"), "could not be reached in time"),
        (httpx2.ReadTimeout("10.0.0.1"), "did not answer in time"),
        (httpx2.ReadError("10.0.0.1"), "broke off"),
        (httpx2.RemoteProtocolError("10.0.0.1"), "does not speak HTTP"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_failing_connection_is_one_kind_of_error_and_said_in_words(error: httpx2.TransportError, says: str) -> None:
    def handle(request: httpx2.Request) -> httpx2.Response:
        raise error

    with client(handle) as web, pytest.raises(LedgerError) as caught:
        web.get("x", max_bytes=100)
    assert caught.value.code is ErrorCode.NETWORK_UNAVAILABLE
    assert says in caught.value.message
    assert "10.0.0.1" not in caught.value.message


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingExtraError, match="server"):
        WebClient("https://log.invalid")


@pytest.mark.parametrize("text", ["https://log.example", "http://127.0.0.1:8340/sub/", "https://[::1]:8340/x"])
def test_plain_address_is_taken(text: str) -> None:
    assert check_url(text) == text.rstrip("/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log.example",
        "ftp://log.example",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://user:secret@log.example",
        "https://log.example?x",
        "https://log.example#x",
        "https://log.example/a b",
        "https://log.example/\n",
        "https://log.example:0x50",
        "https://log.example:99999",
        "https://[::1",
        "https://log.example\\@other",
    ],
)
def test_other_address_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        check_url(text)


@given(st.text(max_size=40), st.sampled_from(["", "https://", "http://["]))
def test_any_text_is_an_address_or_an_input_error(text: str, prefix: str) -> None:
    try:
        check_url(prefix + text)
    except InputError:
        return
    assert (prefix + text).startswith(("http", "HTTP", "Http")) or "://" in text
