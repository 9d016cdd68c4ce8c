"""What ireu asks of an image encoder, whatever it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from PIL import Image
from torch import Tensor, nn

from ireu_governance.core.artifact import Artifact

__all__ = ["Encoder", "Tap", "TrainableEncoder"]


class Tap(StrEnum):
    """Which output of a CLIP-shaped encoder a generator reads, and so where a removal must act.

    A change that one tap shows may be invisible at another: a loss on ``penultimate`` gives no gradient to the
    last layer, and a change of the projection alone changes nothing at ``penultimate``.
    """

    IMAGE_EMBEDS = "image_embeds"
    """Pooled and projected, (N, D): FastComposer, IP-Adapter, the testbed."""
    POOLED = "pooled"
    """Pooled after the last layer norm, before the projection, (N, H): PhotoMaker v1."""
    PENULTIMATE = "penultimate"
    """Hidden states before the last layer, (N, T, H): IP-Adapter Plus."""
    LAST_TOKENS = "last_tokens"
    """Hidden states after the last layer, before the last layer norm, (N, T, H): PhotoMaker v2."""


@runtime_checkable
class Encoder(Protocol):
    """A frozen image encoder: pictures in, features out."""

    @property
    def name(self) -> str:
        """Neutral name of its architecture; never a path."""

    @property
    def artifact(self) -> Artifact:
        """Digests of the files that it was loaded from."""

    def preprocess(self, images: Sequence[Image.Image]) -> Tensor:
        """Return pixel values (N, 3, H, W) as the encoder wants them."""

    def encode(self, pixels: Tensor, *, tap: Tap = Tap.IMAGE_EMBEDS, batch_size: int = 32) -> Tensor:
        """Return features (N, D) or (N, T, H), without gradients, on the CPU in float32."""


class TrainableEncoder(Encoder, Protocol):
    """An encoder whose weights can be moved and saved."""

    @property
    def module(self) -> nn.Module:
        """The network whose parameters are trained."""

    @property
    def device(self) -> torch.device:
        """Where the network is."""

    def forward(self, pixels: Tensor, *, tap: Tap) -> Tensor:
        """Return features with gradients, on the network's device."""

    def copy(self) -> TrainableEncoder:
        """Return an independent copy."""

    def save(self, folder: Path) -> None:
        """Write the encoder as a folder that `load_encoder` reads, safetensors only."""
