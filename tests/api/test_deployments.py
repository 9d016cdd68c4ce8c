"""Deployments over HTTP: added, checked when they are due and when somebody asks, changed, removed, recorded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import builders
import pytest
from fixtures.retests import FOLDER
from fixtures.watched import House, open_house

from ireu_governance.core.errors import QueueError
from ireu_governance.jobs.watching import submit_checks
from ireu_governance.service import deployment_record
from ireu_governance.service.checks import Checks

URL = "/v1/deployments"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path / "desk") as opened:
        yield opened


def test_a_new_deployment_is_checked_at_once_and_then_when_it_is_due(house: House) -> None:
    made = house.add(every_hours=6)
    assert (made["state"], made["verdict"], made["checks"]) == ("active", None, [])
    house.pass_time()
    found = house.show(made["id"])
    assert (found["verdict"], found["digest"]) == ("holds", builders.AFTER.digest)
    assert [check["cause"] for check in found["checks"]] == ["schedule"]
    retest = house.ask("GET", f"/v1/verifications/{found['checks'][0]['verification']}").json()
    assert (retest["status"], retest["deployment"]) == ("done", made["id"])
    house.pass_time(hours=5)
    assert len(house.show(made["id"])["checks"]) == 1
    house.pass_time(hours=1)
    assert len(house.show(made["id"])["checks"]) == 2


def test_missed_times_are_made_up_for_by_one_check(house: House) -> None:
    made = house.add(every_hours=1)
    house.pass_time()
    house.pass_time(hours=100, minutes=30)
    found = house.show(made["id"])
    assert len(found["checks"]) == 2
    assert found["due_at"] == "2026-11-28T13:00:00Z"


def test_a_check_that_is_under_way_is_not_joined_by_another(house: House) -> None:
    made = house.add(every_hours=1)
    house.watch.tick()
    house.service.clock.turn(hours=3)
    house.watch.tick()
    assert len(house.show(made["id"])["checks"]) == len(house.queue.jobs) == 1


def test_of_many_workers_one_makes_the_check(house: House) -> None:
    made = house.add()
    barrier = threading.Barrier(4)
    counts: list[int] = []

    def look() -> None:
        checks = Checks(house.service.context.store, clock=house.service.clock)
        barrier.wait()
        counts.append(checks.claim_due())

    threads = [threading.Thread(target=look) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(counts) == [0, 0, 0, 1]
    assert len(house.show(made["id"])["checks"]) == 1


def test_a_worker_that_dies_before_it_submits_is_made_up_for(house: House) -> None:
    made = house.add()
    checks = Checks(house.service.context.store, clock=house.service.clock)
    assert checks.claim_due() == 1
    assert house.queue.jobs == {}
    house.pass_time()
    assert house.show(made["id"])["verdict"] == "holds"
    (job,) = house.queue.jobs
    submit_checks(checks, house.queue)
    assert list(house.queue.jobs) == [job]


def test_what_the_queue_cannot_take_waits(house: House) -> None:
    made = house.add()
    house.queue.error = QueueError("The queue of jobs cannot be reached.")
    answer = house.ask("POST", f"{URL}/{made['id']}/checks")
    assert answer.status_code == 503
    house.watch.tick()
    house.queue.error = None
    house.pass_time()
    assert {check["cause"] for check in house.show(made["id"])["checks"]} == {"manual"}
    assert house.show(made["id"])["verdict"] == "holds"


def test_somebody_asks_for_a_check_also_of_a_paused_deployment(house: House) -> None:
    made = house.add()
    place = f"{URL}/{made['id']}"
    assert house.ask("PATCH", place, json={"paused": True}).json()["state"] == "paused"
    house.pass_time(days=3)
    assert house.show(made["id"])["checks"] == []
    answer = house.ask("POST", f"{place}/checks", "tester")
    assert answer.status_code == 202
    assert answer.headers["location"].startswith("/v1/verifications/")
    house.work()
    assert house.show(made["id"])["verdict"] == "holds"
    house.ask("PATCH", place, json={"paused": False})
    house.pass_time()
    assert [check["cause"] for check in house.show(made["id"])["checks"]].count("schedule") == 1


def test_a_check_by_a_verification_of_the_deployment_counts_as_well(house: House) -> None:
    made = house.add()
    answer = house.ask("POST", "/v1/verifications", json={"deployment": made["id"]})
    assert answer.status_code == 202, answer.text
    house.work()
    assert house.show(made["id"])["checks"][0]["verification"] == answer.json()["id"]


def test_the_ledger_says_what_was_watched_and_what_stood_there(house: House) -> None:
    made = house.add()
    house.pass_time()
    house.desk.tell(encoder="other")
    house.pass_time(days=1)
    house.pass_time(days=1)
    house.ask("DELETE", f"{URL}/{made['id']}")
    house.watch.tick()
    said = house.entries()
    assert [each.predicate.change for each in said] == ["added", "moved", "moved", "removed"]
    assert {each.predicate.deployment_id for each in said} == {made["id"]}
    assert [each.is_about_encoder for each in said] == [False, True, True, True]
    assert [each.encoder_digest() for each in said[1:]] == [
        builders.AFTER.digest,
        builders.OTHER.digest,
        builders.OTHER.digest,
    ]
    assert said[2].predicate.previous == builders.AFTER.digest
    assert said[2].predicate.job in house.queue.jobs
    assert len({each.subject[0].digest.sha256 for each in said}) == 1


def test_changes_are_recorded_once_also_when_the_process_died_in_between(house: House) -> None:
    house.add()
    store = house.service.context.store
    with store.writing() as connection:  # as if the process had died after the append
        connection.execute(deployment_record.DEPLOYMENTS.update().values(recorded=""))
    assert deployment_record.record_deployments(house.desk.workspace, store) == 0
    assert deployment_record.record_deployments(house.desk.workspace, store) == 0
    assert len(house.entries()) == 1


def test_a_removed_deployment_is_left_alone_and_its_name_is_free(house: House) -> None:
    first = house.add()
    again = house.ask("POST", URL, json={"name": "portraits-live", "encoder": FOLDER})
    assert (again.status_code, again.json()["code"]) == (409, "deployment-exists")
    assert house.ask("DELETE", f"{URL}/{first['id']}").json()["state"] == "removed"
    assert house.ask("DELETE", f"{URL}/{first['id']}").status_code == 200
    second = house.add()
    house.pass_time(days=2)
    assert house.show(first["id"])["checks"] == []
    assert [each["id"] for each in house.ask("GET", URL).json()["deployments"]] == [second["id"]]
    everything = house.ask("GET", URL, params={"removed": "true"}).json()["deployments"]
    assert {each["id"] for each in everything} == {first["id"], second["id"]}
    for method, place, body in (("PATCH", "", {"paused": True}), ("POST", "/checks", None)):
        refused = house.ask(method, f"{URL}/{first['id']}{place}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (404, "deployment-unknown")
    by_number = house.ask("POST", "/v1/verifications", json={"deployment": first["id"]})
    assert by_number.json()["code"] == "deployment-unknown"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "Erika Muster", "encoder": FOLDER}, 422, "input-malformed"),
        ({"name": "live", "encoder": {"kind": "folder", "path": "../x"}}, 422, "input-malformed"),
        ({"name": "live", "encoder": FOLDER, "every_hours": 0}, 422, "input-malformed"),
        ({"name": "live", "encoder": FOLDER, "cases": ["0" * 32]}, 404, "case-unknown"),
        ({"name": "live", "encoder": FOLDER, "secret": "x"}, 422, "input-malformed"),
    ],
)
def test_what_makes_no_sense_is_refused(house: House, body: Any, status: int, code: str) -> None:
    answer = house.ask("POST", URL, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "Erika" not in answer.text
    assert house.ask("GET", URL).json()["deployments"] == []


def test_deployments_are_listed_in_pages(house: House) -> None:
    names = ["a", "b", "c"]
    for name in names:
        house.add(name)
    seen, place = [], f"{URL}?limit=2"
    while place:
        answer = house.ask("GET", place)
        seen += [each["name"] for each in answer.json()["deployments"]]
        place = answer.headers.get("link", "").partition(">")[0].lstrip("<")
    assert seen == names


def test_cases_and_period_can_be_changed(house: House) -> None:
    made = house.add()
    place = f"{URL}/{made['id']}"
    changed = house.ask("PATCH", place, json={"cases": [house.case], "every_hours": 48}).json()
    assert (changed["cases"], changed["every_hours"]) == ([house.case], 48)
    assert changed["due_at"] == "2026-11-26T08:00:00Z"
    refused = house.ask("PATCH", place, json={"cases": ["0" * 32]})
    assert refused.json()["code"] == "case-unknown"
    house.pass_time(hours=48)
    retest = next(iter(house.queue.jobs.values()))
    assert retest.payload["cases"] == [house.case]


def test_an_alias_that_moves_is_found_by_looking_it_up(house: House) -> None:
    house.aliases["models:/face-encoder@live"] = "models:/face-encoder/7"
    made = house.add(encoder={"kind": "mlflow", "model": "face-encoder", "alias": "live"})
    house.desk.tell(resolved="models:/face-encoder/7")
    house.pass_time()
    house.pass_time(minutes=10)
    assert [each["cause"] for each in house.show(made["id"])["checks"]] == ["schedule"]
    house.aliases["models:/face-encoder@live"] = "models:/face-encoder/8"
    house.desk.tell(resolved="models:/face-encoder/8")
    house.pass_time(minutes=1)  # looked up every five minutes only
    house.pass_time(minutes=5)
    house.pass_time(minutes=5)
    found = house.show(made["id"])
    assert sorted(each["cause"] for each in found["checks"]) == ["poll", "schedule"]
    assert found["resolved"] == "models:/face-encoder/8"


def test_figures_tell_of_deployments_and_alerts(house: House) -> None:
    house.add()
    house.add("second")
    house.desk.tell(encoder="other")
    house.pass_time()
    text = house.ask("GET", "/metrics", "admin").text
    assert 'ireu_deployments{verdict="encoder-changed"} 2.0' in text
    assert 'ireu_open_alerts{kind="encoder-changed"} 2.0' in text
    assert 'ireu_webhook_deliveries{state="pending"} 0.0' in text
