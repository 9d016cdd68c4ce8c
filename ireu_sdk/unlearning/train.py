"""Moving the encoder: forget and retain in one forward pass, Adam, resumable (arXiv 2606.29880, stage 2).

    L_f = ‖E_u(x₋) − z̃‖₂        L_r = ‖E_u(x₊) − E(x₊)‖₂        L = λ L_f + L_r

The norms are not squared: far from its target a picture pulls with a gradient of unit length, so the step count
and the learning rate decide how far a feature goes, not α alone. The features' norms are logged for that reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ireu_governance.core.errors import RunInterruptedError
from ireu_sdk.encoders.base import TrainableEncoder
from ireu_sdk.interrupts import stop_requests
from ireu_sdk.unlearning.settings import UnlearningSettings
from ireu_sdk.unlearning.state import TrainingState
from ireu_sdk.unlearning.targets import TrainingTargets

__all__ = ["StepLog", "train"]

SAVE_EVERY = 50  # steps between saved states: a killed run loses at most these


@dataclass(frozen=True)
class StepLog:
    """What one optimisation step measured.

    Attributes:
        step: Number of the step, from 0.
        loss: λ L_f + L_r.
        forget_loss: L_f, mean over the forget pictures of the batch.
        retain_loss: L_r, mean over the retain pictures of the batch.
        forget_norm: Mean ‖E_u(x₋)‖₂; generators that do not normalise can see it drift.
        retain_norm: Mean ‖E_u(x₊)‖₂.
        rate: Learning rate.
        seconds: Duration of the step.
    """

    step: int
    loss: float
    forget_loss: float
    retain_loss: float
    forget_norm: float
    retain_norm: float
    rate: float
    seconds: float


def train(
    encoder: TrainableEncoder,
    targets: TrainingTargets,
    settings: UnlearningSettings,
    *,
    state: TrainingState,
    on_step: Callable[[StepLog], None] | None = None,
) -> TrainableEncoder:
    """Move an encoder towards its targets.

    Batches depend on the seed and the step's number only, so a resumed run takes the same steps as one that was
    never stopped, and the same inputs give the same weights on a CPU.

    Args:
        encoder: Moved in place.
        targets: Of `compute_targets`, for the original encoder.
        settings: Of the removal.
        state: Where progress is kept; training continues from the step that it holds.
        on_step: Called after every step.

    Returns:
        The encoder.

    Raises:
        RunInterruptedError: Ctrl-C or SIGTERM; the step was ended and its state saved, to go on from.
    """
    module = encoder.module.eval()  # CLIP has no dropout to switch on; evaluation mode keeps it so
    parameters = dict(module.named_parameters())
    optimizer = torch.optim.Adam(parameters.values(), lr=settings.lr)
    first = state.restore(module, optimizer, names=list(parameters))
    with stop_requests() as stop_requested:
        for step in range(first, settings.steps):
            log = _take_step(encoder, targets, settings, optimizer, step)
            if on_step is not None:
                on_step(log)
            done = step + 1
            if done < settings.steps and (done % SAVE_EVERY == 0 or stop_requested()):
                state.save(module, optimizer, names=list(parameters), step=done)
            if done < settings.steps and stop_requested():
                raise RunInterruptedError(
                    f"Stopped after step {done} of {settings.steps}; the encoder is unchanged.",
                    hint="Run the same command again with --resume RUN to go on.",
                )
    return encoder


def draw_rows(pool_size: int, count: int, *, seed: int, step: int, stream: int) -> Tensor:
    """Return the rows of a pool that a step uses; a function of its arguments alone.

    Args:
        pool_size: Rows to choose from.
        count: Rows to choose, with repetition.
        seed: Of the removal.
        step: Number of the step.
        stream: 0 for forget, 1 for retain, so that the two do not move together.

    Returns:
        (count,), int64.
    """
    mixed = (seed * 1_000_003 + step) * 2 + stream
    generator = torch.Generator().manual_seed(mixed % (2**63))
    return torch.randint(0, pool_size, (count,), generator=generator)


def _take_step(
    encoder: TrainableEncoder,
    targets: TrainingTargets,
    settings: UnlearningSettings,
    optimizer: torch.optim.Optimizer,
    step: int,
) -> StepLog:
    started = time.perf_counter()
    b = settings.batch_size
    rate = settings.rate(step)
    for group in optimizer.param_groups:
        group["lr"] = rate
    forget_rows = draw_rows(len(targets.forget), b, seed=settings.seed, step=step, stream=0)
    retain_rows = draw_rows(len(targets.retain), b * settings.retain_ratio, seed=settings.seed, step=step, stream=1)
    x_forget, z_forget = targets.forget.batch(forget_rows)
    x_retain, z_retain = targets.retain.batch(retain_rows)
    features = encoder.forward(torch.cat([x_forget, x_retain]), tap=settings.tap).flatten(1)
    wanted = torch.cat([z_forget, z_retain]).flatten(1).to(features.device)
    distance = (features - wanted).norm(dim=1)
    forget_loss, retain_loss = distance[:b].mean(), distance[b:].mean()
    loss = settings.lambda_ * forget_loss + retain_loss
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    norms = features.detach().norm(dim=1)
    return StepLog(
        step=step,
        loss=float(loss.detach()),
        forget_loss=float(forget_loss.detach()),
        retain_loss=float(retain_loss.detach()),
        forget_norm=float(norms[:b].mean()),
        retain_norm=float(norms[b:].mean()),
        rate=rate,
        seconds=time.perf_counter() - started,
    )
