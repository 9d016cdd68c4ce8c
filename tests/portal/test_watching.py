"""What the pages say of deployments: on a case where it is watched, and of checks that came to no verdict."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures.watched import House, open_house

from ireu_governance.core.errors import ErrorCode, ServiceError
from ireu_governance.jobs.queue import JobStatus


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path / "house") as opened:
        yield opened


def words(house: House, path: str, role: str | None = "viewer") -> str:
    answer = house.ask("GET", path, role, headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def twin(house: House, role: str | None = "viewer") -> dict[str, Any]:
    answer = house.ask("GET", f"/cases/{house.case}.json", role)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def test_case_shows_where_it_is_watched_and_what_was_found_there(house: House) -> None:
    assert "It is tested on no deployment." in words(house, f"/cases/{house.case}")
    live = house.add()
    other = house.desk.cases[1][0]
    house.add("elsewhere", cases=[other])
    house.pass_time(minutes=1)
    [place] = twin(house)["places"]
    assert (place["deployment"]["id"], place["verdict"]) == (live["id"], "holds")
    house.desk.tell(matches={house.case: 40})
    house.pass_time(hours=25)
    [place] = twin(house)["places"]
    assert place["verdict"] == place["deployment"]["verdict"] == "resurfaced"
    text = words(house, f"/cases/{house.case}")
    assert "portraits-live" in text
    assert "elsewhere" not in text
    [alert] = twin(house)["alerts"]
    assert (alert["kind"], alert["case_id"], alert["deployment_name"]) == ("resurfaced", house.case, "portraits-live")


def test_good_verdict_that_no_worker_renews_is_said_to_be_late(house: House) -> None:
    live = house.add()
    house.pass_time(minutes=1)
    paths = ("/overview", "/deployments", f"/deployments/{live['id']}", f"/cases/{house.case}")
    house.service.clock.turn(hours=24, minutes=5)  # due, and a worker may still come
    for path in paths:
        assert "! Late" not in words(house, path)
    house.service.clock.turn(minutes=10)
    for path in paths:
        assert "! Late due since" in words(house, path), path
    assert "no worker has begun it" in words(house, f"/deployments/{live['id']}")
    house.pass_time(minutes=1)
    for path in paths:
        assert "! Late" not in words(house, path)


def test_paused_deployment_is_never_late(house: House) -> None:
    live = house.add()
    house.ask("PATCH", f"/v1/deployments/{live['id']}", json={"paused": True})
    house.service.clock.turn(hours=48)
    assert "! Late" not in words(house, "/deployments")


def test_verdict_of_one_case_is_not_that_of_another_on_the_same_deployment(house: House) -> None:
    house.add()
    house.desk.tell(matches={house.desk.cases[1][0]: 40})
    house.pass_time(minutes=1)
    found = twin(house)
    assert found["places"][0]["verdict"] == "holds"
    assert found["places"][0]["deployment"]["verdict"] == "resurfaced"
    assert found["alerts"] == []
    assert "No alert stands because of this case." in words(house, f"/cases/{house.case}")


def test_deployment_that_is_watched_no_more_is_still_named_where_the_case_was_tested(house: House) -> None:
    live = house.add()
    house.pass_time(minutes=1)
    assert house.ask("DELETE", f"/v1/deployments/{live['id']}").status_code in (200, 204)
    [place] = twin(house)["places"]
    assert (place["deployment"]["state"], place["verdict"]) == ("removed", "holds")


def test_people_without_a_key_learn_nothing_of_deployments(house: House) -> None:
    house.add()
    house.desk.tell(matches={house.case: 40})
    house.pass_time(minutes=1)
    house.service.context.publications.publish(house.case)
    found = twin(house, None)
    assert (found["places"], found["alerts"]) == (None, None)
    text = words(house, f"/cases/{house.case}", None)
    assert "portraits-live" not in text
    assert "Where it is watched" not in text


def test_alert_of_a_whole_deployment_concerns_each_of_its_cases(house: House) -> None:
    house.add()
    house.desk.tell(encoder="other")
    house.pass_time(minutes=1)
    assert [each["kind"] for each in twin(house)["alerts"]] == ["encoder-changed"]
    assert "all that are tested there" in words(house, f"/cases/{house.case}")


def test_failed_check_is_said_in_words_with_the_last_verdict_before(house: House) -> None:
    live = house.add()
    path = f"/deployments/{live['id']}"
    house.pass_time(minutes=1)
    assert "Nobody who was removed was recognised more often" in words(house, path)
    house.desk.tell(fail="identify")
    house.pass_time(hours=25)
    text = words(house, path)
    assert "! Check failed The last check came to no verdict" in text
    assert "Why: The encoder cannot be loaded." in text
    assert re.search(r"The last verdict before was ✓ Holds , of 24 Nov 2026", text)
    for page in ("/overview", "/deployments", "/alerts", f"/cases/{house.case}"):
        assert "! Check failed" in words(house, page), page
    assert "check-failed" not in words(house, path)


def test_deployment_whose_only_check_failed_says_that_there_is_no_verdict(house: House) -> None:
    live = house.add()
    house.desk.tell(fail="identify")
    house.pass_time(minutes=1)
    assert "No check has come to a verdict yet." in words(house, f"/deployments/{live['id']}")
    assert "– Not tested yet" in words(house, f"/cases/{house.case}")


def test_cancelled_check_is_said_in_words_and_changes_no_verdict(house: House) -> None:
    live = house.add()
    house.pass_time(minutes=1)
    job = house.ask("POST", f"/v1/deployments/{live['id']}/checks").headers["Location"].rsplit("/", 1)[-1]
    assert "Under way" in words(house, f"/deployments/{live['id']}")
    house.ask("DELETE", f"/v1/verifications/{job}")
    text = words(house, f"/deployments/{live['id']}")
    assert "– Cancelled a worker will confirm it" in text
    assert "Under way" not in text
    house.watch.tick()
    text = words(house, f"/deployments/{live['id']}")
    assert "a worker will confirm it" not in text
    assert "– Cancelled" in text
    assert "✓ Holds Nobody who was removed" in text
    text = words(house, f"/jobs/{job}")
    assert "– Cancelled Somebody cancelled it, so that it came to no verdict." in text
    assert "portraits-live" in text


def test_check_of_which_the_queue_knows_nothing_now_is_under_way(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    live = house.add()
    house.pass_time(minutes=1)
    house.ask("POST", f"/v1/deployments/{live['id']}/checks")

    def fail(_: str) -> None:
        raise ServiceError("The queue is not there.", code=ErrorCode.QUEUE_UNAVAILABLE)

    monkeypatch.setattr(house.service.context.queue, "get", fail)
    assert "Under way" in words(house, f"/deployments/{live['id']}")


def test_check_that_has_ended_and_is_not_noted_yet_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    live = house.add()
    job = house.ask("POST", f"/v1/deployments/{live['id']}/checks").headers["Location"].rsplit("/", 1)[-1]
    queue = house.service.context.queue
    done = queue.get(job).model_copy(update={"status": JobStatus.DONE})
    monkeypatch.setattr(queue, "get", lambda _: done)
    assert "● Ended a worker will note what it found" in words(house, f"/deployments/{live['id']}")
