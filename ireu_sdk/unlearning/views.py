"""Augmented views of pictures: mirrored, shifted, scaled, in other light. Drawn once, applied on the fly.

The encoder's own feature of a view is a retain target like any other, so views cost nothing but forward passes
and keep people whom the retain set does not contain.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Views", "draw_views"]

ZOOM = 0.1  # largest change of scale, either way
SHIFT = 0.08  # largest shift, in half widths of the picture
GAIN = 0.15  # largest change of a colour channel's contrast
OFFSET = 0.3  # largest change of brightness, in the units of preprocessed pixels


@dataclass(frozen=True)
class Views:
    """Augmentations of N pictures; view 0 of each is the picture itself.

    Attributes:
        each: Views of one picture, 1 + copies.
        affine: (N · each, 2, 3), transform of the sampling grid.
        gain: (N · each, 3, 1, 1), factor of each colour channel.
        offset: (N · each, 1, 1, 1), added to all channels.
    """

    each: int
    affine: Tensor
    gain: Tensor
    offset: Tensor

    def apply(self, pixels: Tensor, rows: Tensor) -> Tensor:
        """Return the views `rows` (B,) of their pictures.

        Args:
            pixels: (B, 3, H, W), the picture that each row belongs to.
            rows: (B,), numbers of views.

        Returns:
            (B, 3, H, W); plain views come back bit for bit.
        """
        changed = (rows % self.each != 0).nonzero().flatten()
        if not len(changed):
            return pixels
        chosen = rows[changed]
        grid = F.affine_grid(self.affine[chosen], [len(chosen), *pixels.shape[1:]], align_corners=False)
        moved = F.grid_sample(pixels[changed], grid, padding_mode="reflection", align_corners=False)
        out = pixels.clone()
        out[changed] = moved * self.gain[chosen] + self.offset[chosen]
        return out


def draw_views(pictures: int, *, copies: int, generator: torch.Generator) -> Views:
    """Draw augmentations.

    Args:
        pictures: Number N of pictures.
        copies: Augmented views of each.
        generator: Source of randomness, so that a seed gives the same views.

    Returns:
        Views of all pictures.
    """
    each = 1 + copies
    n = pictures * each

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * 2 - 1

    mirror = torch.where(uniform(n) < 0, -1.0, 1.0)
    scale = 1 + ZOOM * uniform(n)
    affine = torch.zeros(n, 2, 3)
    affine[:, 0, 0] = mirror * scale
    affine[:, 1, 1] = scale
    affine[:, :, 2] = SHIFT * uniform(n, 2)
    return Views(each=each, affine=affine, gain=1 + GAIN * uniform(n, 3, 1, 1), offset=OFFSET * uniform(n, 1, 1, 1))
