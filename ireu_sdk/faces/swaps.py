"""Face swaps that the operator made: which swapped picture belongs to which photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_sdk.faces.portraits import PHOTO_SUFFIXES, FacePair, Person, read_portrait

__all__ = ["pair_swaps"]

SEPARATOR = "_as_"


def pair_swaps(people: Sequence[Person], folder: Path) -> list[Person]:
    """Give people to forget the face swaps of their photos.

    A swap of photo ``a.jpg`` is ``a_as_<anything>.png`` or lies in a subfolder called ``a``. With several
    people, the swaps of each lie in a subfolder with the person's folder name. A photo without a swap is left
    out of training and measured as unseen.

    Args:
        people: People to forget.
        folder: Where the swaps are.

    Returns:
        The same people with their pairs.

    Raises:
        InputError: The folder is absent, a swap cannot be read, or a person has no swap at all.
    """
    if not folder.is_dir():
        raise InputError(
            f"There is no folder of face swaps '{folder}'.",
            hint="Check the path given with --swap.",
            code=ErrorCode.INPUT_MISSING,
        )
    return [_pair_person(person, _folder_of(person, folder, alone=len(people) == 1)) for person in people]


def _folder_of(person: Person, folder: Path, *, alone: bool) -> Path:
    own = folder / person.label
    if person.label and own.is_dir() and own.resolve().parent == folder.resolve():
        return own
    if alone:
        return folder
    raise InputError(
        f"The swap folder has no subfolder '{person.label}'.",
        hint="With several people to forget, put each one's swaps into a subfolder of their folder's name.",
        code=ErrorCode.PORTRAITS_UNPAIRED,
    )


def _pair_person(person: Person, folder: Path) -> Person:
    by_stem = {photo.stem: index for index, photo in enumerate(person.portraits)}
    pairs = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix.lower() in PHOTO_SUFFIXES):
        stem = path.stem.split(SEPARATOR)[0] if SEPARATOR in path.stem else path.parent.name
        if stem not in by_stem:
            continue
        index = by_stem[stem]
        swapped = read_portrait(path)
        if swapped.pixel_digest == person.portraits[index].pixel_digest:
            raise InputError(
                f"The swap '{path.name}' is the unchanged photo.",
                hint="A swap shows the same picture with somebody else's face.",
                code=ErrorCode.PORTRAITS_UNPAIRED,
            )
        pairs.append(FacePair(photo=index, swapped=_same_size(swapped.image, person.portraits[index].image)))
    if not pairs:
        raise InputError(
            "None of the face swaps belongs to a photo of the person to forget.",
            hint=f"Call the swap of 'a.jpg' 'a{SEPARATOR}<anything>.png', or put it into a subfolder 'a'.",
            code=ErrorCode.PORTRAITS_UNPAIRED,
        )
    return replace(person, pairs=tuple(pairs))


def _same_size(swapped: Image.Image, photo: Image.Image) -> Image.Image:
    """Return the swap in the photo's size: swap tools scale, and Δz must come from the face alone."""
    return swapped if swapped.size == photo.size else swapped.resize(photo.size, Image.Resampling.BICUBIC)
