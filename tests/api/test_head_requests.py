"""HEAD says what GET would, and sends nothing of it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from fixtures.browser import listening
from fixtures.service import Service

from ireu_governance.api.head_requests import HeadRequests

OF_EACH_ANSWER = ("date", "x-request-id", "ratelimit")


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/healthz", "*/*"),
        ("/v1/ledger", "*/*"),
        ("/v1/ledger/entries/1", "*/*"),
        ("/checkpoint", "*/*"),
        ("/tile/entries/000.p/3", "*/*"),
        ("/v1/cases/" + "0" * 32, "*/*"),
        ("/nowhere", "text/html"),
        ("/ledger", "text/html"),
    ],
)
def test_head_is_get_without_a_body(service: Service, path: str, accept: str) -> None:
    def shown(answer: Any) -> dict[str, str]:
        return {name: value for name, value in answer.headers.items() if name not in OF_EACH_ANSWER}

    with listening(service.app) as url, httpx2.Client(base_url=url, headers={"Accept": accept}) as client:
        got, asked = client.get(path), client.head(path)
        assert (asked.status_code, shown(asked)) == (got.status_code, shown(got))
        assert got.content
        assert asked.content == b""
        assert client.get("/healthz").status_code == 200, "the connection is as it was"


def test_what_can_only_be_posted_has_no_head(service: Service) -> None:
    assert service.request("HEAD", "/v1/hooks/mlflow").status_code == 405


def test_private_things_are_as_closed_to_head(service: Service) -> None:
    path = f"/v1/cases/{service.recorded.case_id}"
    assert service.request("HEAD", path).status_code == service.get(path).status_code == 404
    assert service.request("HEAD", "/v1/access/keys", "viewer").status_code == 403


def test_log_and_figures_know_which_route_it_was(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="ireu"):
        service.request("HEAD", "/v1/ledger/entries/1")
    (line,) = [each for each in caplog.records if getattr(each, "method", None)]
    assert (line.method, line.route) == ("HEAD", "/v1/ledger/entries/{seq}")  # type: ignore[attr-defined]


def test_other_requests_pass_as_they_are() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    scope, receive, send = {"type": "http", "method": "POST"}, object(), object()
    asyncio.run(HeadRequests(app)(scope, receive, send))  # type: ignore[arg-type]
    assert seen[0][0] is scope
    assert seen[0][2] is send
