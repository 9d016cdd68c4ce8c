"""How a picture was taken: everything that may differ between two pictures of one person."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recipe.world.batches import TensorBatch
from recipe.world.draws import Draws
from recipe.world.palette import BACKGROUNDS, EXPRESSIONS, LIGHTS, SHIRTS, BackdropPattern

MICRO_EXPRESSIONS = 12
"""How many of the first facial action units move a little in every picture."""


@dataclass(frozen=True)
class Contexts(TensorBatch):
    """B pictures to be taken; indices point into the tables of `recipe.world.palette`.

    Attributes:
        expression: Which of `EXPRESSIONS` (B,).
        strength: How much of it (B,).
        yaw: Turn of the head in degrees, positive to the person's own left (B,).
        pitch: Nod of the head in degrees (B,).
        roll: Tilt of the head in degrees (B,).
        zoom: Focal length relative to the usual one (B,).
        shift: Sideways and upward shift of the person in decimetres (B, 2).
        light: Which of `LIGHTS` (B,).
        light_direction: Direction to the lamp, not normalised (B, 3).
        background: Which of `BACKGROUNDS` (B,).
        gradient: Brightness gradient of the background (B, 2).
        pattern: `BackdropPattern` (B,).
        shirt: Which of `SHIRTS` (B,).
        blink: How far the eyelids are closed (B,).
        jitter: Micro-expressions (B, 12).
        seed: Phase of the background's pattern (B,).
    """

    expression: Tensor
    strength: Tensor
    yaw: Tensor
    pitch: Tensor
    roll: Tensor
    zoom: Tensor
    shift: Tensor
    light: Tensor
    light_direction: Tensor
    background: Tensor
    gradient: Tensor
    pattern: Tensor
    shirt: Tensor
    blink: Tensor
    jitter: Tensor
    seed: Tensor

    def expression_name(self, index: int) -> str:
        """Name the expression of one picture."""
        return list(EXPRESSIONS)[int(self.expression[index])]

    def background_name(self, index: int) -> str:
        """Name the background colour of one picture."""
        return list(BACKGROUNDS)[int(self.background[index])]

    def shirt_name(self, index: int) -> str:
        """Name the shirt colour of one picture."""
        return list(SHIRTS)[int(self.shirt[index])]

    def light_name(self, index: int) -> str:
        """Name the light of one picture."""
        return list(LIGHTS)[int(self.light[index])]

    def captions(self) -> list[str]:
        """Describe every picture in words, without saying anything of the person."""
        return [
            f"a portrait of a person {self.expression_name(i)} wearing a {self.shirt_name(i)} shirt "
            f"{_facing(float(self.yaw[i]))} on a {self.background_name(i)} background "
            f"in {self.light_name(i)} light"
            for i in range(len(self))
        ]


def sample_contexts(count: int, rng: torch.Generator) -> Contexts:
    """Draw ``count`` contexts on the CPU; equal states of ``rng`` give equal contexts."""
    draw = Draws(rng)
    # Keyword arguments are evaluated in the order written here: the order of draws, see `Draws`.
    return Contexts(
        expression=draw.choice(count, len(EXPRESSIONS)).long(),
        strength=0.45 + 0.35 * draw.uniform(count),
        yaw=(draw.normal(count) * 16).clamp(-38, 38),
        pitch=(draw.normal(count) * 6).clamp(-15, 15),
        roll=(draw.normal(count) * 4).clamp(-10, 10),
        zoom=1 + 0.10 * (draw.uniform(count) - 0.5),
        shift=(draw.uniform(count, 2) - 0.5) * 0.12,
        light=draw.choice(count, len(LIGHTS)).long(),
        # Mostly above and in front: a lamp behind the head would leave the face black.
        light_direction=draw.normal(count, 3) * torch.tensor([0.8, 0.5, 0.2]) + torch.tensor([0, 0.5, 1.0]),
        background=draw.choice(count, len(BACKGROUNDS)).long(),
        gradient=draw.normal(count, 2) * 0.18,
        pattern=draw.choice(count, len(BackdropPattern)).long(),
        shirt=draw.choice(count, len(SHIRTS)).long(),
        blink=(draw.uniform(count) - 0.8).clamp(min=0) * 2,
        jitter=draw.normal(count, MICRO_EXPRESSIONS) * 0.10,
        seed=draw.uniform(count) * 100,
    )


def _facing(yaw: float) -> str:
    if yaw > 12:
        return "facing left"
    if yaw < -12:
        return "facing right"
    return "facing the camera"
