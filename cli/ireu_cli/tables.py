"""The paper's figures on a terminal: a row for each figure, a column for each method and generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["figures_table"]

# Title, wanted direction, and what it is, in the order of `ireu_sdk.evaluation.report.TABLE_COLUMNS`.
ROWS = (
    ("ID_target^o", "↓", "forgotten person, drawn from trained photos"),
    ("  unseen", "↓", "the same, from photos not in training"),
    ("ID_target^g", "↓", "against what the original encoder gave"),
    ("ID_other^o", "=", "everybody else"),
    ("  ÷ E's own", "↑", "share of what the original encoder gave"),
    ("ID_other^g", "↑", "against what the original encoder gave"),
    ("ΔID", "↑", "ID_other^g − ID_target^g"),
    ("PSNR", "↑", "everybody else's portraits, dB"),
    ("SSIM", "↑", "everybody else's portraits"),
    ("ΔFID", "↓", "of faces, by the recogniser"),
)


def figures_table(columns: Sequence[tuple[str, Sequence[float | None]]]) -> Table:
    """Return the paper's figures as a table.

    Args:
        columns: Label and figures of each column, in the order of `ROWS`; a line break in a label is kept.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    table.add_column("")
    for label, _ in columns:
        table.add_column(label, justify="right", no_wrap=True)
    table.add_column("", style="dim", overflow="fold")
    for row, (title, arrow, meaning) in enumerate(ROWS):
        cells = [_cell(figures[row], title) for _, figures in columns]
        table.add_row(title, arrow, *cells, meaning)
    return table


def _cell(figure: float | None, title: str) -> str:
    if figure is None:
        return "–"
    return f"{figure:.1f}" if title == "PSNR" else f"{figure:.2f}"
