"""AdamW with the schedule and the clipping that all stages use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from recipe.training.budget import Budget, learning_rate


class Optimiser:
    """AdamW whose learning rate follows a budget.

    Args:
        parameters: What to train.
        peak: Highest learning rate.
        weight_decay: AdamW's.
        max_norm: Where to clip the gradient.
        clipped: The parameters whose gradient is clipped, where they are not all.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        peak: float,
        weight_decay: float,
        max_norm: float = 1.0,
        clipped: Iterable[nn.Parameter] | None = None,
    ) -> None:
        self._parameters = list(parameters)
        self._clipped = self._parameters if clipped is None else list(clipped)
        self._peak = peak
        self._max_norm = max_norm
        self._adam = torch.optim.AdamW(self._parameters, weight_decay=weight_decay)

    def schedule(self, budget: Budget) -> Iterator[float]:
        """Yield the budget's shares, with the learning rate set for each."""
        for share in budget.shares():
            for group in self._adam.param_groups:
                group["lr"] = learning_rate(share, self._peak)
            yield share

    def step(self, loss: Tensor) -> None:
        """Go one step down the gradient of ``loss``."""
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._clipped, self._max_norm)
        self._adam.step()
