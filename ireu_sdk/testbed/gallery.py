"""The testbed's people: 48 synthetic persons unseen in training, 12 contexts each, exact face swaps for six.

Which of them are forgotten, retained and evaluated is fixed here, so that figures can be compared:
people 0-4 are forgotten (alone or together), 5-31 are in the retain loss, 32-47 only in the measurements.
"""

from __future__ import annotations

import json
from functools import lru_cache

from PIL import Image

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_sdk.faces.portraits import FacePair, Person, read_portrait
from ireu_sdk.testbed.paths import GALLERY

__all__ = ["FORGETTABLE", "PANEL", "RETAIN", "gallery_person", "panel_people", "retain_people"]

FORGETTABLE = range(5)
RETAIN = range(5, 32)
PANEL = range(32, 48)


@lru_cache(maxsize=1)
def _rows() -> dict[str, list[dict[str, object]]]:
    people: dict[str, list[dict[str, object]]] = {}
    for line in (GALLERY / "metadata.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        people.setdefault(row["person"], []).append(row)
    return people


def gallery_person(number: int) -> Person:
    """Return one person of the gallery with the face swaps of their first six photos.

    Args:
        number: 0 to 47.

    Returns:
        Twelve portraits; photos 0-5 have two swaps each, 6-11 have none.

    Raises:
        InputError: There is no such person.
    """
    people = _rows()
    if not 0 <= number < len(people):
        raise InputError(
            f"The testbed's gallery has people 0 to {len(people) - 1}, not {number}.",
            code=ErrorCode.INPUT_MISSING,
        )
    rows = people[f"p{number:02d}"]
    portraits = tuple(read_portrait(GALLERY / str(row["file"])) for row in rows)
    pairs = [
        FacePair(photo=index, swapped=Image.open(GALLERY / str(swap["file"])).convert("RGB"))
        for index, row in enumerate(rows)
        for swap in row["swaps"]  # type: ignore[attr-defined]
    ]
    return Person(portraits=portraits, pairs=tuple(pairs), label=f"testbed person {number}")


def _plain(number: int) -> Person:
    person = gallery_person(number)
    return Person(portraits=person.portraits, label=person.label)


def retain_people() -> list[Person]:
    """Return the 27 people of the retain loss, without swaps."""
    return [_plain(number) for number in RETAIN]


def panel_people() -> list[Person]:
    """Return the 16 people on whom retention is measured; none of them is in the retain loss."""
    return [_plain(number) for number in PANEL]
