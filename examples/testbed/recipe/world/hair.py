"""Colour of everything that is hair: eyebrows, beard, the painted scalp and the hair mesh."""

from __future__ import annotations

import torch
from torch import Tensor

from recipe.world.fields import smoothstep, value_noise
from recipe.world.identities import Identities
from recipe.world.palette import HairStyle, Material
from recipe.world.surface import Surface


def paint_hair(colour: Tensor, surface: Surface, identities: Identities, grain: Tensor) -> Tensor:
    """Paint hair over the skin.

    Args:
        colour: Skin (B, P, 3).
        surface: The pixels.
        identities: Whose hair it is.
        grain: Fine noise (B, P), so that edges and strands are not flat.

    Returns:
        Colours (B, P, 3).
    """
    hair = identities.hair.clamp(0, 1)[:, None]  # (B, 1, 3)
    colour = torch.lerp(colour, hair * 0.75, (_eyebrows(surface, identities, grain) * 0.9)[..., None])
    beard = _beard(surface, identities, grain)
    colour = torch.lerp(colour, hair * 0.85, beard.clamp(0, 0.95)[..., None])
    strands = hair * _streaks(surface, identities)[..., None]
    colour = torch.lerp(colour, strands, _scalp(surface, identities, grain)[..., None])
    return torch.where((surface.material == Material.HAIR)[..., None], strands, colour)


def _eyebrows(surface: Surface, identities: Identities, grain: Tensor) -> Tensor:
    """Draw a tapered, arched stroke above each eye (B, P)."""
    x, y, z = surface.position.unbind(-1)
    thickness, height, length, arch = (value[:, None] for value in identities.brow.unbind(1))
    across = x.abs()
    along = ((across - 0.16) / (0.60 * length + 0.12)).clamp(0, 1)  # 0 at the nose, 1 at the temple
    middle = 7.545 + height + (0.13 + arch) * along * (1 - along) * 1.7 - 0.02 * along
    inner_end = smoothstep(0.11, 0.17, across)
    outer_end = smoothstep(0.651, 0.55, across * (1.30 - 0.3 * length))
    tapered = thickness * (1 - 0.55 * along)
    stroke = smoothstep(1.25, 0.55, (y - middle).abs() / tapered)
    strands = (0.75 + 0.5 * grain).clamp(0, 1)
    return inner_end * outer_end * stroke * (z > 0.85) * strands


def _beard(surface: Surface, identities: Identities, grain: Tensor) -> Tensor:
    """Cover jaw, cheeks and upper lip as the person's style has it (B, P); the lips stay free."""
    x, y, z = surface.position.unbind(-1)
    across = x.abs()
    jaw = smoothstep(6.95, 6.72, y) * smoothstep(5.9, 6.2, y) * smoothstep(0.30, 0.55, z)
    below_cheekbone = smoothstep(6.62, 6.5, y - 0.55 * across)
    sideburn = smoothstep(0.5, 0.62, across)
    chin = jaw * torch.maximum(below_cheekbone, sideburn)
    under_nose = smoothstep(6.88, 6.83, y) * smoothstep(6.66, 6.70, y)
    moustache = smoothstep(0.36, 0.28, across) * under_nose * (z > 1.1)
    full = torch.maximum(chin, moustache)
    by_style = torch.stack([torch.zeros_like(full), 0.38 * full, moustache, full])  # in the order of `Beard`
    style = identities.beard.view(1, -1, 1).expand(1, *full.shape)
    cover = by_style.gather(0, style)[0]
    return cover * (1 - surface.lips) * (0.7 + 0.45 * grain).clamp(0, 1)


def _streaks(surface: Surface, identities: Identities) -> Tensor:
    """Vary brightness from strand to strand (B, P): noise stretched along the fall of the hair."""
    stretched = surface.position * surface.position.new_tensor([3.0, 0.6, 3.0])
    return 0.72 + 0.5 * value_noise(stretched, 6.0, identities.seed)


def _scalp(surface: Surface, identities: Identities, grain: Tensor) -> Tensor:
    """Cover the scalp down to the hairline, which the grain frays (B, P); shaved heads show a shadow."""
    frayed = surface.scalp_height + 0.06 * (grain - 0.5)
    density = torch.where(identities.style[:, None] == HairStyle.SHAVED, 0.30, 1.0)
    return smoothstep(-0.03, 0.05, frayed) * density
