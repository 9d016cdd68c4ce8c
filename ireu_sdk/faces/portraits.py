"""Photos of people from folders, checked before anything is done with them.

A person is known inside the program by position only. Folder and file names are read to pair photos with
their face swaps, and then stay in memory: they are never written to a record, a log or a path.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ireu_governance.core.errors import ErrorCode, InputError

__all__ = [
    "PHOTO_SUFFIXES",
    "FacePair",
    "Person",
    "Portrait",
    "decode_image",
    "decode_portrait",
    "load_people",
    "read_portrait",
    "refuse_shared_portraits",
]

PHOTO_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 64_000_000  # a 64-megapixel photo; more is a decompression bomb or a mistake
MIN_SIDE = 32  # below this no recogniser or encoder has anything to work with
MIN_CONTRAST = 4.0  # standard deviation of grey levels (0-255); less is a blank picture


@dataclass(frozen=True)
class Portrait:
    """One photo.

    Attributes:
        image: RGB, upright (EXIF orientation applied).
        data: The file's bytes, kept for the evidence vault.
        pixel_digest: SHA-256 of size and pixels: equal for one photo saved under two names or formats.
        stem: File name without suffix; for pairing and messages on the terminal only.
    """

    image: Image.Image = field(repr=False)
    data: bytes = field(repr=False)
    pixel_digest: str = field(repr=False)
    stem: str = field(repr=False)


@dataclass(frozen=True)
class FacePair:
    """A photo x₋ and the same photo with somebody else's face, x_f.

    Attributes:
        photo: Position of the photo among the person's portraits.
        swapped: The swapped picture.
    """

    photo: int
    swapped: Image.Image = field(repr=False)


@dataclass(frozen=True)
class Person:
    """The photos of one person.

    Attributes:
        portraits: At least one.
        pairs: Face swaps of some of them; empty for people who are not to be forgotten.
        label: The operator's name for them (a folder name); goes to the vault only.
    """

    portraits: tuple[Portrait, ...]
    pairs: tuple[FacePair, ...] = ()
    label: str = field(default="", repr=False)

    @property
    def trained(self) -> tuple[int, ...]:
        """Positions of the photos that have swaps, and so take part in training."""
        return tuple(sorted({pair.photo for pair in self.pairs}))

    @property
    def unseen(self) -> tuple[int, ...]:
        """Positions of the photos without swaps: kept out of training, measured as unseen."""
        return tuple(sorted(set(range(len(self.portraits))) - set(self.trained)))


def read_portrait(path: Path) -> Portrait:
    """Read and check one photo.

    Args:
        path: An image file.

    Returns:
        The photo, upright and in RGB.

    Raises:
        InputError: The file is no picture, is damaged, blank, too small or too large.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The photo '{path.name}' cannot be read: {error.strerror}.", code=ErrorCode.INPUT_MISSING
        ) from error
    return decode_portrait(data, name=path.name, stem=path.stem)


def decode_portrait(data: bytes, *, name: str, stem: str = "") -> Portrait:
    """Decode and check the bytes of one photo.

    Args:
        data: An image file's bytes.
        name: What to call it in messages on the terminal.
        stem: For pairing with swaps.

    Returns:
        The photo, upright and in RGB.

    Raises:
        InputError: The bytes are no picture, are damaged, blank, too small or too large.
    """
    image = decode_image(data, name=name)
    if min(image.size) < MIN_SIDE:
        raise InputError(
            f"The photo '{name}' is only {image.width}×{image.height} pixels.",
            hint=f"Each side needs {MIN_SIDE} pixels or more.",
            code=ErrorCode.PORTRAIT_UNREADABLE,
        )
    pixels = np.asarray(image)
    if float(pixels.mean(axis=2).std()) < MIN_CONTRAST:
        raise InputError(
            f"The photo '{name}' is blank: it shows no face.",
            hint="Give photos in which the person's face can be seen.",
            code=ErrorCode.PORTRAIT_NO_FACE,
        )
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode() + pixels.tobytes()).hexdigest()
    return Portrait(image=image, data=data, pixel_digest=digest, stem=stem)


