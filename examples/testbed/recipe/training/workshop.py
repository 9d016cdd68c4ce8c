"""What all stages of training share: the pictures, the checkpoints, the device."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path

import torch

from recipe.training.checkpoints import Checkpoints
from recipe.training.portraits import Portraits
from recipe.training.settings import Settings
from recipe.world import DEFAULT_BASIS, World

TRAINING_SEED, HELD_OUT_SEED = 1, 2
HELD_OUT_VIEWS = 8

logger = logging.getLogger(__name__)


class Workshop:
    """The place of a training run; pictures are rendered when a stage first asks for them.

    Attributes:
        settings: Sizes of the run.
        checkpoints: What earlier stages made, and where this one puts its result.
    """

    def __init__(self, settings: Settings, folder: Path, basis: Path = DEFAULT_BASIS) -> None:
        self.settings = settings
        self.checkpoints = Checkpoints(folder)
        self._basis = basis

    @cached_property
    def world(self) -> World:
        """The renderer, on the device."""
        return World(self._basis, self.settings.device)

    @cached_property
    def training(self) -> Portraits:
        """The pictures to learn from."""
        return self._render(self.settings.people, self.settings.views, TRAINING_SEED)

    @cached_property
    def held_out(self) -> Portraits:
        """Pictures of other people, for measuring."""
        return self._render(self.settings.held_out_people, HELD_OUT_VIEWS, HELD_OUT_SEED)

    def mixed_precision(self) -> torch.autocast:
        """Return a context of bfloat16 arithmetic, which does nothing on a CPU."""
        return torch.autocast(self.settings.device.type, dtype=torch.bfloat16, enabled=self.settings.on_gpu)

    def _render(self, people: int, views: int, seed: int) -> Portraits:
        logger.info("rendering %d people, %d views of each", people, views)
        return Portraits.render(self.world, people, views, seed, self.settings.render_batch)
