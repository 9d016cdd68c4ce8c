"""Re-tests over HTTP: submitted, followed, cancelled, and proven by a receipt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import builders
import pytest
from fixtures.retests import FOLDER, FakeTester, MemoryQueue, RetestDesk
from fixtures.service import Service, open_service

from ireu_governance.core.errors import QueueError
from ireu_governance.core.receipt_verification import verify_receipt
from ireu_governance.core.verdict import Verdict
from ireu_governance.jobs.leases import FileLeases
from ireu_governance.jobs.orders import KIND
from ireu_governance.jobs.verification import verification_handler

URL = "/v1/verifications"


class House:
    """A service, its queue in memory, and the worker beside it."""

    def __init__(self, service: Service, desk: RetestDesk, queue: MemoryQueue) -> None:
        self.service, self.desk, self.queue = service, desk, queue
        leases = FileLeases(desk.workspace.root / "jobs.locks")
        handler = verification_handler(desk.workspace, lambda: FakeTester(desk.workspace), leases=leases)
        self.handlers = {KIND: handler}

    def ask(self, method: str, path: str, role: str | None = "tester", **options: Any) -> Any:
        return self.service.request(method, path, role, **options)

    def submit(self, **options: Any) -> Any:
        return self.ask("POST", URL, json={"encoder": FOLDER}, **options)

    def work(self) -> None:
        self.queue.work(self.handlers)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    desk = RetestDesk.open(tmp_path / "desk", sizes=(1, 2))
    queue = MemoryQueue()
    with open_service(SimpleNamespace(workspace=desk.workspace, case_id=desk.cases[0][0]), queue=queue) as service:
        yield House(service, desk, queue)


def test_a_retest_is_submitted_followed_and_proven(house: House) -> None:
    answer = house.submit()
    assert answer.status_code == 202
    assert answer.headers["retry-after"] == "5"
    place = answer.headers["location"]
    assert answer.json()["status"] == "queued"
    waiting = house.ask("GET", place, "viewer")
    assert waiting.headers["retry-after"] == "5"
    house.work()
    done = house.ask("GET", place, "viewer")
    assert "retry-after" not in done.headers
    document = done.json()
    assert (document["status"], document["result"]["verdict"]) == ("done", "holds")
    assert document["result"]["white_box"]["outcome"] == "known"
    assert document["result"]["black_box"]["verdict"] == "holds"
    assert [each["removal_entry"] for each in document["result"]["removals"]] == house.desk.removals
    assert all(each["verification_entry"] for each in document["result"]["removals"])
    receipt = house.ask("GET", document["receipt"], "viewer")
    assert receipt.headers["content-type"] == "application/vnd.ireu.receipt+json"
    assert "attachment" in receipt.headers["content-disposition"]
    report = verify_receipt(receipt.content, key_file=house.desk.workspace.key_file(), encoder=builders.AFTER)
    assert report.verdict is Verdict.HOLDS, report.failed()
    again = house.ask("GET", document["receipt"], "viewer", headers={"If-None-Match": receipt.headers["etag"]})
    assert again.status_code == 304


def test_repeated_with_its_key_a_request_makes_one_job(house: House) -> None:
    headers = {"Idempotency-Key": "one"}
    first, second = house.submit(headers=headers), house.submit(headers=headers)
    assert first.json()["id"] == second.json()["id"]
    assert len(house.queue.jobs) == 1
    other = house.ask("POST", URL, json={"encoder": {**FOLDER, "path": "encoders/b"}}, headers=headers)
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "input-malformed"),
        ({"encoder": FOLDER, "deployment": "0" * 32}, 422, "input-malformed"),
        ({"encoder": {"kind": "folder", "path": "/etc/passwd"}}, 422, "input-malformed"),
        ({"encoder": {"kind": "folder", "path": "../other"}}, 422, "input-malformed"),
        ({"encoder": {"kind": "folder", "path": "a/../../b"}}, 422, "input-malformed"),
        ({"encoder": {"kind": "http", "url": "file:///etc/passwd"}}, 422, "input-malformed"),
        ({"encoder": {"kind": "http", "url": "https://user:pw@host/x"}}, 422, "input-malformed"),
        ({"encoder": {"kind": "mlflow", "model": "m", "version": 1, "alias": "a"}}, 422, "input-malformed"),
        ({"encoder": {"kind": "mlflow", "model": "m"}}, 422, "input-malformed"),
        ({"encoder": {"kind": "pickle", "path": "x"}}, 422, "input-malformed"),
        ({"encoder": FOLDER, "cases": []}, 422, "input-malformed"),
        ({"encoder": FOLDER, "cases": ["Erika"]}, 422, "input-malformed"),
        ({"encoder": FOLDER, "cases": ["0" * 32]}, 404, "case-unknown"),
    ],
)
def test_requests_that_make_no_sense_are_refused(house: House, body: Any, status: int, code: str) -> None:
    answer = house.ask("POST", URL, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "Erika" not in answer.text
    assert house.queue.jobs == {}


def test_an_unfinished_or_cancelled_retest_has_no_receipt(house: House) -> None:
    place = house.submit().headers["location"]
    early = house.ask("GET", f"{place}/receipt")
    assert (early.status_code, early.json()["code"]) == (409, "job-unfinished")
    assert early.headers["retry-after"] == "5"
    assert house.ask("DELETE", place).json()["status"] == "cancelled"
    house.work()
    assert house.ask("GET", place).json()["status"] == "cancelled"
    late = house.ask("GET", f"{place}/receipt")
    assert (late.status_code, late.json()["code"]) == (409, "job-cancelled")
    assert house.desk.verifications() == []


def test_cancelling_what_is_finished_changes_nothing(house: House) -> None:
    place = house.submit().headers["location"]
    house.work()
    assert house.ask("DELETE", place).json()["status"] == "done"


def test_a_failed_retest_says_why(house: House) -> None:
    house.desk.tell(fail="identify")
    place = house.submit().headers["location"]
    house.work()
    document = house.ask("GET", place).json()
    assert (document["status"], document["failure"]["code"]) == ("failed", "encoder-unloadable")
    assert document["failure"]["hint"]
    receipt = house.ask("GET", f"{place}/receipt")
    assert receipt.status_code == 409
    assert "no encoder in this folder" in receipt.json()["detail"]


def test_lists_go_from_page_to_page(house: House) -> None:
    made = [house.submit().json()["id"] for _ in range(5)]
    found, path = [], f"{URL}?limit=2"
    while path:
        answer = house.ask("GET", path, "viewer")
        found += [each["id"] for each in answer.json()["verifications"]]
        link = answer.headers.get("link")
        path = link.partition(">")[0].removeprefix("<") if link else None
    assert found == made[::-1]
    assert house.ask("GET", f"{URL}?limit=201").status_code == 422
    assert house.ask("GET", f"{URL}?after=zz").status_code == 422


def test_a_job_of_another_kind_is_none_of_these(house: House) -> None:
    other = house.queue.submit("delivery", {"secret": "x"})
    assert house.ask("GET", f"{URL}/{other}").json()["code"] == "job-unknown"
    assert house.ask("DELETE", f"{URL}/{other}").status_code == 404
    assert house.ask("GET", URL).json()["verifications"] == []


def test_a_queue_that_cannot_be_reached_is_a_503(house: House) -> None:
    house.queue.error = QueueError("The queue of jobs cannot be reached.", hint="Try again.")
    for method, path in (("POST", URL), ("GET", URL), ("GET", f"{URL}/{'0' * 32}")):
        options = {"json": {"encoder": FOLDER}} if method == "POST" else {}
        answer = house.ask(method, path, **options)
        assert (answer.status_code, answer.json()["code"]) == (503, "queue-unavailable")


def test_an_unknown_deployment_is_not_found(house: House) -> None:
    answer = house.ask("POST", URL, json={"deployment": "0" * 32})
    assert answer.status_code == 404
