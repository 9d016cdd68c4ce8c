"""The client against a service: what it is told is verified, problems are errors, and only the harmless is repeated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from fixtures.retests import FOLDER, FakeTester, MemoryQueue, RetestDesk
from fixtures.service import Service, open_service

from ireu_governance.client import Client, read_access_key
from ireu_governance.core.errors import (
    ConfigError,
    InputError,
    IreuError,
    LedgerError,
    QueueError,
    ServiceError,
    VerificationError,
)
from ireu_governance.core.verdict import RetestVerdict, Verdict
from ireu_governance.jobs.leases import FileLeases
from ireu_governance.jobs.orders import KIND
from ireu_governance.jobs.verification import verification_handler

URL = "http://127.0.0.1:8350"


class Bridge(httpx2.BaseTransport):
    """Carries the client's requests to an application in this process; can change answers on the way."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.change: Any = lambda request, body: body

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        names = ("authorization", "content-type", "accept", "idempotency-key")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        path = request.url.raw_path.decode()
        answer = self.service.client.request(request.method, path, content=request.read(), headers=headers)
        kept = {name: each for name, each in answer.headers.items() if name in ("content-type", "link", "retry-after")}
        return httpx2.Response(answer.status_code, headers=kept, content=self.change(request, answer.content))


class House:
    def __init__(self, service: Service, desk: RetestDesk, queue: MemoryQueue) -> None:
        self.service, self.desk, self.queue, self.bridge = service, desk, queue, Bridge(service)
        leases = FileLeases(desk.workspace.root / "jobs.locks")
        handler = verification_handler(desk.workspace, lambda: FakeTester(desk.workspace), leases=leases)
        self.handlers = {KIND: handler}

    def work(self, _: float = 0.0) -> None:
        self.queue.work(self.handlers)

    def client(self, role: str = "tester") -> Client:
        return Client(
            URL,
            key=self.service.key(role),
            key_file=self.desk.workspace.key_file(),
            transport=self.bridge,
            sleep=self.work,
        )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    desk = RetestDesk.open(tmp_path / "desk", sizes=(1, 2))
    queue = MemoryQueue()
    with open_service(SimpleNamespace(workspace=desk.workspace, case_id=desk.cases[0][0]), queue=queue) as service:
        yield House(service, desk, queue)


def test_a_retest_is_ordered_awaited_and_its_receipt_verified(house: House) -> None:
    seen: list[str] = []
    with house.client() as client:
        job = client.verify_cases("all", encoder=FOLDER)
        done = client.wait(job.id, watch=lambda each: seen.append(each.status))
        assert (seen[0], seen[-1], done.is_finished) == ("queued", "done", True)
        assert done.result is not None
        assert done.result.verdict is RetestVerdict.HOLDS
        report = client.receipt(job.id)
        assert (report.verdict, report.retest) == (Verdict.HOLDS, RetestVerdict.HOLDS)


def test_a_receipt_of_another_retest_is_found_out(house: House) -> None:
    client = house.client()
    first, second = client.verify_cases(encoder=FOLDER), client.verify_cases(encoder=FOLDER)
    house.work()
    other = client.receipt_bytes(first.id)
    house.bridge.change = lambda request, body: other if request.url.path.endswith("/receipt") else body
    assert client.receipt(first.id).verdict is Verdict.HOLDS
    with pytest.raises(VerificationError, match="another re-test"):
        client.receipt(second.id)


def test_a_retest_that_nobody_works_on_is_not_awaited_for_ever(house: House) -> None:
    with Client(URL, key=house.service.key("tester"), transport=house.bridge, sleep=lambda _: None) as client:
        job = client.verify_cases(list(house.desk.cases[0]), encoder=FOLDER)
        with pytest.raises(ServiceError) as caught:
            client.wait(job.id, timeout_s=4)
        assert caught.value.code == "job-unfinished"
        assert client.cancel(job.id).status == "cancelled"


def test_entries_are_listed_and_verified_one_by_one(house: House) -> None:
    client = house.client()
    listed = list(client.entries())
    assert [each.seq for each in listed] == list(range(len(listed)))
    assert [each.seq for each in client.entries(kind="removal")] == house.desk.removals
    for each in listed:
        found = client.entry(each.seq)
        assert (found.kind, found.recorded_at) == (each.kind, each.recorded_at)


def test_an_entry_that_was_exchanged_is_found_out(house: House) -> None:
    client = house.client()
    other = house.service.get("/v1/ledger/entries/0/proven").content
    house.bridge.change = lambda request, body: other if "/entries/1" in request.url.path else body
    with pytest.raises(VerificationError):
        client.entry(1)
    genuine = house.service.get("/v1/ledger/entries/1/proven").json()
    for told in (
        {**json.loads(other), "seq": 1, "inclusion": genuine["inclusion"]},
        {**genuine, "inclusion": house.service.get("/v1/ledger/entries/0/proven").json()["inclusion"]},
    ):
        forged = json.dumps(told).encode()
        house.bridge.change = lambda request, body, forged=forged: forged if "/entries/1" in request.url.path else body
        with pytest.raises(VerificationError):
            client.entry(1)


