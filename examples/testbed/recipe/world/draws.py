"""Random numbers for sampling people and contexts, from one explicit generator."""

from __future__ import annotations

import torch
from torch import Tensor


class Draws:
    """Uniform, normal and Dirichlet numbers from one generator, on the CPU.

    Numbers are drawn on the CPU whatever renders them, so that a seed means the same people everywhere. The
    *order* of draws is what makes a seed reproducible: code that draws must not be reordered.
    """

    def __init__(self, rng: torch.Generator) -> None:
        self._rng = rng

    def uniform(self, *shape: int) -> Tensor:
        """Draw from [0, 1)."""
        return torch.rand(*shape, generator=self._rng)

    def normal(self, *shape: int) -> Tensor:
        """Draw from the standard normal distribution."""
        return torch.randn(*shape, generator=self._rng)

    def choice(self, count: int, options: int) -> Tensor:
        """Draw ``count`` integers (count,) below ``options``, as floats."""
        return (self.uniform(count) * options).floor()

    def dirichlet(self, count: int, dimensions: int, concentration: float) -> Tensor:
        """Draw shares (count, dimensions) that sum to one."""
        # torch.distributions takes no generator; this is the function it calls.
        alpha = torch.full((count, dimensions), concentration)
        shares = torch._sample_dirichlet(alpha, generator=self._rng)  # noqa: SLF001
        return shares / shares.sum(1, keepdim=True)
