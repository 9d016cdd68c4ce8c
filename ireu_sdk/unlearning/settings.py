"""Every setting of a removal that changes the weights, with the presets that people start from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ireu_governance.core.errors import InputError
from ireu_sdk.encoders.base import Tap

__all__ = ["PRESETS", "UnlearningSettings", "choose_settings"]

STEPS_ONE_PERSON = 200
STEPS_EACH_MORE = 425


class UnlearningSettings(BaseModel):
    """Settings of one removal; symbols as in arXiv 2606.29880.

    Attributes:
        method: ``ireu`` moves only the dimensions that carry identity; ``global`` (the paper's baseline) all.
        preset: Name of the set of defaults that was started from.
        tap: Which output of the encoder is moved.
        k: Share of feature dimensions that the mask keeps.
        alpha: Signed step along M ⊙ Δz with Δz = E(x₋) − E(x_f). Negative goes towards and past the swapped
            face, positive away from it, which exaggerates the person.
        lambda_: Weight λ of the forget loss against the retain loss.
        lr: Adam's peak learning rate.
        steps: Optimisation steps.
        batch_size: Forget pictures in a step.
        retain_ratio: Retain pictures in a step for each forget picture.
        warmup: Steps over which the learning rate rises to its peak; Adam's first steps are sign-like and cost
            retained people most.
        decay: ``cosine`` lowers the rate to zero over the run, ``none`` keeps it.
        blends: Blended pictures in the retain pool, beside the photos.
        seed: Decides the order of pictures and the blends.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["ireu", "global"] = "ireu"
    preset: Literal["default", "paper"] = "default"
    tap: Tap = Tap.IMAGE_EMBEDS
    k: Annotated[float, Field(gt=0.0, le=1.0)] = 0.4
    alpha: Annotated[float, Field(allow_inf_nan=False)] = -1.9
    lambda_: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 1.0
    lr: Annotated[float, Field(gt=0.0, lt=1.0)] = 2e-4
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = STEPS_ONE_PERSON
    batch_size: Annotated[int, Field(ge=1, le=1024)] = 4
    retain_ratio: Annotated[int, Field(ge=1, le=64)] = 3
    warmup: Annotated[int, Field(ge=0)] = 20
    decay: Literal["cosine", "none"] = "cosine"
    blends: Annotated[int, Field(ge=0, le=100_000)] = 3000
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0

    def rate(self, step: int) -> float:
        """Return the learning rate of a step.

        Args:
            step: Number of the step, from 0.
        """
        import math

        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        fall = 0.5 * (1 + math.cos(math.pi * step / self.steps)) if self.decay == "cosine" else 1.0
        return self.lr * rise * fall


# The paper's numbers as its digest gives them; its formula keeps a positive α (docs/method.md says why that matters).
PAPER: dict[str, Any] = {
    "k": 0.4,
    "alpha": 100.0,
    "lambda_": 0.1,
    "lr": 1e-5,
    "batch_size": 1,
    "retain_ratio": 1,
    "warmup": 0,
    "decay": "none",
    "blends": 0,
}
PRESETS: dict[str, dict[str, Any]] = {"default": {}, "paper": PAPER}


def choose_settings(*, people: int, preset: str = "default", **chosen: object) -> UnlearningSettings:
    """Return the settings of a removal: what was chosen over the preset over the defaults.

    Args:
        people: How many people are forgotten at once; more people get more steps.
        preset: ``default`` or ``paper``.
        **chosen: Settings by name; None means not chosen.

    Returns:
        The settings.

    Raises:
        InputError: A setting is out of its range or unknown.
    """
    from pydantic import ValidationError

    if preset not in PRESETS:
        raise InputError(f"There is no preset '{preset}'.", hint=f"Presets: {', '.join(sorted(PRESETS))}.")
    values: dict[str, Any] = {"preset": preset, **PRESETS[preset]}
    if preset == "paper":
        values["steps"] = 1000 if people == 1 else 12_000
    else:
        values["steps"] = STEPS_ONE_PERSON + STEPS_EACH_MORE * (people - 1)
    values.update({name: value for name, value in chosen.items() if value is not None})
    try:
        return UnlearningSettings(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]).rstrip("_")
        raise InputError(
            f"The setting '{name}' cannot be {first['input']!r}: {first['msg']}.",
            hint="See docs/method.md for ranges.",
        ) from None
