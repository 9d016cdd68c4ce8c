"""A rendered set of people, each in several contexts, with captions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recipe.networks.captions import tokenise
from recipe.world import Contexts, Identities, World


@dataclass(frozen=True)
class Portraits:
    """N = people × views pictures; those of one person lie side by side.

    Attributes:
        views: Pictures of each person.
        pictures: uint8 (N, 3, 128, 128).
        person: Whose picture each is (N,).
        tokens: Caption tokens (N, CAPTION_LENGTH).
        identities: The people.
        contexts: The N contexts.
    """

    views: int
    pictures: Tensor
    person: Tensor
    tokens: Tensor
    identities: Identities
    contexts: Contexts

    @classmethod
    def render(cls, world: World, people: int, views: int, seed: int, batch: int) -> Portraits:
        """Draw people and contexts from a seed and take all pictures."""
        rng = torch.Generator().manual_seed(seed)
        identities = world.sample_identities(people, rng)
        contexts = world.sample_contexts(people * views, rng)
        person = torch.arange(people, device=world.device).repeat_interleave(views)
        shape = (people * views, 3, world.size, world.size)
        # Filled in place: the full set takes 6 GB, and a list to be joined would take that twice.
        pictures = torch.empty(shape, dtype=torch.uint8, device=world.device)
        for start in range(0, len(pictures), batch):
            part = slice(start, start + batch)
            pictures[part] = world.render(identities[person[part]], contexts[part])
        tokens = tokenise(contexts.captions()).to(world.device)
        return cls(views, pictures, person, tokens, identities, contexts)

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def device(self) -> torch.device:
        """Where the pictures are."""
        return self.pictures.device

    def draw(self, count: int) -> Tensor:
        """Draw picture numbers (count,)."""
        return torch.randint(0, len(self), (count,), device=self.device)

    def draw_pairs(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw people (count,) and two pictures of each (count,), (count,); sometimes the same one twice."""
        person = torch.randint(0, len(self.identities), (count,), device=self.device)
        first = person * self.views + torch.randint(0, self.views, (count,), device=self.device)
        second = person * self.views + torch.randint(0, self.views, (count,), device=self.device)
        return person, first, second
