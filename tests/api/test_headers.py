"""Headers on every answer, also on refusals and faults, and what the log and the figures tell about requests."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from fixtures.records import RecordedRemoval
from fixtures.service import Service, open_service
from starlette.responses import Response

from ireu_governance.api.headers import CONTENT_SECURITY_POLICY
from ireu_governance.api.observability import JsonLines

ALWAYS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/healthz", {}),
        ("GET", "/openapi.json", {}),
        ("GET", "/docs", {}),
        ("GET", "/nowhere", {}),
        ("PUT", "/healthz", {}),
        ("GET", "/metrics", {}),
        ("GET", "/metrics", {"headers": {"Authorization": "Bearer wrong"}}),
        ("GET", "/v1/access/keys", {}),
        ("POST", "/v1/access/keys", {"content": b"x" * 300_000}),
    ],
)
def test_headers_are_on_every_answer(service: Service, method: str, path: str, options: dict[str, Any]) -> None:
    answer = service.request(method, path, **options)
    for name, value in ALWAYS.items():
        assert answer.headers[name] == value, name
    assert "permissions-policy" in answer.headers
    assert len(answer.headers["x-request-id"]) == 16
    assert answer.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in answer.headers
    assert "server" not in answer.headers
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_policy_lets_nothing_in_from_elsewhere() -> None:
    parts = dict(each.strip().split(" ", 1) for each in CONTENT_SECURITY_POLICY.split(";"))
    assert parts["default-src"] == "'none'"
    assert {parts["script-src"], parts["style-src"], parts["connect-src"], parts["form-action"]} == {"'self'"}
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_route_may_allow_less_and_is_then_left_alone(service: Service) -> None:
    @service.app.get("/stricter")
    def show() -> Response:
        return Response(headers={"Content-Security-Policy": "default-src 'none'", "Cache-Control": "public"})

    answer = service.get("/stricter")
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    assert answer.headers["cache-control"] == "public"


def test_hsts_is_sent_only_where_the_service_is_reached_by_https(removal: RecordedRemoval) -> None:
    with open_service(removal, public_url="https://log.example") as opened:
        assert opened.get("/nowhere").headers["strict-transport-security"] == "max-age=31536000"
        assert opened.get("/nowhere").json()["type"] == "https://log.example/docs/errors#not-found"


def test_request_numbers_are_new_whatever_is_sent(service: Service) -> None:
    sent = {"X-Request-ID": "jane-doe"}
    first, second = (service.get("/healthz", headers=sent).headers["x-request-id"] for _ in range(2))
    assert len({first, second, "jane-doe"}) == 3


def test_log_holds_templates_and_nothing_that_was_sent(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    key = service.key("admin")
    prefix = key.split("_")[1]
    with caplog.at_level(logging.INFO, logger="ireu.service"):
        service.get(f"/v1/access/keys/{prefix}?q=jane-doe", "admin", headers={"User-Agent": "jane-doe"})
        service.get("/jane-doe")
    lines = [JsonLines().format(record) for record in caplog.records if record.name == "ireu.service"]
    assert len(lines) == 2
    found = [json.loads(line) for line in lines]
    assert found[0]["route"] == "/v1/access/keys/{prefix}"
    assert found[1]["route"] == "none"
    assert set(found[0]) == {
        "time", "level", "logger", "event", "route", "method", "status", "duration_ms", "request_id",
    }  # fmt: skip
    for line in lines:
        assert not [each for each in ("jane-doe", prefix, key, "testclient") if each in line]


def test_log_of_an_exception_holds_its_type_alone() -> None:
    try:
        raise ValueError("jane-doe")
    except ValueError:
        import sys

        record = logging.LogRecord(
            "other.library", logging.ERROR, "", 1, "failed for %s", ("jane-doe",), sys.exc_info()
        )
    line = JsonLines().format(record)
    assert json.loads(line)["exception"] == "ValueError"
    assert "jane-doe" not in line


def test_figures_count_by_template_and_need_an_administrator(service: Service) -> None:
    prefix = service.key("admin").split("_")[1]
    service.get(f"/v1/access/keys/{prefix}", "admin")
    service.get("/nowhere/jane-doe")
    assert service.get("/metrics", "officer").status_code == 403
    answer = service.get("/metrics", "admin")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.text
    assert 'route="/v1/access/keys/{prefix}",status="2xx"' in text
    assert 'route="none",status="4xx"' in text
    assert "jane-doe" not in text
    assert prefix not in text
    assert "ireu_ledger_entries 3.0" in text
    assert "ireu_ledger_signed_entries 3.0" in text
    assert "ireu_ledger_witnessed_entries 0.0" in text


def test_invented_methods_make_no_new_rows(service: Service) -> None:
    for number in range(3):
        service.request(f"JANE{number}", "/healthz")
    text = service.get("/metrics", "admin").text
    assert 'method="other"' in text
    assert "JANE" not in text
