"""A cache that several threads share and that cannot grow without end."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["BoundedCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Keeps what was used last.

    Args:
        limit: How much it holds, in the unit of `weigh`.
        weigh: Returns what a value counts; 1 if not given.
    """

    def __init__(self, limit: int, *, weigh: Callable[[V], int] = lambda _: 1) -> None:
        self._limit = limit
        self._weigh = weigh
        self._held = 0
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """Return a value, or None when it is not there (any more)."""
        with self._lock:
            found = self._values.get(key)
            if found is not None:
                self._values.move_to_end(key)
            return found

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self._held = 0

    def put(self, key: K, value: V) -> None:
        """Keep a value instead of a former one; one that alone is more than the limit is not kept."""
        weight = self._weigh(value)
        with self._lock:
            before = self._values.pop(key, None)
            if before is not None:
                self._held -= self._weigh(before)
            if weight > self._limit:
                return
            self._values[key] = value
            self._held += weight
            while self._held > self._limit:
                _, oldest = self._values.popitem(last=False)
                self._held -= self._weigh(oldest)
