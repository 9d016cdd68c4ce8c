"""Colour of the skin: tone, redness, wrinkles, freckles, moles, lips and eyelids."""

from __future__ import annotations

import torch
from torch import Tensor

from recipe.world.fields import smoothstep, value_noise
from recipe.world.identities import MAX_MOLES, Identities
from recipe.world.palette import SKIN_COLOURS
from recipe.world.surface import Surface


def skin_colour(surface: Surface, identities: Identities) -> Tensor:
    """Paint every pixel (B, P, 3) as if it were skin."""
    tone = _tone(identities)[:, None]  # (B, 1, 3)
    blotches = value_noise(surface.position, 2.2, identities.seed)
    colour = tone * (0.93 + 0.14 * blotches[..., None])
    cheeks = _cheeks_and_nose(surface)
    colour = _redden(colour, surface, identities, cheeks)
    colour = _wrinkle(colour, surface, identities)
    colour = _freckle(colour, surface, identities, cheeks)
    colour = _add_moles(colour, surface, identities, tone)
    colour = _paint_lips(colour, surface, identities, tone)
    return colour * (1 - 0.18 * (surface.eyelids * surface.facing_front)[..., None])


def _tone(identities: Identities) -> Tensor:
    """Mix neighbours on the scale of skin colours (B, 3)."""
    scale = SKIN_COLOURS.to(identities.tone.device)
    lighter = identities.tone.floor().clamp(0, len(scale) - 2).long()
    colour = torch.lerp(scale[lighter], scale[lighter + 1], (identities.tone - lighter)[:, None])
    return colour * (1 + identities.hue[:, None] * colour.new_tensor([1.0, -0.4, -1.0]))


def _cheeks_and_nose(surface: Surface) -> Tensor:
    """Mark where blood shows through the skin (B, P): both cheeks, and less so the tip of the nose."""
    x, y, _ = surface.position.unbind(-1)

    def spot(across: Tensor, height: float, half_width: float, half_height: float) -> Tensor:
        return torch.exp(-((across / half_width) ** 2 + ((y - height) / half_height) ** 2))

    return spot(x.abs() - 0.48, 6.95, 0.22, 0.2) + 0.6 * spot(x, 6.93, 0.13, 0.12)


def _redden(colour: Tensor, surface: Surface, identities: Identities, cheeks: Tensor) -> Tensor:
    strength = cheeks * surface.facing_front * (1 - identities.tone[:, None] / 8)
    return colour + strength[..., None] * colour.new_tensor([0.10, -0.05, -0.04]) * 0.8


def _wrinkle(colour: Tensor, surface: Surface, identities: Identities) -> Tensor:
    """Draw lines on the forehead with age; noise stretched sideways makes them run across."""
    stretched = surface.position * colour.new_tensor([0.7, 3.5, 1.0])
    lines = smoothstep(0.45, 0.62, value_noise(stretched, 3.5, identities.seed))
    forehead = smoothstep(7.35, 7.6, surface.position[..., 1])
    strength = identities.age[:, None] * lines * surface.facing_front * forehead
    return colour * (1 - 0.16 * strength[..., None])


def _freckle(colour: Tensor, surface: Surface, identities: Identities, cheeks: Tensor) -> Tensor:
    dots = smoothstep(0.72, 0.82, value_noise(surface.position, 26.0, identities.seed))
    strength = identities.freckle[:, None] * dots * cheeks.clamp(0, 1)
    return colour * (1 - 0.35 * strength[..., None])


def _add_moles(colour: Tensor, surface: Surface, identities: Identities, tone: Tensor) -> Tensor:
    x, y, z = surface.position.unbind(-1)
    for number in range(MAX_MOLES):
        mole_x, mole_y = identities.moles[:, number, :1], identities.moles[:, number, 1:]
        distance = ((x - mole_x) ** 2 + (y - mole_y) ** 2).sqrt()
        has_it = identities.mole_count[:, None] > number
        strength = has_it * smoothstep(0.05, 0.03, distance) * surface.facing_front * (z > 0.9)
        colour = torch.lerp(colour, tone * 0.35, strength[..., None] * 0.9)
    return colour


def _paint_lips(colour: Tensor, surface: Surface, identities: Identities, tone: Tensor) -> Tensor:
    bare = tone * colour.new_tensor([0.86, 0.62, 0.60])
    lipstick = colour.new_tensor([0.70, 0.12, 0.20]).expand_as(bare)
    lips = torch.lerp(bare, lipstick, (identities.lip[:, 1:] * 0.75)[:, None])
    return torch.lerp(colour, lips, (surface.lips * 0.85)[..., None])
