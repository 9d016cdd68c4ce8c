"""Two latent diffusion generators that know a person by the same image embedding, and use it differently.

Generator A is a UNet that reads the embedding in the token of the word "person" (as FastComposer does);
generator B is a transformer that reads it as tokens of its own beside the caption (as IP-Adapter does).
Both predict velocity.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from diffusers import (
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    PixArtTransformer2DModel,
    UNet2DConditionModel,
)
from torch import Tensor, nn

from ireu_sdk.generators.fusion import FuseToken, ImageTokens
from ireu_sdk.generators.pipeline import FusedTokenPipeline, ImageTokenPipeline, PortraitPipeline
from recipe.networks.encoders import IMAGE_DIM, LATENT_CHANNELS, LATENT_SIZE, TEXT_DIM

GeneratorName = Literal["a", "b"]

_NOISE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "v_prediction",
}


class GeneratorNetwork(nn.Module):
    """A denoiser and the module that brings the person's embedding into its conditioning.

    Attributes:
        backbone: The denoiser, a diffusers model.
        fusion: From caption states and embedding to conditioning.
        pipeline_type: The diffusers pipeline that draws with the exported weights.
    """

    pipeline_type: ClassVar[type[PortraitPipeline]]

    def __init__(self, backbone: nn.Module, fusion: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.fusion = fusion

    def condition(self, text: Tensor, embedding: Tensor, person: Tensor) -> Tensor:
        """Fuse caption and person.

        Args:
            text: Caption states (B, T, TEXT_DIM).
            embedding: Image embeddings (B, IMAGE_DIM).
            person: Position of the word "person" in each caption (B,).

        Returns:
            Conditioning (B, T or more, TEXT_DIM).
        """
        conditioning: Tensor = self.fusion(text, embedding, person)
        return conditioning

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Tensor) -> Tensor:
        """Predict the velocity of noisy latents (B, 4, 32, 32) at timesteps (B,)."""
        raise NotImplementedError


class GeneratorA(GeneratorNetwork):
    """A UNet; the person's token becomes a mixture of the word and the embedding."""

    pipeline_type = FusedTokenPipeline

    def __init__(self) -> None:
        backbone = UNet2DConditionModel(
            sample_size=LATENT_SIZE,
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            block_out_channels=(64, 112, 160),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            cross_attention_dim=TEXT_DIM,
            attention_head_dim=8,
            norm_num_groups=16,
        )
        super().__init__(backbone, FuseToken(TEXT_DIM, IMAGE_DIM))

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Tensor) -> Tensor:
        """Predict velocity; see the base class."""
        velocity: Tensor = self.backbone(latents, timesteps, encoder_hidden_states=conditioning).sample
        return velocity


class GeneratorB(GeneratorNetwork):
    """A diffusion transformer; the embedding becomes four tokens beside the caption."""

    pipeline_type = ImageTokenPipeline

    def __init__(self) -> None:
        backbone = PixArtTransformer2DModel(
            sample_size=LATENT_SIZE,
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            patch_size=2,
            num_layers=8,
            num_attention_heads=4,
            attention_head_dim=48,
            cross_attention_dim=192,
            caption_channels=TEXT_DIM,
            attention_bias=True,
            use_additional_conditions=False,
        )
        super().__init__(backbone, ImageTokens(TEXT_DIM, IMAGE_DIM, 4))

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Tensor) -> Tensor:
        """Predict velocity; see the base class."""
        velocity: Tensor = self.backbone(
            latents, timestep=timesteps, encoder_hidden_states=conditioning, added_cond_kwargs={}
        ).sample
        return velocity


def build_generator(name: GeneratorName) -> GeneratorNetwork:
    """Build a generator with random weights."""
    return GeneratorA() if name == "a" else GeneratorB()


def noise_levels(device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Return the shares of signal and of noise at each of the 1000 training timesteps."""
    signal_variance = DDPMScheduler(**_NOISE).alphas_cumprod.to(device)
    return signal_variance.sqrt(), (1 - signal_variance).sqrt()


def build_sampler() -> DPMSolverMultistepScheduler:
    """Build the solver that turns noise into latents in 12 to 20 steps."""
    return DPMSolverMultistepScheduler(**_NOISE, algorithm_type="dpmsolver++", timestep_spacing="trailing")
