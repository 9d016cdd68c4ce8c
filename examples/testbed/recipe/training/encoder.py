"""Stage 2: the image encoder and the text encoder, trained together.

The embedding has to serve as CLIP's does: it must tell who is on a picture, agree with the caption, and hold
what a generator needs to draw the person again. So four losses pull at it: contrast between people, contrast
between captions, and regression on attributes and on the shape of the head.
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn
from torch.nn import functional

from recipe.networks.encoders import (
    IMAGE_DIM,
    TEXT_DIM,
    build_image_encoder,
    build_text_encoder,
    to_encoder_input,
)
from recipe.training.augmentation import jitter
from recipe.training.budget import Budget
from recipe.training.measures import embed, verification
from recipe.training.optimiser import Optimiser
from recipe.training.portraits import Portraits
from recipe.training.workshop import Workshop
from recipe.world.palette import BACKGROUNDS, EXPRESSIONS, LIGHTS, SHIRTS, BackdropPattern

SEED = 5

logger = logging.getLogger(__name__)


class EncoderTraining(nn.Module):
    """The two encoders with the read-outs that only training needs."""

    def __init__(self, attributes: int, shape_codes: int) -> None:
        super().__init__()
        self.image_encoder = build_image_encoder()
        self.text_encoder = build_text_encoder()
        self.attribute_head = nn.Sequential(nn.LayerNorm(IMAGE_DIM), nn.Linear(IMAGE_DIM, attributes))
        self.text_projection = nn.Linear(TEXT_DIM, IMAGE_DIM)
        self.person_projection = nn.Linear(IMAGE_DIM, IMAGE_DIM)
        self.caption_projection = nn.Linear(IMAGE_DIM, IMAGE_DIM)
        self.log_scale = nn.Parameter(torch.tensor(2.5))
        self.shape_head = nn.Linear(IMAGE_DIM, shape_codes)

    def embed_pictures(self, normalised: Tensor) -> Tensor:
        """Embed (B, 3, 128, 128) as (B, IMAGE_DIM)."""
        embeddings: Tensor = self.image_encoder(pixel_values=normalised).image_embeds
        return embeddings

    def embed_captions(self, tokens: Tensor) -> Tensor:
        """Embed (B, CAPTION_LENGTH) as (B, IMAGE_DIM)."""
        projected: Tensor = self.text_projection(self.text_encoder(input_ids=tokens).last_hidden_state.mean(1))
        return projected

    def clipped_parameters(self) -> list[nn.Parameter]:
        """Return what shares one clipped gradient: all but the temperature and the shape head."""
        return [
            parameter
            for name, parameter in self.named_parameters()
            if name != "log_scale" and not name.startswith("shape_head.")
        ]

    def loss(
        self,
        first: Tensor,
        second: Tensor,
        captions: Tensor,
        person: Tensor,
        attributes: Tensor,
        shape: Tensor,
    ) -> Tensor:
        """Add the four losses up.

        Args:
            first: Embeddings (B, D) of one picture of each person.
            second: Embeddings (B, D) of another.
            captions: Embeddings (B, D) of the first pictures' captions.
            person: Who it is (B,).
            attributes: What both pictures show (2B, A), the first pictures' first.
            shape: Shape codes of the person on each (2B, S).
        """
        both = torch.cat([first, second])
        pairs = torch.arange(len(first), device=first.device)
        scale = self.log_scale.exp()
        one = functional.normalize(self.person_projection(first), dim=-1)
        other = functional.normalize(self.person_projection(second), dim=-1)
        # Someone drawn twice in a batch is no counterexample to themselves.
        repeated = (person[:, None] == person) & ~torch.eye(len(person), dtype=torch.bool, device=person.device)
        by_person = functional.cross_entropy((one @ other.T * scale).masked_fill(repeated, -1e4), pairs)
        seen = functional.normalize(self.caption_projection(first), dim=-1)
        by_caption = functional.cross_entropy(seen @ functional.normalize(captions, dim=-1).T * scale, pairs)
        by_attributes = functional.mse_loss(self.attribute_head(both), attributes)
        by_shape = functional.mse_loss(self.shape_head(both), shape)
        return by_person + 0.3 * by_caption + by_attributes + 0.5 * by_shape


def train_encoder(workshop: Workshop, budget: Budget) -> EncoderTraining:
    """Train and save ``image_encoder`` and ``text_encoder``."""
    portraits, settings = workshop.training, workshop.settings
    attributes = attribute_targets(portraits)
    codes = shape_codes(portraits, settings.shape_codes)
    torch.manual_seed(SEED)
    model = EncoderTraining(attributes.shape[1], codes.shape[1]).to(settings.device)
    optimiser = Optimiser(model.parameters(), peak=1.2e-3, weight_decay=0.05, clipped=model.clipped_parameters())
    for step, _ in enumerate(optimiser.schedule(budget), 1):
        person, first, second = portraits.draw_pairs(settings.encoder_batch)
        both = torch.cat([first, second])
        with workshop.mixed_precision():
            embeddings = model.embed_pictures(jitter(to_encoder_input(portraits.pictures[both])))
            captions = model.embed_captions(portraits.tokens[first])
        one, other = embeddings.float().chunk(2)
        loss = model.loss(one, other, captions.float(), person, attributes[both], codes[portraits.person[both]])
        optimiser.step(loss)
        if step % 200 == 0:
            logger.info("encoder step %d: loss %.3f", step, loss.item())
    model.eval()
    figures = _measure(model, workshop.held_out)
    logger.info("image encoder: %s", figures)
    workshop.checkpoints.save("image_encoder", model.image_encoder, figures)
    workshop.checkpoints.save("text_encoder", model.text_encoder)
    return model


def attribute_targets(portraits: Portraits) -> Tensor:
    """Collect what the embedding must hold of each picture (N, A), each at about the same scale."""
    contexts, identities = portraits.contexts, portraits.identities
    pose = torch.stack(
        [
            contexts.yaw / 16,
            contexts.pitch / 6,
            contexts.roll / 4,
            contexts.zoom * 10 - 10,
            contexts.strength * 4 - 2.5,
        ],
        1,
    )
    named = [
        functional.one_hot(contexts.expression, len(EXPRESSIONS)),
        functional.one_hot(contexts.background, len(BACKGROUNDS)),
        functional.one_hot(contexts.shirt, len(SHIRTS)),
        functional.one_hot(contexts.light, len(LIGHTS)),
        functional.one_hot(contexts.pattern, len(BackdropPattern)),
    ]
    looks = torch.cat(
        [
            identities.tone[:, None] / 2,
            identities.hair * 2,
            identities.iris * 4,
            identities.age[:, None],
            identities.sex[:, None],
            identities.hair_length[:, None],
            identities.brow * 6,
        ],
        1,
    )
    return torch.cat([pose, torch.cat(named, 1).float() * 2, looks[portraits.person]], 1)


def shape_codes(portraits: Portraits, components: int) -> Tensor:
    """Describe each person's head by its main variations, whitened (people, components)."""
    shape = portraits.identities.shape
    left, _, _ = torch.svd_lowrank(shape - shape.mean(0), components)
    return left * len(left) ** 0.5


def _measure(model: EncoderTraining, held_out: Portraits) -> dict[str, object]:
    embeddings = embed(lambda part: model.embed_pictures(to_encoder_input(part)), held_out.pictures)
    return {
        **verification(embeddings, held_out.person),
        "norm": embeddings.norm(dim=-1).mean().item(),
        "deviation": embeddings.std(0).mean().item(),
        "person_projection": verification(embed(model.person_projection, embeddings), held_out.person),
    }
