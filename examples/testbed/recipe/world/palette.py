"""What a portrait can show: named expressions, colours and lights. Captions and tables share these names.

The order of every table is part of the trained weights (an index is drawn, and words are numbered in this
order): append, never reorder.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import torch

RGB = tuple[float, float, float]


class Material(IntEnum):
    """What a triangle of the mesh is made of."""

    SKIN = 0
    HAIR = 1
    EYE = 2
    SHIRT = 3
    TEETH = 4
    TONGUE = 5


class HairStyle(IntEnum):
    """How much of the head's hair there is."""

    SHAVED = 0
    SHORT = 1
    MEDIUM = 2
    LONG = 3


class Beard(IntEnum):
    """Facial hair."""

    NONE = 0
    STUBBLE = 1
    MOUSTACHE = 2
    FULL = 3


class BackdropPattern(IntEnum):
    """What the wall behind the person looks like."""

    PLAIN = 0
    STRIPES = 1
    CHECKS = 2


class Light(NamedTuple):
    """A lamp and the room's own light.

    Attributes:
        tint: Colour of both, as factors of red, green and blue.
        ambient: Strength of the light from everywhere.
        diffuse: Strength of the lamp.
    """

    tint: RGB
    ambient: float
    diffuse: float


BACKGROUNDS: dict[str, RGB] = {
    "red": (0.70, 0.18, 0.16),
    "orange": (0.92, 0.55, 0.20),
    "yellow": (0.93, 0.83, 0.36),
    "green": (0.25, 0.55, 0.30),
    "teal": (0.20, 0.60, 0.60),
    "blue": (0.22, 0.36, 0.72),
    "purple": (0.48, 0.30, 0.62),
    "pink": (0.93, 0.62, 0.70),
    "white": (0.93, 0.93, 0.93),
    "gray": (0.52, 0.53, 0.55),
    "brown": (0.42, 0.29, 0.20),
    "black": (0.10, 0.10, 0.11),
}

SHIRTS: dict[str, RGB] = {
    name: BACKGROUNDS[name]
    for name in ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "gray", "black")
}

LIGHTS: dict[str, Light] = {
    "soft": Light(tint=(1.0, 1.0, 1.0), ambient=0.62, diffuse=0.45),
    "warm": Light(tint=(1.12, 1.0, 0.82), ambient=0.48, diffuse=0.62),
    "cool": Light(tint=(0.92, 0.99, 1.10), ambient=0.48, diffuse=0.62),
    "hard": Light(tint=(1.0, 1.0, 1.0), ambient=0.26, diffuse=0.95),
}

# Each expression is a mixture of facial action units, at full strength.
EXPRESSIONS: dict[str, dict[str, float]] = {
    "neutral": {},
    "smiling": {
        "mouthSmileLeft": 0.9,
        "mouthSmileRight": 0.9,
        "cheekSquintLeft": 0.4,
        "cheekSquintRight": 0.4,
    },
    "laughing": {
        "mouthSmileLeft": 1.0,
        "mouthSmileRight": 1.0,
        "jawOpen": 0.45,
        "cheekSquintLeft": 0.6,
        "cheekSquintRight": 0.6,
    },
    "frowning": {
        "mouthFrownLeft": 0.9,
        "mouthFrownRight": 0.9,
        "browDownLeft": 0.9,
        "browDownRight": 0.9,
    },
    "surprised": {
        "jawOpen": 0.55,
        "browInnerUp": 0.9,
        "browOuterUpLeft": 0.9,
        "browOuterUpRight": 0.9,
        "eyeWideLeft": 0.8,
        "eyeWideRight": 0.8,
    },
    "pouting": {"mouthPucker": 0.9, "browInnerUp": 0.4},
}

# Black to blond, then red, then the two grays of old age (FIRST_GRAY_HAIR and on).
HAIR_COLOURS = torch.tensor(
    [
        [0.05, 0.04, 0.04],
        [0.16, 0.10, 0.07],
        [0.30, 0.19, 0.11],
        [0.45, 0.29, 0.15],
        [0.74, 0.57, 0.30],
        [0.88, 0.78, 0.55],
        [0.55, 0.20, 0.08],
        [0.62, 0.62, 0.62],
        [0.88, 0.88, 0.88],
    ]
)
FIRST_GRAY_HAIR = 7

# Brown to blue.
IRIS_COLOURS = torch.tensor(
    [
        [0.20, 0.11, 0.06],
        [0.33, 0.20, 0.10],
        [0.45, 0.35, 0.16],
        [0.30, 0.42, 0.25],
        [0.28, 0.45, 0.60],
        [0.50, 0.60, 0.68],
    ]
)

# Light to dark; a person's tone is a real number between two neighbours.
SKIN_COLOURS = torch.tensor(
    [
        [0.97, 0.83, 0.75],
        [0.93, 0.75, 0.63],
        [0.86, 0.65, 0.50],
        [0.76, 0.54, 0.39],
        [0.62, 0.42, 0.29],
        [0.46, 0.29, 0.20],
        [0.30, 0.19, 0.14],
    ]
)
