"""MakeHuman's local shape targets, grouped into the sliders a person is drawn with.

Targets come in opposite pairs (``…-incr`` and ``…-decr``) and in left and right twins. One slider moves all
targets of a group: its positive side those that make a feature larger, its negative side their opposites.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

ANCESTRIES = ("african", "asian", "caucasian")

_OPPOSITES = {
    "incr": "decr",
    "up": "down",
    "out": "in",
    "forward": "backward",
    "convex": "concave",
    "uncompress": "compress",
}
_MACRO_PREFIXES = (*ANCESTRIES, "universal")
# These move the whole head, which is the context's to do.
_PLACEMENT_PREFIXES = ("neck-trans", "head-trans", "head-angle")


class Slider(NamedTuple):
    """One signed shape control.

    Attributes:
        name: The feature it moves.
        positive: Targets that a positive value switches on.
        negative: Targets that a negative value switches on; empty where there is no opposite.
    """

    name: str
    positive: list[int]
    negative: list[int]


def group_sliders(target_names: Sequence[str]) -> list[Slider]:
    """Group targets by name, in alphabetical order of the features."""
    sliders: dict[str, Slider] = {}
    for index, target in enumerate(target_names):
        if "-" not in target or target.split("-")[0] in _MACRO_PREFIXES:
            continue
        feature = target[2:] if target.startswith(("l-", "r-")) else target
        stem, direction = feature.rsplit("-", 1)
        if direction in _OPPOSITES:
            name, side = stem, 0
        elif direction in _OPPOSITES.values():
            name, side = stem, 1
        else:
            name, side = feature, 0
        slider = sliders.setdefault(name, Slider(name, [], []))
        (slider.negative if side else slider.positive).append(index)
    return [slider for name, slider in sorted(sliders.items()) if not name.startswith(_PLACEMENT_PREFIXES)]
