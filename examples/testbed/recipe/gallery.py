"""The held-out gallery: people that no network has seen, and exact face swaps between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from recipe.world import Contexts, World

SEED = 2026
PEOPLE = 48
VIEWS = 12
SWAPPED_VIEWS = 6
ANCHOR_OFFSETS = (7, 23)
"""A person is swapped with those who follow this many places later, around the circle."""


def export_gallery(world: World, output: Path, people: int = PEOPLE) -> None:
    """Write ``images/``, ``swaps/`` and ``metadata.jsonl``.

    Args:
        world: The renderer.
        output: The folder to fill.
        people: How many of the gallery's people to write.
    """
    rng = torch.Generator().manual_seed(SEED)
    identities = world.sample_identities(PEOPLE, rng)
    contexts = world.sample_contexts(PEOPLE * VIEWS, rng)
    captions = contexts.captions()
    for folder in ("images", "swaps"):
        (output / folder).mkdir(parents=True, exist_ok=True)
    records = []
    for person in range(people):
        views = torch.arange(person * VIEWS, (person + 1) * VIEWS, device=world.device)

        def render(who: int, where: Tensor) -> Tensor:
            return world.render(identities[torch.full_like(where, who)], contexts[where])

        pictures = render(person, views)
        anchors = [(person + offset) % PEOPLE for offset in ANCHOR_OFFSETS]
        swapped = {anchor: render(anchor, views[:SWAPPED_VIEWS]) for anchor in anchors}
        for view in range(VIEWS):
            number = person * VIEWS + view
            file = f"images/p{person:02d}_{view:02d}.webp"
            _save(pictures[view], output / file)
            swaps = []
            if view < SWAPPED_VIEWS:
                for anchor, as_anchor in swapped.items():
                    swap = f"swaps/p{person:02d}_{view:02d}_as_p{anchor:02d}.webp"
                    _save(as_anchor[view], output / swap)
                    swaps.append({"file": swap, "anchor": f"p{anchor:02d}"})
            records.append(
                {
                    "file": file,
                    "person": f"p{person:02d}",
                    "caption": captions[number],
                    "context": _describe(contexts, number),
                    "swaps": swaps,
                }
            )
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (output / "metadata.jsonl").write_text(lines, encoding="utf-8")


def export_sheet(world: World, file: Path, people: int = 8, views: int = 5, seed: int = 0) -> None:
    """Write a contact sheet with one row of pictures for each person."""
    rng = torch.Generator().manual_seed(seed)
    identities = world.sample_identities(people, rng)
    contexts = world.sample_contexts(people * views, rng)
    rows = []
    for person in range(people):
        part = contexts[slice(person * views, (person + 1) * views)]
        pictures = world.render(identities[torch.full((views,), person)], part)  # (views, 3, H, W)
        rows.append(pictures.permute(2, 0, 3, 1).flatten(1, 2))
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(torch.cat(rows).cpu().numpy()).save(file)


def _save(picture: Tensor, file: Path) -> None:
    Image.fromarray(picture.permute(1, 2, 0).cpu().numpy()).save(file, quality=95, method=4)


def _describe(contexts: Contexts, number: int) -> dict[str, Any]:
    return {
        "expression": contexts.expression_name(number),
        "background": contexts.background_name(number),
        "shirt": contexts.shirt_name(number),
        "light": contexts.light_name(number),
        "yaw": round(float(contexts.yaw[number]), 1),
        "pitch": round(float(contexts.pitch[number]), 1),
    }
