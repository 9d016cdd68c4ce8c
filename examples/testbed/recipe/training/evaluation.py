"""What a generator makes of people it has never seen: does the judge know them again?"""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from recipe.networks.captions import EMPTY_CAPTION, PERSON_POSITION
from recipe.networks.encoders import (
    LATENT_CHANNELS,
    LATENT_SIZE,
    from_autoencoder_output,
    to_encoder_input,
)
from recipe.networks.generators import GeneratorName, GeneratorNetwork, build_sampler
from recipe.networks.judge import to_judge_input
from recipe.training.measures import embed, peak_signal_to_noise
from recipe.training.trained import TrainedEncoders
from recipe.training.workshop import HELD_OUT_VIEWS, Workshop

GUIDANCE_SCALES = (1.5, 2.0, 3.0)
SHEET_GUIDANCE = 2.0
SHEET_ROWS = 12
TARGET_VIEW = 3
"""The reference is a person's picture 0, and its caption is that of this one."""


@torch.no_grad()
def sample(
    generator: GeneratorNetwork,
    encoders: TrainedEncoders,
    text: Tensor,
    embeddings: Tensor,
    workshop: Workshop,
    *,
    guidance: float,
    seed: int = 0,
) -> Tensor:
    """Draw pictures with classifier-free guidance.

    Args:
        generator: What draws them.
        encoders: For the empty caption, and to decode latents.
        text: Caption states (B, T, TEXT_DIM).
        embeddings: Of the people to draw (B, IMAGE_DIM).
        workshop: For its precision and its number of solver steps.
        guidance: How far to go beyond the unconditional prediction.
        seed: Of the first noise.

    Returns:
        uint8 pictures (B, 3, 128, 128).
    """
    count, device = len(embeddings), embeddings.device
    person = torch.full((count,), PERSON_POSITION, device=device)
    nothing = encoders.read(EMPTY_CAPTION.to(device)).expand(count, -1, -1)
    without = generator.condition(nothing, torch.zeros_like(embeddings), person)
    conditioning = torch.cat([without, generator.condition(text, embeddings, person)])
    shape = (count, LATENT_CHANNELS, LATENT_SIZE, LATENT_SIZE)
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)
    sampler = build_sampler()
    sampler.set_timesteps(workshop.settings.sampling_steps)
    for time in sampler.timesteps:
        times = torch.full((2 * count,), int(time), device=device)
        with workshop.mixed_precision():
            velocity = generator.denoise(torch.cat([latents, latents]), times, conditioning)
        unconditional, conditional = velocity.float().chunk(2)
        guided = unconditional + guidance * (conditional - unconditional)
        latents = sampler.step(guided, time, latents).prev_sample
    with workshop.mixed_precision():
        decoded = encoders.autoencoder.decode(latents / encoders.scaling_factor).sample
    return from_autoencoder_output(decoded)


@torch.no_grad()
def evaluate(
    workshop: Workshop, name: GeneratorName, generator: GeneratorNetwork, encoders: TrainedEncoders
) -> dict[str, Any]:
    """Draw every held-out person once at each guidance, and write a sheet of reference, target and result."""
    held_out = workshop.held_out
    reference = torch.arange(0, len(held_out), HELD_OUT_VIEWS, device=held_out.device)
    references, targets = held_out.pictures[reference], held_out.pictures[reference + TARGET_VIEW]
    embeddings = encoders.embed(to_encoder_input(references))
    text = encoders.read(held_out.tokens[reference + TARGET_VIEW])

    def recognise(pictures: Tensor) -> Tensor:
        return functional.normalize(embed(lambda part: encoders.judge(to_judge_input(part)), pictures), dim=-1)

    def similarity(first: Tensor, second: Tensor) -> float:
        return float((first * second).sum(-1).mean())

    of_reference, of_target = recognise(references), recognise(targets)
    figures: dict[str, Any] = {
        "real_same": similarity(of_reference, of_target),
        "real_different": similarity(of_reference, of_target.roll(1, 0)),
    }
    for guidance in GUIDANCE_SCALES:
        drawn = sample(generator, encoders, text, embeddings, workshop, guidance=guidance)
        of_drawn = recognise(drawn)
        figures[f"guidance_{guidance}"] = {
            "reference": similarity(of_drawn, of_reference),
            "target": similarity(of_drawn, of_target),
            "different": similarity(of_drawn, of_reference.roll(1, 0)),
            "psnr_to_target": peak_signal_to_noise(drawn.float() / 255, targets.float() / 255),
        }
        if guidance == SHEET_GUIDANCE:
            sheet = torch.cat([_column(pictures) for pictures in (references, targets, drawn)], 1)
            file = workshop.checkpoints.folder / f"generator_{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(sheet.cpu().numpy()).save(file)
    return figures


def _column(pictures: Tensor) -> Tensor:
    """Put the first pictures (B, 3, H, W) under each other (rows · H, W, 3)."""
    return pictures[:SHEET_ROWS].permute(0, 2, 3, 1).flatten(0, 1)
