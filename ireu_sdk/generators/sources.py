"""From what a person types after `--generator` to a generator that draws from features."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.errors import EncoderError, ErrorCode, InputError
from ireu_governance.files import hash_folder
from ireu_sdk.encoders.base import Tap

__all__ = ["PortraitGenerator", "load_generator"]

TESTBED_GENERATORS = ("testbed:a", "testbed:b")


class PortraitGenerator:
    """A portrait pipeline with its name, digest and the tap of the encoder that it reads.

    Args:
        name: Neutral name, such as ``testbed:a``; never a path.
        source: How it was named, to load it again; may be a path, so it goes to the vault only.
        artifact: Digests of its files.
        pipeline: A `PortraitPipeline`.
    """

    tap = Tap.IMAGE_EMBEDS

    def __init__(self, *, name: str, source: str, artifact: Artifact, pipeline: Any) -> None:
        self.name = name
        self.source = source
        self.artifact = artifact
        self.pipeline = pipeline

    @property
    def feature_size(self) -> int:
        """Width D of the feature that it reads."""
        return int(self.pipeline.fusion.config.image_dim)

    def generate(
        self,
        features: Tensor,
        *,
        prompts: Sequence[str],
        seeds: Sequence[int],
        steps: int = 12,
        guidance: float = 3.0,
        batch_size: int = 8,
    ) -> Tensor:
        """Draw one portrait for each feature, in batches.

        Args:
            features: (N, D).
            prompts: N prompts.
            seeds: N seeds.
            steps: Denoising steps.
            guidance: Guidance scale.
            batch_size: Pictures drawn at a time.

        Returns:
            (N, 3, H, W), uint8, RGB.

        Raises:
            EncoderError: The features are of another width than the generator reads.
        """
        if features.ndim != 2 or features.shape[1] != self.feature_size:
            raise EncoderError(
                f"The encoder gives features of shape {tuple(features.shape[1:])}, "
                f"but generator {self.name} reads {self.feature_size} numbers.",
                hint="Choose a generator that was made for this encoder, or --generator none.",
            )
        parts = [
            self.pipeline(
                features[i : i + batch_size],
                list(prompts[i : i + batch_size]),
                list(seeds[i : i + batch_size]),
                num_inference_steps=steps,
                guidance_scale=guidance,
            )
            for i in range(0, len(features), batch_size)
        ]
        return torch.cat(parts)


def load_generator(source: str, *, device: str = "cpu") -> PortraitGenerator:
    """Load a generator.

    Args:
        source: ``testbed:a``, ``testbed:b``, or a folder that one of them was saved to.
        device: Where it shall run.

    Returns:
        The generator, in float32.

    Raises:
        InputError: Nothing of that kind is there.
    """
    from ireu_sdk.generators import pipeline as pipelines

    _quieten_diffusers()
    shared: dict[str, Any] = {}
    if source in TESTBED_GENERATORS:
        folder, shared = _testbed_parts(source)
    else:
        folder = Path(source).expanduser()
    index_file = folder / "model_index.json"
    if not index_file.is_file():
        raise InputError(
            f"There is no generator '{source}'.",
            hint=f"Known are {', '.join(TESTBED_GENERATORS)}, 'none', and folders saved from them.",
            code=ErrorCode.INPUT_MISSING,
        )
    try:
        index = json.loads(index_file.read_text(encoding="utf-8"))
        kind = {c.__name__: c for c in (pipelines.FusedTokenPipeline, pipelines.ImageTokenPipeline)}[
            index["_class_name"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "The generator folder holds a pipeline of a kind that this version cannot drive.",
            hint="Use --generator none: the removal is then measured on the encoder's features alone.",
        ) from error
    try:
        loaded = kind.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, dtype=torch.float32, **shared
        )
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"The generator '{source}' cannot be loaded: {str(error).splitlines()[0][:200]}",
            hint="It needs all parts of its pipeline, with weights as safetensors.",
        ) from error
    for part in (*shared.values(), loaded.fusion):
        if hasattr(part, "requires_grad_"):
            part.float().requires_grad_(False)
    loaded.set_progress_bar_config(disable=True)
    artifact = _digest(folder, source)
    name = source if source in TESTBED_GENERATORS else f"folder:{artifact.digest[:12]}"
    return PortraitGenerator(name=name, source=source, artifact=artifact, pipeline=loaded.to(device))


def _testbed_parts(source: str) -> tuple[Path, dict[str, Any]]:
    from diffusers import AutoencoderKL
    from transformers import CLIPTextModel, PreTrainedTokenizerFast

    from ireu_sdk.testbed.paths import WEIGHTS

    common = WEIGHTS / "common"
    parts = {
        "vae": AutoencoderKL.from_pretrained(common / "vae", dtype=torch.float32),
        "text_encoder": CLIPTextModel.from_pretrained(common / "text_encoder", dtype=torch.float32),
        "tokenizer": PreTrainedTokenizerFast.from_pretrained(common / "tokenizer"),
    }
    return WEIGHTS / f"generator_{source[-1]}", parts


def _digest(folder: Path, source: str) -> Artifact:
    artifact = hash_folder(folder)
    if source not in TESTBED_GENERATORS:
        return artifact
    from ireu_sdk.testbed.paths import WEIGHTS

    files = {f.name: f.digest for f in artifact.files}
    files.update({f"common/{f.name}": f.digest for f in hash_folder(WEIGHTS / "common").files})
    return Artifact.from_files(files)


def _quieten_diffusers() -> None:
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