def test_what_is_told_beside_the_envelope_does_not_count(house: House) -> None:
    def lie(request: httpx2.Request, body: bytes) -> bytes:
        return (
            json.dumps({**json.loads(body), "kind": "alert", "statement": {}}).encode()
            if "/entries/" in str(request.url)
            else body
        )

    house.bridge.change = lie
    assert house.client().entry(1).kind != "alert"


def test_without_a_key_file_nothing_counts_as_verified(house: House) -> None:
    client = Client(URL, transport=house.bridge)
    assert client.entry(0, verified=False).seq == 0
    with pytest.raises(ConfigError):
        client.entry(0)


def test_certificates_deployments_and_alerts(house: House) -> None:
    client = house.client("admin")
    assert list(client.deployments()) == []
    assert list(client.alerts(state="open")) == []
    with pytest.raises(InputError):
        client.verify_certificate_file(b"\x00")


def test_problems_are_errors_with_the_services_code(house: House) -> None:
    with pytest.raises(InputError) as caught:
        house.client().verification("0" * 32)
    assert caught.value.code == "job-unknown"
    with pytest.raises(ServiceError) as refused:
        house.client("viewer").verify_cases(encoder=FOLDER)
    assert (refused.value.code, bool(refused.value.hint)) == ("not-allowed", True)
    with pytest.raises(InputError):
        house.client().verification("../../metrics")


class Scripted(httpx2.BaseTransport):
    """Answers what it was told to, one after another."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


JOB = {"id": "a" * 32, "status": "queued", "cases": "all"}


def busy(status: int, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, headers=headers, json={"code": "rate-limited", "detail": "Too many."})


def test_only_what_is_harmless_is_repeated() -> None:
    pauses: list[float] = []
    wire = Scripted(httpx2.ConnectError("no"), busy(429, **{"Retry-After": "7"}), httpx2.Response(202, json=JOB))
    with Client(URL, transport=wire, sleep=pauses.append) as client:
        assert client.verify_cases(encoder=FOLDER).id == "a" * 32
    assert pauses == [1.0, 7.0]
    assert len({each.headers["idempotency-key"] for each in wire.asked}) == 1
    for once in (busy(503), httpx2.ConnectError("no")):
        wire = Scripted(once)
        with Client(URL, transport=wire, sleep=pauses.append) as client, pytest.raises(ServiceError):
            client.cancel("a" * 32)
        assert len(wire.asked) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (httpx2.Response(500, text="<html>"), ServiceError, "service-unavailable"),
        (httpx2.Response(302, headers={"Location": "http://10.0.0.1/"}), ServiceError, "input-malformed"),
        (httpx2.Response(404, json={"code": "queue-unavailable"}), QueueError, "queue-unavailable"),
        (httpx2.Response(409, json={"code": "ledger-locked"}), LedgerError, "ledger-locked"),
        (httpx2.Response(418, json={"code": "new-in-2030"}), InputError, "input-malformed"),
        (httpx2.Response(200, text="no json"), InputError, "input-malformed"),
        (httpx2.Response(200, json=[]), InputError, "input-malformed"),
        (httpx2.Response(200, json={"id": 3}), InputError, "input-malformed"),
    ],
)
def test_a_strange_answer_is_an_error_of_ireu(answer: httpx2.Response, kind: type[IreuError], code: str) -> None:
    with Client(URL, transport=Scripted(answer)) as client, pytest.raises(kind) as caught:
        client.verification("a" * 32)
    assert caught.value.code == code


def test_strange_pages_and_proofs_are_refused() -> None:
    with pytest.raises(InputError):
        list(Client(URL, transport=Scripted(httpx2.Response(200, json=[]))).entries())
    with pytest.raises(InputError):
        Client(URL, transport=Scripted(httpx2.Response(200, content=b"\xff"))).proof(0)


def test_lists_are_followed_to_their_end_and_not_in_circles() -> None:
    row = {"id": "1", "state": "open", "kind": "x", "opened_at": ""}
    page = [
        httpx2.Response(200, json={"alerts": [row]}, headers={"Link": '</v1/alerts?after=b>; rel="next"'}) for _ in "ab"
    ]
    assert len(list(Client(URL, transport=Scripted(*page)).alerts())) == 2


def test_keys_are_kept_off_open_networks_and_out_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="TLS"):
        Client("http://ireu.example.org", key="ireu_x")
    monkeypatch.setenv("IREU_API_KEY", " ireu_y\n")
    assert read_access_key() == "ireu_y"
    file = tmp_path / "key"
    file.write_text("ireu_z\n", encoding="ascii")
    file.chmod(0o600)
    assert read_access_key(file) == "ireu_z"
    file.chmod(0o644)
    for path in (file, tmp_path / "absent"):
        with pytest.raises(ConfigError):
            read_access_key(path)


def test_every_method_of_the_client_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8").partition("## Clients")[2]
    methods = {name for name, each in vars(Client).items() if callable(each) and not name.startswith("_")}
    explained = {line.partition("`")[2].partition("(")[0] for line in page.splitlines() if line.startswith("| `")}
    assert methods == explained
