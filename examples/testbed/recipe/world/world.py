"""The portrait world: draw people, draw contexts, take pictures."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from recipe.world.albedo import albedo
from recipe.world.contexts import Contexts, sample_contexts
from recipe.world.geometry import pose_heads, project
from recipe.world.identities import Identities, sample_identities
from recipe.world.lighting import backdrop, lit
from recipe.world.mesh import Mesh
from recipe.world.surface import visible_surface

DEFAULT_BASIS = Path(__file__).resolve().parents[2] / "basis.npz"
GAMMA = 1.12


class World:
    """A renderer with the people and the contexts it can show.

    A picture is a function of an identity and a context and of nothing else, so an exact face swap is
    ``world.render(other_people, contexts)``.

    Attributes:
        mesh: The template head.
        size: Width and height of a picture.
        oversampling: Pixels computed for one pixel of the picture, in each direction.
    """

    def __init__(
        self,
        basis: Path = DEFAULT_BASIS,
        device: torch.device | str = "cpu",
        size: int = 128,
        oversampling: int = 2,
    ) -> None:
        self.mesh = Mesh.load(basis, device)
        self.size = size
        self.oversampling = oversampling

    @property
    def device(self) -> torch.device:
        """Where pictures are rendered."""
        return self.mesh.device

    def sample_identities(self, count: int, rng: torch.Generator) -> Identities:
        """Draw ``count`` people; the same on every device."""
        return sample_identities(count, self.mesh.identity_names, rng).to(self.device)

    def sample_contexts(self, count: int, rng: torch.Generator) -> Contexts:
        """Draw ``count`` contexts; the same on every device."""
        return sample_contexts(count, rng).to(self.device)

    @torch.no_grad()
    def render(self, identities: Identities, contexts: Contexts) -> Tensor:
        """Take one picture of each person in the context of the same position.

        Args:
            identities: B people.
            contexts: B contexts.

        Returns:
            Pictures (B, 3, size, size), uint8.
        """
        resolution = self.size * self.oversampling
        heads = pose_heads(self.mesh, identities, contexts)
        screen = project(heads.vertices, contexts, resolution)
        surface = visible_surface(self.mesh, heads, screen, identities, resolution)
        person = lit(albedo(self.mesh, surface, identities, contexts), surface, contexts)
        pixels = torch.where(surface.covered[..., None], person, backdrop(contexts, resolution))
        picture = pixels.view(-1, resolution, resolution, 3).permute(0, 3, 1, 2)
        picture = functional.avg_pool2d(picture, self.oversampling)
        return (picture.clamp(0, 1) ** (1 / GAMMA) * 255).round().to(torch.uint8)
