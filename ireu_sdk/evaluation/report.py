"""The paper's table from scores, as rows that a terminal, a Markdown file or a notebook can show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ireu_governance.core.statement import CaseResult, Score

__all__ = ["TABLE_COLUMNS", "mean_of", "table_row", "to_markdown"]

TABLE_COLUMNS = (
    ("ID_target^o", "id-target-o", "↓"),
    ("unseen", "id-target-o-unseen", "↓"),
    ("ID_target^g", "id-target-g", "↓"),
    ("ID_other^o", "id-other-o", "="),
    ("÷ E's own", "id-other-o-kept", "↑"),
    ("ID_other^g", "id-other-g", "↑"),
    ("ΔID", "delta-id", "↑"),
    ("PSNR", "psnr", "↑"),
    ("SSIM", "ssim", "↑"),
    ("ΔFID", "delta-fid", "↓"),
)


def mean_of(scores: Iterable[Score], name: str) -> float | None:
    """Return the mean of all scores of a name (one for each case), weighted by n; None without any."""
    found = [(s.value, s.n) for s in scores if s.name == name and s.value is not None]
    total = sum(n for _, n in found)
    return sum(value * n for value, n in found) / total if total else None


def table_row(generator: str, cases: Sequence[CaseResult], scores: Sequence[Score]) -> list[float | None]:
    """Return the paper's figures of one generator, in the order of `TABLE_COLUMNS`.

    Args:
        generator: Its name.
        cases: Results of the cases; their scores are averaged.
        scores: Scores about everybody else.
    """
    everything = [*scores, *(score for case in cases for score in case.scores)]
    return [mean_of(everything, f"{generator}/{name}") for _, name, _ in TABLE_COLUMNS]


def to_markdown(rows: Sequence[tuple[str, Sequence[float | None]]]) -> str:
    """Return labelled rows as a Markdown table.

    Args:
        rows: Label and figures of each row.
    """
    heads = ["", *(f"{title} {arrow}" for title, _, arrow in TABLE_COLUMNS)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for label, figures in rows:
        cells = ["–" if figure is None else f"{figure:.3f}" for figure in figures]
        lines.append("| " + " | ".join([label, *cells]) + " |")
    return "\n".join(lines) + "\n"
