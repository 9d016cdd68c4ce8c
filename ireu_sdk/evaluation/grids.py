"""Before/after pictures: reference photo, portrait with E, portrait with E_u, column by column."""

from __future__ import annotations

import io

import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ireu_sdk.evaluation.identity import Drawing
from ireu_sdk.evaluation.probes import ProbeSet

__all__ = ["draw_grid"]

MARGIN = 12
LABEL_WIDTH = 150
HEADER = 34
GAP = 4
INK, PAPER = (32, 34, 38), (250, 250, 248)


def draw_grid(probes: ProbeSet, before: Drawing, after: Drawing, *, targets: int = 4, others: int = 4) -> bytes:
    """Return a PNG of some forgotten and some retained people, before and after.

    Args:
        probes: The probes.
        before: Drawn with the original encoder.
        after: Drawn with the unlearned encoder, same prompts and seeds.
        targets: Columns of the forgotten: first trained, then unseen photos.
        others: Columns of retained people.

    Returns:
        PNG bytes, without metadata.
    """
    trained = list(probes.select("trained"))[: (targets + 1) // 2]
    unseen = list(probes.select("unseen"))[: targets - len(trained)]
    panel = list(probes.select("panel"))[:others]
    columns = [*trained, *unseen, *panel]
    side = before.pictures.shape[-1]
    split = len(trained) + len(unseen)
    width = LABEL_WIDTH + len(columns) * (side + GAP) + 3 * GAP + 2 * MARGIN
    height = HEADER + 3 * (side + GAP) + 2 * MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)

    def left(column: int) -> int:
        return MARGIN + LABEL_WIDTH + column * (side + GAP) + (3 * GAP if column >= split else 0)

    pen.text((left(0), MARGIN), f"to be forgotten ({len(trained)} trained, {len(unseen)} unseen)", INK, font)
    if panel:
        pen.text((left(split), MARGIN), "everybody else", INK, font)
    rows = (("reference photo", None), ("original encoder", before), ("unlearned encoder", after))
    for row, (label, drawing) in enumerate(rows):
        top = MARGIN + HEADER + row * (side + GAP)
        pen.text((MARGIN, top + side // 2 - 8), label, INK, font)
        for column, index in enumerate(columns):
            if drawing is None:
                picture = ImageOps.fit(probes.probes[index].image, (side, side), Image.Resampling.BICUBIC)
            else:
                tensor = drawing.pictures[index].to(torch.uint8).permute(1, 2, 0).contiguous()
                picture = Image.fromarray(tensor.numpy())
            sheet.paste(picture, (left(column), top))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
