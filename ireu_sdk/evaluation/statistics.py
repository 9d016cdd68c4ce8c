"""Thresholds with their error rates, and scores that never stand alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ireu_governance.core.decision import clopper_pearson
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.statement import Matches, Score

__all__ = ["Calibration", "calibrate_pairs", "calibrate_templates", "identity_score", "plain_score"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Calibration:
    """A threshold on cosine similarity, and how often it takes different people for one.

    Attributes:
        threshold: −1 to 1; a similarity at or above it counts as a match.
        false_match_rate: Share of pairs of different people at or above it, 0 to 1; lower is stricter.
        upper_95: Exact upper 95 % bound of that rate. The pairs share people, so they are fewer independent
            observations than they are pairs, and the true bound is wider.
        pairs: Number of pairs of different people that were compared.
    """

    threshold: float
    false_match_rate: float
    upper_95: float
    pairs: int

    def matches(self, similarities: Floats) -> Matches:
        """Count matches among similarities, with an exact 95 % interval of their rate.

        Args:
            similarities: (N,), cosines.
        """
        n = len(similarities)
        count = int((similarities >= self.threshold).sum())
        lower, upper = clopper_pearson(count, n)
        return Matches(
            threshold=self.threshold,
            false_match_rate=self.false_match_rate,
            false_match_rate_upper_95=self.upper_95,
            matches=count,
            rate=count / n if n else 0.0,
            lower_95=lower,
            upper_95=upper,
        )


def calibrate_pairs(embeddings: Floats, people: npt.NDArray[np.int64], *, target: float = 1e-3) -> Calibration:
    """Set a threshold from pairs of pictures of different people.

    Args:
        embeddings: (N, D), unit length.
        people: (N,), who is in each picture.
        target: False match rate to stay at or below.

    Returns:
        The lowest threshold that keeps to the target.

    Raises:
        InputError: All pictures show one person.
    """
    similarity = embeddings @ embeddings.T
    upper = np.triu(np.ones(similarity.shape, dtype=bool), 1)
    return _calibrate(similarity[upper & (people[:, None] != people[None, :])], target)


def calibrate_templates(features: Floats, people: npt.NDArray[np.int64], *, target: float = 1e-3) -> Calibration:
    """Set a threshold from pictures against the mean feature (template) of other people.

    Args:
        features: (N, D), any length.
        people: (N,), who is in each picture.
        target: False match rate to stay at or below.

    Returns:
        The lowest threshold that keeps to the target.

    Raises:
        InputError: All pictures show one person.
    """
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    ids = np.unique(people)
    templates = np.stack([unit[people == person].mean(axis=0) for person in ids])
    templates /= np.maximum(np.linalg.norm(templates, axis=1, keepdims=True), 1e-12)
    similarity = unit @ templates.T
    return _calibrate(similarity[people[:, None] != ids[None, :]], target)


def _calibrate(impostors: Floats, target: float) -> Calibration:
    n = len(impostors)
    if not n:
        raise InputError(
            "A threshold needs photos of at least two different people.",
            hint="Give more people with --retain or --panel.",
            code=ErrorCode.PORTRAITS_EMPTY,
        )
    ordered = np.sort(impostors.astype(np.float64))
    allowed = int(target * n)  # impostors that may be at or above the threshold
    threshold = min(1.0, float(np.nextafter(ordered[n - 1 - allowed], 2.0)))
    count = int((ordered >= threshold).sum())
    return Calibration(
        threshold=threshold,
        false_match_rate=count / n,
        upper_95=clopper_pearson(count, n)[1],
        pairs=n,
    )


def identity_score(name: str, similarities: Floats, calibration: Calibration, *, better: str) -> Score:
    """Return an identity score: the mean cosine, with its matches at the calibrated threshold.

    Args:
        name: Name of the score.
        similarities: (N,), cosines.
        calibration: Of the recogniser that they are from.
        better: ``lower``, ``higher`` or ``reference``.
    """
    score = plain_score(name, similarities, better=better, unit="cosine")
    return score.model_copy(update={"matches": calibration.matches(similarities)})


def plain_score(name: str, values: npt.ArrayLike, *, better: str, unit: str) -> Score:
    """Return the mean of some values with n and spread; values that are not finite are left out.

    Args:
        name: Name of the score.
        values: (N,).
        better: ``lower``, ``higher`` or ``reference``.
        unit: Of the values.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    array = array[np.isfinite(array)]
    return Score.model_validate(
        {
            "name": name,
            "value": float(array.mean()) if len(array) else None,
            "better": better,
            "unit": unit,
            "n": len(array),
            "spread": float(array.std(ddof=1)) if len(array) > 1 else None,
        }
    )
