"""Scores, plans and cases as rows of tables."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final

from ireu_governance.core.decision import RETAINED_SIMILARITY, find_score
from ireu_governance.core.removal_predicates import CaseResult, Plan, PlannedTest, Score, Verification
from ireu_governance.reports.figures import decimal, percent
from ireu_governance.reports.view import CaseView, Fact, PlanRow, ScoreRow, ScoreTable
from ireu_governance.reports.words import DIRECTIONS, RETESTS, SCORES, UNITS, ScoreWords

__all__ = ["MAX_ROWS", "describe_case", "describe_others", "describe_plan", "explain_scores", "summarise_results"]

MAX_ROWS: Final = 500  # scores on one page; a certificate may hold hundreds of times that, which nobody reads

_FEATURES: Final = "features"
_DIRECT: Final = "the encoder's own output"


def describe_plan(plan: Plan) -> tuple[tuple[PlanRow, ...], str]:
    """Return the planned tests as rows, and the rule about other people in one sentence."""
    rule = (
        "Whatever these tests find, the removal does not hold if the encoder's output for other people is on average"
        f" less similar to the original's than {decimal(plan.min_retained_similarity)}."
    )
    return tuple(_plan_row(test) for test in plan.tests), rule


def describe_case(case: CaseResult, plan: Plan, *, with_scores: bool = True) -> CaseView:
    """Return what was found for a case: first what decides, then everything else by its source.

    Args:
        case: The result.
        plan: Says which scores decide.
        with_scores: Whether there is room for its scores.
    """
    tables = _tables("Tests that decide", case.scores, {test.name for test in plan.tests}) if with_scores else ()
    return CaseView(case_id=case.case_id, verdict=RETESTS[case.verdict], tables=tables)


def describe_others(scores: Sequence[Score]) -> tuple[ScoreTable, ...]:
    """Return what was found for everybody else, likewise."""
    return _tables("What decides about other people", scores, {RETAINED_SIMILARITY})


def explain_scores(verification: Verification) -> tuple[Fact, ...]:
    """Return the plain names of all scores of a verification with what they mean, each once."""
    scores = [score for case in verification.cases for score in case.scores]
    names = dict.fromkeys(_split(score.name)[1] for score in (*scores, *verification.scores))
    return tuple(Fact(SCORES[name].label, SCORES[name].meaning) for name in names if name in SCORES)


def summarise_results(plan: Plan, verification: Verification) -> tuple[str, ...]:
    """Return the deciding results in sentences, over all cases together where there are several."""
    found: list[str] = []
    lower = upper = permitted = 0.0
    for test in plan.tests:
        scores = [s for case in verification.cases for s in case.scores if s.name == test.name]
        matches = [score.matches for score in scores if score.matches is not None]
        if matches:
            recognised, probes = sum(each.matches for each in matches), sum(score.n for score in scores)
            found.append(f"{_place_of(test)}, {recognised:,} of {probes:,}")
            lower = max(lower, *(each.lower_95 for each in matches))
            upper = max(upper, *(each.upper_95 for each in matches))
            permitted = max(permitted, test.max_match_rate)
    sentences = []
    if found:
        sentences.append(f"Recognised as the person: {'; '.join(found)}.")
        bound = f"only that no true rate is above {percent(upper)}"
        if lower > permitted:
            bound = f"that a true rate is above {percent(lower)}"
        sentences.append(
            f"From these numbers one can be sure, at 95 % confidence, {bound}. The plan permits that up to"
            f" {percent(permitted)} are found."
        )
    retained = find_score(verification.scores, RETAINED_SIMILARITY)
    if retained is not None and retained.value is not None:
        sentences.append(
            f"The encoder's output for other people is on average {decimal(retained.value)} similar to the original's,"
            f" where 1 is unchanged. The plan demands at least {decimal(plan.min_retained_similarity)}."
        )
    return tuple(sentences)


def _place_of(test: PlannedTest) -> str:
    source, name = _split(test.name)
    if source == _FEATURES:
        return "in the encoder's own output"
    return f"in new portraits by {source}" if source else f"by the test {name}"


def _plan_row(test: PlannedTest) -> PlanRow:
    source, words = _words_for(test.name)
    return PlanRow(
        label=words.label,
        source=source,
        recogniser=test.recogniser,
        threshold=decimal(test.threshold),
        false_match=(
            f"{percent(test.false_match_rate)}, at most {percent(test.false_match_rate_upper_95)};"
            f" {test.false_match_pairs:,} pairs"
        ),
        limit=percent(test.max_match_rate),
        probes=f"{test.min_probes:,}",
    )


def _tables(caption: str, scores: Sequence[Score], deciding: Set[str]) -> tuple[ScoreTable, ...]:
    groups: dict[str, list[Score]] = {caption: [score for score in scores if score.name in deciding]}
    for score in scores:
        if score.name not in deciding:
            groups.setdefault(f"Further measurements: {_words_for(score.name)[0]}", []).append(score)
    return tuple(
        ScoreTable(
            caption=name,
            decides=name == caption,
            matched=any(score.matches is not None for score in group),
            rows=tuple(_score_row(score) for score in group),
        )
        for name, group in groups.items()
        if group
    )


def _score_row(score: Score) -> ScoreRow:
    source, words = _words_for(score.name)
    found = score.matches
    value = "undefined" if score.value is None else decimal(score.value)
    if score.value is not None and score.spread is not None:
        value += f" ± {decimal(score.spread)}"
    unit = UNITS.get(score.unit, score.unit)
    if score.unit.startswith("fid:"):
        unit = f"distance, by {score.unit.removeprefix('fid:')}"
    return ScoreRow(
        label=words.label,
        source=source,
        name=score.name,
        value=value,
        unit=unit,
        direction=DIRECTIONS[score.better],
        n=f"{score.n:,}",
        recognised="" if found is None else f"{found.matches:,} of {score.n:,}",
        bounds="" if found is None else f"{percent(found.lower_95)} to {percent(found.upper_95)}",
        threshold="" if found is None else decimal(found.threshold),
        false_match=(
            ""
            if found is None
            else f"{percent(found.false_match_rate)}, at most {percent(found.false_match_rate_upper_95)}"
        ),
    )


def _words_for(name: str) -> tuple[str, ScoreWords]:
    source, last = _split(name)
    words = SCORES.get(last, ScoreWords(name, ""))
    if source == _FEATURES or name == RETAINED_SIMILARITY:
        return _DIRECT, words
    return (f"portraits by {source}" if source else "no generator named"), words


def _split(name: str) -> tuple[str, str]:
    source, _, last = name.rpartition("/")
    return source, last
