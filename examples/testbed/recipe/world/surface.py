"""What lies under every pixel: attributes of the visible surface, before it gets its colours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from recipe.world.fields import smoothstep
from recipe.world.geometry import PosedHeads
from recipe.world.identities import Identities
from recipe.world.mesh import EYELIDS, LIPS, Mesh
from recipe.world.palette import HairStyle, Material
from recipe.world.rasteriser import perspective_weights, rasterise


@dataclass(frozen=True)
class Surface:
    """P pixels of each of B pictures. Where no surface is, the values have no meaning.

    Attributes:
        covered: Whether the pixel shows the person (B, P).
        material: `Material` (B, P).
        position: Place on the template, not in space (B, P, 3): textures hold still when the head moves.
        normal: Unit normal in space (B, P, 3).
        scalp_height: How far above the hairline (B, P).
        lips: Share of lip skin (B, P).
        eyelids: Share of eyelid skin (B, P).
    """

    covered: Tensor
    material: Tensor
    position: Tensor
    normal: Tensor
    scalp_height: Tensor
    lips: Tensor
    eyelids: Tensor

    @property
    def facing_front(self) -> Tensor:
        """Fade (B, P) from the sides of the head, where it is 0, to the face, where it is 1."""
        return smoothstep(0.4, 0.9, self.position[..., 2])


def pixel_centres(resolution: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return x and y (1, P) of the centres of all pixels, row by row."""
    steps = torch.arange(resolution, device=device)
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    return columns.reshape(1, -1) + 0.5, rows.reshape(1, -1) + 0.5


def visible_surface(mesh: Mesh, heads: PosedHeads, screen: Tensor, identities: Identities, resolution: int) -> Surface:
    """Rasterise the heads and interpolate what is visible.

    Args:
        mesh: The template.
        heads: The posed heads.
        screen: Pixel x, pixel y and depth of their vertices (B, V, 3).
        identities: Whose heads they are: hair that a person does not have is left out.
        resolution: Width and height of the picture; P is its square.
    """
    triangle = rasterise(screen, mesh.triangles, drawn_triangles(mesh, identities), resolution)
    triangle = triangle.view(len(screen), -1)  # (B, P)
    covered, triangle = triangle >= 0, triangle.clamp(min=0)
    corners = mesh.triangles[triangle]  # (B, P, 3)
    member = torch.arange(len(screen), device=mesh.device)[:, None, None]
    x, y = pixel_centres(resolution, mesh.device)
    weights = perspective_weights(screen[member, corners], x, y)[..., None]

    def interpolate(at_corners: Tensor) -> Tensor:
        """(B, P, 3, C) to (B, P, C)."""
        return (at_corners * weights).sum(-2)

    masks = _sample_masks(mesh, interpolate(mesh.uv[corners]))
    return Surface(
        covered=covered,
        material=mesh.triangle_material[triangle],
        position=interpolate(mesh.template[corners]),
        normal=functional.normalize(interpolate(heads.normals[member, corners]), dim=-1),
        scalp_height=interpolate(heads.scalp_height[..., None][member, corners])[..., 0],
        lips=masks[:, LIPS],
        eyelids=masks[:, EYELIDS],
    )


def drawn_triangles(mesh: Mesh, identities: Identities) -> Tensor:
    """Choose triangles (B, F): all but hair that is cut off and the part of the shirt that covers the neck.

    Shaved and short hair is painted on the scalp. The hair mesh serves medium and long hair, which are cut at
    different heights, and it has a hole where the face is.
    """
    centre = mesh.template[mesh.triangles].mean(1)  # (F, 3)
    x, y, z = centre.unbind(1)
    nowhere = 99.0
    cut_of_style = torch.tensor([nowhere, nowhere, 6.75, 0.0], device=mesh.device)
    cut = cut_of_style[identities.style] + (identities.hair_length - 0.5) * 0.6
    over_face = ((z > 0.55) & (x.abs() < 0.80) & (y < 8.05)) | ((z > 0.75) & (y < 7.9))
    worn = (identities.style >= HairStyle.MEDIUM)[:, None] & (y > cut[:, None]) & ~over_face
    is_hair, is_shirt = mesh.triangle_material == Material.HAIR, mesh.triangle_material == Material.SHIRT
    return (~is_hair | worn) & ~(is_shirt & (y > 6.0))


def _sample_masks(mesh: Mesh, uv: Tensor) -> Tensor:
    """Look the texture masks up at uv (B, P, 2): (B, 4, P)."""
    # OBJ texture coordinates start at the bottom left, grid_sample's at the top left and run from -1 to 1.
    grid = torch.stack([uv[..., 0] * 2 - 1, 1 - uv[..., 1] * 2], -1)[:, None]
    masks = mesh.uv_masks.expand(len(uv), -1, -1, -1)
    return functional.grid_sample(masks, grid, align_corners=False)[:, :, 0]
