"""What all commands share: where the workspace is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ireu_governance.workspace import Workspace

__all__ = ["Shared"]


@dataclass
class Shared:
    """Options of the command group.

    Attributes:
        workspace: Folder given with --workspace, or None.
    """

    workspace: Path | None = None

    def open_workspace(self) -> Workspace:
        """Return the workspace: the one that was given, or the one that the present folder is in."""
        from ireu_governance.workspace import Workspace

        return Workspace(self.workspace) if self.workspace is not None else Workspace.find()
