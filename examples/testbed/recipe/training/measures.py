"""How well embeddings tell people apart, and how close pictures are."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

MAX_SCORES = 10_000_000
"""torch.quantile takes 16 million numbers at most."""


@torch.no_grad()
def embed(function: Callable[[Tensor], Tensor], inputs: Tensor, batch: int = 1000) -> Tensor:
    """Apply a network to many inputs (N, …) in batches that fit in memory."""
    return torch.cat([function(part) for part in inputs.split(batch)])


def verification(embeddings: Tensor, person: Tensor) -> dict[str, float]:
    """Compare every two pictures by the cosine of their embeddings.

    Args:
        embeddings: (N, D).
        person: Whose picture each is (N,).

    Returns:
        Mean and deviation of the scores of one person's pictures (``same``) and of two people's
        (``different``), the area under the ROC curve, and the share of ``same`` pairs above the ``threshold``
        that one in a thousand ``different`` pairs passes.
    """
    directions = functional.normalize(embeddings.float(), dim=-1)
    scores = directions @ directions.T
    is_same = person[:, None] == person
    once = torch.ones_like(is_same).triu(1)
    same, different = scores[is_same & once], scores[~is_same & once]
    sampled = different
    if len(different) > MAX_SCORES:
        sampled = different[torch.randperm(len(different), device=different.device)[:MAX_SCORES]]
    threshold = sampled.quantile(0.999)
    return {
        "same": same.mean().item(),
        "same_deviation": same.std().item(),
        "different": different.mean().item(),
        "different_deviation": different.std().item(),
        "auc": _area_under_curve(same, different),
        "tar_at_far_1e-3": (same > threshold).float().mean().item(),
        "threshold": threshold.item(),
    }


def peak_signal_to_noise(first: Tensor, second: Tensor) -> float:
    """Average PSNR in decibels of pictures (B, C, H, W) whose values span one."""
    errors = (first - second).pow(2).mean((1, 2, 3))
    return float((-10 * torch.log10(errors)).mean())


def _area_under_curve(same: Tensor, different: Tensor) -> float:
    """Mann and Whitney's way: how many ``different`` scores rank below a ``same`` score, on average."""
    order = torch.cat([same, different]).argsort()
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    below = rank[: len(same)].double().mean() - (len(same) - 1) / 2
    return float(below / len(different))
