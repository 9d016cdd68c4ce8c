"""Blended pictures: faces that nobody has, for which the original encoder's answer is kept too.

A handful of retained people leaves the space between them free to move, and look-alikes of the forgotten move
with the forgotten. The original encoder answers for any picture, so a blend of two retained photos is one more
thing to keep, at the cost of one forward pass before training. So is a retained photo with a forgotten face
faintly in it: that keeps the border of what is forgotten close to the person. docs/method.md has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Blends", "draw_blends"]

FORGOTTEN_SHARE = (0.1, 0.4)  # of a forgotten face in a blend: always in the minority
PARTS = 3  # pictures in a blend


@dataclass(frozen=True)
class Blends:
    """Which pictures are blended, and with which weights.

    Attributes:
        parts: (B, 3), numbers of pictures.
        weights: (B, 3), non-negative, each row sums to 1.
    """

    parts: Tensor
    weights: Tensor

    def __len__(self) -> int:
        """Return the number of blends."""
        return len(self.parts)

    def apply(self, pixels: Tensor, rows: Tensor) -> Tensor:
        """Return some blends.

        Preprocessing is affine in the pixels, so blending after it is blending before it.

        Args:
            pixels: (N, 3, H, W), all preprocessed pictures.
            rows: (R,), numbers of blends.

        Returns:
            (R, 3, H, W).
        """
        parts, weights = self.parts[rows], self.weights[rows]
        blended = torch.zeros(len(rows), *pixels.shape[1:], dtype=pixels.dtype)
        for column in range(PARTS):
            blended += weights[:, column].view(-1, 1, 1, 1) * pixels[parts[:, column]]
        return blended


def draw_blends(*, retained: int, forgotten: int, count: int, generator: torch.Generator) -> Blends:
    """Draw which pictures to blend: one half retained ones only, the other with a forgotten one among them.

    Args:
        retained: Number N of retained pictures, numbered from 0.
        forgotten: Number of forgotten pictures, numbered from N.
        count: Number of blends; without retained pictures there are none.
        generator: Source of randomness, so that a seed gives the same blends.

    Returns:
        The blends.
    """
    count = count if retained else 0
    border = count // 2 if forgotten else 0
    parts = torch.randint(0, max(1, retained), (count, PARTS), generator=generator)
    weights = torch.rand(count, PARTS, generator=generator)
    faces = retained + torch.randint(0, max(1, forgotten), (border,), generator=generator)
    low, high = FORGOTTEN_SHARE
    share = low + (high - low) * torch.rand(border, generator=generator)
    # The last part of the first `border` blends is a forgotten face; the others share the rest.
    parts[:border, -1] = faces
    weights[:border, -1] = 0
    weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-6)
    weights[:border] *= (1 - share)[:, None]
    weights[:border, -1] = share
    return Blends(parts=parts, weights=weights)
