"""Measuring an encoder: features always, portraits where there are generators. Used by removals and re-tests alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ireu_governance.core.decision import decide_case, retained_similarity, worst
from ireu_governance.core.errors import EncoderError
from ireu_governance.core.statement import CaseResult, Plan, PlannedTest, Score
from ireu_governance.core.verdict import RetestVerdict
from ireu_sdk.encoders.base import Encoder, Tap
from ireu_sdk.encoders.extraction import RemoteEncoder, extract_features
from ireu_sdk.evaluation.features import FEATURE_MATCH, measure_case_features, measure_retained_features
from ireu_sdk.evaluation.identity import Drawing, draw, measure_cases, measure_others
from ireu_sdk.evaluation.probes import Photo, ProbeSet
from ireu_sdk.evaluation.statistics import Calibration
from ireu_sdk.faces.recognisers import Recogniser
from ireu_sdk.toolbox import Instruments

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
    panel_images: Sequence[Image.Image | Photo]
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
        closeness: Cosine of each probe's, then each panel photo's feature with what the original encoder made of the
            person or photo; stays in memory.
        panel_after: (N, …), the tested encoder's features of the panel.
    """

    cases: tuple[CaseResult, ...]
    scores: tuple[Score, ...]
    verdict: RetestVerdict
    before: tuple[Drawing, ...]
    after: tuple[Drawing, ...]
    extractor: str | None
    closeness: Tensor = field(repr=False)
    panel_after: Tensor = field(repr=False)


def calibration_of(test: PlannedTest) -> Calibration:
    """Return the threshold that a planned test was fixed with."""
    return Calibration(
        threshold=test.threshold,
        false_match_rate=test.false_match_rate,
        upper_95=test.false_match_rate_upper_95,
        pairs=test.false_match_pairs,
    )


def measure_encoder(
    tested: Encoder | RemoteEncoder,
    original: Original,
    probes: ProbeSet,
    plan: Plan,
    case_ids: Sequence[str],
    toolbox: Instruments,
    *,
    tap: Tap,
    steps: int,
    guidance: float,
    on_stage: Callable[[str], None] = lambda _: None,
    between: Callable[[], None] = lambda: None,
    panel_after: Tensor | None = None,
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
        between: Called between batches; may raise to stop.
        panel_after: (N, …), what the tested encoder gave for the panel before; asked for if not given.

    Returns:
        The measurement.
    """
    on_stage("features")
    # All cases and the panel in one go: the panel once for all cases, and no batch that is half empty in between.
    photos = [*(probe.photo for probe in probes.probes), *(() if panel_after is not None else original.panel_images)]
    answers = extract_features(tested, photos, tap=tap, between=between)
    features = answers[: len(probes.probes)]
    panel_after = answers[len(probes.probes) :] if panel_after is None else panel_after
    _require_shape(answers, original)
    cases = _feature_cases(features, original, probes, plan, len(case_ids))
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
            between()
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
        closeness=_closeness(features, panel_after, original, probes),
        panel_after=panel_after,
    )


def _require_shape(answers: Tensor, original: Original) -> None:
    if answers.shape[1:] != original.panel_features.shape[1:]:
        raise EncoderError(
            f"The encoder gives features of shape {tuple(answers.shape[1:])}, the original gave"
            f" {tuple(original.panel_features.shape[1:])}.",
            hint="Is this an encoder of the kind that the removal was about, and the same output of it?",
        )


def _closeness(features: Tensor, panel_after: Tensor, original: Original, probes: ProbeSet) -> Tensor:
    of_panel = functional.cosine_similarity(panel_after.flatten(1), original.panel_features.flatten(1), dim=1)
    known = [number for number, probe in enumerate(probes.probes) if probe.role != "panel"]
    templates = original.templates[[probes.probes[number].person for number in known]]
    return torch.cat([functional.cosine_similarity(features[known].flatten(1), templates, dim=1), of_panel])


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
    toolbox: Instruments,
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


def _stack(images: Sequence[Image.Image], toolbox: Instruments) -> Tensor:
    """Return photos (N, 3, S, S), uint8, in the generators' size, centre-cropped to squares."""
    from PIL import ImageOps

    side = int(toolbox.generators[0].pipeline.vae.config.sample_size)
    arrays = [np.asarray(ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC)) for image in images]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
