"""Measuring an encoder: features always, portraits where there are generators. Used by removals and re-tests alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ireu_governance.core.decision import decide_case, retained_similarity, worst
from ireu_governance.core.statement import CaseResult, Plan, PlannedTest, Score
from ireu_governance.core.verdict import RetestVerdict
from ireu_sdk.encoders.base import Encoder, Tap
from ireu_sdk.evaluation.features import FEATURE_MATCH, measure_case_features, measure_retained_features
from ireu_sdk.evaluation.identity import Drawing, draw, measure_cases, measure_others
from ireu_sdk.evaluation.probes import ProbeSet
from ireu_sdk.evaluation.statistics import Calibration
from ireu_sdk.faces.recognisers import Recogniser
from ireu_sdk.toolbox import Toolbox

if TYPE_CHECKING:
    from ireu_sdk.generators.sources import PortraitGenerator

__all__ = ["Measurement", "Original", "calibration_of", "measure_encoder"]


@dataclass(frozen=True)
class Original:
    """What is known of the original encoder; all that a re-test needs of it.

    Attributes:
        encoder: Itself, when it is at hand; without it nothing is compared with its pictures.
        templates: (C, D), each case's template under it.
        panel_images: Photos of the panel.
        panel_features: (N, …), their features under it.
    """

    encoder: Encoder | None
    templates: Tensor
    panel_images: Sequence[Image.Image]
    panel_features: Tensor


@dataclass(frozen=True)
class Measurement:
    """All scores of one encoder.

    Attributes:
        cases: Scores and verdict of each case, in the plan's order.
        scores: Scores about everybody else.
        verdict: The worst over all cases.
        before: What each generator drew with the original encoder.
        after: What each generator drew with the tested one.
        extractor: Feature extractor of the FID; None without generators.
    """

    cases: tuple[CaseResult, ...]
    scores: tuple[Score, ...]
    verdict: RetestVerdict
    before: tuple[Drawing, ...]
    after: tuple[Drawing, ...]
    extractor: str | None


def calibration_of(test: PlannedTest) -> Calibration:
    """Return the threshold that a planned test was fixed with."""
    return Calibration(
        threshold=test.threshold,
        false_match_rate=test.false_match_rate,
        upper_95=test.false_match_rate_upper_95,
        pairs=test.false_match_pairs,
    )


def measure_encoder(
    tested: Encoder,
    original: Original,
    probes: ProbeSet,
    plan: Plan,
    case_ids: Sequence[str],
    toolbox: Toolbox,
    *,
    tap: Tap,
    steps: int,
    guidance: float,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Measurement:
    """Measure an encoder by the plan that was recorded before.

    Args:
        tested: The encoder under test.
        original: What is known of the original.
        probes: Pictures of the cases and the panel.
        plan: Thresholds and limits.
        case_ids: In the order of the probes' persons.
        toolbox: Generators and recogniser.
        tap: Which output of the encoder counts.
        steps: Denoising steps.
        guidance: Guidance scale.
        on_stage: Told what is going on.

    Returns:
        The measurement.
    """
    features = tested.encode(tested.preprocess([p.image for p in probes.probes]), tap=tap)
    on_stage("features")
    cases = _feature_cases(features, original, probes, plan, len(case_ids))
    panel_after = tested.encode(tested.preprocess(original.panel_images), tap=tap)
    scores = measure_retained_features(original.panel_features, panel_after)
    before: list[Drawing] = []
    after: list[Drawing] = []
    extractor: str | None = None
    if toolbox.recogniser is not None and toolbox.generators:
        from ireu_sdk.evaluation.fidelity import choose_extractor

        fid = choose_extractor(toolbox.recogniser)
        references = toolbox.recogniser.embed([p.image for p in probes.probes])
        # A re-test has no original encoder to draw the panel with, and so nothing to compare its pictures with.
        real = _stack(probes.real, toolbox) if original.encoder is not None else None
        for generator in toolbox.generators:
            planned = next(t for t in plan.tests if t.name == f"{generator.name}/portrait-match")
            calibration = calibration_of(planned)
            on_stage(f"portraits of {generator.name}")
            drawn = draw(generator, features, probes, toolbox.recogniser, steps=steps, guidance=guidance)
            after.append(drawn)
            if original.encoder is None or real is None:
                own = _compare_with_photos(drawn, references, probes, calibration, len(case_ids))
            else:
                first = _draw_original(
                    original.encoder,
                    generator,
                    toolbox.recogniser,
                    probes,
                    toolbox,
                    tap=tap,
                    steps=steps,
                    guidance=guidance,
                )
                before.append(first)
                own = measure_cases(probes, references, first, drawn, calibration)
                scores += measure_others(probes, references, real, first, drawn, calibration, fid)
                extractor = fid.name
            for case, more in zip(cases, own, strict=True):
                case.extend(more)
    similarity = retained_similarity(scores)
    results = tuple(
        CaseResult(case_id=case_id, verdict=decide_case(plan, found, similarity), scores=tuple(found))
        for case_id, found in zip(case_ids, cases, strict=True)
    )
    return Measurement(
        cases=results,
        scores=tuple(scores),
        verdict=worst(result.verdict for result in results),
        before=tuple(before),
        after=tuple(after),
        extractor=extractor,
    )


def _feature_cases(features: Tensor, original: Original, probes: ProbeSet, plan: Plan, cases: int) -> list[list[Score]]:
    calibration = calibration_of(next(t for t in plan.tests if t.name == FEATURE_MATCH))
    return [
        measure_case_features(
            features,
            original.templates[case],
            probes.select("trained", person=case),
            probes.select("unseen", person=case),
            calibration,
        )
        for case in range(cases)
    ]


def _compare_with_photos(
    drawn: Drawing,
    references: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    probes: ProbeSet,
    calibration: Calibration,
    cases: int,
) -> list[list[Score]]:
    """Return what can be said of portraits without the original encoder: who is recognised in them."""
    from ireu_sdk.evaluation.statistics import identity_score

    similarity = (drawn.embeddings * references).sum(axis=1)
    rows = [
        ("portrait-match", ("trained", "unseen")),
        ("id-target-o", ("trained",)),
        ("id-target-o-unseen", ("unseen",)),
    ]
    return [
        [
            identity_score(f"{drawn.generator}/{name}", similarity[chosen], calibration, better="lower")
            for name, roles in rows
            if len(chosen := probes.select(*roles, person=case))  # type: ignore[arg-type]
        ]
        for case in range(cases)
    ]


def _draw_original(
    encoder: Encoder,
    generator: PortraitGenerator,
    recogniser: Recogniser,
    probes: ProbeSet,
    toolbox: Toolbox,
    *,
    tap: Tap,
    steps: int,
    guidance: float,
) -> Drawing:
    """Return what a generator draws with the original encoder; drawn once for all methods that are compared on it."""
    key = (generator.name, tap.value, f"{steps}/{guidance}", _identify(probes))
    if key not in toolbox.drawings:
        features = encoder.encode(encoder.preprocess([p.image for p in probes.probes]), tap=tap)
        toolbox.drawings[key] = draw(generator, features, probes, recogniser, steps=steps, guidance=guidance)
    return toolbox.drawings[key]


def _identify(probes: ProbeSet) -> str:
    import hashlib

    digest = hashlib.sha256()
    for probe in probes.probes:
        digest.update(f"{probe.role}/{probe.person}/{probe.prompt}/{probe.seed}/{probe.image.size}".encode())
        digest.update(probe.image.tobytes())
    return digest.hexdigest()


def _stack(images: Sequence[Image.Image], toolbox: Toolbox) -> Tensor:
    """Return photos (N, 3, S, S), uint8, in the generators' size, centre-cropped to squares."""
    from PIL import ImageOps

    side = int(toolbox.generators[0].pipeline.vae.config.sample_size)
    arrays = [np.asarray(ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC)) for image in images]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
