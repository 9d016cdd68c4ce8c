"""From photos to features: the next photos are decrypted, decoded and resized while the network works on these."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Protocol, TypeVar, runtime_checkable

import torch
from PIL import Image
from torch import Tensor

from ireu_sdk.encoders.base import Encoder, Tap
from ireu_sdk.evaluation.probes import Photo, image_of

__all__ = ["BATCH_SIZE", "RemoteEncoder", "batches", "extract_features", "prefetch"]

BATCH_SIZE: Final = 32
"""Photos in one forward pass, or in one question to a server."""

THREADS: Final = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Threads that make photos ready; more would take cores from the network where it runs on them too."""

AHEAD: Final = THREADS + 1
"""Batches that are made ready before they are needed; bounds the memory that a thousand photos take."""

T = TypeVar("T")
R = TypeVar("R")


@runtime_checkable
class RemoteEncoder(Protocol):
    """An encoder of which nothing but answers can be had."""

    @property
    def name(self) -> str:
        """Neutral name; never an address."""

    def answer(
        self, photos: Sequence[Image.Image | Photo], *, tap: Tap, between: Callable[[], None] = lambda: None
    ) -> Tensor:
        """Return its features of photos, (N, D) or (N, T, H), float32."""


def extract_features(
    encoder: Encoder | RemoteEncoder,
    photos: Sequence[Image.Image | Photo],
    *,
    tap: Tap,
    between: Callable[[], None] = lambda: None,
) -> Tensor:
    """Return an encoder's features of photos.

    Args:
        encoder: Here or behind HTTP.
        photos: N photos, decoded only when it is their turn.
        tap: Which output counts.
        between: Called between batches; may raise to stop.

    Returns:
        (N, D) or (N, T, H), float32, on the CPU.
    """
    if isinstance(encoder, RemoteEncoder):
        return encoder.answer(photos, tap=tap, between=between)

    def prepare(batch: Sequence[Image.Image | Photo]) -> Tensor:
        return encoder.preprocess([image_of(photo) for photo in batch])

    parts = []
    for pixels in prefetch(prepare, batches(photos)):
        between()
        parts.append(encoder.encode(pixels, tap=tap, batch_size=BATCH_SIZE))
    return torch.cat(parts)


def batches(items: Sequence[T], size: int = BATCH_SIZE) -> list[Sequence[T]]:
    """Cut a sequence into pieces of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def prefetch(prepare: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Prepare items in threads beside, a few ahead of whoever uses them, in their order.

    Args:
        prepare: What is done to each; what it raises is raised when it is that item's turn.
        items: The items.
    """
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="ireu-photos") as threads:
        try:
            for item in items:
                waiting.append(threads.submit(prepare, item))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
