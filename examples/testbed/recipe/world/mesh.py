"""The head-and-shoulders template with everything that can move its vertices.

Lengths are decimetres. x points to the person's left, y up, z out of the face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipe.world.fields import smoothstep
from recipe.world.palette import Material

LIPS, EYELIDS = 0, 1
"""Channels of `Mesh.uv_masks`."""


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh (V vertices, F triangles) and its linear shape space.

    Attributes:
        template: Vertex positions (V, 3) of the average head.
        triangles: Vertex numbers (F, 3).
        triangle_material: `Material` of every triangle (F,).
        uv: Texture coordinates (V, 2).
        identity_offsets: What each of N shape targets adds to the template (N, V, 3).
        identity_names: Their names, such as ``nose-hump-incr``.
        expression_offsets: What each of E facial action units adds (E, V, 3).
        expression_names: Their names, such as ``jawOpen``.
        uv_masks: Texture masks (4, height, width) in [0, 1]: lips, eyelids, ears, face.
    """

    template: Tensor
    triangles: Tensor
    triangle_material: Tensor
    uv: Tensor
    identity_offsets: Tensor
    identity_names: Sequence[str]
    expression_offsets: Tensor
    expression_names: Sequence[str]
    uv_masks: Tensor

    @classmethod
    def load(cls, path: Path, device: torch.device | str = "cpu") -> Mesh:
        """Read a basis file written by `recipe.basis`, and refine what is too coarse in it."""
        with np.load(path) as arrays:

            def tensor(name: str, dtype: torch.dtype = torch.float32) -> Tensor:
                return torch.tensor(arrays[name], device=device).to(dtype)

            coarse = cls(
                template=tensor("base"),
                triangles=tensor("faces", torch.long),
                triangle_material=tensor("material", torch.long),
                uv=tensor("uv"),
                identity_offsets=tensor("identity"),
                identity_names=[str(name) for name in arrays["identity_names"]],
                expression_offsets=tensor("expression"),
                expression_names=[str(name) for name in arrays["expression_names"]],
                uv_masks=tensor("masks") / 255.0,
            )
        # MakeHuman draws hair and clothes as coarse helper geometry; shaded as it is, its facets would show.
        return coarse.subdivided(Material.HAIR, Material.SHIRT)

    def subdivided(self, *materials: Material) -> Mesh:
        """Split every triangle of these materials into four at the midpoints of its edges."""
        chosen = torch.isin(self.triangle_material, self.triangle_material.new_tensor(materials))
        corners = self.triangles[chosen]  # (C, 3)
        edges = torch.stack([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]], 1).sort(-1).values
        unique_edges, edge_of_corner = torch.unique(edges.reshape(-1, 2), dim=0, return_inverse=True)
        start, stop = unique_edges.unbind(1)

        def with_midpoints(per_vertex: Tensor) -> Tensor:
            """Append midpoints to (…, V, C)."""
            return torch.cat([per_vertex, (per_vertex[..., start, :] + per_vertex[..., stop, :]) / 2], -2)

        a, b, c = corners.unbind(1)
        ab, bc, ca = (edge_of_corner.view(-1, 3) + len(self.template)).unbind(1)
        quarters = torch.cat([torch.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
        return replace(
            self,
            template=with_midpoints(self.template),
            triangles=torch.cat([self.triangles[~chosen], quarters]),
            triangle_material=torch.cat([self.triangle_material[~chosen], self.triangle_material[chosen].repeat(4)]),
            uv=with_midpoints(self.uv),
            identity_offsets=with_midpoints(self.identity_offsets),
            expression_offsets=with_midpoints(self.expression_offsets),
        )

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.template.device

    @cached_property
    def vertex_material(self) -> Tensor:
        """`Material` of every vertex (V,). Triangles of two materials share no vertex."""
        material = torch.zeros(len(self.template), dtype=torch.long, device=self.device)
        material[self.triangles.reshape(-1)] = self.triangle_material.repeat_interleave(3)
        return material

    @cached_property
    def height_above_hairline(self) -> Tensor:
        """How far each vertex (V,) lies above the average hairline, which climbs towards the forehead."""
        _, y, z = self.template.unbind(1)
        return y - (7.42 + 0.72 * (z - 0.5))

    @cached_property
    def neck_weight(self) -> Tensor:
        """How much of the head's rotation each vertex (V,) follows: 0 on the shoulders, 1 on the head."""
        height = self.template[:, 1]
        # Hair hangs lower than the neck, so it begins to follow lower: it would tear off the head otherwise.
        return torch.where(
            self.vertex_material == Material.HAIR,
            smoothstep(4.9, 6.9, height),
            smoothstep(5.75, 6.75, height),
        )

    @cached_property
    def eye_vertices(self) -> tuple[Tensor, Tensor]:
        """Masks (V,) of the left and of the right eyeball."""
        eye, x = self.vertex_material == Material.EYE, self.template[:, 0]
        return eye & (x > 0), eye & (x < 0)

    @cached_property
    def eye_centres(self) -> Tensor:
        """Centres (2, 3) of the template's eyeballs."""
        return torch.stack([self.template[eye].mean(0) for eye in self.eye_vertices])
