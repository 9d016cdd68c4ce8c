"""What the figures of a certificate mean: by the plan of the request, computed again, in the order of time.

The dishonest ones here have all keys of the log, so every signature and proof is genuine; only what is said differs.
"""

from __future__ import annotations

from typing import Any

import pytest
from builders import CASE_ID, Removal, make_plan, make_retained, make_score, make_test
from fixtures.verified import SECOND_CASE, assert_fails, case, verify

from ireu_governance.core.certificate import issue_certificate
from ireu_governance.core.errors import VerificationError
from ireu_governance.core.verdict import Verdict

# What the figures mean.


def verified(*cases: dict[str, object], verdict: str = "holds", **changes: object) -> Removal:
    ids = [str(each["case_id"]) for each in cases]
    return Removal(case_ids=ids, verification={"cases": cases, "verdict": verdict, **changes})


def test_resurfaced_person_is_reported_as_such() -> None:
    assert_fails(verified(case("resurfaced", make_score(matches=60)), verdict="resurfaced"), "verdict", "resurfaced")


def test_one_resurfaced_case_of_two_is_enough() -> None:
    removal = verified(case(), case("resurfaced", make_score(matches=60), case_id=SECOND_CASE), verdict="resurfaced")
    assert_fails(removal, "verdict", f"first {SECOND_CASE}")


@pytest.mark.parametrize(
    ("recorded", "score"),
    [
        ("holds", make_score(matches=60)),
        ("inconclusive", make_score(matches=60)),
        ("holds", make_score(matches=8)),
        ("holds", make_score(matches=0, n=8)),
        ("evidence-erased", make_score(matches=60)),
        ("resurfaced", make_score(matches=0)),
    ],
)
def test_recorded_verdict_that_does_not_follow_is_refused(recorded: str, score: dict[str, object]) -> None:
    report = verify(verified(case(recorded, score), verdict=recorded))
    assert "verdict" in {each.name for each in report.failed()}


def test_overall_verdict_better_than_its_cases_is_refused() -> None:
    removal = verified(case("resurfaced", make_score(matches=60)), verdict="holds")
    assert_fails(removal, "verdict", "its cases mean 'resurfaced'")


@pytest.mark.parametrize(
    "recorded", [{"rate": 0.0}, {"lower_95": 0.0}, {"upper_95": 0.05}, {"matches": 0}, {"matches": 2**53 - 1}]
)
def test_embellished_figures_are_refused(recorded: dict[str, object]) -> None:
    report = verify(verified(case("holds", make_score("portrait-match", 4, 64, recorded))))
    assert "verdict" in {each.name for each in report.failed()}


def test_embellished_figure_beside_the_planned_tests_is_refused_too() -> None:
    extra = make_score("attack", 4, 64, {"upper_95": 0.1})
    assert_fails(verified(case("holds", make_score(), extra)), "verdict", "attack")
    assert_fails(verified(case(), scores=(make_retained(), extra)), "verdict", "attack")


def test_lost_utility_is_reported_as_such() -> None:
    removal = verified(case("utility-lost"), verdict="utility-lost", scores=(make_retained(0.5),))
    assert_fails(removal, "verdict", "utility-lost")
    assert_fails(verified(case(), scores=(make_retained(0.5),)), "verdict", "utility-lost")


def test_unmeasured_utility_cannot_hold() -> None:
    assert_fails(verified(case(), scores=()), "verdict", "inconclusive")


@pytest.mark.parametrize(
    "removal",
    [
        verified(case("inconclusive", make_score(matches=8)), verdict="inconclusive"),
        verified(case("inconclusive", make_score(matches=0, n=8)), verdict="inconclusive"),
        verified({"case_id": CASE_ID, "verdict": "evidence-erased", "scores": ()}, verdict="evidence-erased"),
    ],
)
def test_open_question_is_left_open_and_no_certificate_issued(removal: Removal) -> None:
    report = verify(removal)
    assert report.verdict is Verdict.UNDECIDED
    assert report.failed() == ()
    with pytest.raises(VerificationError) as caught:
        issue_certificate(
            **removal.logged(),
            key_file=removal.log.keys.key_file,
            signer=removal.log.keys.record,
            issued_at=removal.issued_at,
        )
    assert caught.value.check == "verdict"


# The plan.


def planned(*tests: dict[str, object]) -> Removal:
    return Removal(request={"plan": make_plan(*tests)})


def test_planned_test_that_was_not_reported_is_refused() -> None:
    report = verify(planned(make_test(), make_test(name="attack")))
    assert "plan" in {each.name for each in report.failed()}


def test_test_made_at_another_threshold_is_refused() -> None:
    assert_fails(planned(make_test(threshold=0.3)), "plan", "threshold")


@pytest.mark.parametrize("field", ["false_match_rate", "false_match_rate_upper_95"])
def test_test_with_other_error_rates_is_refused(field: str) -> None:
    assert_fails(planned(make_test(**{field: 0.01})), "plan", "error rates")


def test_test_reported_twice_is_refused() -> None:
    report = verify(verified(case("inconclusive", make_score(), make_score()), verdict="inconclusive"))
    assert {each.name for each in report.failed()} == {"plan"}


def test_plan_with_two_tests_of_one_name_is_refused() -> None:
    assert_fails(planned(make_test(), make_test(max_match_rate=0.9)), "plan", "same name")


def test_plan_without_tests_is_refused() -> None:
    removal = Removal(request={"plan": {"tests": (), "min_retained_similarity": -1.0}})
    report = verify(removal)
    assert "plan" in {each.name for each in report.failed()}


# Times.


@pytest.mark.parametrize(
    "change",
    [
        {"request": {"recorded_at": "2026-11-20T10:00:01Z"}},
        {"removal": {"recorded_at": "2026-11-20T11:00:01Z"}},
        {"verification": {"recorded_at": "2026-11-20T12:00:01Z"}},
        {"issued_at": "2026-11-20T10:59:59Z"},
        {"removal": {"recorded_at": "2026-11-20T08:30:00Z"}},
    ],
)
def test_times_out_of_order_are_refused(change: dict[str, Any]) -> None:
    assert_fails(Removal(**change), "time")


def test_equal_times_are_in_order() -> None:
    moment = {"recorded_at": "2026-11-20T12:00:00Z"}
    assert verify(Removal(request=moment, removal=moment, verification=moment)).verdict is Verdict.HOLDS
