"""After `job_days`, workers remove what ended; receipts and all that was recorded can be had as before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import builders
import pytest
from fixtures.servers import answer, serve
from fixtures.watched import House, open_house

from ireu_governance.core.keys import Role
from ireu_governance.core.receipt_verification import verify_receipt
from ireu_governance.core.verdict import Verdict
from ireu_governance.rotation import KeyRequest, rotate
from ireu_governance.service.deliveries import Deliveries

URL = "/v1/verifications"


def tidy(house: House, **by: float) -> None:
    """Let time go by, and have a worker look that has just begun."""
    house.service.clock.turn(**by)
    house.open_watch().tick()


def submit(house: House) -> str:
    place: str = house.ask("POST", URL, json={"encoder": {"kind": "folder", "path": "encoders/in-use"}}).headers[
        "location"
    ]
    return place


def receipt(house: House, place: str) -> Any:
    return house.ask("GET", f"{place}/receipt", "viewer")


def test_receipt_of_a_job_that_was_removed_is_made_again_and_holds(tmp_path: Path) -> None:
    with open_house(tmp_path / "desk") as house:
        place, waiting = submit(house), ""
        house.work()
        first = receipt(house, place)
        tidy(house, days=360)
        assert house.ask("GET", place).json()["status"] == "done", "not old enough"
        waiting = submit(house)
        tidy(house, days=6)
        gone = house.ask("GET", place)
        assert (gone.status_code, gone.json()["code"]) == (404, "job-unknown")
        assert "job_days" in gone.json()["hint"]
        assert house.ask("GET", waiting).json()["status"] == "queued"
        again = receipt(house, place)
        assert (again.status_code, again.headers["content-type"]) == (200, first.headers["content-type"])
        report = verify_receipt(again.content, key_file=house.desk.workspace.key_file(), encoder=builders.AFTER)
        assert (report.verdict, report.job) == (Verdict.HOLDS, place.rpartition("/")[2])
        shown = house.ask("GET", f"/jobs/{report.job}/receipt", "viewer")
        assert verify_receipt(shown.content, key_file=house.desk.workspace.key_file()).verdict is Verdict.HOLDS
        before = verify_receipt(first.content, key_file=house.desk.workspace.key_file())
        assert report.removals == before.removals
        assert house.service.get(f"{place}/receipt").status_code == 401
        never = receipt(house, f"{URL}/{'0' * 32}")
        assert (never.status_code, never.json()["code"]) == (404, "job-unknown")


def test_no_receipt_is_made_of_entries_that_count_no_more(tmp_path: Path) -> None:
    with open_house(tmp_path / "desk") as house:
        place = submit(house)
        with house.desk.workspace.open_ledger() as ledger:
            size = ledger.head().size
        house.work()
        tidy(house, days=366)
        assert receipt(house, place).status_code == 200
        rotate(house.desk.workspace, KeyRequest(role=Role.RECORD, reason="compromised", from_size=size))
        with house.desk.workspace.open_ledger() as ledger:
            ledger.publish(house.desk.workspace.signer(Role.LOG))
        assert receipt(house, place).json()["code"] == "job-unknown"


def test_jobs_are_kept_for_ever_if_that_is_asked_for(tmp_path: Path) -> None:
    with open_house(tmp_path / "desk", job_days=0) as house:
        place = submit(house)
        house.work()
        tidy(house, days=36_000)
        assert house.ask("GET", place).json()["status"] == "done"


def test_job_of_an_alert_that_stands_is_kept_until_it_is_resolved(tmp_path: Path) -> None:
    with open_house(tmp_path / "desk", job_days=1) as house:
        made = house.add(every_hours=2160)
        house.desk.tell(matches={house.case: 60})
        house.pass_time(seconds=1)
        (alert,) = house.alerts(state="open")
        place = f"{URL}/{alert['verification']}"
        tidy(house, days=30)
        assert house.ask("GET", place).status_code == 200
        house.desk.tell()
        house.ask("POST", f"/v1/deployments/{made['id']}/checks", "tester")
        house.pass_time(seconds=1)
        assert house.alerts(state="open") == []
        tidy(house, days=30)
        assert house.ask("GET", place).status_code == 404
        assert house.show(made["id"])["verdict"] == "holds", "what came out of checks stays"


@pytest.mark.parametrize("status", ["204 No Content", "410 Gone"])
def test_messages_that_were_taken_or_given_up_are_removed_and_not_sent_again(tmp_path: Path, status: str) -> None:
    asked: list[Any] = []

    def behave(request: Any, say: Any) -> None:
        asked.append(request)
        say(answer(status))

    with serve(behave) as server, open_house(tmp_path / "desk", outbound_allow=["127.0.0.1/32"]) as house:
        made = house.ask("POST", "/v1/alerts/webhooks", "admin", json={"url": server.url("/alerts")}).json()

        def told() -> Any:
            return house.ask("GET", f"/v1/alerts/webhooks/{made['id']}/deliveries", "admin").json()["deliveries"]

        house.add(every_hours=2160)
        house.desk.tell(matches={house.case: 60})
        house.pass_time(seconds=1)
        assert (len(told()), len(asked)) == (1, 1)
        tidy(house, days=80)
        assert [each["state"] for each in told()] == ["delivered" if "204" in status else "dead"]
        assert Deliveries(house.service.context.store).remove_ended(house.service.clock()) == 1
        assert told() == []
        house.pass_time(seconds=10)
        assert (told(), len(asked)) == ([], 1)
        (alert,) = house.alerts(state="open")
        assert alert["times"] == 1


def test_message_that_waits_is_not_removed_however_old(tmp_path: Path) -> None:
    with open_house(tmp_path / "desk", outbound_allow=["127.0.0.1/32"]) as house:
        made = house.ask("POST", "/v1/alerts/webhooks", "admin", json={"url": "http://127.0.0.1:9/x"}).json()
        house.add(every_hours=2160)
        house.desk.tell(matches={house.case: 60})
        house.pass_time(seconds=1)
        house.service.clock.turn(days=2000)
        assert Deliveries(house.service.context.store).remove_ended(house.service.clock()) == 0
        found = house.ask("GET", f"/v1/alerts/webhooks/{made['id']}/deliveries", "admin").json()["deliveries"]
        assert [each["state"] for each in found] == ["pending"]
