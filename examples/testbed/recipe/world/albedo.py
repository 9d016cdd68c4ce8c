"""Colour of every visible material before any light falls on it."""

from __future__ import annotations

import torch
from torch import Tensor

from recipe.world.contexts import Contexts
from recipe.world.fields import smoothstep, value_noise
from recipe.world.hair import paint_hair
from recipe.world.identities import Identities
from recipe.world.mesh import Mesh
from recipe.world.palette import SHIRTS, Material
from recipe.world.skin import skin_colour
from recipe.world.surface import Surface


def albedo(mesh: Mesh, surface: Surface, identities: Identities, contexts: Contexts) -> Tensor:
    """Paint every pixel (B, P, 3) with the colour of its material."""
    grain = value_noise(surface.position, 16.0, identities.seed)
    colour = paint_hair(skin_colour(surface, identities), surface, identities, grain)
    shirt = colour.new_tensor(list(SHIRTS.values()))[contexts.shirt][:, None]
    parts = {
        Material.EYE: _eyeball(mesh, surface, identities),
        Material.TEETH: torch.full_like(colour, 0.88),
        Material.TONGUE: colour.new_tensor([0.55, 0.22, 0.22]).expand_as(colour),
        Material.SHIRT: shirt * (0.9 + 0.2 * grain[..., None]),
    }
    for material, part in parts.items():
        colour = torch.where((surface.material == material)[..., None], part, colour)
    return colour


def _eyeball(mesh: Mesh, surface: Surface, identities: Identities) -> Tensor:
    """Paint white, iris and pupil as rings around the nearer eye's axis (B, P, 3)."""
    offsets = torch.stack([surface.position - centre for centre in mesh.eye_centres], -2)  # (B, P, 2, 3)
    nearer = offsets.norm(dim=-1).argmin(-1)
    from_centre = surface.position - mesh.eye_centres[nearer]
    radius = (from_centre[..., 0] ** 2 + from_centre[..., 1] ** 2).sqrt()

    def inside(outer: float, inner: float) -> Tensor:
        return smoothstep(outer, inner, radius)[..., None]

    white = torch.full_like(surface.position, 0.90)
    iris = identities.iris[:, None] * (0.7 + 0.6 * smoothstep(0.02, 0.075, radius))[..., None]
    pupil = torch.full_like(white, 0.02)
    return torch.lerp(torch.lerp(white, iris, inside(0.082, 0.072)), pupil, inside(0.036, 0.028))
