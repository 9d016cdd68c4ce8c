"""Stage 3: the autoencoder. It goes on where an earlier run stopped."""

from __future__ import annotations

import logging

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from recipe.networks.encoders import build_autoencoder, to_autoencoder_input
from recipe.networks.judge import Judge, crop_face
from recipe.training.budget import Budget
from recipe.training.measures import peak_signal_to_noise
from recipe.training.optimiser import Optimiser
from recipe.training.workshop import Workshop

SEED = 6
MEASURED_PICTURES = 256

logger = logging.getLogger(__name__)


class ReconstructionLoss(nn.Module):
    """Pixels, edges, a little of the prior, and the judge's early features so that faces stay themselves."""

    def __init__(self, autoencoder: AutoencoderKL, judge: Judge, workshop: Workshop) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.features = judge.early_layers.requires_grad_(False)
        self._workshop = workshop

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the loss of reconstructing pictures (B, 3, 128, 128) in [-1, 1]."""
        with self._workshop.mixed_precision():
            posterior = self.autoencoder.encode(pictures).latent_dist
            latents = posterior.mean + posterior.std * torch.randn_like(posterior.mean)
            decoded = self.autoencoder.decode(latents).sample
            seen, wanted = self.features(crop_face(decoded)), self.features(crop_face(pictures))
            perceptual = (seen - wanted).float().abs().mean()
        decoded = decoded.float()
        edges = functional.l1_loss(_across(decoded), _across(pictures)) + functional.l1_loss(
            _down(decoded), _down(pictures)
        )
        prior = posterior.kl().float().mean()
        return functional.l1_loss(decoded, pictures) + 0.6 * edges + 2e-7 * prior + 0.10 * perceptual


def train_autoencoder(workshop: Workshop, budget: Budget) -> AutoencoderKL:
    """Train and save ``autoencoder``; needs ``judge``."""
    portraits, settings, checkpoints = workshop.training, workshop.settings, workshop.checkpoints
    torch.manual_seed(SEED)
    autoencoder = build_autoencoder()
    if checkpoints.exists("autoencoder"):
        logger.info("autoencoder: going on from its checkpoint")
        autoencoder = checkpoints.load("autoencoder", autoencoder)
    autoencoder = autoencoder.to(settings.device)
    judge = checkpoints.load("judge", Judge()).to(settings.device).eval()
    criterion = ReconstructionLoss(autoencoder, judge, workshop)
    compiled = torch.compile(criterion) if settings.on_gpu else criterion
    optimiser = Optimiser(autoencoder.parameters(), peak=1.2e-3, weight_decay=0.0)
    for step, _ in enumerate(optimiser.schedule(budget), 1):
        pictures = portraits.pictures[portraits.draw(settings.autoencoder_batch)]
        loss = compiled(to_autoencoder_input(pictures))
        optimiser.step(loss)
        if step % 500 == 0:
            logger.info("autoencoder step %d: loss %.4f", step, loss.item())
    autoencoder.eval()
    figures = _measure(autoencoder, workshop.held_out.pictures[:MEASURED_PICTURES])
    logger.info("autoencoder: %s", figures)
    autoencoder.register_to_config(scaling_factor=figures["scaling_factor"])
    checkpoints.save("autoencoder", autoencoder, figures)
    return autoencoder


def _across(pictures: Tensor) -> Tensor:
    return pictures[..., 1:] - pictures[..., :-1]


def _down(pictures: Tensor) -> Tensor:
    return pictures[..., 1:, :] - pictures[..., :-1, :]


@torch.no_grad()
def _measure(autoencoder: AutoencoderKL, pictures: Tensor) -> dict[str, float]:
    """Measure reconstruction, and the factor that gives latents unit variance."""
    inputs = to_autoencoder_input(pictures)
    latents = autoencoder.encode(inputs).latent_dist.mean
    decoded = autoencoder.decode(latents).sample.clamp(-1, 1)
    return {
        "psnr": peak_signal_to_noise(decoded / 2, inputs / 2),
        "scaling_factor": float(1 / latents.std()),
    }
