"""Who a person is: everything that stays the same in all of their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recipe.world.batches import TensorBatch
from recipe.world.draws import Draws
from recipe.world.palette import FIRST_GRAY_HAIR, HAIR_COLOURS, IRIS_COLOURS, SKIN_COLOURS, Beard, HairStyle
from recipe.world.sliders import ANCESTRIES, group_sliders

MAX_MOLES = 3


@dataclass(frozen=True)
class Identities(TensorBatch):
    """B people.

    Attributes:
        shape: Weights (B, N) of the mesh's identity offsets.
        tone: Place on the scale of skin colours (B,).
        hue: How much redder or greener than that colour (B,).
        hair: Hair colour (B, 3).
        iris: Iris colour (B, 3).
        style: `HairStyle` (B,).
        beard: `Beard` (B,).
        hair_length: Thickness and length within the style, in [0, 1] (B,).
        hairline: How much higher than the average hairline (B,).
        peak: How much lower the hairline is in the middle than at the temples (B,).
        brow: Thickness, height, length and arch of the eyebrows (B, 4).
        lip: Two numbers in [0, 1]: one that nothing reads, and the share of lipstick red (B, 2).
        freckle: Strength of freckles in [0, 1] (B,).
        moles: Template x and y of every possible mole (B, 3, 2).
        mole_count: How many of them the person has (B,).
        age: 0 young to 0.95 old (B,).
        sex: 0 female to 1 male (B,).
        seed: Which noise field the skin and the hair are made of (B,).
    """

    shape: Tensor
    tone: Tensor
    hue: Tensor
    hair: Tensor
    iris: Tensor
    style: Tensor
    beard: Tensor
    hair_length: Tensor
    hairline: Tensor
    peak: Tensor
    brow: Tensor
    lip: Tensor
    freckle: Tensor
    moles: Tensor
    mole_count: Tensor
    age: Tensor
    sex: Tensor
    seed: Tensor


def sample_identities(count: int, target_names: Sequence[str], rng: torch.Generator) -> Identities:
    """Draw people, on the CPU.

    Args:
        count: How many.
        target_names: Names of the mesh's identity offsets.
        rng: Source of randomness; equal states give equal people.
    """
    draw = Draws(rng)
    ancestry = draw.dirichlet(count, len(ANCESTRIES), concentration=0.45)
    sex = _mixed_sex((draw.uniform(count) < 0.5).float(), draw.uniform(count))
    age = draw.uniform(count) ** 1.3 * 0.95
    weight = draw.normal(count) * 0.45
    shape = torch.zeros(count, len(target_names))
    _set_macro_shape(shape, target_names, ancestry, sex, age, weight)
    _set_local_shape(shape, target_names, draw)

    ancestry_tone = ancestry[:, 0] * 5.0 + ancestry[:, 1] * 2.0 + ancestry[:, 2] * 0.8
    tone = (ancestry_tone + draw.normal(count) * 0.6).clamp(0, len(SKIN_COLOURS) - 1)
    dark = ancestry[:, 0] * 1.2 + ancestry[:, 1] * 1.2  # chance of dark hair, and of dark eyes
    hair = _sample_hair_colour(count, age, dark, draw)
    iris = torch.where(draw.uniform(count) < dark, draw.choice(count, 2), draw.choice(count, 6)).long()
    male = sex > 0.5
    style = torch.where(
        male,
        _pick(draw, count, HairStyle.SHAVED, *[HairStyle.SHORT] * 3, HairStyle.MEDIUM),
        _pick(draw, count, HairStyle.SHORT, *[HairStyle.MEDIUM] * 2, *[HairStyle.LONG] * 2),
    )
    beard = torch.where(
        male,
        _pick(draw, count, *[Beard.NONE] * 2, Beard.STUBBLE, Beard.MOUSTACHE, Beard.FULL),
        torch.full((count,), Beard.NONE, dtype=torch.long),
    )
    moles = torch.stack([(draw.uniform(count, MAX_MOLES) - 0.5) * 1.1, 6.6 + draw.uniform(count, MAX_MOLES) * 1.3], -1)
    # Keyword arguments are evaluated in the order written here: the order of draws, see `Draws`.
    return Identities(
        shape=shape,
        tone=tone,
        hue=draw.normal(count) * 0.02,
        hair=HAIR_COLOURS[hair] * (1 + 0.12 * draw.normal(count, 1)),
        iris=IRIS_COLOURS[iris],
        style=style,
        beard=beard,
        hair_length=draw.uniform(count),
        hairline=draw.normal(count) * 0.10,
        peak=draw.normal(count) * 0.12,
        brow=torch.stack(
            [
                0.035 + 0.035 * draw.uniform(count),
                draw.normal(count) * 0.05,
                0.5 + 0.5 * draw.uniform(count),
                draw.normal(count) * 0.06,
            ],
            1,
        ),
        lip=torch.stack([draw.uniform(count), draw.uniform(count) * (1 - 0.7 * sex)], 1),
        freckle=(draw.uniform(count) - 0.75).clamp(min=0) * 4 * (tone < 2).float(),
        moles=moles,
        mole_count=draw.choice(count, MAX_MOLES + 1),
        age=age,
        sex=sex,
        seed=draw.uniform(count) * 100,
    )


def _mixed_sex(side: Tensor, mixture: Tensor) -> Tensor:
    """Move each 0 or 1 up to a quarter of the way to the other side, for faces of both kinds of traits."""
    return (side + (side * -2 + 1) * 0.25 * mixture).clamp(0, 1)


def _set_macro_shape(
    shape: Tensor, target_names: Sequence[str], ancestry: Tensor, sex: Tensor, age: Tensor, weight: Tensor
) -> None:
    """Fill in ancestry × sex × age and sex × age × weight, whose products are MakeHuman's macro targets."""
    column = {name: index for index, name in enumerate(target_names)}
    sexes = (("female", 1 - sex), ("male", sex))
    ages = (("young", 1 - age), ("old", age))
    weights = (
        ("minweight", (-weight).clamp(0, 1)),
        ("averageweight", 1 - weight.abs().clamp(0, 1)),
        ("maxweight", weight.clamp(0, 1)),
    )
    # A target that moves nothing above the chest is not in the basis: hence the look-ups.
    for sex_name, sex_share in sexes:
        for age_name, age_share in ages:
            for index, ancestry_name in enumerate(ANCESTRIES):
                target = f"{ancestry_name}-{sex_name}-{age_name}"
                if target in column:
                    shape[:, column[target]] = ancestry[:, index] * sex_share * age_share
            for weight_name, weight_share in weights:
                target = f"universal-{sex_name}-{age_name}-{weight_name}"
                if target in column:
                    shape[:, column[target]] = sex_share * age_share * weight_share


