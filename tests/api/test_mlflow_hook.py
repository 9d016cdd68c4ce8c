"""Events of an MLflow registry: only signed, fresh and new ones have what watches the alias checked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures.watched import House, open_house

from ireu_governance.core.errors import QueueError

URL = "/v1/hooks/mlflow"
SECRET = "a secret that MLflow was given"
MOVED = {"name": "face-encoder", "alias": "live", "version": "8"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path / "desk", mlflow_secret_file="keys/mlflow-hook") as opened:
        file = opened.desk.workspace.root / "keys/mlflow-hook"
        file.touch(mode=0o600)
        file.write_text(SECRET + "\n")
        opened.aliases["models:/face-encoder@live"] = "models:/face-encoder/7"
        yield opened


def watched(house: House) -> str:
    made = house.add(encoder={"kind": "mlflow", "model": "face-encoder", "alias": "live"})
    house.desk.tell(resolved="models:/face-encoder/7")
    house.pass_time()
    return str(made["id"])


def send(
    house: House,
    data: Any = MOVED,
    *,
    entity: str = "model_version_alias",
    action: str = "created",
    secret: str = SECRET,
    at: int = 0,
    delivery: str | None = None,
    change: bytes = b"",
    **headers: str,
) -> Any:
    """Send an event as MLflow does."""
    body = json.dumps({"entity": entity, "action": action, "timestamp": "2026-11-24T08:00:00+00:00", "data": data})
    delivery = delivery or str(uuid.uuid4())
    time = str(int(house.service.clock().timestamp()) + at)
    mac = hmac.new(secret.encode(), f"{delivery}.{time}.{body}".encode(), hashlib.sha256).digest()
    signed = {
        "Content-Type": "application/json",
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": time,
        "X-MLflow-Signature": f"v1,{base64.b64encode(mac).decode()}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return house.ask("POST", URL, None, content=body.encode() + change, headers=signed)


def causes(house: House, number: str) -> list[str]:
    return sorted(check["cause"] for check in house.show(number)["checks"])


def test_a_moved_alias_has_its_deployment_checked(house: House) -> None:
    number = watched(house)
    other = house.add("other", encoder={"kind": "mlflow", "model": "face-encoder", "version": 3})
    answer = send(house)
    assert (answer.status_code, answer.json()) == (202, {"deployments": [number]})
    house.desk.tell(resolved="models:/face-encoder/8", encoder="other")
    house.aliases["models:/face-encoder@live"] = "models:/face-encoder/8"
    house.work()
    found = house.show(number)
    assert (found["verdict"], found["resolved"]) == ("encoder-changed", "models:/face-encoder/8")
    house.pass_time(minutes=10)  # looking the alias up finds nothing that was not told
    assert causes(house, number) == ["hook", "schedule"]
    assert causes(house, other["id"]) == ["schedule"]


@pytest.mark.slow
def test_the_signature_is_the_one_that_mlflow_makes() -> None:
    delivery = pytest.importorskip("mlflow.webhooks.delivery", reason="the part 'ml' is not installed")
    from ireu_governance.service.mlflow_hook import verify_event

    signature = delivery._generate_hmac_signature(SECRET, "d-1", "1000", '{"a":1}')
    headers = {"x-mlflow-delivery-id": "d-1", "x-mlflow-timestamp": "1000", "x-mlflow-signature": signature}
    assert verify_event(SECRET.encode(), headers, b'{"a":1}', now=1010) == "d-1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "another secret"},
        {"change": b" "},
        {"at": -301},
        {"at": 301},
        {"X_MLflow_Signature": "v1,AAAA"},
        {"X_MLflow_Signature": "v2,"},
        {"X_MLflow_Timestamp": "1764000000"},
        {"X_MLflow_Timestamp": "soon"},
        {"X_MLflow_Delivery_Id": "another"},
        {"delivery": "a b"},
    ],
)
def test_what_is_not_proven_genuine_and_fresh_is_refused(house: House, wrong: dict[str, Any]) -> None:
    number = watched(house)
    answer = send(house, **wrong)
    assert (answer.status_code, answer.json()["code"]) == (401, "hook-refused")
    assert "www-authenticate" in answer.headers
    assert causes(house, number) == ["schedule"]


def test_an_unsigned_event_is_refused(house: House) -> None:
    assert house.ask("POST", URL, None, json={}).status_code == 401


def test_a_repeated_event_is_refused_and_checks_nothing_twice(house: House) -> None:
    number = watched(house)
    assert send(house, delivery="one").status_code == 202
    again = send(house, delivery="one")
    assert (again.status_code, again.json()["code"]) == (409, "hook-replayed")
    house.service.clock.turn(minutes=4)
    assert send(house, delivery="one").status_code == 409  # signed anew by whoever has the secret
    assert causes(house, number) == ["hook", "schedule"]


def test_events_about_what_nobody_watches_check_nothing(house: House) -> None:
    number = watched(house)
    for event in (
        {"data": {**MOVED, "name": "another"}},
        {"data": {**MOVED, "alias": "another"}},
        {"entity": "registered_model", "data": {"name": "face-encoder"}},
        {"entity": "model_version_alias", "action": "renamed"},
    ):
        assert send(house, **event).json() == {"deployments": []}
    assert causes(house, number) == ["schedule"]


def test_a_paused_deployment_is_left_alone(house: House) -> None:
    number = watched(house)
    house.ask("PATCH", f"/v1/deployments/{number}", json={"paused": True})
    assert send(house).json() == {"deployments": []}


def test_a_deleted_alias_is_checked_and_found_to_be_missing(house: House) -> None:
    number = watched(house)
    assert send(house, {"name": "face-encoder", "alias": "live"}, action="deleted").json() == {"deployments": [number]}
    house.desk.tell(fail="identify")
    house.pass_time()
    assert house.alerts(state="open")[0]["kind"] == "check-failed"


@pytest.mark.parametrize("data", [{}, {"name": "m", "alias": "a", "version": 8}, {"name": "", "alias": "a"}])
def test_malformed_events_are_refused_although_they_are_signed(house: House, data: Any) -> None:
    assert send(house, data).json()["code"] == "input-malformed"


def test_checks_wait_for_a_queue_that_cannot_be_reached(house: House) -> None:
    number = watched(house)
    house.queue.error = QueueError("The queue of jobs cannot be reached.")
    assert send(house).status_code == 202
    house.queue.error = None
    house.pass_time()
    assert causes(house, number) == ["hook", "schedule"]
    assert len(house.queue.jobs) == 2


def test_without_a_secret_no_events_are_taken(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    file = house.desk.workspace.root / "keys/mlflow-hook"
    file.chmod(0o644)
    assert send(house).status_code == 500
    file.unlink()
    assert send(house).status_code == 500
    monkeypatch.setenv("IREU_MLFLOW_HOOK_SECRET", SECRET)
    assert send(house).status_code == 202


def test_a_service_that_was_given_no_secret_has_no_such_place(tmp_path: Path) -> None:
    with open_house(tmp_path / "desk") as house:
        assert send(house).status_code == 404
