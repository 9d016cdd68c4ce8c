"""Stages 4 and 5: the two generators. They go on where an earlier run stopped.

Each learns to draw one picture of a person from its caption and from the embedding of *another* picture, so
that it must take the person, and not the pose or the shirt, from the embedding.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from recipe.networks.captions import EMPTY_CAPTION, PERSON_POSITION
from recipe.networks.encoders import to_autoencoder_input, to_encoder_input
from recipe.networks.generators import GeneratorName, GeneratorNetwork, build_generator, noise_levels
from recipe.training.budget import Budget
from recipe.training.evaluation import evaluate
from recipe.training.measures import embed
from recipe.training.optimiser import Optimiser
from recipe.training.portraits import Portraits
from recipe.training.trained import TrainedEncoders
from recipe.training.workshop import Workshop

SEEDS: dict[GeneratorName, int] = {"a": 7, "b": 8}
PEAK_RATES: dict[GeneratorName, float] = {"a": 1e-3, "b": 8e-4}
RESUMED_PEAK_RATE = 5e-4
DROPPED = 0.1
"""Share of examples without caption and person, for classifier-free guidance."""
SNAPSHOT_STEPS = 1500

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Examples:
    """All that a generator reads of the N training pictures, computed once.

    Attributes:
        portraits: The pictures.
        embeddings: Image embeddings (N, IMAGE_DIM).
        latents: Scaled latents (N, 4, 32, 32), in half precision.
        text: Caption states (N, T, TEXT_DIM), in half precision.
        no_text: States of the empty caption (1, T, TEXT_DIM), in half precision.
    """

    portraits: Portraits
    embeddings: Tensor
    latents: Tensor
    text: Tensor
    no_text: Tensor

    @classmethod
    @torch.no_grad()
    def encode(cls, workshop: Workshop, encoders: TrainedEncoders) -> Examples:
        """Run the three encoders over all training pictures and captions."""
        portraits = workshop.training

        def embeddings(pictures: Tensor) -> Tensor:
            with workshop.mixed_precision():
                return encoders.embed(to_encoder_input(pictures)).float()

        def latents(pictures: Tensor) -> Tensor:
            with workshop.mixed_precision():
                posterior = encoders.autoencoder.encode(to_autoencoder_input(pictures)).latent_dist
            return posterior.mean.half() * encoders.scaling_factor

        def text(tokens: Tensor) -> Tensor:
            with workshop.mixed_precision():
                return encoders.read(tokens).half()

        return cls(
            portraits,
            embeddings=embed(embeddings, portraits.pictures, 2000),
            latents=embed(latents, portraits.pictures),
            text=embed(text, portraits.tokens, 4000),
            no_text=text(EMPTY_CAPTION.to(portraits.device)),
        )

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw latents (count, 4, 32, 32), caption states and the embedding of another view of the person."""
        _, target, reference = self.portraits.draw_pairs(count)
        drop = torch.rand(count, device=target.device) < DROPPED
        embeddings = self.embeddings[reference].masked_fill(drop[:, None], 0.0)
        text = torch.where(drop[:, None, None], self.no_text, self.text[target])
        return self.latents[target].float(), text.float(), embeddings


class MovingAverage:
    """An exponential average of parameters, which draws better pictures than their last values."""

    def __init__(self, module: nn.Module, longest: float = 0.999) -> None:
        self._parameters: list[Tensor] = list(module.parameters())
        self._average = [parameter.detach().clone() for parameter in self._parameters]
        self._longest = longest

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the parameters after ``step`` steps in; early values are forgotten sooner."""
        decay = min(self._longest, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._average, self._parameters, 1 - decay)

    @torch.no_grad()
    def apply(self) -> None:
        """Put the averages in the place of the parameters."""
        for parameter, average in zip(self._parameters, self._average, strict=True):
            parameter.copy_(average)


def train_generator(workshop: Workshop, name: GeneratorName, budget: Budget) -> GeneratorNetwork:
    """Train, measure and save ``generator_a`` or ``generator_b``; needs all earlier stages."""
    settings, checkpoints = workshop.settings, workshop.checkpoints
    encoders = TrainedEncoders.load(checkpoints, settings.device)
    examples = Examples.encode(workshop, encoders)
    torch.manual_seed(SEEDS[name])
    checkpoint, generator, peak = f"generator_{name}", build_generator(name), PEAK_RATES[name]
    if checkpoints.exists(checkpoint):
        logger.info("generator %s: going on from its checkpoint", name)
        generator, peak = checkpoints.load(checkpoint, generator), RESUMED_PEAK_RATE
    generator = generator.to(settings.device)
    optimiser = Optimiser(generator.parameters(), peak=peak, weight_decay=0.01)
    average = MovingAverage(generator)
    signal, noise = noise_levels(settings.device)
    for step, _ in enumerate(optimiser.schedule(budget), 1):
        clean, text, embeddings = examples.draw(settings.generator_batch)
        loss = _velocity_loss(generator, clean, text, embeddings, signal, noise, workshop)
        optimiser.step(loss)
        average.update(step)
        if step % 500 == 0:
            logger.info("generator %s step %d: loss %.4f", name, step, loss.item())
        if step % SNAPSHOT_STEPS == 0:
            checkpoints.save(checkpoint, generator)
    average.apply()
    generator.eval()
    figures = evaluate(workshop, name, generator, encoders)
    logger.info("generator %s: %s", name, figures)
    checkpoints.save(checkpoint, generator, figures)
    return generator


def _velocity_loss(
    generator: GeneratorNetwork,
    clean: Tensor,
    text: Tensor,
    embeddings: Tensor,
    signal: Tensor,
    noise: Tensor,
    workshop: Workshop,
) -> Tensor:
    """Noise the latents (B, 4, 32, 32) at random times and compare predicted and true velocity."""
    count, device = len(clean), clean.device
    disturbance = torch.randn_like(clean)
    times = torch.randint(0, len(signal), (count,), device=device)
    alpha, sigma = signal[times].view(-1, 1, 1, 1), noise[times].view(-1, 1, 1, 1)
    person = torch.full((count,), PERSON_POSITION, device=device)
    with workshop.mixed_precision():
        conditioning = generator.condition(text, embeddings, person)
        predicted = generator.denoise(alpha * clean + sigma * disturbance, times, conditioning)
    return functional.mse_loss(predicted.float(), alpha * disturbance - sigma * clean)