def decode_image(data: bytes, *, name: str) -> Image.Image:
    """Decode the bytes of one photo, whatever it shows; for photos that were checked before.

    Args:
        data: An image file's bytes.
        name: What to call it in messages on the terminal.

    Returns:
        The picture, upright and in RGB.

    Raises:
        InputError: The bytes are no picture, are damaged, or too large.
    """
    code = ErrorCode.PORTRAIT_UNREADABLE
    try:
        with warnings.catch_warnings():
            # Pillow warns above a limit of its own; ours is lower.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise _too_large(name, f"{opened.width}×{opened.height}")
                return _to_rgb(ImageOps.exif_transpose(opened))
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(name, "hundreds of millions of") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"The file '{name}' is not a picture, whatever its name says.",
            hint=f"Give photos as {', '.join(sorted(s[1:] for s in PHOTO_SUFFIXES))}.",
            code=code,
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(
            f"The photo '{name}' is damaged: {str(error)[:120]}.",
            hint="Save it again from its original.",
            code=code,
        ) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Sixteen bits of grey: converted as they are, everything above 255 of 65,535 would be white.
        levels = np.asarray(image)
        if levels.size and int(levels.max()) > 255:
            image = Image.fromarray((levels.clip(0, 65_535) >> 8).astype(np.uint8))
    return image.convert("RGB")


def load_people(folder: Path, *, loose: str) -> list[Person]:
    """Read the people of a folder: a subfolder is a person, or all photos lie in the folder itself.

    Args:
        folder: The folder.
        loose: What photos that lie in the folder itself are: ``one-person``, or ``one-each`` (a person each).

    Returns:
        People in the order of their folder or file names.

    Raises:
        InputError: The folder is absent or holds no photo, or a photo cannot be used.
    """
    if folder.is_file():
        raise InputError(
            f"'{folder}' is a file; a folder with photos is expected.", hint="Give the folder in which they lie."
        )
    if not folder.is_dir():
        raise InputError(f"There is no folder '{folder}'.", hint="Check the path.", code=ErrorCode.INPUT_MISSING)
    people = []
    for sub in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        portraits = tuple(read_portrait(p) for p in _photos(sub))
        if portraits:
            people.append(Person(portraits=portraits, label=sub.name))
    loose_photos = [read_portrait(p) for p in _photos(folder)]
    if loose_photos and people:
        raise InputError(
            f"The folder '{folder}' holds photos beside folders of people.",
            hint="Put every person's photos into a folder of their own.",
        )
    if loose_photos and loose == "one-person":
        people = [Person(portraits=tuple(loose_photos), label=folder.resolve().name)]
    elif loose_photos:
        people = [Person(portraits=(photo,), label=photo.stem) for photo in loose_photos]
    if not people:
        raise InputError(
            f"The folder '{folder}' holds no photo.",
            hint=f"Expected {', '.join(sorted(s[1:] for s in PHOTO_SUFFIXES))} files, "
            "in it or in one subfolder for each person.",
            code=ErrorCode.PORTRAITS_EMPTY,
        )
    return people


def refuse_shared_portraits(
    people: Sequence[Person], others: Sequence[Person], *, what: str, whose: str = "forget"
) -> None:
    """Refuse a photo that has two parts to play, such as to be forgotten and to be kept, under any name or format.

    Args:
        people: The people to forget, or some.
        others: Other people.
        what: What the others are called, such as ``retain``.
        whose: What the first ones are called.

    Raises:
        InputError: The same photo is in both.
    """
    kept = {photo.pixel_digest for person in others for photo in person.portraits}
    for person in people:
        for photo in person.portraits:
            if photo.pixel_digest in kept:
                raise InputError(
                    f"The photo '{photo.stem}' is in both the {whose} and the {what} photos.",
                    hint="A photo cannot be forgotten and kept, or trained and measured on: take it out of one of"
                    " them.",
                    code=ErrorCode.PORTRAITS_SHARED,
                )


def _too_large(name: str, size: str) -> InputError:
    return InputError(
        f"The photo '{name}' has {size} pixels, which is too many.",
        hint=f"Scale it down to at most {MAX_PIXELS // 10**6} megapixels.",
        code=ErrorCode.INPUT_TOO_LARGE,
    )


def _photos(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in PHOTO_SUFFIXES)
