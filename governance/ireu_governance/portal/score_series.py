"""How often a person was recognised, test by test.

As a table, as a picture drawn on the server, and as data for the chart in the browser: all three show the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from ireu_governance.core.removal_predicates import Plan
from ireu_governance.reports.words import SCORES
from ireu_governance.service.case_files import CaseFile

__all__ = ["Chart", "Mark", "ScorePoint", "ScoreSeries", "draw_chart", "make_series", "score_label"]

WIDTH: Final = 720
HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 14, 40
_MAX_POINTS: Final = 60  # what a picture of this width can show apart; the table has all of them
_MAX_SERIES: Final = 4


class ScorePoint(BaseModel):
    """One test.

    Attributes:
        entry: Of the verification.
        recorded_at: When it was recorded.
        encoder: Digest of the encoder that was tested.
        verdict: Of the case in that verification.
        matches: Probes that were recognised.
        n: All probes.
        rate: matches ÷ n.
        lower_95: Lower end of the exact 95 % interval.
        upper_95: Upper end of it.
        similarity: Mean similarity of the probes; None where it is not defined.
        threshold: Similarity from which a probe counts as recognised.
        false_match_rate: How often the recogniser takes two different people for one there.
    """

    entry: int
    recorded_at: str
    encoder: str
    verdict: str
    matches: int
    n: int
    rate: float
    lower_95: float
    upper_95: float
    similarity: float | None
    threshold: float
    false_match_rate: float


class ScoreSeries(BaseModel):
    """One planned test over all verifications of a case.

    Attributes:
        name: Its name in the record.
        label: In plain words.
        limit: Greatest permitted rate; None when the plan of the removal cannot be found.
        points: Its results, the oldest first.
    """

    name: str
    label: str
    limit: float | None
    points: list[ScorePoint]


@dataclass(frozen=True)
class Mark:
    """One test in the picture, in its units."""

    x: float
    y: float
    low: float
    high: float
    label: str


@dataclass(frozen=True)
class Chart:
    """The picture.

    Attributes:
        width: Of the picture.
        height: Likewise.
        left: Where the area of the plot begins.
        right: Where it ends.
        top: Likewise.
        bottom: Likewise.
        rows: Height and words of each line of the grid.
        columns: Place and words of each mark on the axis of tests.
        limit: Height of the line of the greatest permitted rate; None without one.
        limit_label: Its words.
        series: Label, number from 1, marks and path of each series.
        left_out: Tests that the picture does not show, since it has no room.
    """

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    rows: list[tuple[float, str]]
    columns: list[tuple[float, str]]
    limit: float | None
    limit_label: str
    series: list[tuple[str, int, list[Mark], str]]
    left_out: int


def make_series(file: CaseFile, plans: Mapping[int, Plan]) -> list[ScoreSeries]:
    """Return the results of the planned tests of a case.

    Args:
        file: What is recorded of it.
        plans: The plan of each removal, by the removal's entry.
    """
    series: dict[str, ScoreSeries] = {}
    for test in file.verifications:
        plan = plans.get(test.removal_entry)
        limits = {each.name: each.max_match_rate for each in plan.tests} if plan else {}
        for score in test.scores:
            found = score.get("matches")
            # Only tests that decide: with very few probes or without a limit, a rate says nothing.
            if not found or (plan and score["name"] not in limits):
                continue
            line = series.setdefault(
                score["name"],
                ScoreSeries(
                    name=score["name"], label=score_label(score["name"]), limit=limits.get(score["name"]), points=[]
                ),
            )
            line.limit = limits.get(score["name"], line.limit)
            line.points.append(
                ScorePoint(
                    entry=test.entry,
                    recorded_at=test.recorded_at,
                    encoder=test.encoder,
                    verdict=test.verdict,
                    matches=found["matches"],
                    n=score["n"],
                    rate=found["rate"],
                    lower_95=found["lower_95"],
                    upper_95=found["upper_95"],
                    similarity=score["value"],
                    threshold=found["threshold"],
                    false_match_rate=found["false_match_rate"],
                )
            )
    return list(series.values())


def draw_chart(series: Sequence[ScoreSeries]) -> Chart | None:
    """Return where everything is in the picture; None when there is nothing to draw.

    Args:
        series: From `make_series`.
    """
    shown = [each for each in series if each.points][:_MAX_SERIES]
    entries = sorted({point.entry for each in shown for point in each.points})
    if not entries:
        return None
    left_out = max(0, len(entries) - _MAX_POINTS)
    entries = entries[left_out:]
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    step = (right - _LEFT) / len(entries)
    places = {entry: _LEFT + step * (number + 0.5) for number, entry in enumerate(entries)}

    def height(rate: float) -> float:
        return round(bottom - rate * (bottom - _TOP), 1)

    spread = min(14.0, step / (len(shown) + 1))
    lines = []
    for number, each in enumerate(shown):
        shift = (number - (len(shown) - 1) / 2) * spread
        marks = [
            Mark(
                x=round(places[point.entry] + shift, 1),
                y=height(point.rate),
                low=height(point.lower_95),
                high=height(point.upper_95),
                label=f"{each.label}, entry {point.entry}: {point.matches} of {point.n} recognised",
            )
            for point in each.points
            if point.entry in places
        ]
        path = "M" + " L".join(f"{mark.x} {mark.y}" for mark in marks)
        lines.append((each.label, number + 1, marks, path))
    limits = [each.limit for each in shown if each.limit is not None]
    every = max(1, len(entries) // 12)
    return Chart(
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        right=right,
        top=_TOP,
        bottom=bottom,
        rows=[(height(part / 4), f"{25 * part} %") for part in range(5)],
        columns=[
            (round(places[entry], 1), f"entry {entry}") for number, entry in enumerate(entries) if number % every == 0
        ],
        limit=height(max(limits)) if limits else None,
        limit_label=f"limit {100 * max(limits):g} %" if limits else "",
        series=lines,
        left_out=left_out,
    )


def score_label(name: str) -> str:
    """Return a score's name in plain words, with the generator whose portraits it is about."""
    source, _, last = name.rpartition("/")
    words = SCORES[last].label if last in SCORES else name
    return words if source in ("", "features") else f"{words} ({source})"
