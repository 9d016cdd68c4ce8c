"""When a stage stops, and how its learning rate gets there."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """A stage's allowance: it stops when the first of the two is spent.

    Seconds make the cost of a run known beforehand on any hardware; steps make a run reproducible.

    Attributes:
        seconds: Wall-clock time.
        steps: Optimiser steps.
    """

    seconds: float = math.inf
    steps: float = math.inf

    def shares(self) -> Iterator[float]:
        """Yield the share of the budget that is spent, in [0, 1), once for each step to make."""
        start = time.monotonic()
        for step in itertools.count():
            elapsed = time.monotonic() - start
            if elapsed >= self.seconds or step >= self.steps:
                return
            yield max(elapsed / self.seconds, step / self.steps)


def learning_rate(share: float, peak: float, warmup: float = 0.03) -> float:
    """Rise linearly over the first ``warmup`` of the budget, then fall along a cosine."""
    return peak * min(share / warmup, 1.0) * (0.5 + 0.5 * math.cos(math.pi * share)) + 1e-6
