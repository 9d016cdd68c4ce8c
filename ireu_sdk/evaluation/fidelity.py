"""Are retained people drawn as before? PSNR, SSIM and ΔFID between two sets of portraits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure
from torchmetrics.image.fid import FrechetInceptionDistance

from ireu_governance.core.statement import Score
from ireu_sdk.evaluation.statistics import plain_score
from ireu_sdk.faces.recognisers import Recogniser

__all__ = ["FidExtractor", "choose_extractor", "measure_fid_change", "measure_fidelity", "to_images"]

LEVELS = 255.0
INCEPTION_WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"  # the file that torch-fidelity looks for


@dataclass(frozen=True)
class FidExtractor:
    """What turns pictures into features for FID; figures of different extractors cannot be compared.

    Attributes:
        name: Stands in the result beside every FID.
        feature: What torchmetrics takes as `feature`: 2048 for Inception, else a module.
    """

    name: str
    feature: int | nn.Module


class RecogniserFeatures(nn.Module):
    """A face recogniser as FID features: how differently *faces* are distributed, not pictures.

    Args:
        recogniser: Any recogniser.
    """

    def __init__(self, recogniser: Recogniser) -> None:
        super().__init__()
        self._recogniser = recogniser
        probe = Image.new("RGB", (128, 128))
        self.num_features = int(recogniser.embed([probe]).shape[1])

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (N, D) features of (N, 3, H, W) uint8 pictures."""
        return torch.from_numpy(self._recogniser.embed(to_images(pictures))).double()


def choose_extractor(recogniser: Recogniser) -> FidExtractor:
    """Return Inception if its weights are on this machine, else the recogniser, named as such.

    Args:
        recogniser: The face recogniser that judges identity.
    """
    from importlib.util import find_spec
    from pathlib import Path

    weights = Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_WEIGHTS
    if weights.is_file() and find_spec("torch_fidelity") is not None:
        return FidExtractor(name="inception-v3-2048", feature=2048)
    return FidExtractor(name=recogniser.name, feature=RecogniserFeatures(recogniser))


def measure_fidelity(prefix: str, before: Tensor, after: Tensor) -> list[Score]:
    """Compare portraits drawn with the original and the unlearned encoder, same prompts and seeds.

    Args:
        prefix: Name of the generator.
        before: (N, 3, H, W), uint8, drawn with E.
        after: The same with E_u.

    Returns:
        PSNR in dB (higher is more alike; pairs that are equal are left out) and SSIM (up to 1).
    """
    a, b = after.float(), before.float()
    psnr = torch.stack([peak_signal_noise_ratio(x, y, data_range=LEVELS) for x, y in zip(a, b, strict=True)])
    ssim = structural_similarity_index_measure(a, b, data_range=LEVELS, reduction="none")
    assert isinstance(ssim, Tensor)  # noqa: S101 - a tuple only when the full image is asked for
    return [
        plain_score(f"{prefix}/psnr", psnr.numpy(), better="higher", unit="dB"),
        plain_score(f"{prefix}/ssim", ssim.reshape(-1).numpy(), better="higher", unit="ratio"),
    ]


def measure_fid_change(
    prefix: str, real: Tensor, before: Tensor, after: Tensor, extractor: FidExtractor
) -> list[Score]:
    """Return FID of both sets against real pictures, and ΔFID = FID(after) − FID(before).

    FID is biased upwards for few pictures; the bias is alike on both sides of the difference, not gone.

    Args:
        prefix: Name of the generator.
        real: (R, 3, H, W), uint8.
        before: (N, 3, H, W), uint8, drawn with E.
        after: The same with E_u.
        extractor: Feature extractor; its name is in the scores' unit.
    """
    distances = []
    for drawn in (before, after):
        metric = FrechetInceptionDistance(feature=extractor.feature)
        metric.update(real, real=True)
        metric.update(drawn, real=False)
        distances.append(float(metric.compute()))
    unit = f"fid:{extractor.name}"
    n = len(after)

    def score(name: str, value: float, better: str) -> Score:
        return Score.model_validate(
            {"name": f"{prefix}/{name}", "value": value, "better": better, "unit": unit, "n": n}
        )

    return [
        score("fid-original", distances[0], "reference"),
        score("fid", distances[1], "lower"),
        score("delta-fid", distances[1] - distances[0], "lower"),
    ]


def to_images(pictures: Tensor) -> list[Image.Image]:
    """Return (N, 3, H, W) uint8 pictures as PIL images."""
    return [Image.fromarray(p.permute(1, 2, 0).contiguous().numpy()) for p in pictures.to(torch.uint8)]
