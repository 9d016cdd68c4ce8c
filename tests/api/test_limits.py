"""Limits: how often, how much, how slowly; and that nobody gets around them by what they claim."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fixtures.records import RecordedRemoval
from fixtures.service import Service, open_service
from test_problems import expect_problem

from ireu_governance.api.gate import LARGE_BODIES, address_of


@pytest.fixture
def strict(removal: RecordedRemoval) -> Iterator[Service]:
    with open_service(
        removal,
        rate_anonymous="5/minute",
        rate_anonymous_costly="2/minute",
        rate_caller="10/minute",
        rate_failures="3/minute",
        max_body_bytes=2048,
        body_timeout_s=0.2,
    ) as opened:
        yield opened


# How often


def test_anonymous_are_told_when_to_come_back(strict: Service) -> None:
    for left in (4, 3, 2, 1, 0):
        answer = strict.get("/v1/access/me")
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == '"anonymous";q=5;w=60'
        assert answer.headers["ratelimit"].startswith(f'"anonymous";r={left};t=')
    refused = strict.get("/v1/access/me")
    document = expect_problem(refused, 429, "rate-limited")
    assert "A key allows more" in document["hint"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit"].startswith('"anonymous";r=0;t=')
    assert refused.headers["x-content-type-options"] == "nosniff"


def test_requests_that_cost_work_are_counted_apart(strict: Service) -> None:
    for _ in range(2):
        assert strict.post("/v1/access/keys", json={}).status_code == 401
    expect_problem(strict.post("/v1/access/keys", json={}), 429, "rate-limited")
    assert strict.get("/v1/access/me").status_code == 200


def test_key_has_its_own_count_and_is_not_stopped_by_others_at_its_address(strict: Service) -> None:
    for _ in range(6):
        strict.get("/v1/access/me")
    answers = [strict.get("/v1/access/me", "viewer") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"caller";q=10;w=60'
    assert strict.get("/v1/access/me", "tester").status_code == 200


def test_failed_attempts_are_limited_even_with_ever_new_keys(strict: Service) -> None:
    statuses = [
        strict.get("/v1/access/me", headers={"Authorization": f"Bearer ireu_{n:012x}_{n:064x}"}).status_code
        for n in range(5)
    ]
    assert statuses == [401, 401, 401, 429, 429]
    # Then a right key is not looked at either: whoever guesses learns nothing.
    assert strict.get("/v1/access/me", "viewer").status_code == 429


def test_health_is_never_refused(strict: Service) -> None:
    assert {strict.get("/healthz").status_code for _ in range(20)} == {200}


def test_files_of_the_log_are_not_counted_so_that_whoever_follows_it_gets_all_of_them(strict: Service) -> None:
    statuses = {strict.get("/tile/entries/999").status_code for _ in range(20)}
    assert statuses == {404}
    assert strict.get("/v1/access/me").headers["ratelimit"].startswith('"anonymous";r=4;t=')


def test_invented_addresses_do_not_help(strict: Service) -> None:
    statuses = [strict.get("/v1/access/me", headers={"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in range(7)]
    assert statuses == [200] * 5 + [429] * 2


def scope_of(client: str, *forwarded: str) -> dict[str, Any]:
    return {"client": (client, 1), "headers": [(b"x-forwarded-for", each.encode()) for each in forwarded]}


def test_address_is_what_the_trusted_proxies_saw() -> None:
    real = address_of(scope_of("203.0.113.9"), 0)
    assert address_of(scope_of("10.0.0.1", "203.0.113.9"), 1) == real
    assert address_of(scope_of("10.0.0.1", "192.0.2.7, 203.0.113.9"), 1) == real
    assert address_of(scope_of("10.0.0.1", "192.0.2.7", "203.0.113.9"), 1) == real
    assert address_of(scope_of("10.0.0.1", "192.0.2.7, 203.0.113.9, 10.0.0.2"), 2) == real
    assert address_of(scope_of("10.0.0.1", "203.0.113.9"), 5) == real
    assert address_of(scope_of("10.0.0.1", "203.0.113.9"), 0) == address_of(scope_of("10.0.0.1"), 0) != real
    assert "203.0.113.9" not in real


def test_addresses_of_one_holder_are_one() -> None:
    assert address_of(scope_of("2001:db8:1:2::1"), 0) == address_of(scope_of("2001:db8:1:2:ffff::9"), 0)
    assert address_of(scope_of("2001:db8:1:2::1"), 0) != address_of(scope_of("2001:db8:1:3::1"), 0)
    assert address_of(scope_of("::ffff:203.0.113.9"), 0) == address_of(scope_of("203.0.113.9"), 0)
    assert address_of(scope_of("not an address"), 0)
    assert address_of({"client": None, "headers": []}, 0)


def test_port_that_a_proxy_adds_makes_nobody_somebody_else() -> None:
    def behind(text: str) -> str:
        return address_of(scope_of("10.0.0.1", text), 1)

    assert behind("203.0.113.9:50000") == behind("203.0.113.9:50001") == behind("203.0.113.9")
    assert behind("[2001:db8:1:2::1]:50000") == behind("[2001:db8:1:2::9]:50001") == behind("2001:db8:1:2::1")
    assert behind("203.0.113.9:50000") != behind("203.0.113.8:50000")


# How much


def test_long_body_is_refused_by_its_declared_length(strict: Service) -> None:
    answer = strict.post("/v1/access/keys", "admin", content=b"x" * 2049)
    document = expect_problem(answer, 413, "input-too-large")
    assert "2048 bytes" in document["detail"]
    assert answer.headers["connection"] == "close"


def test_long_body_without_a_length_is_refused_while_it_arrives(strict: Service) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        while sent < 10 * 2**20:
            sent += 512
            yield b"x" * 512

    answer = strict.post("/v1/access/keys", "admin", content=chunks(), headers={"Content-Type": "application/json"})
    expect_problem(answer, 413, "input-too-large")


async def ask_in_pieces(
    app: Any, pieces: AsyncIterator[dict[str, Any]], headers: dict[str, str]
) -> tuple[int, bytes, int]:
    """Send a body piece by piece, as a server does; return status, body, and how many pieces were taken."""
    taken, status, body = 0, 0, b""

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return await anext(pieces)

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, body
        if message["type"] == "http.response.start":
            status = message["status"]
        body += message.get("body", b"")

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/v1/access/keys", "raw_path": b"/v1/access/keys", "query_string": b"", "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.1", 1), "server": ("service.test", 80), "state": {},
    }  # fmt: skip
    await app(scope, receive, send)
    return status, body, taken


def test_endless_body_is_not_read_to_its_end(strict: Service) -> None:
    async def pieces() -> AsyncIterator[dict[str, Any]]:
        while True:
            yield {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    headers = {**strict.headers("admin"), "Content-Type": "application/json"}
    status, body, taken = asyncio.run(ask_in_pieces(strict.app, pieces(), headers))
    assert (status, taken) == (413, 3)
    assert b"input-too-large" in body


def test_lying_length_does_not_help(strict: Service) -> None:
    async def pieces() -> AsyncIterator[dict[str, Any]]:
        while True:
            yield {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    headers = {**strict.headers("admin"), "Content-Type": "application/json", "Content-Length": "10"}
    assert asyncio.run(ask_in_pieces(strict.app, pieces(), headers))[0] == 413


def test_slow_body_is_given_up(strict: Service) -> None:
    async def pieces() -> AsyncIterator[dict[str, Any]]:
        for _ in range(1000):
            yield {"type": "http.request", "body": b"x", "more_body": True}
            await asyncio.sleep(0.05)

    headers = {**strict.headers("admin"), "Content-Type": "application/json"}
    status, body, taken = asyncio.run(ask_in_pieces(strict.app, pieces(), headers))
    assert status == 408
    assert b"request-timeout" in body
    assert taken < 20


def test_routes_that_take_files_take_larger_bodies(strict: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LARGE_BODIES, "/v1/access/keys", 4096)
    assert strict.post("/v1/access/keys", "admin", content=b"x" * 4096).status_code == 422
    assert strict.post("/v1/access/keys", "admin", content=b"x" * 4097).status_code == 413


def test_unread_body_is_no_problem(strict: Service) -> None:
    assert strict.request("GET", "/v1/access/me", content=b"x" * 100).status_code == 200
