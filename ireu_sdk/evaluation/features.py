"""What can be said of an encoder without a generator: does its feature of a person still match the original one?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.nn import functional as F

from ireu_governance.core.decision import RETAINED_SIMILARITY
from ireu_governance.core.statement import Score
from ireu_sdk.evaluation.statistics import Calibration, identity_score, plain_score

__all__ = ["FEATURE_MATCH", "make_template", "measure_case_features", "measure_retained_features"]

FEATURE_MATCH = "features/feature-match"


def make_template(features: Tensor) -> Tensor:
    """Return a person's template: the unit-length mean of their unit-length features.

    Args:
        features: (N, …), of the person's photos under the original encoder.

    Returns:
        (D,).
    """
    return F.normalize(F.normalize(features.flatten(1), dim=1).mean(dim=0), dim=0)


def measure_case_features(
    after: Tensor,
    template: Tensor,
    trained: npt.NDArray[np.int64],
    unseen: npt.NDArray[np.int64],
    calibration: Calibration,
) -> list[Score]:
    """Compare a person's features with their template under the original encoder.

    Args:
        after: (N, …), features of the person's photos under the tested encoder.
        template: (D,), of the original encoder.
        trained: Rows of photos that were trained on.
        unseen: Rows of the others.
        calibration: Threshold of the original encoder's features as a recogniser.

    Returns:
        The score that decides (all photos), and one each for trained and unseen photos. Cosines, −1 to 1; lower
        is farther from who the person was.
    """
    similarity = (F.normalize(after.flatten(1), dim=1) @ template).numpy()
    rows = [(FEATURE_MATCH, np.concatenate([trained, unseen]))]
    rows += [("features/trained", trained), ("features/unseen", unseen)]
    return [
        identity_score(name, similarity[chosen], calibration, better="lower") for name, chosen in rows if len(chosen)
    ]


def measure_retained_features(before: Tensor, after: Tensor) -> list[Score]:
    """Compare other people's features under both encoders.

    Args:
        before: (N, …), under the original encoder.
        after: (N, …), under the tested one.

    Returns:
        Mean cosine (1 is unmoved), and the mean ratio of norms (1 is unmoved), which generators that do not
        normalise can see.
    """
    a, b = before.flatten(1), after.flatten(1)
    return [
        plain_score(RETAINED_SIMILARITY, F.cosine_similarity(a, b, dim=1).numpy(), better="higher", unit="cosine"),
        plain_score(
            "features/retained-norm-ratio",
            (b.norm(dim=1) / a.norm(dim=1)).numpy(),
            better="reference",
            unit="ratio",
        ),
    ]
