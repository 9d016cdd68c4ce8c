"""Before/after pictures of a removal.

There are only such of synthetic people (ADR 0007): the engine makes none of anybody else, so that what lies in a run's
folder may be shown to whoever may read.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ireu_governance.core.errors import ErrorCode, InputError

if TYPE_CHECKING:
    from ireu_governance.service.case_files import CaseFile
    from ireu_governance.workspace import Workspace

__all__ = ["Grid", "find_grids", "read_grid"]

_RUN: Final = re.compile(r"[0-9a-f]{32}")
_NAME: Final = re.compile(r"before-after-([A-Za-z0-9._-]{1,100})\.png")
_MAX_BYTES: Final = 16 * 2**20
_MAX_GRIDS: Final = 8
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

# How the engine lays a picture out: a margin, labels at the left, a line of headings, and three rows with gaps.
_MARGIN, _LABELS, _HEADER, _GAP = 12, 150, 34, 4


@dataclass(frozen=True)
class Grid:
    """One picture: rows of reference photos, of portraits before, and of portraits after.

    Attributes:
        removal_entry: Of the removal.
        number: Of the picture among those of the removal, from 0.
        generator: What drew the portraits.
        width: In pixels.
        height: Likewise.
    """

    removal_entry: int
    number: int
    generator: str
    width: int
    height: int

    @property
    def _side(self) -> float:
        return (self.height - _HEADER - 2 * _MARGIN) / 3 - _GAP

    def row(self, number: int) -> str:
        """Return the part of the picture that holds a row, as an SVG viewBox: 0 photos, 1 before, 2 after."""
        left = _MARGIN + _LABELS
        top = _MARGIN + _HEADER + number * (self._side + _GAP)
        # The first row comes with its headings.
        above = _HEADER if number == 0 else 0
        return f"{left} {top - above:g} {self.width - left - _MARGIN - _GAP} {self._side + above:g}"


def find_grids(workspace: Workspace, file: CaseFile) -> list[Grid]:
    """Return the pictures of a case's removals, the newest removal first.

    Args:
        workspace: Whose.
        file: What is recorded of the case.
    """
    found = []
    for removal in reversed(file.removals):
        for number, path in enumerate(_paths(workspace, removal.mlflow_run_id)):
            size = _size(path)
            match = _NAME.fullmatch(path.name)
            if size is not None and match is not None:
                found.append(Grid(removal.entry, number, match[1].replace("-", ":", 1), *size))
    return found[:_MAX_GRIDS]


def read_grid(workspace: Workspace, file: CaseFile, *, removal_entry: int, number: int) -> bytes:
    """Return a picture.

    Args:
        workspace: Whose.
        file: What is recorded of the case.
        removal_entry: Entry of one of its removals.
        number: Of the picture.

    Raises:
        InputError: There is none (any more).
    """
    run = next((each.mlflow_run_id for each in file.removals if each.entry == removal_entry), None)
    paths = _paths(workspace, run)
    try:
        data = paths[number].read_bytes() if number < len(paths) else b""
    except OSError:
        data = b""
    if not data.startswith(_SIGNATURE):
        raise InputError("There is no such picture.", code=ErrorCode.INPUT_MISSING)
    return data


def _paths(workspace: Workspace, run: str | None) -> list[Path]:
    if run is None or not _RUN.fullmatch(run):
        return []
    found = (workspace.root / "runs" / run).glob("before-after-*.png")
    return sorted(path for path in found if _NAME.fullmatch(path.name))


def _size(path: Path) -> tuple[int, int] | None:
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        with path.open("rb") as file:
            start = file.read(24)
    except OSError:
        return None
    if len(start) < 24 or not start.startswith(_SIGNATURE):
        return None
    width, height = struct.unpack(">II", start[16:24])
    return (width, height) if width > _LABELS + 3 * _MARGIN and height > _HEADER + 3 * _MARGIN else None
