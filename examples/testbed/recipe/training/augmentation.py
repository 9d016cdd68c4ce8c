"""Random changes to pictures that no network should mind."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def jitter(pictures: Tensor) -> Tensor:
    """Change light, colour, place and size of normalised pictures (B, 3, H, W) a little, and add noise."""
    count, device = len(pictures), pictures.device
    gain = 1 + 0.2 * (torch.rand(count, 1, 1, 1, device=device) - 0.5)
    cast = 0.15 * (torch.rand(count, 3, 1, 1, device=device) - 0.5)
    pictures = pictures * gain + cast
    transform = torch.eye(2, 3, device=device).repeat(count, 1, 1)
    transform[:, :, 2] = (torch.rand(count, 2, device=device) - 0.5) * 0.12
    zoom = 1 + (torch.rand(count, device=device) - 0.5) * 0.14
    transform[:, 0, 0] = transform[:, 1, 1] = zoom
    grid = functional.affine_grid(transform, list(pictures.shape), align_corners=False)
    moved = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    return moved + 0.03 * torch.randn_like(pictures)
