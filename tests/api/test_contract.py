"""The API against its own description: generated requests, good and bad, and answers that must be as declared.

`make test` asks some hundreds; `make contract` asks more than ten thousand (`CONTRACT_CASES` is the number for each
operation, caller and kind of data).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from fastapi import FastAPI, HTTPException
from fixtures.records import record_removal
from fixtures.retests import FOLDER, MemoryQueue
from fixtures.service import Service, open_service
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

schemathesis = pytest.importorskip("schemathesis", reason="the development tools are not installed")

from schemathesis import GenerationMode  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.core.failures import Failure, FailureGroup  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CASES: Final = int(os.environ.get("CONTRACT_CASES", "3"))
ROLES: Final = (None, "admin")
CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
# Declared, and no faults: a part that is not installed, a time-stamping authority that is away.
AWAY: Final = frozenset({501, 502, 503})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    recorded = record_removal(tmp_path_factory.mktemp("contract") / "workspace")
    with open_service(
        recorded, queue=MemoryQueue(), rate_caller="1000000/minute", rate_failures="1000000/minute"
    ) as opened:
        yield opened


class Prober:
    """Asks an application what its description allows and what it does not, and keeps what is wrong with the answers.

    Args:
        app: The application.
        headers: Sent each time.
        known: Numbers of things that are there, by the names of parameters; every second request is about them.
    """

    def __init__(self, app: FastAPI, headers: Mapping[str, str], known: Mapping[str, str] | None = None) -> None:
        self._schema = schemathesis.openapi.from_asgi("/openapi.json", app)
        self._headers = dict(headers)
        self._known = known or {}
        self.asked = 0
        self.wrong: dict[str, str] = {}

    def probe(self, mode: Any) -> None:
        for found in self._schema.get_all_operations():
            operation = found.ok()

            @settings(
                max_examples=CASES,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(mode))
            def ask(case: Any) -> None:
                self._ask(case)

            try:
                ask()
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE, operation.label  # without a parameter nothing can be wrong

    def _ask(self, case: Any) -> None:
        self.asked += 1
        if self.asked % 2 and case.path_parameters:
            case.path_parameters = {
                name: self._known.get(name, value) for name, value in dict(case.path_parameters).items()
            }
        for name in [each for each in case.headers or {} if each.lower() == "authorization"]:
            del case.headers[name]  # made-up credentials are refused everywhere, so that nothing else would be tried
        response = case.call(headers=self._headers)
        checks = [each for each in CHECKS if not (each is not_a_server_error and response.status_code in AWAY)]
        try:
            case.validate_response(response, checks=checks)
        except (FailureGroup, Failure) as error:
            failures = error.exceptions if isinstance(error, FailureGroup) else [error]
            self.wrong.setdefault(case.operation.label, _say(case, response, failures))


def _say(case: Any, response: Any, failures: Any) -> str:
    what = "; ".join(" ".join(f"{each.title}: {each.message}".split())[:300] for each in failures)
    sent = json.dumps(case.body, default=repr)[:200]
    return f"{case.method} {case.formatted_path} {case.query} {sent} -> {response.status_code}: {what}"


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("role", ROLES)
def test_answers_are_as_declared(service: Service, role: str | None, mode: Any) -> None:
    made = service.post("/v1/verifications", "tester", json={"encoder": FOLDER})
    assert made.status_code == 202, made.text
    job = made.json()["id"]
    certificate = service.get("/v1/certificates", "viewer").json()["certificates"][0]["id"]
    known = {"case_id": service.recorded.case_id, "certificate_id": certificate, "job_id": job, "seq": "1"}
    prober = Prober(service.app, service.headers(role), known)
    prober.probe(mode)
    assert prober.asked >= 30 * CASES
    assert not prober.wrong, "\n".join(prober.wrong.values())


def test_an_answer_that_is_not_declared_is_noticed() -> None:
    app = FastAPI()

    @app.get("/numbers/{number}")
    def get_number(number: int) -> dict[str, int]:
        raise HTTPException(404)

    prober = Prober(app, {})
    prober.probe(GenerationMode.POSITIVE)
    assert list(prober.wrong) == ["GET /numbers/{number}"]
