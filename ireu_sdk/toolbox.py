"""The networks of a removal or re-test, loaded once: encoder, generators, recogniser."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from ireu_governance.core.errors import ConfigError, InputError
from ireu_governance.core.statement import PlannedTest
from ireu_sdk.encoders.base import Tap
from ireu_sdk.encoders.clip import ClipEncoder
from ireu_sdk.encoders.sources import load_encoder
from ireu_sdk.evaluation.features import FEATURE_MATCH
from ireu_sdk.evaluation.statistics import Calibration
from ireu_sdk.faces.recognisers import Recogniser, load_recogniser

if TYPE_CHECKING:
    from ireu_sdk.evaluation.identity import Drawing
    from ireu_sdk.generators.sources import PortraitGenerator

__all__ = ["Instruments", "Toolbox", "load_instruments", "load_toolbox", "require_device", "software_versions"]

PACKAGES = ("ireu-sdk", "torch", "transformers", "diffusers", "onnxruntime", "numpy", "pillow")


@dataclass(kw_only=True)
class Instruments:
    """What an encoder is measured with.

    Attributes:
        generators: Who draws; may be empty.
        recogniser: Who judges; None without generators.
        judge_source: How it was named.
        device: Where the networks run.
        drawings: Pictures drawn with the original encoder, by generator and probes: the same for every method
            that is compared on them.
    """

    generators: tuple[PortraitGenerator, ...]
    recogniser: Recogniser | None
    judge_source: str | None
    device: str
    drawings: dict[tuple[str, ...], Drawing] = field(default_factory=dict)


@dataclass(kw_only=True)
class Toolbox(Instruments):
    """Everything that a removal runs on.

    Attributes:
        encoder: The encoder to change.
        encoder_source: How it was named.
    """

    encoder: ClipEncoder
    encoder_source: str

    def plan_tests(
        self,
        *,
        features: Calibration,
        portraits: Calibration | None,
        max_match_rate: float,
        min_probes: int,
    ) -> tuple[PlannedTest, ...]:
        """Return the identity tests that will decide about a removal.

        Args:
            features: Threshold of the original encoder's features.
            portraits: Threshold of the recogniser; None without one.
            max_match_rate: Largest permitted match rate.
            min_probes: Fewer probes leave a test inconclusive.
        """

        def test(
            name: str, calibration: Calibration, who: tuple[str, str], drawer: tuple[str, str | None]
        ) -> PlannedTest:
            return PlannedTest(
                name=name,
                recogniser=who[0],
                recogniser_digest=who[1],
                generator=drawer[0],
                generator_digest=drawer[1],
                threshold=calibration.threshold,
                false_match_rate=calibration.false_match_rate,
                false_match_rate_upper_95=calibration.upper_95,
                false_match_pairs=calibration.pairs,
                max_match_rate=max_match_rate,
                min_probes=min_probes,
            )

        tests = [test(FEATURE_MATCH, features, (self.encoder.name, self.encoder.artifact.digest), ("none", None))]
        if self.recogniser is not None and portraits is not None:
            judge = (self.recogniser.name, self.recogniser.digest)
            tests += [
                test(f"{g.name}/portrait-match", portraits, judge, (g.name, g.artifact.digest)) for g in self.generators
            ]
        return tuple(tests)


def load_toolbox(
    *,
    encoder: str,
    generators: Sequence[str] | None = None,
    judge: str | None = None,
    tap: Tap = Tap.IMAGE_EMBEDS,
    allow_pickle: bool = False,
    device: str = "cpu",
    tracking_uri: str | None = None,
) -> Toolbox:
    """Load everything that a removal runs on.

    Args:
        encoder: As for `load_encoder`.
        generators: As for `load_generator`; ``("none",)`` for none. If not given, the testbed's encoder gets the
            testbed's generators and any other encoder none.
        judge: As for `load_recogniser`; if not given, likewise.
        tap: Which output of the encoder the generators must read.
        allow_pickle: Whether pickled weights may be read.
        device: Where networks run.
        tracking_uri: For ``models:/`` encoders.

    Raises:
        InputError: Something is absent, or generators are given without a judge.
    """
    is_testbed = encoder == "testbed"
    if generators is None:
        names: tuple[str, ...] = ("testbed:a", "testbed:b") if is_testbed else ()
    else:
        names = tuple(dict.fromkeys(name for name in generators if name != "none"))
    if judge is None and (is_testbed or any(name.startswith("testbed:") for name in names)):
        judge = "testbed"
    _require_judge(names, judge)
    loaded = load_encoder(encoder, allow_pickle=allow_pickle, device=device, tracking_uri=tracking_uri)
    tools = load_instruments(generators=names, judge=judge, tap=tap, device=device)
    width = int(loaded.module.config.projection_dim)  # type: ignore[union-attr, arg-type]
    for drawer in tools.generators:
        if tap is Tap.IMAGE_EMBEDS and drawer.feature_size != width:
            raise InputError(
                f"Generator {drawer.name} reads {drawer.feature_size} numbers, but the encoder gives {width}.",
                hint="Choose a generator that was made for this encoder, or --generator none.",
            )
    return Toolbox(
        encoder=loaded,
        encoder_source=encoder,
        generators=tools.generators,
        recogniser=tools.recogniser,
        judge_source=judge,
        device=device,
    )


def load_instruments(
    *, generators: Sequence[str], judge: str | None, tap: Tap = Tap.IMAGE_EMBEDS, device: str = "cpu"
) -> Instruments:
    """Load what an encoder is measured with.

    Args:
        generators: As for `load_generator`; ``none`` is left out.
        judge: As for `load_recogniser`; None for none.
        tap: Which output of the encoder the generators must read.
        device: Where networks run.

    Raises:
        InputError: Something is absent, generators are given without a judge, or read another tap.
    """
    names = tuple(dict.fromkeys(name for name in generators if name != "none"))
    _require_judge(names, judge)
    recogniser = load_recogniser(judge) if judge is not None else None
    drawers: tuple[PortraitGenerator, ...] = ()
    if names:
        from ireu_sdk.generators.sources import load_generator

        drawers = tuple(load_generator(name, device=device) for name in names)
    for drawer in drawers:
        if drawer.tap is not tap:
            raise InputError(
                f"Generator {drawer.name} reads the tap '{drawer.tap.value}', not '{tap.value}': it would not see"
                " the removal.",
                hint="Use the generator's own tap, or --generator none.",
            )
    return Instruments(generators=drawers, recogniser=recogniser, judge_source=judge, device=device)


def _require_judge(generators: Sequence[str], judge: str | None) -> None:
    if generators and judge is None:
        raise InputError(
            "Portraits of a generator need a face recogniser that says who is in them.",
            hint="Give one with --judge FILE.onnx or --judge insightface:PACK.",
        )


def require_device(device: str) -> None:
    """Refuse a device on which nothing can be computed here.

    Args:
        device: Its name, as torch has it.

    Raises:
        ConfigError: It is no device, or not to be had.
    """
    try:
        torch.zeros(1, device=device).cpu()  # 'meta' is a device, and holds no numbers
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"The device '{device}' is not to be had on this machine.", hint="Use --device cpu."
        ) from error


def software_versions() -> dict[str, str]:
    """Return the versions of the packages that decide about results."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
