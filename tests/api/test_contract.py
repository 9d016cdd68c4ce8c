"""The API against its own description: generated requests, good and bad, and answers that must be as declared.

`make slow` asks some hundreds, `make contract` more than ten thousand (`CONTRACT_CASES` is the number for each operation,
caller and kind of data). Every second request is about things that are there, made anew for each operation: otherwise
whatever needs one would answer 404 and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
from fastapi import FastAPI, HTTPException
from fixtures.records import record_removal
from fixtures.retests import FOLDER, MemoryQueue
from fixtures.service import Service, open_service
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from ireu_governance.service.alerts import AlertCause, Alerts

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
# With so many cases all the tests together ask so much. Each expects its part, so that they need not run in one process.
FULL_CASES: Final = 48
FULL_REQUESTS: Final = 10_000
CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
# Declared, and no faults: a part that is not installed, a time-stamping authority that is away.
AWAY: Final = frozenset({501, 502, 503})
_PARAMETER: Final = re.compile(r"([^/]+)/\{(\w+)")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    recorded = record_removal(tmp_path_factory.mktemp("contract") / "workspace")
    with open_service(
        recorded,
        queue=MemoryQueue(),
        rate_caller="1000000/minute",
        rate_failures="1000000/minute",
        outbound_allow=["127.0.0.1/32"],
    ) as opened:
        yield opened


def make_things(service: Service) -> dict[str, str]:
    """Make one of everything that has a number; what is deleted or closed on the way is so for one operation only."""

    def post(path: str, asker: str, **members: Any) -> dict[str, Any]:
        made = service.post(path, asker, json=members)
        assert made.status_code in (201, 202), made.text
        return made.json()  # type: ignore[no-any-return]

    service.clock.turn(seconds=1)  # lists begin with the newest
    for each in service.get("/v1/alerts/webhooks", "admin").json()["webhooks"]:  # there may be only so many
        service.request("DELETE", f"/v1/alerts/webhooks/{each['id']}", "admin")
    webhook = post("/v1/alerts/webhooks", "admin", url="http://127.0.0.1:9/alerts")["id"]
    deployment = post("/v1/deployments", "officer", name=f"live-{secrets.token_hex(4)}", encoder=FOLDER)["id"]
    store = service.context.store
    with store.writing() as connection:
        Alerts(store, clock=service.clock).raise_all(connection, [AlertCause("check-failed", deployment)])
    alerts = service.get("/v1/alerts?state=open", "viewer").json()["alerts"]
    deliveries = service.get(f"/v1/alerts/webhooks/{webhook}/deliveries", "admin").json()["deliveries"]
    return {
        "alerts/number": next(each["id"] for each in alerts if each["deployment"] == deployment),
        "cases/case_id": service.recorded.case_id,
        "certificates/certificate_id": service.get("/v1/certificates", "viewer").json()["certificates"][0]["id"],
        "deliveries/message": deliveries[0]["id"],
        "deployments/number": deployment,
        "entries/seq": "1",
        "keys/prefix": post("/v1/access/keys", "admin", role="viewer")["prefix"],
        "keys/version": "1",
        "verifications/job_id": post("/v1/verifications", "tester", encoder=FOLDER)["id"],
        "webhooks/number": webhook,
    }


class Prober:
    """Asks an application what its description allows and what it does not, and keeps what is wrong with the answers.

    Args:
        app: The application.
        headers: Sent each time.
        things: Returns numbers of things that are there, by the part of a path before a parameter and its name, such
            as ``cases/case_id``; asked again before each operation.
    """

    def __init__(
        self, app: FastAPI, headers: Mapping[str, str], things: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        self._schema = schemathesis.openapi.from_asgi("/openapi.json", app)
        self._headers = dict(headers)
        self._things = things
        self._known: Mapping[str, str] = {}
        self.asked = 0
        self.answers: Counter[int] = Counter()
        self.reached: set[str] = set()
        self.wrong: dict[str, str] = {}

    def probe(self, mode: Any) -> None:
        for found in self._schema.get_all_operations():
            operation = found.ok()
            self._known = self._things()

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
            places = {name: f"{before}/{name}" for before, name in _PARAMETER.findall(case.operation.path)}
            case.path_parameters = {
                name: self._known.get(places.get(name, ""), value) for name, value in dict(case.path_parameters).items()
            }
        for name in [each for each in case.headers or {} if each.lower() == "authorization"]:
            del case.headers[name]  # made-up credentials are refused everywhere, so that nothing else would be tried
        response = case.call(headers=self._headers)
        self.answers[response.status_code] += 1
        if response.status_code < 400:
            self.reached.add(case.operation.label)
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


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("role", ROLES)
def test_answers_are_as_declared(
    service: Service, role: str | None, mode: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    things = make_things(service)  # whoever has no key changes none of them
    prober = Prober(service.app, service.headers(role), lambda: things if role is None else make_things(service))
    prober.probe(mode)
    # Of operations without parameters there are fewer ways to ask than cases.
    assert prober.asked * len(ROLES) * len(GenerationMode) >= FULL_REQUESTS * CASES // FULL_CASES
    assert not prober.wrong, "\n".join(prober.wrong.values())
    with capsys.disabled():
        print(
            f"\n{role or 'nobody'}, {mode.value}: {prober.asked:,} requests, answers {dict(sorted(prober.answers.items()))}"
        )


def test_an_answer_that_is_not_declared_is_noticed() -> None:
    app = FastAPI()

    @app.get("/numbers/{number}")
    def get_number(number: int) -> dict[str, int]:
        raise HTTPException(404)

    prober = Prober(app, {})
    prober.probe(GenerationMode.POSITIVE)
    assert list(prober.wrong) == ["GET /numbers/{number}"]
