"""Half-precision weights and measured figures on disk, one file of each a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from safetensors.torch import load_file, save_file
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


class Checkpoints:
    """A folder of ``NAME.safetensors`` and ``NAME.json``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def exists(self, name: str) -> bool:
        """Tell whether a network was saved under this name."""
        return self._weights(name).exists()

    def save(self, name: str, module: nn.Module, figures: dict[str, Any] | None = None) -> None:
        """Write a module's state in half precision, and what was measured of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            key: (value.half() if value.is_floating_point() else value).contiguous().clone().cpu()
            for key, value in module.state_dict().items()
        }
        save_file(state, self._weights(name))
        if figures is not None:
            self._figures(name).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")

    def load(self, name: str, module: Module) -> Module:
        """Fill a module with saved weights, in single precision, and return it.

        Raises:
            FileNotFoundError: If nothing was saved under this name.
        """
        state = load_file(self._weights(name))
        module.load_state_dict(
            {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
        )
        return module

    def figures(self, name: str) -> dict[str, Any]:
        """Read what was measured when the network was saved."""
        figures: dict[str, Any] = json.loads(self._figures(name).read_text(encoding="utf-8"))
        return figures

    def _weights(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def _figures(self, name: str) -> Path:
        return self.folder / f"{name}.json"
