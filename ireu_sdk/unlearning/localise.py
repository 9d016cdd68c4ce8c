"""Where identity lives: the dimensions of the feature that a face swap moves most (arXiv 2606.29880, stage 1)."""

from __future__ import annotations

from itertools import combinations

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

__all__ = ["MaskReport", "describe_masks", "mask_identity"]


class MaskReport(BaseModel):
    """How much the masks say about identity.

    Attributes:
        pairs: Number of masks.
        dimensions: Length D of a mask.
        kept: Share of dimensions that a mask keeps; equals k.
        energy: Share of ‖Δz‖² in the kept dimensions, 0 to 1, mean over pairs; k would mean that identity is
            spread evenly.
        overlap: Share of one mask's dimensions that another keeps too, mean over pairs of masks of different
            anchors for the same photo; absent with one anchor a photo. The paper reports 0.705.
        overlap_chance: What unrelated masks would overlap by: k.
    """

    model_config = ConfigDict(frozen=True)

    pairs: int
    dimensions: int
    kept: float
    energy: float
    overlap: float | None
    overlap_chance: float


def mask_identity(difference: Tensor, *, k: float) -> Tensor:
    """Return the mask M: 1 for the k share of dimensions that moved most.

    Args:
        difference: Δz = E(x₋) − E(x_f), (P, D) or (P, T, H), one row for each pair.
        k: Share of dimensions to keep, 0 < k ≤ 1, counted over all dimensions of a row.

    Returns:
        0/1 of the same shape; exactly round(k·D) ones a row, at least one.
    """
    flat = difference.abs().flatten(1)
    count = max(1, round(k * flat.shape[1]))
    mask = torch.zeros_like(flat)
    mask.scatter_(1, flat.topk(count, dim=1).indices, 1.0)
    return mask.view_as(difference)


def describe_masks(masks: Tensor, difference: Tensor, photos: list[tuple[int, int]]) -> MaskReport:
    """Measure what masks keep and how stable they are.

    Args:
        masks: (P, …), 0/1.
        difference: Δz of the same shape.
        photos: For each pair, which (person, photo) it belongs to.

    Returns:
        The report.
    """
    m, d = masks.flatten(1), difference.flatten(1)
    energy = ((m * d).square().sum(1) / d.square().sum(1).clamp(min=1e-12)).mean()
    overlaps = [
        float((m[a] * m[b]).sum() / m[a].sum()) for a, b in combinations(range(len(m)), 2) if photos[a] == photos[b]
    ]
    kept = float(m.mean())
    return MaskReport(
        pairs=len(m),
        dimensions=m.shape[1],
        kept=kept,
        energy=float(energy),
        overlap=sum(overlaps) / len(overlaps) if overlaps else None,
        overlap_chance=kept,
    )
