"""How much of everything: a full run for one GPU, and a tiny one that shows that the code runs."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Settings:
    """Sizes of a training run; the defaults are those of the released weights.

    Attributes:
        device: Where to render and to train.
        people: Training identities.
        views: Pictures of each.
        held_out_people: Identities for measuring only.
        render_batch: Pictures rendered together.
        judge_batch: Pictures a step of the judge.
        encoder_batch: Pairs of pictures a step of the encoders.
        autoencoder_batch: Pictures a step of the autoencoder.
        generator_batch: Latents a step of a generator.
        shape_codes: Principal shape components that the image encoder must tell.
        sampling_steps: Solver steps with which a generator is measured.
    """

    device: torch.device
    people: int = 6000
    views: int = 20
    held_out_people: int = 200
    render_batch: int = 64
    judge_batch: int = 768
    encoder_batch: int = 512
    autoencoder_batch: int = 64
    generator_batch: int = 320
    shape_codes: int = 32
    sampling_steps: int = 20

    @classmethod
    def tiny(cls, device: torch.device) -> Settings:
        """Return sizes at which every stage takes seconds on a CPU, and learns nothing."""
        return cls(
            device=device,
            people=24,
            views=4,
            held_out_people=8,
            render_batch=8,
            judge_batch=16,
            encoder_batch=8,
            autoencoder_batch=4,
            generator_batch=8,
            shape_codes=8,
            sampling_steps=2,
        )

    @property
    def on_gpu(self) -> bool:
        """Whether mixed precision and compilation pay."""
        return self.device.type == "cuda"
