"""How often somebody may fail to sign in. Counted in this process, by digest of the address."""

from __future__ import annotations

import math
import time

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ireu_governance.api.problems import problem
from ireu_governance.core.errors import ErrorCode

__all__ = ["Attempts"]


class Attempts:
    """Counts failures.

    Args:
        rate: How many are answered, such as ``20/minute``.
    """

    def __init__(self, rate: str) -> None:
        self._limit = parse(rate)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def expect_few(self, address: str) -> None:
        """Refuse somebody who failed too often, whatever they show now.

        Args:
            address: Digest of where they are.

        Raises:
            Problem: They did (429).
        """
        if self._limiter.test(self._limit, address):
            return
        left = self._limiter.get_window_stats(self._limit, address)
        wait = max(1, math.ceil(left.reset_time - time.time()))
        raise problem(
            429,
            ErrorCode.RATE_LIMITED,
            f"Too many failed attempts to sign in: {self._limit.amount} in {self._limit.get_expiry()} seconds are"
            " answered.",
            hint=f"Wait {wait} seconds.",
            headers={"Retry-After": str(wait)},
        )

    def note_failure(self, address: str) -> None:
        """Count a failure."""
        self._limiter.hit(self._limit, address)
