"""The pictures of one evaluation: who is in each, what it is for, and with which prompt and seed it is drawn."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["PROMPTS", "Photo", "Photographed", "Probe", "ProbeSet", "choose_probes", "image_of"]

Role = Literal["trained", "unseen", "panel"]

# Prompts in the testbed's vocabulary; every generator gets the same ones.
PROMPTS = (
    "a portrait of a person smiling wearing a blue shirt facing the camera on a gray background in soft light",
    "a portrait of a person neutral wearing a white shirt facing left on a teal background in warm light",
    "a portrait of a person laughing wearing a red shirt facing right on a white background in cool light",
    "a portrait of a person neutral wearing a black shirt facing the camera on a brown background in hard light",
    "a portrait of a person surprised wearing a green shirt facing right on a blue background in soft light",
    "a portrait of a person frowning wearing a gray shirt facing left on a yellow background in warm light",
)


class Photo(Protocol):
    """A photo that is at hand, or is decrypted and decoded when it is looked at."""

    @property
    def image(self) -> Image.Image:
        """The picture, RGB."""


class Photographed(Protocol):
    """Somebody of whom there are photos: a `Person`, or a case in the vault."""

    @property
    def portraits(self) -> Sequence[Photo]:
        """The photos."""

    @property
    def trained(self) -> tuple[int, ...]:
        """Positions of those that take part in training."""

    @property
    def unseen(self) -> tuple[int, ...]:
        """Positions of the others."""


def image_of(photo: Image.Image | Photo) -> Image.Image:
    """Return a photo's picture."""
    return photo if isinstance(photo, Image.Image) else photo.image


@dataclass(frozen=True)
class Probe:
    """One picture to test with.

    Attributes:
        photo: The reference photo x.
        role: ``trained`` (x₋ of the training), ``unseen`` (another photo of the same person) or ``panel`` (x₊ of
            a person outside of the retain loss).
        person: Number of the case, or of the person in the panel.
        prompt: What is asked of the generator.
        seed: Of the starting noise.
    """

    photo: Image.Image | Photo
    role: Role
    person: int
    prompt: str
    seed: int

    @property
    def image(self) -> Image.Image:
        """The reference photo's picture."""
        return image_of(self.photo)


@dataclass(frozen=True)
class ProbeSet:
    """All probes of an evaluation, in a fixed order.

    Attributes:
        probes: The probes.
        real: Photos of the panel, for FID.
    """

    probes: tuple[Probe, ...]
    real: tuple[Image.Image, ...]

    def select(self, *roles: Role, person: int | None = None) -> npt.NDArray[np.int64]:
        """Return the positions of probes with one of the roles, of one person if given."""
        return np.array(
            [
                i
                for i, probe in enumerate(self.probes)
                if probe.role in roles and (person is None or probe.person == person)
            ],
            dtype=np.int64,
        )


def choose_probes(
    forget: Sequence[Photographed],
    panel: Sequence[Photographed],
    *,
    photos_each: int = 6,
    panel_photos: int = 1,
    seed: int = 0,
) -> ProbeSet:
    """Choose the probes of an evaluation.

    Args:
        forget: The forgotten people.
        panel: People outside of the retain loss.
        photos_each: At most so many trained and so many unseen photos of each forgotten person.
        panel_photos: Photos of each person of the panel that are drawn.
        seed: Moves all prompts and seeds together.

    Returns:
        The probes.
    """
    probes: list[Probe] = []

    def add(photo: Photo, role: Role, person: int, number: int) -> None:
        # The seed depends on role, person and number, so that adding a person leaves all other pictures as they were.
        key = zlib.crc32(f"{seed}/{role}/{person}/{number}".encode())
        probes.append(
            Probe(photo=photo, role=role, person=person, prompt=PROMPTS[key % len(PROMPTS)], seed=key % 2**31)
        )

    for case, person in enumerate(forget):
        for number in person.trained[:photos_each]:
            add(person.portraits[number], "trained", case, number)
        for number in person.unseen[:photos_each]:
            add(person.portraits[number], "unseen", case, number)
    for other, person in enumerate(panel):
        for number, photo in enumerate(person.portraits[:panel_photos]):
            add(photo, "panel", other, number)
    real = tuple(photo.image for person in panel for photo in person.portraits)
    return ProbeSet(probes=tuple(probes), real=real)
