"""Problems: every answer that is no success has the same form, says nothing it should not, and leads to its meaning."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures.records import RecordedRemoval
from fixtures.service import Service, open_service

from ireu_governance.api.catalogue import PROBLEM_KINDS
from ireu_governance.api.problems import PROBLEM_TYPE, problem
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, LedgerError

DOCS = Path(__file__).resolve().parents[2] / "docs"


def expect_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Return the document of a problem after checking its form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM_TYPE
    document: dict[str, Any] = answer.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["type"].endswith(f"#{code}")
    assert document["title"] == PROBLEM_KINDS[code][1]
    assert document["detail"]
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    return document


@pytest.fixture
def broken(removal: RecordedRemoval) -> Iterator[Service]:
    """A service with routes that fail in each way."""
    secret = "/srv/secret-path"
    with open_service(removal) as opened:

        @opened.app.get("/broken/{how}")
        def fail(how: str) -> None:
            if how == "fault":
                raise RuntimeError(f"the name of a person, {secret}")
            if how == "config":
                raise ConfigError(f"{secret} is wrong")
            if how == "ledger":
                raise LedgerError(f"There is no ledger at {secret}.")
            if how == "unknown":
                raise InputError("There is no such case.", code=ErrorCode.CASE_UNKNOWN, hint="Look again.")
            raise problem(409, ErrorCode.JOB_UNFINISHED, "Not yet.", headers={"Retry-After": "2"}, left=3)

        yield opened


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/nowhere", {}, 404, "not-found"),
        ("GET", "/v1/nowhere", {}, 404, "not-found"),
        ("GET", "/v1/access/keys/", {}, 404, "not-found"),
        ("POST", "/healthz", {}, 405, "method-not-allowed"),
        ("TRACE", "/healthz", {}, 405, "method-not-allowed"),
        ("GET", "/v1/access/keys?limit=0", {}, 422, "input-malformed"),
        ("GET", "/v1/access/keys?limit=501", {}, 422, "input-malformed"),
        ("GET", "/v1/access/keys?after=%00", {}, 422, "input-malformed"),
        ("GET", "/v1/access/keys?after=AAAB", {}, 422, "input-malformed"),
        ("GET", f"/v1/access/keys/{'0' * 12}", {}, 404, "access-key-unknown"),
        ("GET", "/v1/access/keys/..%2f..%2fetc", {}, 404, "not-found"),
        ("POST", "/v1/access/keys", {"json": {"role": "king"}}, 422, "input-malformed"),
        ("POST", "/v1/access/keys", {"json": {"role": "viewer", "more": 1}}, 422, "input-malformed"),
        ("POST", "/v1/access/keys", {"json": []}, 422, "input-malformed"),
        ("POST", "/v1/access/keys", {}, 422, "input-malformed"),
        ("POST", "/v1/access/keys", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, None),
        (
            "POST",
            "/v1/access/keys",
            {"content": b"\xff\xfe", "headers": {"Content-Type": "application/json"}},
            422,
            None,
        ),
        ("POST", "/v1/access/keys", {"content": b"role=viewer"}, 422, "input-malformed"),
        (
            "POST",
            "/v1/access/keys",
            {"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}},
            400,
            None,
        ),
    ],
)
def test_bad_requests_are_answered_as_problems(
    service: Service, method: str, path: str, options: dict[str, Any], status: int, code: str | None
) -> None:
    answer = service.request(method, path, "admin", **options)
    expect_problem(answer, status, code or "input-malformed")


def test_method_that_is_not_known_says_which_are(service: Service) -> None:
    assert service.post("/healthz").headers["allow"] == "GET"


def test_what_was_sent_is_not_repeated(service: Service) -> None:
    sent = "Jane.Doe@example.org"
    answer = service.post("/v1/access/keys", "admin", json={"role": "viewer", "name": sent})
    expect_problem(answer, 422, "input-malformed")
    assert sent not in answer.text


def test_fault_is_answered_without_what_it_was(broken: Service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="ireu.service"):
        answer = broken.get("/broken/fault")
    expect_problem(answer, 500, "internal-fault")
    assert "secret-path" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    fault = next(record for record in caplog.records if record.message == "fault")
    assert fault.fault[0] == "RuntimeError"
    assert any("fail" in line for line in fault.fault)
    assert fault.request_id == answer.headers["x-request-id"]
    assert "secret-path" not in str(vars(fault))


@pytest.mark.parametrize(
    ("how", "status", "code"), [("config", 500, "config-invalid"), ("ledger", 503, "ledger-unavailable")]
)
def test_paths_of_the_machine_stay_on_the_machine(broken: Service, how: str, status: int, code: str) -> None:
    answer = broken.get(f"/broken/{how}")
    expect_problem(answer, status, code)
    assert "secret-path" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


def test_errors_and_problems_of_routes_keep_code_hint_headers_and_members(broken: Service) -> None:
    unknown = expect_problem(broken.get("/broken/unknown"), 404, "case-unknown")
    assert (unknown["detail"], unknown["hint"]) == ("There is no such case.", "Look again.")
    answer = broken.get("/broken/otherwise")
    assert expect_problem(answer, 409, "job-unfinished")["left"] == 3
    assert answer.headers["retry-after"] == "2"


def test_every_error_code_has_a_status_and_a_title() -> None:
    assert set(PROBLEM_KINDS) == {code.value for code in ErrorCode}
    assert all(400 <= status < 600 and title for status, title in PROBLEM_KINDS.values())


def test_every_type_leads_to_its_line_of_the_services_own_list(service: Service) -> None:
    document = service.get("/nowhere").json()
    page, _, anchor = document["type"].partition("#")
    shown = service.get(page)
    assert shown.status_code == 200
    assert f'id="{anchor}"' in shown.text
    for code in ErrorCode:
        assert shown.text.count(f'id="{code.value}"') == 1, code


def test_every_type_leads_to_its_line_of_the_manual(removal: RecordedRemoval) -> None:
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    anchors = re.findall(r'<a id="([^"]+)"></a>', text)
    assert sorted(anchors) == sorted(code.value for code in ErrorCode)
    with open_service(removal, docs_url="https://manual.example/ireu/") as opened:
        found = opened.get("/nowhere").json()["type"]
    assert found == "https://manual.example/ireu/errors.html#not-found"


def test_openapi_declares_problems_on_every_route(service: Service) -> None:
    schema = service.get("/openapi.json").json()
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    members = schema["components"]["schemas"]["Problem"]["properties"]
    assert {"type", "title", "status", "detail", "code", "hint"} <= set(members)
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            wanted = {"400", "401", "408", "413", "422", "429", "500", "503"}
            if "security" in operation:
                wanted |= {"403"}
            assert wanted <= set(responses), (method, path)
            for status, declared in responses.items():
                if int(status) >= 400:
                    assert PROBLEM_TYPE in declared["content"], (method, path, status)
            assert operation["operationId"]
            assert operation.get("summary"), path


def test_service_without_its_key_file_tells_nobody_where_that_is(removal: RecordedRemoval) -> None:
    with open_service(removal) as service:
        path = service.workspace.key_file_path
        path.rename(path.with_suffix(".away"))
        for address in ("/v1/ledger", "/v1/ledger/entries", "/v1/ledger/keys", "/keys.json"):
            answer = service.get(address)
            expect_problem(answer, 500, "config-invalid")
            assert str(service.workspace.root) not in answer.text, address
        parts = service.get("/readyz")
        assert parts.status_code == 503
        assert str(service.workspace.root) not in parts.text
