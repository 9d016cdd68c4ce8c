"""The trained encoders as the generator stages use them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import CLIPTextModel, CLIPVisionModelWithProjection

from recipe.networks.encoders import build_autoencoder, build_image_encoder, build_text_encoder
from recipe.networks.judge import Judge
from recipe.training.checkpoints import Checkpoints


@dataclass(frozen=True)
class TrainedEncoders:
    """Frozen networks of the earlier stages.

    Attributes:
        image_encoder: Of the encoder stage.
        text_encoder: Of the encoder stage.
        autoencoder: Of the autoencoder stage.
        scaling_factor: What to multiply latents by.
        judge: Of the judge stage.
    """

    image_encoder: CLIPVisionModelWithProjection
    text_encoder: CLIPTextModel
    autoencoder: AutoencoderKL
    scaling_factor: float
    judge: Judge

    @classmethod
    def load(cls, checkpoints: Checkpoints, device: torch.device) -> TrainedEncoders:
        """Read all of them.

        Raises:
            FileNotFoundError: If a stage has not been run.
        """
        return cls(
            checkpoints.load("image_encoder", build_image_encoder()).to(device).eval(),
            checkpoints.load("text_encoder", build_text_encoder()).to(device).eval(),
            checkpoints.load("autoencoder", build_autoencoder()).to(device).eval(),
            checkpoints.figures("autoencoder")["scaling_factor"],
            checkpoints.load("judge", Judge()).to(device).eval(),
        )

    def embed(self, normalised: Tensor) -> Tensor:
        """Embed normalised pictures (B, 3, 128, 128) as (B, IMAGE_DIM)."""
        embeddings: Tensor = self.image_encoder(pixel_values=normalised).image_embeds
        return embeddings

    def read(self, tokens: Tensor) -> Tensor:
        """Encode captions (B, CAPTION_LENGTH) as states (B, CAPTION_LENGTH, TEXT_DIM)."""
        states: Tensor = self.text_encoder(input_ids=tokens).last_hidden_state
        return states
