"""The testbed's portrait generators as diffusers pipelines: a feature and a prompt in, a portrait out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

# diffusers loads components of classes other than its own only from modules that are imported already.
import ireu_sdk.generators.fusion  # noqa: F401

__all__ = ["FusedTokenPipeline", "ImageTokenPipeline", "PortraitPipeline"]

PERSON_WORD = "person"


class PortraitPipeline(DiffusionPipeline):  # type: ignore[misc]
    """What both generators share: text encoder, fusion of the person's feature, sampling, decoding.

    The person enters as a feature z = E(x) of the shared image encoder, so that the same pipeline draws with
    the original and with the unlearned encoder: only z differs.
    """

    denoiser_name = ""

    def _register(self, **components: Any) -> None:
        self.register_modules(**components)

    def _predict(self, latents: Tensor, step: Tensor, context: Tensor) -> Tensor:  # noqa: ARG002
        raise TypeError("PortraitPipeline is a base class; use one of its subclasses.")

    def _tokenise(self, prompts: Sequence[str]) -> Tensor:
        length = self.text_encoder.config.max_position_embeddings
        tokens: Tensor = self.tokenizer(
            list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids
        return tokens

    def _context(self, z: Tensor, prompts: Sequence[str]) -> Tensor:
        """Return unconditional and conditional context, (2N, T, C)."""
        ids = self._tokenise(prompts)
        person = (ids == self.tokenizer.get_vocab()[PERSON_WORD]).int().argmax(dim=1).to(z.device)
        text = self.text_encoder(input_ids=ids.to(z.device)).last_hidden_state
        empty_ids = self._tokenise([""]).to(z.device)
        empty = self.text_encoder(input_ids=empty_ids).last_hidden_state.expand(len(z), -1, -1)
        # The unconditional branch sees no person: z = 0 at the same position, as in training.
        return torch.cat([self.fusion(empty, torch.zeros_like(z), person), self.fusion(text, z, person)])

    @torch.no_grad()
    def __call__(
        self,
        features: Tensor,
        prompts: Sequence[str],
        seeds: Sequence[int],
        num_inference_steps: int = 12,
        guidance_scale: float = 3.0,
    ) -> Tensor:
        """Draw one portrait for each feature.

        Args:
            features: (N, D), what the image encoder gave for the reference photos.
            prompts: N prompts; each holds the word "person".
            seeds: N seeds of the starting noise; a picture depends on its own seed only, not on its batch.
            num_inference_steps: Denoising steps.
            guidance_scale: Weight of the prompt and person against the unconditional branch.

        Returns:
            (N, 3, H, W), uint8, RGB.
        """
        z = features.to(device=self.device, dtype=self.dtype)
        context = self._context(z, prompts)
        scheduler = self.scheduler.from_config(self.scheduler.config)  # its own state for every call
        scheduler.set_timesteps(num_inference_steps)
        side = self.vae.config.sample_size // 2 ** (len(self.vae.config.block_out_channels) - 1)
        shape = (self.vae.config.latent_channels, side, side)
        noise = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        latents = torch.stack(noise).to(device=self.device, dtype=self.dtype)
        for step in scheduler.timesteps:
            both = self._predict(torch.cat([latents, latents]), step.expand(2 * len(z)), context)
            unconditional, conditional = both.chunk(2)
            guided = unconditional + guidance_scale * (conditional - unconditional)
            latents = scheduler.step(guided, step, latents).prev_sample
        pictures = self.vae.decode(latents / self.vae.config.scaling_factor).sample
        levels: Tensor = ((pictures.float().clamp(-1, 1) + 1) * 127.5).round()
        return levels.to(torch.uint8).cpu()


class FusedTokenPipeline(PortraitPipeline):
    """Generator A: a UNet whose prompt carries the person inside its token (FastComposer's way)."""

    denoiser_name = "unet"

    def __init__(self, vae: Any, text_encoder: Any, tokenizer: Any, unet: Any, fusion: Any, scheduler: Any) -> None:
        super().__init__()
        self._register(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            fusion=fusion,
            scheduler=scheduler,
        )

    def _predict(self, latents: Tensor, step: Tensor, context: Tensor) -> Tensor:
        prediction: Tensor = self.unet(latents, step, encoder_hidden_states=context).sample
        return prediction


class ImageTokenPipeline(PortraitPipeline):
    """Generator B: a transformer whose prompt has the person's tokens beside it (IP-Adapter's way)."""

    denoiser_name = "transformer"

    def __init__(
        self, vae: Any, text_encoder: Any, tokenizer: Any, transformer: Any, fusion: Any, scheduler: Any
    ) -> None:
        super().__init__()
        self._register(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            transformer=transformer,
            fusion=fusion,
            scheduler=scheduler,
        )

    def _predict(self, latents: Tensor, step: Tensor, context: Tensor) -> Tensor:
        prediction: Tensor = self.transformer(
            latents, timestep=step, encoder_hidden_states=context, added_cond_kwargs={}
        ).sample
        return prediction