def _set_local_shape(shape: Tensor, target_names: Sequence[str], draw: Draws) -> None:
    """Fill in the features of the face, one draw a slider."""
    for slider in group_sliders(target_names):
        value = (draw.normal(len(shape)) * 0.30).clamp(-0.8, 0.8)
        if "asym" in slider.name:
            value = value * 0.3  # faces are a little lopsided, not much
        for index in slider.positive:
            shape[:, index] = value.clamp(min=0) if slider.negative else value.abs() * 0.6
        for index in slider.negative:
            shape[:, index] = (-value).clamp(min=0)


def _sample_hair_colour(count: int, age: Tensor, dark: Tensor, draw: Draws) -> Tensor:
    """Draw indices (count,) into `HAIR_COLOURS`: gray with age, else dark or any colour by ancestry."""
    is_gray = age + 0.25 * draw.normal(count) > 0.8
    gray = FIRST_GRAY_HAIR + (draw.uniform(count) < 0.5).float()
    is_dark = draw.uniform(count) < dark
    natural = torch.where(is_dark, draw.choice(count, 2), draw.choice(count, FIRST_GRAY_HAIR))
    return torch.where(is_gray, gray, natural).long()


def _pick(draw: Draws, count: int, *options: int) -> Tensor:
    """Draw ``count`` of these options with equal chances; repeat an option to make it likelier."""
    return torch.tensor([int(option) for option in options])[draw.choice(count, len(options)).long()]
