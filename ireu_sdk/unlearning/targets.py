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
from ireu_sdk.unlearning.blends import Blends, draw_blends
from ireu_sdk.unlearning.localise import MaskReport, describe_masks, mask_identity
from ireu_sdk.unlearning.settings import UnlearningSettings

__all__ = ["Pool", "TrainingTargets", "compute_targets"]

_NO_BLENDS = draw_blends(retained=0, forgotten=0, count=0, generator=torch.Generator())


@dataclass(frozen=True)
class Pool:
    """Pictures to draw from in training, with the feature wanted for each.

    Attributes:
        pixels: (M, 3, H, W), preprocessed; the first N can be drawn, the others occur in blends only.
        plain: Number N of pictures that can be drawn as they are.
        blends: B blends of all M pictures.
        wanted: (N + B, …): features wanted for the pictures, then for the blends.
    """

    pixels: Tensor
    plain: int
    blends: Blends
    wanted: Tensor

    def __len__(self) -> int:
        """Return the number of rows: pictures and blends."""
        return len(self.wanted)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return pictures or blends (R, 3, H, W), and wanted features, of the given rows (R,)."""
        return _pictures(self.pixels, self.plain, self.blends, rows), self.wanted[rows]


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

    z̃ = E(x₋) + α · (M ⊙ Δz) with Δz = E(x₋) − E(x_f); M is all ones for the ``global`` baseline.

    Args:
        encoder: The original encoder.
        forget: People to forget, with face swaps.
        retain: Everybody else.
        settings: Of the removal.

    Returns:
        Targets for every picture and blend.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    photos, originals, swapped = _list_pairs(forget)
    x = encoder.preprocess(originals)
    z = encoder.encode(x, tap=settings.tap)
    difference = z - encoder.encode(encoder.preprocess(swapped), tap=settings.tap)
    mask = torch.ones_like(difference)
    if settings.method == "ireu":
        mask = mask_identity(difference, k=settings.k)
    x_plus = encoder.preprocess([photo.image for person in retain for photo in person.portraits])
    faces = encoder.preprocess([p.portraits[number].image for p in forget for number in p.trained])
    blends = draw_blends(retained=len(x_plus), forgotten=len(faces), count=settings.blends, generator=generator)
    pixels = torch.cat([x_plus, faces])
    # Blends are made a batch at a time: all at once would need many times the photos' memory.
    kept = [
        encoder.encode(_pictures(pixels, len(x_plus), blends, rows), tap=settings.tap)
        for rows in torch.split(torch.arange(len(x_plus) + len(blends)), 64)
    ]
    return TrainingTargets(
        forget=Pool(x, len(x), _NO_BLENDS, z + settings.alpha * mask * difference),
        retain=Pool(pixels, len(x_plus), blends, torch.cat(kept)),
        masks=mask,
        report=describe_masks(mask, difference, photos),
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


def _pictures(pixels: Tensor, plain: int, blends: Blends, rows: Tensor) -> Tensor:
    """Return pictures and blends by row, (R, 3, H, W)."""
    blended = rows >= plain
    out = pixels[rows.clamp(max=plain - 1)]
    if bool(blended.any()):
        out[blended] = blends.apply(pixels, rows[blended] - plain)
    return out
