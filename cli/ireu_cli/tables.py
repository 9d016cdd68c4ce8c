"""The paper's figures on a terminal: a row for each figure, a column for each method and generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["LEGEND", "figures_table"]

# Title and wanted direction, in the order of `ireu_sdk.evaluation.report.TABLE_COLUMNS`.
ROWS = (
    ("ID_target^o", "↓"),
    ("  unseen photos", "↓"),
    ("ID_target^g", "↓"),
    ("ID_other^o", "="),
    ("  ÷ E's own", "↑"),
    ("ID_other^g", "↑"),
    ("ΔID", "↑"),
    ("PSNR", "↑"),
    ("SSIM", "↑"),
    ("ΔFID", "↓"),
)
LEGEND = (
    "Cosine similarities of faces, −1 to 1. target: the forgotten; other: everybody else. ^o: against the photo;"
    " ^g: against what the original encoder gave. PSNR (dB), SSIM, ΔFID: everybody else's portraits."
)


def figures_table(columns: Sequence[tuple[str, Sequence[float | None]]]) -> Table:
    """Return the paper's figures as a table.

    Args:
        columns: Label and figures of each column, in the order of `ROWS`; a line break in a label is kept.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("")
    for label, _ in columns:
        table.add_column(label, justify="right", no_wrap=True)
    for row, (title, arrow) in enumerate(ROWS):
        cells = [_cell(figures[row], title) for _, figures in columns]
        table.add_row(title, arrow, *cells)
    return table


def _cell(figure: float | None, title: str) -> str:
    if figure is None:
        return "–"
    return f"{figure:.1f}" if title == "PSNR" else f"{figure:.2f}"
