"""A batch of things described by tensors that share their leading axis."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class TensorBatch:
    """Base of dataclasses whose fields are all tensors (B, …)."""

    def __len__(self) -> int:
        return len(self.as_dict()[fields(self)[0].name])

    def __getitem__(self, index: Tensor | slice) -> Self:
        """Pick or repeat members: ``index`` holds positions (K,) or is a slice."""
        return type(self)(**{name: value[index] for name, value in self.as_dict().items()})

    def to(self, device: torch.device | str) -> Self:
        """Move every tensor to ``device``."""
        return type(self)(**{name: value.to(device) for name, value in self.as_dict().items()})

    def as_dict(self) -> dict[str, Any]:
        """Return the tensors by field name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
