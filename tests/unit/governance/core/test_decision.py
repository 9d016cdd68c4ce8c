"""From figures to verdicts, and the exact interval against other ways to compute it."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from builders import make_plan, make_retained, make_score, make_test
from hypothesis import given, settings
from hypothesis import strategies as st

from ireu_governance.core.decision import (
    MAX_PROBES,
    clopper_pearson,
    decide_case,
    find_score,
    retained_similarity,
    verify_matches,
    worst,
)
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.statement import Plan, Score
from ireu_governance.core.verdict import RetestVerdict as V

PLAN = Plan.model_validate(make_plan(), strict=False)


def score(*args: object, **changes: object) -> Score:
    return Score.model_validate(make_score(*args, **changes), strict=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("matches", "n", "lower", "upper"),
    [
        # Figures that other programs give; 81 of 263 is the example of Newcombe (1998): 0.2527 to 0.3676.
        (0, 10, 0.0, 0.3084971),
        (5, 10, 0.1870860, 0.8129140),
        (10, 10, 0.6915029, 1.0),
        (1, 20, 0.0012650, 0.2487328),
        (0, 16, 0.0, 0.2059073),
        (81, 263, 0.2527367, 0.3676219),
    ],
)
def test_known_intervals(matches: int, n: int, lower: float, upper: float) -> None:
    assert clopper_pearson(matches, n) == pytest.approx((lower, upper), abs=1.5e-6)


def tail(matches: int, n: int, p: Fraction) -> Fraction:
    """The exact chance of at least so many matches."""
    return sum((Fraction(math.comb(n, k)) * p**k * (1 - p) ** (n - k) for k in range(matches, n + 1)), Fraction(0))


@settings(max_examples=60)
@given(st.integers(1, 40), st.data())
def test_interval_ends_are_where_the_exact_tails_say(n: int, data: st.DataObject) -> None:
    matches = data.draw(st.integers(0, n))
    lower, upper = clopper_pearson(matches, n)
    assert 0.0 <= lower <= matches / n <= upper <= 1.0
    if matches:
        assert float(tail(matches, n, Fraction(lower))) == pytest.approx(0.025, abs=1e-9)
    if matches < n:
        assert float(1 - tail(matches + 1, n, Fraction(upper))) == pytest.approx(0.025, abs=1e-9)


@given(st.integers(1, 5000), st.data())
def test_interval_is_symmetric(n: int, data: st.DataObject) -> None:
    matches = data.draw(st.integers(0, n))
    lower, upper = clopper_pearson(matches, n)
    assert clopper_pearson(n - matches, n) == pytest.approx((1 - upper, 1 - lower), abs=1e-12)


@pytest.mark.parametrize("n", [1, 16, 1000, 12_345, MAX_PROBES])
def test_interval_agrees_with_scipy(n: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    for matches in sorted({0, 1, n // 7, n // 2, n - 1, n}):
        lower, upper = clopper_pearson(matches, n)
        assert lower == pytest.approx(stats.beta.ppf(0.025, matches, n - matches + 1) if matches else 0, abs=1e-11)
        assert upper == pytest.approx(stats.beta.ppf(0.975, matches + 1, n - matches) if matches < n else 1, abs=1e-11)


def test_closed_form_without_matches() -> None:
    for n in (1, 3, 16, 400):
        assert clopper_pearson(0, n)[1] == pytest.approx(1 - 0.025 ** (1 / n), abs=1e-12)


@pytest.mark.parametrize(("matches", "n"), [(-1, 3), (4, 3), (0, MAX_PROBES + 1), (0, 2**53), (2**53, 2**53)])
def test_impossible_or_endless_counts_are_refused(matches: int, n: int) -> None:
    with pytest.raises(InputError):
        clopper_pearson(matches, n)


def test_no_probes_leave_everything_open() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("scores", "similarity", "verdict"),
    [
        ([score(matches=0, n=64)], 0.95, V.HOLDS),
        ([score(matches=0, n=16)], 0.9, V.HOLDS),
        ([score(matches=6, n=64)], 0.95, V.HOLDS),  # 9.4 %: below the limit of 10 %
        ([score(matches=6, n=60)], 0.95, V.HOLDS),  # the limit itself is permitted
        ([score(matches=7, n=64)], 0.95, V.INCONCLUSIVE),  # 10.9 %, but the lower bound is 4.5 %
        ([score(matches=16, n=64)], 0.95, V.RESURFACED),  # 25 %, lower bound 15 %
        ([score(matches=64, n=64)], 0.95, V.RESURFACED),
        ([score(matches=0, n=15)], 0.95, V.INCONCLUSIVE),
        ([score(matches=15, n=15)], 0.95, V.INCONCLUSIVE),  # too few probes prove nothing either way
        ([score(matches=0, n=64)], 0.8999, V.UTILITY_LOST),
        ([score(matches=16, n=64)], 0.5, V.RESURFACED),
        ([score(matches=7, n=64)], 0.5, V.UTILITY_LOST),
        ([score(matches=0, n=64)], None, V.INCONCLUSIVE),
        ([], 0.95, V.INCONCLUSIVE),
        ([score("another-test", 0, 64)], 0.95, V.INCONCLUSIVE),
        ([score(matches=0, n=64), score(matches=0, n=64)], 0.95, V.INCONCLUSIVE),
        ([score(matches=0, n=64).model_copy(update={"matches": None})], 0.95, V.INCONCLUSIVE),
    ],
)
def test_verdict_follows_from_the_figures(scores: list[Score], similarity: float | None, verdict: V) -> None:
    assert decide_case(PLAN, scores, similarity) is verdict


def test_bound_that_is_the_limit_itself_is_not_above_it() -> None:
    found = score(matches=7, n=64)
    assert found.matches is not None
    plan = Plan.model_validate(make_plan(make_test(max_match_rate=found.matches.lower_95)), strict=False)
    assert decide_case(plan, [found], 0.95) is V.INCONCLUSIVE


def test_every_planned_test_counts() -> None:
    plan = Plan.model_validate(make_plan(make_test(), make_test(name="attack")), strict=False)
    good, bad = score(matches=0, n=64), score("attack", 64, 64)
    assert decide_case(plan, [good], 0.95) is V.INCONCLUSIVE
    assert decide_case(plan, [good, bad], 0.95) is V.RESURFACED
    assert decide_case(plan, [good, score("attack", 0, 64)], 0.95) is V.HOLDS


def test_plan_without_tests_or_probes_holds_nothing() -> None:
    empty = Plan(tests=(), min_retained_similarity=-1.0)
    assert decide_case(empty, [score()], 1.0) is V.INCONCLUSIVE
    plan = Plan.model_validate(make_plan(make_test(min_probes=0)), strict=False)
    nothing = score().model_copy(update={"n": 0})
    assert decide_case(plan, [nothing], 1.0) is V.INCONCLUSIVE


def test_worst_comes_first() -> None:
    assert worst([V.HOLDS, V.INCONCLUSIVE, V.RESURFACED, V.UTILITY_LOST]) is V.RESURFACED
    assert worst([V.HOLDS, V.EVIDENCE_ERASED]) is V.EVIDENCE_ERASED
    assert worst([V.HOLDS]) is V.HOLDS
    assert worst([]) is V.INCONCLUSIVE


def test_retained_similarity_is_read_only_if_it_is_stated_once() -> None:
    retained = Score.model_validate(make_retained(0.93), strict=False)
    assert retained_similarity([score(), retained]) == 0.93
    assert retained_similarity([retained, retained]) is None
    assert retained_similarity([score()]) is None
    assert find_score([retained], "retained-similarity") is retained


def test_own_figures_verify() -> None:
    for matches in (0, 3, 64):
        verify_matches(score(matches=matches), check="verdict")
    verify_matches(Score.model_validate(make_retained(), strict=False), check="verdict")


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": 0.1},
        {"lower_95": 0.03},
        {"upper_95": 0.05},
        {"matches": 4},
        {"matches": 65},
        {"matches": 2**53 - 1},
    ],
)
def test_figures_that_do_not_follow_from_the_counts_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_matches(score("portrait-match", 3, 64, changes), check="verdict")
    assert caught.value.check == "verdict"
