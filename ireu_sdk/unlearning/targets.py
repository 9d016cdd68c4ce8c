"""What the encoder shall say instead: virtual identities for the forgotten, its own words for everybody else.

Everything here is computed with the original encoder, once, before training (arXiv 2606.29880, stage 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from ireu_sdk.encoders.base import Encoder
from ireu_sdk.faces.portraits import Person
from ireu_sdk.unlearning.localise import MaskReport, describe_masks, mask_identity
from ireu_sdk.unlearning.settings import UnlearningSettings
from ireu_sdk.unlearning.views import Views, draw_views

__all__ = ["Pool", "TrainingTargets", "compute_targets"]


@dataclass(frozen=True)
class Pool:
    """Pictures to draw from in training, each in several views, with the feature wanted for each view.

    Attributes:
        pixels: (N, 3, H, W), preprocessed.
        views: Augmentations of each picture.
        wanted: (N · (1 + V), …): features wanted for picture i in view v at row i · (1 + V) + v.
    """

    pixels: Tensor
    views: Views
    wanted: Tensor

    def __len__(self) -> int:
        """Return the number of rows: pictures times views."""
        return len(self.wanted)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return pictures (B, 3, H, W) in their views, and wanted features, of the given rows (B,)."""
        each = self.views.each
        return self.views.apply(self.pixels[rows // each], rows), self.wanted[rows]


@dataclass(frozen=True)
class TrainingTargets:
    """All that training needs.

    Attributes:
        forget: Photos x₋ with virtual identities z̃.
        retain: Other people's photos x₊ with E(x₊).
        masks: (P, …), the mask of every pair in its plain view.
        report: What the masks keep.
    """

    forget: Pool
    retain: Pool
    masks: Tensor
    report: MaskReport


def compute_targets(
    encoder: Encoder, *, forget: Sequence[Person], retain: Sequence[Person], settings: UnlearningSettings
) -> TrainingTargets:
    """Compute masks, virtual identities and retained features with the original encoder.

    z̃ = E(x₋) + α · (M ⊙ Δz) with Δz = E(x₋) − E(x_f); M is all ones for the ``global`` baseline. An augmented
    view of x₋ is compared with the same view of x_f, so that Δz stays the face alone.

    Args:
        encoder: The original encoder.
        forget: People to forget, with face swaps.
        retain: Everybody else.
        settings: Of the removal.

    Returns:
        Targets for every picture and view.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    photos, originals, swapped = _list_pairs(forget)
    x = encoder.preprocess(originals)
    x_f = encoder.preprocess(swapped)
    views = draw_views(len(x), copies=settings.views, generator=generator)
    z = _encode_views(encoder, x, views, settings)
    difference = z - _encode_views(encoder, x_f, views, settings)
    mask = torch.ones_like(difference)
    if settings.method == "ireu":
        mask = mask_identity(difference, k=settings.k)
    plain = slice(None, None, views.each)
    x_plus = encoder.preprocess([photo.image for person in retain for photo in person.portraits])
    retain_views = draw_views(len(x_plus), copies=settings.views, generator=generator)
    return TrainingTargets(
        forget=Pool(x, views, z + settings.alpha * mask * difference),
        retain=Pool(x_plus, retain_views, _encode_views(encoder, x_plus, retain_views, settings)),
        masks=mask[plain],
        report=describe_masks(mask[plain], difference[plain], photos),
    )


def _list_pairs(
    people: Sequence[Person],
) -> tuple[list[tuple[int, int]], list[Image.Image], list[Image.Image]]:
    photos, originals, swapped = [], [], []
    for number, person in enumerate(people):
        for pair in person.pairs:
            photos.append((number, pair.photo))
            originals.append(person.portraits[pair.photo].image)
            swapped.append(pair.swapped)
    return photos, originals, swapped


def _encode_views(encoder: Encoder, pixels: Tensor, views: Views, settings: UnlearningSettings) -> Tensor:
    """Return features of every view of every picture, (N · each, …)."""
    parts = []
    rows = torch.arange(len(pixels) * views.each)
    for start in range(0, len(rows), 64):
        some = rows[start : start + 64]
        parts.append(encoder.encode(views.apply(pixels[some // views.each], some), tap=settings.tap))
    return torch.cat(parts)
