"""Scalar fields that textures are made of: a soft step and smooth random noise."""

from __future__ import annotations

import torch
from torch import Tensor


def smoothstep(start: float, stop: float, value: Tensor) -> Tensor:
    """Rise smoothly from 0 at ``start`` to 1 at ``stop`` (fall, where ``stop`` is the smaller one)."""
    share = ((value - start) / (stop - start)).clamp(0, 1)
    return share * share * (3 - 2 * share)


def _lattice_hash(lattice: Tensor, seed: Tensor) -> Tensor:
    """Give every integer point (B, P, 3) a number in [0, 1) of its own: the usual shader hash."""
    x, y, z = lattice.unbind(-1)
    wave = torch.sin(x * 127.1 + y * 311.7 + z * 74.7 + seed.view(-1, 1) * 53.3) * 43758.5453
    return wave - wave.floor()


def value_noise(points: Tensor, frequency: float, seed: Tensor) -> Tensor:
    """Evaluate smooth noise in [0, 1], another field for every seed.

    Points are those of the template, not of the posed head, so that a blotch or a streak stays where it is on
    a person's skin in all of their pictures.

    Args:
        points: Template positions (B, P, 3).
        frequency: Cells of noise in a decimetre.
        seed: One field number for each member (B,).

    Returns:
        Noise (B, P).
    """
    scaled = points * frequency + seed.view(-1, 1, 1) * 17.13
    cell = scaled.floor()
    inside = scaled - cell
    blend_x, blend_y, blend_z = (inside * inside * (3 - 2 * inside)).unbind(-1)

    def corner(x: float, y: float, z: float) -> Tensor:
        return _lattice_hash(cell + cell.new_tensor((x, y, z)), seed)

    def plane(z: float) -> Tensor:
        near = torch.lerp(corner(0, 0, z), corner(1, 0, z), blend_x)
        far = torch.lerp(corner(0, 1, z), corner(1, 1, z), blend_x)
        return torch.lerp(near, far, blend_y)

    return torch.lerp(plane(0), plane(1), blend_z)
