"""What the pages say is to be done next: after each step of a request, and about each thing that is wrong."""

from __future__ import annotations

import re
from datetime import date

import pytest
from fixtures.portal import Scene, Visit

from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.portal.guidance import next_step
from ireu_governance.portal.wording import what_to_do
from ireu_governance.service.alerts import KINDS
from ireu_governance.service.case_files import CaseFile


def words(visit: Visit, path: str) -> str:
    answer = visit.get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def file_of(scene: Scene, case_id: str) -> CaseFile:
    return scene.context.record.cases.open(case_id, today=date.today(), everything=True)


def case_that_is(scene: Scene, state: str) -> str:
    return next(each.case_id for each in scene.context.record.requests.list(date.today()) if each.state == state)


def test_accepted_request_says_that_an_engineer_is_next_and_what_they_type(scene: Scene, officer: Visit) -> None:
    case_id = case_that_is(scene, "accepted")
    text = words(officer, f"/cases/{case_id}")
    assert f"ireu unlearn --case {case_id}" in text
    first = re.search(r'<a role="button" class="([^"]*)" href="/cases/[^"]+">', officer.get(f"/cases/{case_id}").text)
    assert first is not None
    assert first[1] == "secondary", "to extend the time looks like what has to be done"


def test_received_request_names_the_last_day_for_an_answer(scene: Scene, officer: Visit) -> None:
    assert "Next: Accept or refuse the request." in words(officer, f"/cases/{scene.waiting}")


def test_strangers_are_not_told_what_the_organisation_has_to_do(scene: Scene) -> None:
    with Visit.of(scene, None) as visitor:
        assert "Next:" not in words(visitor, f"/cases/{scene.published}")


@pytest.mark.parametrize("code", sorted({*KINDS, *RetestVerdict} - {"holds", "evidence-erased"}))
def test_whatever_is_wrong_says_what_to_do(code: str) -> None:
    assert what_to_do(code).endswith(".")


def test_alerts_say_what_to_do_and_resolved_ones_say_nothing(scene: Scene, officer: Visit) -> None:
    assert "Resurfaced: what to do." in words(officer, "/alerts?state=all")
    assert "what to do." not in words(officer, "/alerts?state=resolved")


def test_nothing_is_to_be_done_about_what_holds(scene: Scene) -> None:
    assert next_step(file_of(scene, scene.published)) is None


def test_resurfaced_case_says_so_once_beside_its_alert(scene: Scene) -> None:
    found = next_step(file_of(scene, scene.resurfaced))
    assert found is not None
    assert found.text == what_to_do("resurfaced")
    assert next_step(file_of(scene, scene.resurfaced), {"resurfaced"}) is None


def with_request(scene: Scene, state: str, **test: str) -> CaseFile:
    """A case that was removed and tested, with a request in a state."""
    request = file_of(scene, scene.waiting).request
    assert request is not None
    file = file_of(scene, scene.published)
    latest = file.verifications[-1].model_copy(update=test)
    request = request.model_copy(update={"state": state})
    return file.model_copy(update={"request": request, "verifications": [latest]})


@pytest.mark.parametrize(
    ("state", "test", "expected"),
    [
        ("accepted", {"occasion": "removal", "verdict": "inconclusive"}, "carry it out again"),
        ("accepted", {"verdict": "resurfaced"}, "Take that encoder out of use"),
        ("accepted", {"verdict": "holds"}, "Record the request as done"),
        ("done", {"verdict": "holds"}, "how many recipients were told"),
        ("done", {"verdict": "evidence-erased"}, "how many recipients were told"),
    ],
)
def test_each_state_after_a_removal_leads_on(scene: Scene, state: str, test: dict[str, str], expected: str) -> None:
    found = next_step(with_request(scene, state, **test))
    assert found is not None
    assert expected in found.text


def test_request_that_was_answered_and_told_of_leads_nowhere(scene: Scene) -> None:
    assert next_step(with_request(scene, "informed")) is None
    assert next_step(with_request(scene, "refused")) is None
