"""From test figures to a verdict, by the rule that was fixed before the removal ran.

The engine that runs the tests and the regulator who checks a certificate use this same code, and it needs
nothing but arithmetic, so that recorded bounds and verdicts can be computed again from the recorded counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.statement import Plan, PlannedTest, Score
from ireu_governance.core.verdict import RetestVerdict

__all__ = [
    "MAX_PROBES",
    "RETAINED_SIMILARITY",
    "clopper_pearson",
    "decide_case",
    "find_score",
    "retained_similarity",
    "verify_matches",
    "worst",
]

RETAINED_SIMILARITY: Final = "retained-similarity"
"""Name of the score that says how far retained people's features moved; 1 is not at all."""

MAX_PROBES: Final = 1_000_000  # nobody generates more pictures of one person; bounds the work on hostile counts
TOLERANCE: Final = 1e-9  # between two correct computations of the same bound

_CONFIDENCE: Final = 0.95
_MAX_TERMS: Final = 100_000  # the continued fraction takes some √n; MAX_PROBES stays far below this
_WORST_FIRST: Final = tuple(RetestVerdict)


def decide_case(plan: Plan, scores: Sequence[Score], retained_similarity: float | None) -> RetestVerdict:
    """Return what a case's scores mean under the plan.

    For each planned test: too few probes leave it inconclusive; a lower 95 % bound above the greatest
    permitted match rate means that the person has resurfaced; a rate above it whose bound is not above it
    leaves it inconclusive.

    Args:
        plan: The tests and limits as they were recorded before the removal.
        scores: The case's scores, by name.
        retained_similarity: Mean cosine, −1 to 1, of retained people's features with the original encoder's;
            None if it was not measured, which leaves the case inconclusive.

    Returns:
        The worst that applies. A plan without tests holds nothing, so it is inconclusive.
    """
    found = [_decide_test(test, scores) for test in plan.tests] or [RetestVerdict.INCONCLUSIVE]
    if retained_similarity is None:
        found.append(RetestVerdict.INCONCLUSIVE)
    elif retained_similarity < plan.min_retained_similarity:
        found.append(RetestVerdict.UTILITY_LOST)
    return worst(found)


def worst(verdicts: Iterable[RetestVerdict]) -> RetestVerdict:
    """Return the worst of some verdicts; of none, ``inconclusive``."""
    return min(verdicts, key=_WORST_FIRST.index, default=RetestVerdict.INCONCLUSIVE)


def find_score(scores: Iterable[Score], name: str) -> Score | None:
    """Return the one score of a name; None if there is none or, what cannot be read, more than one."""
    named = [score for score in scores if score.name == name]
    return named[0] if len(named) == 1 else None


def retained_similarity(scores: Iterable[Score]) -> float | None:
    """Return the measured similarity of retained people's features, if exactly one score states it."""
    score = find_score(scores, RETAINED_SIMILARITY)
    return score.value if score is not None else None


def verify_matches(score: Score, *, check: str) -> None:
    """Compute a score's rate and bounds again from its counts.

    Args:
        score: A score; one without matches has nothing to compute.
        check: Name of the check that this is part of.

    Raises:
        VerificationError: The recorded figures are not those of the recorded counts.
    """
    recorded = score.matches
    if recorded is None:
        return
    try:
        lower, upper = clopper_pearson(recorded.matches, score.n)
    except InputError as error:
        raise VerificationError(f"The score '{score.name}' is impossible: {error.message}", check=check) from None
    rate = recorded.matches / score.n if score.n else 0.0
    for name, stated, computed in (
        ("rate", recorded.rate, rate),
        ("lower 95 % bound", recorded.lower_95, lower),
        ("upper 95 % bound", recorded.upper_95, upper),
    ):
        if abs(stated - computed) > TOLERANCE:
            raise VerificationError(
                f"The {name} of '{score.name}' is recorded as {stated:.6g}, but {recorded.matches} matches"
                f" of {score.n} probes give {computed:.6g}.",
                check=check,
            )


@lru_cache(maxsize=4096)
def clopper_pearson(matches: int, n: int, confidence: float = _CONFIDENCE) -> tuple[float, float]:
    """Return the exact two-sided confidence interval of a rate (Clopper and Pearson, 1934).

    Args:
        matches: Number of successes, 0 to n.
        n: Number of trials.
        confidence: Share of intervals that cover the true rate, above 0 and below 1.

    Returns:
        Lower and upper end, 0 to 1; with no trials, the whole of it.

    Raises:
        InputError: The counts are impossible or beyond `MAX_PROBES`.
    """
    if not 0 <= matches <= n or n > MAX_PROBES or not 0.0 < confidence < 1.0:
        raise InputError(f"{matches} of {n} is no count that an interval can be computed for.")
    tail = (1.0 - confidence) / 2.0
    lower = 0.0 if matches == 0 else _beta_quantile(tail, matches, n - matches + 1)
    upper = 1.0 if matches == n else 1.0 - _beta_quantile(tail, n - matches, matches + 1)
    return lower, upper


def _decide_test(test: PlannedTest, scores: Sequence[Score]) -> RetestVerdict:
    score = find_score(scores, test.name)
    if score is None or score.matches is None or score.n < max(test.min_probes, 1):
        return RetestVerdict.INCONCLUSIVE
    if score.matches.lower_95 > test.max_match_rate:
        return RetestVerdict.RESURFACED
    if score.matches.rate > test.max_match_rate:
        return RetestVerdict.INCONCLUSIVE
    return RetestVerdict.HOLDS


def _beta_quantile(probability: float, a: int, b: int) -> float:
    # Where the regularised incomplete beta function, which only grows, reaches the probability.
    low, high = 0.0, 1.0
    while high - low > 1e-15:
        middle = (low + high) / 2.0
        if middle in (low, high):
            break
        if _incomplete_beta(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _incomplete_beta(x: float, a: int, b: int) -> float:
    # The fraction converges fast below the mean only; above it, by symmetry, the other tail is computed.
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _incomplete_beta(1.0 - x, b, a)
    if x <= 0.0:
        return 0.0
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) / (a * _continued_fraction(x, a, b))


def _continued_fraction(x: float, a: int, b: int) -> float:
    # 1 + d1/(1 + d2/(1 + …)), DLMF 8.17.22, from the front by the modified Lentz method.
    tiny = 1e-300
    value = ratio_up = 1.0
    ratio_down = 0.0
    for term in range(1, _MAX_TERMS):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        ratio_up = 1.0 + d / ratio_up or tiny
        ratio_down = 1.0 / (1.0 + d * ratio_down or tiny)
        step = ratio_up * ratio_down
        value *= step
        if abs(step - 1.0) < 1e-15:
            break
    return value
