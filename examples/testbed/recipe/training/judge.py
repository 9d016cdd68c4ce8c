"""Stage 1: a face recogniser, trained to name the training people with ArcFace's angular margin."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn
from torch.nn import functional

from recipe.networks.judge import EMBEDDING_DIM, Judge, to_judge_input
from recipe.training.augmentation import jitter
from recipe.training.budget import Budget
from recipe.training.measures import embed, verification
from recipe.training.optimiser import Optimiser
from recipe.training.workshop import Workshop

SEED = 3

logger = logging.getLogger(__name__)


class ArcFaceLoss(nn.Module):
    """Softmax over people whose true angle is made wider by a margin."""

    def __init__(self, people: int, scale: float = 32.0, margin: float = 0.4) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(people, EMBEDDING_DIM) * 0.01)
        self.scale = scale
        self.margin = margin

    def forward(self, embeddings: Tensor, person: Tensor, margin_share: float) -> Tensor:
        """Return the loss of embeddings (B, 512) of people (B,), with this share of the margin."""
        cosines = functional.linear(
            functional.normalize(embeddings.float(), dim=-1), functional.normalize(self.centres, dim=-1)
        )
        cosines = cosines.clamp(-0.9999, 0.9999)  # acos has no gradient at its ends
        true_angle = torch.acos(cosines.gather(1, person[:, None]))
        widened = cosines.scatter(1, person[:, None], torch.cos(true_angle + self.margin * margin_share))
        return functional.cross_entropy(self.scale * widened, person)


def train_judge(workshop: Workshop, budget: Budget) -> Judge:
    """Train and save ``judge``."""
    portraits, settings = workshop.training, workshop.settings
    torch.manual_seed(SEED)
    judge = Judge().to(settings.device)
    criterion = ArcFaceLoss(settings.people).to(settings.device)
    optimiser = Optimiser(
        [*judge.parameters(), *criterion.parameters()],
        peak=3e-3,
        weight_decay=5e-4,
        max_norm=5.0,
        clipped=judge.parameters(),
    )
    judge.train()
    for step, share in enumerate(optimiser.schedule(budget), 1):
        index = portraits.draw(settings.judge_batch)
        crops = jitter(to_judge_input(portraits.pictures[index]))
        with workshop.mixed_precision():
            embeddings = judge(crops.contiguous(memory_format=torch.channels_last))
        # The full margin from the start would keep an untrained network from finding anything.
        loss = criterion(embeddings, portraits.person[index], margin_share=min(1.0, share * 3))
        optimiser.step(loss)
        if step % 400 == 0:
            logger.info("judge step %d: loss %.3f", step, loss.item())
    judge.eval()
    held_out = workshop.held_out
    embeddings = embed(lambda part: judge(to_judge_input(part)), held_out.pictures)
    figures = verification(embeddings, held_out.person)
    logger.info("judge: %s", figures)
    workshop.checkpoints.save("judge", judge, figures)
    return judge
