"""Alerts: opened by what a check finds, told to receivers until they take it, resolved by what holds again."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fixtures.retests import FakeTester
from fixtures.servers import answer, serve
from fixtures.watched import House, open_house
from standardwebhooks import Webhook, WebhookVerificationError

from ireu_governance.core.errors import ConfigError
from ireu_governance.core.grounds import REFUSALS
from ireu_governance.core.keys import Role
from ireu_governance.jobs.leases import FileLeases
from ireu_governance.jobs.verification import verification_handler
from ireu_governance.ledger.requests import Requests
from ireu_governance.service.alerts import AlertCause, Alerts
from ireu_governance.service.deliveries import BACKOFF_S, Deliveries
from ireu_governance.service.webhooks import KEY_FILE, Webhooks, webhook_policy

URL = "/v1/alerts"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path / "desk", outbound_allow=["127.0.0.1/32"]) as opened:
        yield opened


def receive(house: House, url: str) -> dict[str, Any]:
    made = house.ask("POST", f"{URL}/webhooks", "admin", json={"url": url})
    assert made.status_code == 201, made.text
    return made.json()  # type: ignore[no-any-return]


def deliveries(house: House, webhook: str) -> list[dict[str, Any]]:
    return house.ask("GET", f"{URL}/webhooks/{webhook}/deliveries", "admin").json()["deliveries"]  # type: ignore[no-any-return]


def test_a_resurfaced_case_is_alerted_once_told_and_resolved_when_it_holds_again(house: House) -> None:
    messages: list[Any] = []

    def behave(asked: Any, say: Any) -> None:
        messages.append(asked)
        say(answer("503 Service Unavailable") if len(messages) <= 2 else answer("204 No Content"))

    with serve(behave) as server:
        hook = receive(house, server.url("/alerts"))
        made = house.add(every_hours=24)
        house.desk.tell(matches={house.case: 60})
        house.pass_time()
        (alert,) = house.alerts(state="open")
        assert (alert["kind"], alert["case_id"], alert["deployment"]) == ("resurfaced", house.case, made["id"])
        assert alert["removal_entry"] == house.desk.removals[0]
        assert alert["verification_entry"] is not None
        assert house.show(made["id"])["verdict"] == "resurfaced"
        house.pass_time(seconds=5)
        assert deliveries(house, hook["id"])[0]["last_error"] == "status-503"
        house.pass_time(seconds=300)
        (told,) = deliveries(house, hook["id"])
        assert (told["state"], told["attempts"], len(messages)) == ("delivered", 3, 3)
        assert {each.headers["webhook-id"] for each in messages} == {told["id"]}
        body = Webhook(hook["secret"]).verify(messages[-1].body, messages[-1].headers)
        assert (body["type"], body["data"]["case"], body["data"]["kind"]) == ("alert.opened", house.case, "resurfaced")
        with pytest.raises(WebhookVerificationError):
            Webhook(hook["secret"]).verify(messages[-1].body + b" ", messages[-1].headers)
        house.pass_time(hours=24)  # found again: the same alert
        (again,) = house.alerts()
        assert (again["id"], again["times"], len(messages)) == (alert["id"], 2, 3)
        house.desk.tell()
        house.pass_time(hours=24)
        (over,) = house.alerts()
        assert (over["state"], house.show(made["id"])["verdict"]) == ("resolved", "holds")
        assert json.loads(messages[-1].body)["type"] == "alert.resolved"
        house.desk.tell(matches={house.case: 60})
        house.pass_time(hours=24)
        assert [each["state"] for each in house.alerts()] == ["open", "resolved"]


def test_an_acknowledged_alert_is_silent_until_it_is_resolved(house: House) -> None:
    house.add(every_hours=1)
    house.desk.tell(matches={house.case: 60})
    house.pass_time()
    (alert,) = house.alerts()
    place = f"{URL}/{alert['id']}/acknowledgement"
    known = house.ask("POST", place).json()
    assert known["state"] == "acknowledged"
    assert known["acknowledged_by"].startswith("key:")
    assert house.ask("POST", place).json() == known
    house.pass_time(hours=1)
    assert [each["state"] for each in house.alerts()] == ["acknowledged"]
    assert house.alerts(state="open") == []
    house.desk.tell()
    house.pass_time(hours=1)
    assert house.alerts(state="resolved")[0]["id"] == alert["id"]


def test_what_a_check_cannot_decide_resolves_nothing(house: House) -> None:
    house.add(every_hours=1)
    house.desk.tell(matches={house.case: 60})
    house.pass_time()
    house.desk.tell(erased=[house.case])
    house.pass_time(hours=1)
    assert [each["state"] for each in house.alerts()] == ["open"]


def test_another_encoder_and_lost_utility_are_alerted_for_deployment_and_removal(house: House) -> None:
    house.add(every_hours=1)
    house.desk.tell(encoder="other", similarity=0.1)
    house.pass_time()
    found = sorted((each["kind"], each["removal_entry"]) for each in house.alerts() if each["case_id"] is None)
    assert found == [("encoder-changed", None), *(("utility-lost", seq) for seq in house.desk.removals)]
    house.desk.tell()
    house.pass_time(hours=1)
    assert {each["state"] for each in house.alerts()} == {"resolved"}


def test_a_check_that_fails_is_alerted_and_the_next_one_resolves_it(house: House) -> None:
    made = house.add(every_hours=1)
    house.desk.tell(fail="identify")
    house.pass_time()
    (alert,) = house.alerts()
    assert alert["kind"] == "check-failed"
    found = house.show(made["id"])
    assert (found["verdict"], found["checks"][0]["note"]) == ("check-failed", "encoder-unloadable")
    house.desk.tell()
    house.pass_time(hours=1)
    assert house.alerts()[0]["state"] == "resolved"


def test_a_cancelled_check_says_nothing(house: House) -> None:
    made = house.add()
    house.watch.tick()
    (job,) = house.queue.jobs
    house.ask("DELETE", f"/v1/verifications/{job}")
    house.watch.tick()
    found = house.show(made["id"])
    assert (found["verdict"], found["checks"][0]["verdict"], house.alerts()) == (None, "cancelled", [])


def test_a_job_that_the_queue_has_forgotten_is_a_failed_check(house: House) -> None:
    made = house.add()
    house.watch.tick()
    house.queue.jobs.clear()
    house.watch.tick()
    assert house.show(made["id"])["checks"][0]["note"] == "job-unknown"


def test_a_result_is_taken_once_also_when_nobody_was_told(house: House) -> None:
    made = house.add()
    house.desk.tell(matches={house.case: 60})
    house.watch.tick()
    quiet = {**house.handlers}
    leases = FileLeases(house.desk.workspace.root / "jobs.locks")
    quiet["verification"] = verification_handler(
        house.desk.workspace, lambda: FakeTester(house.desk.workspace), leases=leases
    )
    house.queue.work(quiet)
    assert house.alerts() == []
    house.watch.tick()
    house.open_watch().tick()
    (alert,) = house.alerts()
    assert alert["times"] == 1
    assert house.show(made["id"])["verdict"] == "resurfaced"


def test_an_overdue_request_is_alerted_until_it_is_answered(house: House) -> None:
    workspace = house.desk.workspace
    with workspace.open_vault() as vault, workspace.open_ledger() as ledger:
        requests = Requests(
            vault=vault,
            ledger=ledger,
            record_signer=workspace.signer(Role.RECORD),
            log_signer=workspace.signer(Role.LOG),
        )
        case = requests.add("Somebody, by letter", received=date(2026, 1, 5)).case_id
        house.watch.tick()
        (alert,) = house.alerts()
        assert (alert["kind"], alert["case_id"], alert["deployment"]) == ("request-overdue", case, None)
        house.open_watch().tick()
        assert house.alerts()[0]["times"] == 1
        requests.refuse(case, grounds=[next(iter(REFUSALS))])
    house.open_watch().tick()
    assert house.alerts()[0]["state"] == "resolved"


def test_a_receiver_that_never_takes_it_leaves_a_dead_message_that_can_be_repeated(house: House) -> None:
    answers = ["500 Internal Server Error"]

    def behave(_: Any, say: Any) -> None:
        say(answer(answers[-1]))

    with serve(behave) as server:
        hook = receive(house, server.url())
        house.add(every_hours=2000)
        house.desk.tell(encoder="other")
        house.pass_time()
        house.work()
        for seconds in BACKOFF_S:
            house.pass_time(seconds=seconds)
        (dead,) = deliveries(house, hook["id"])
        assert (dead["state"], dead["attempts"]) == ("dead", len(BACKOFF_S) + 1)
        house.pass_time(days=2)
        assert len(server.asked) == len(BACKOFF_S) + 1
        answers.append("200 OK")
        house.ask("POST", f"{URL}/deliveries/{dead['id']}/repeat", "admin")
        house.pass_time()
        assert deliveries(house, hook["id"])[0]["state"] == "delivered"


def test_a_receiver_that_is_gone_is_not_asked_again(house: House) -> None:
    with serve(lambda _, say: say(answer("410 Gone"))) as server:
        hook = receive(house, server.url())
        house.add()
        house.desk.tell(encoder="other")
        house.pass_time()
        house.work()
        assert [(each["state"], each["attempts"]) for each in deliveries(house, hook["id"])] == [("dead", 1)]


def test_redirects_and_broken_answers_count_as_failures(house: House) -> None:
    def behave(asked: Any, say: Any) -> None:
        say(answer("302 Found", Location="http://127.0.0.1:1/") if "redirect" in asked.line else b"nonsense")

    with serve(behave) as server:
        hooks = [receive(house, server.url(path)) for path in ("/redirect", "/broken")]
        house.add()
        house.desk.tell(encoder="other")
        house.pass_time()
        house.work()
        states = [deliveries(house, hook["id"])[0] for hook in hooks]
    assert [each["state"] for each in states] == ["pending", "pending"]
    assert states[0]["last_error"] == "redirect"


def test_a_message_whose_worker_died_is_tried_again(house: House) -> None:
    with serve(lambda _, say: say(answer("200 OK"))) as server:
        hook = receive(house, server.url())
        house.add(every_hours=2000)
        house.desk.tell(encoder="other")
        house.watch.tick()
        house.work()
        lost = [number for number, state in house.queue.jobs.items() if state.kind == "alert-delivery"]
        house.queue._change(lost[0], status="failed")
        house.pass_time(seconds=1000)
        assert deliveries(house, hook["id"])[0]["last_error"] == "worker-lost"
        house.pass_time(seconds=5)
        assert deliveries(house, hook["id"])[0]["state"] == "delivered"


def test_secrets_are_shown_once_and_stored_encrypted(house: House) -> None:
    made = receive(house, "https://alerts.example.org/ireu")
    assert made["secret"].startswith("whsec_")
    assert "secret" not in house.ask("GET", f"{URL}/webhooks/{made['id']}", "admin").json()
    key = house.desk.workspace.root / KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    stored = b"".join(path.read_bytes() for path in house.desk.workspace.root.glob("service.db*"))
    assert made["secret"].removeprefix("whsec_").encode() not in stored
    webhooks = Webhooks(
        house.service.context.store,
        house.desk.workspace.root,
        policy=webhook_policy(house.service.context.settings),
    )
    assert webhooks.secret(made["id"]) == made["secret"]
    key.write_bytes(bytes(32))
    with pytest.raises(ConfigError):
        webhooks.secret(made["id"])
    key.write_bytes(b"short")
    with pytest.raises(ConfigError):
        webhooks.secret(made["id"])


def test_a_removed_receiver_is_told_nothing_more(house: House) -> None:
    hook = receive(house, "https://alerts.example.org/ireu")
    store = house.service.context.store
    with store.writing() as connection:
        Alerts(store).raise_all(connection, [AlertCause("check-failed", "0" * 32)])
    assert house.ask("DELETE", f"{URL}/webhooks/{hook['id']}", "admin").status_code == 200
    (waiting,) = Deliveries(store).list()
    assert (waiting.state, waiting.last_error) == ("dead", "webhook-removed")
    assert house.ask("GET", f"{URL}/webhooks", "admin").json()["webhooks"] == []
    gone = house.ask("DELETE", f"{URL}/webhooks/{hook['id']}", "admin")
    assert (gone.status_code, gone.json()["code"]) == (404, "webhook-unknown")


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/", "https://user:pw@example.org/", "http://169.254.169.254/", "http://10.0.0.1/", "file:///x"],
)
def test_addresses_of_the_inside_are_no_receivers(house: House, url: str) -> None:
    refused = house.ask("POST", f"{URL}/webhooks", "admin", json={"url": url})
    assert (refused.status_code, refused.json()["code"]) == (422, "outbound-refused")


def test_alerts_are_listed_in_pages_by_deployment_and_state(house: House) -> None:
    store = house.service.context.store
    alerts = Alerts(store, clock=house.service.clock)
    for number in range(3):
        house.service.clock.turn(seconds=1)
        with store.writing() as connection:
            alerts.raise_all(connection, [AlertCause("check-failed", f"{number:032x}")])
    seen, place = [], f"{URL}?limit=2"
    while place:
        found = house.ask("GET", place)
        seen += [each["deployment"] for each in found.json()["alerts"]]
        place = found.headers.get("link", "").partition(">")[0].lstrip("<")
    assert seen == [f"{number:032x}" for number in (2, 1, 0)]
    assert len(house.alerts(deployment=f"{1:032x}")) == 1
    assert house.ask("GET", f"{URL}/{'0' * 32}").json()["code"] == "alert-unknown"


def test_an_alert_that_two_open_at_once_is_one(house: House) -> None:
    store = house.service.context.store
    alerts = Alerts(store)
    cause = AlertCause("check-failed", "0" * 32)
    with store.writing() as connection:
        alerts.raise_all(connection, [cause, cause])
    (alert,) = alerts.list()
    assert alert.times == 2
