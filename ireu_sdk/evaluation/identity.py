"""The paper's identity metrics: who is in the portraits that a generator draws with E and with E_u.

G₀ is drawn with E and G_u with E_u, same prompt and same seed; sim is the cosine of a recogniser's embeddings,
−1 to 1, where 1 is the same face. See docs/method.md for the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ireu_governance.core.statement import Score
from ireu_sdk.evaluation.fidelity import FidExtractor, measure_fid_change, measure_fidelity, to_images
from ireu_sdk.evaluation.probes import ProbeSet
from ireu_sdk.evaluation.statistics import Calibration, identity_score, plain_score
from ireu_sdk.faces.recognisers import Recogniser
from ireu_sdk.generators.sources import PortraitGenerator

__all__ = ["Drawing", "draw", "measure_cases", "measure_others"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Drawing:
    """What one generator drew for all probes with one encoder.

    Attributes:
        generator: Its name.
        pictures: (N, 3, H, W), uint8.
        embeddings: (N, D), unit length, of the recogniser.
    """

    generator: str
    pictures: Tensor
    embeddings: Floats


def draw(
    generator: PortraitGenerator,
    features: Tensor,
    probes: ProbeSet,
    recogniser: Recogniser,
    *,
    steps: int,
    guidance: float,
) -> Drawing:
    """Draw every probe and recognise who is in the pictures.

    Args:
        generator: Who draws.
        features: (N, D), an encoder's features of the probes, in their order.
        probes: The probes.
        recogniser: Who judges.
        steps: Denoising steps.
        guidance: Guidance scale.
    """
    pictures = generator.generate(
        features,
        prompts=[p.prompt for p in probes.probes],
        seeds=[p.seed for p in probes.probes],
        steps=steps,
        guidance=guidance,
    )
    return Drawing(generator.name, pictures, recogniser.embed(to_images(pictures)))


def measure_cases(
    probes: ProbeSet, references: Floats, before: Drawing, after: Drawing, calibration: Calibration
) -> list[list[Score]]:
    """Measure every forgotten person: ID_target^o, unseen, ID_target^g, and what E itself gave.

    Args:
        probes: The probes.
        references: (N, D), embeddings of the probes' photos.
        before: Drawn with E.
        after: Drawn with E_u.
        calibration: Of the recogniser.

    Returns:
        Scores of each case.
    """
    name = after.generator
    to_photo = _cosines(after.embeddings, references)
    to_original = _cosines(after.embeddings, before.embeddings)
    original = _cosines(before.embeddings, references)
    cases = 1 + max((p.person for p in probes.probes if p.role == "trained"), default=-1)
    results = []
    for case in range(cases):
        trained = probes.select("trained", person=case)
        unseen = probes.select("unseen", person=case)
        both = probes.select("trained", "unseen", person=case)
        rows = [
            ("id-target-o", to_photo, trained, "lower"),
            ("id-target-o-unseen", to_photo, unseen, "lower"),
            ("id-target-g", to_original, both, "lower"),
            ("id-target-o-original", original, both, "reference"),
            ("portrait-match", to_photo, both, "lower"),
        ]
        results.append(
            [
                identity_score(f"{name}/{label}", values[chosen], calibration, better=better)
                for label, values, chosen, better in rows
                if len(chosen)
            ]
        )
    return results


def measure_others(
    probes: ProbeSet,
    references: Floats,
    real: Tensor,
    before: Drawing,
    after: Drawing,
    calibration: Calibration,
    extractor: FidExtractor,
) -> list[Score]:
    """Measure everybody else: ID_other^o and ^g, ΔID, PSNR, SSIM, ΔFID.

    Args:
        probes: The probes.
        references: (N, D), embeddings of the probes' photos.
        real: (R, 3, H, W), uint8, photos for FID.
        before: Drawn with E.
        after: Drawn with E_u.
        calibration: Of the recogniser.
        extractor: For FID.
    """
    name = after.generator
    panel = probes.select("panel")
    target = probes.select("trained", "unseen")
    to_photo = _cosines(after.embeddings, references)
    to_original = _cosines(after.embeddings, before.embeddings)
    original = _cosines(before.embeddings, references)
    delta = float(to_original[panel].mean() - to_original[target].mean())
    ratio = float(to_photo[panel].mean() / original[panel].mean())
    return [
        identity_score(f"{name}/id-other-o", to_photo[panel], calibration, better="higher"),
        identity_score(f"{name}/id-other-o-original", original[panel], calibration, better="reference"),
        _single(f"{name}/id-other-o-kept", ratio, "ratio", len(panel)),
        identity_score(f"{name}/id-other-g", to_original[panel], calibration, better="higher"),
        _single(f"{name}/delta-id", delta, "cosine", len(panel) + len(target)),
        *measure_fidelity(name, before.pictures[panel], after.pictures[panel]),
        *measure_fid_change(name, real, before.pictures[panel], after.pictures[panel], extractor),
    ]


def _single(name: str, value: float, unit: str, n: int) -> Score:
    return plain_score(name, [value], better="higher", unit=unit).model_copy(update={"n": n})


def _cosines(a: Floats, b: Floats) -> Floats:
    cosines: Floats = (a * b).sum(axis=1)
    return cosines
