"""Light on the person, and the wall behind them in the same light."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from recipe.world.contexts import Contexts
from recipe.world.palette import BACKGROUNDS, LIGHTS, BackdropPattern, Material
from recipe.world.surface import Surface, pixel_centres


def lit(colour: Tensor, surface: Surface, contexts: Contexts) -> Tensor:
    """Shade with room light, a soft lamp and its reflection: albedo (B, P, 3) to colours in [0, 1]."""
    tint = _tint(contexts)
    lights = LIGHTS.values()
    ambient = colour.new_tensor([light.ambient for light in lights])[contexts.light][:, None]
    diffuse = colour.new_tensor([light.diffuse for light in lights])[contexts.light][:, None]
    to_lamp = functional.normalize(contexts.light_direction, dim=-1)[:, None]  # (B, 1, 3)
    cosine = (surface.normal * to_lamp).sum(-1)
    wrapped = ((cosine + 0.25) / 1.25).clamp(min=0)  # light reaches a little around the edge, as on skin
    room = ambient * (0.8 + 0.2 * surface.normal[..., 1])  # brighter from above
    shade = (room + diffuse * wrapped)[..., None] * tint
    return (colour.clamp(0, 1) * shade + _highlight(surface, to_lamp)[..., None] * tint).clamp(0, 1)


def backdrop(contexts: Contexts, resolution: int) -> Tensor:
    """Paint the wall (B, P, 3): a colour, a gradient and perhaps a faint pattern."""
    x, y = (centre / resolution for centre in pixel_centres(resolution, contexts.background.device))
    tint = _tint(contexts)
    colour = tint.new_tensor(list(BACKGROUNDS.values()))[contexts.background][:, None]
    gradient = 1 + contexts.gradient[:, :1] * (x - 0.5) * 2 + contexts.gradient[:, 1:] * (y - 0.5) * 2
    phase, pattern = contexts.seed[:, None], contexts.pattern[:, None]
    stripes = 0.93 + 0.07 * torch.sign(torch.sin(x * 40 + phase))
    checks = 0.94 + 0.06 * torch.sign(torch.sin(x * 30) * torch.sin(y * 30 + phase))
    brightness = torch.where(pattern == BackdropPattern.CHECKS, checks, 1.0)
    brightness = torch.where(pattern == BackdropPattern.STRIPES, stripes, brightness)
    # The wall takes a quarter of the lamp's tint: it stands behind the light.
    return (colour * (gradient * brightness)[..., None] * (0.75 + 0.25 * tint)).clamp(0, 1)


def _tint(contexts: Contexts) -> Tensor:
    """Colour (B, 1, 3) of each context's light."""
    tints = torch.tensor([light.tint for light in LIGHTS.values()], device=contexts.light.device)
    return tints[contexts.light][:, None]


def _highlight(surface: Surface, to_lamp: Tensor) -> Tensor:
    """Reflect the lamp towards the viewer (B, P): eyes most, skin a little, cloth not at all."""
    to_viewer = to_lamp.new_tensor([0.0, 0.0, 1.0])
    halfway = functional.normalize(to_lamp + to_viewer, dim=-1)
    gloss = torch.where(surface.material == Material.SHIRT, 0.0, 0.12)
    gloss = torch.where(surface.material == Material.EYE, 0.5, gloss)
    return (surface.normal * halfway).sum(-1).clamp(min=0) ** 28 * gloss
