"""How a picture becomes the pixels that a CLIP encoder takes; part of the encoder, but needs none of its weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ireu_governance.core.errors import EncoderError

__all__ = ["PREPROCESSOR", "Preparation"]

PREPROCESSOR: Final = "preprocessor_config.json"
# Pixel statistics of OpenAI's CLIP, the convention for CLIP towers that ship no preprocessor file.
CLIP_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Final = (0.26862954, 0.26130258, 0.27577711)


class Preparation:
    """Resizing, cropping and scaling as a preprocessor file describes it.

    Args:
        processor: Of transformers.

    The PIL back end is used everywhere: another resize would give other features for the same picture. What becomes
    of a level (0 to 255) after that is the same for all pixels of a channel, and is looked up: half of the time.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        levels = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2))
        scaled = processor(images=[levels], do_resize=False, do_center_crop=False, return_tensors="np")["pixel_values"]
        self._values = np.asarray(scaled[0, :, 0], dtype=np.float32)  # (3, 256)

    def __call__(self, images: Sequence[Image.Image]) -> Tensor:
        """Return pixel values (N, 3, H, W), float32, on the CPU."""
        pictures = [image.convert("RGB") for image in images]
        cut = self._processor(images=pictures, do_rescale=False, do_normalize=False, return_tensors="np")
        levels = np.asarray(cut["pixel_values"])
        if levels.dtype != np.uint8 or self._values.shape != (3, 256):
            whole = self._processor(images=pictures, return_tensors="np")["pixel_values"]
            return torch.from_numpy(np.ascontiguousarray(whole)).float()
        pixels = np.empty(levels.shape, np.float32)
        for channel in range(3):
            np.take(self._values[channel], levels[:, channel], out=pixels[:, channel])
        return torch.from_numpy(pixels)

    @classmethod
    def load(cls, file: Path, *, image_size: int) -> Preparation:
        """Read a preprocessor file.

        Args:
            file: The file; CLIP's own way is taken if it is absent.
            image_size: Side of the pictures that the encoder takes.

        Raises:
            EncoderError: The file describes no way to prepare a picture, or one of another size.
        """
        from transformers import CLIPImageProcessorPil

        settings: dict[str, Any] = {
            "size": {"shortest_edge": image_size},
            "crop_size": {"height": image_size, "width": image_size},
            "image_mean": list(CLIP_MEAN),
            "image_std": list(CLIP_STD),
            "resample": 3,
        }
        if file.is_file():
            settings = _read_object(file)
            # Older files name processor classes that are gone; the class is chosen here, not by the file.
            for key in ("image_processor_type", "feature_extractor_type", "processor_class"):
                settings.pop(key, None)
        try:
            processor = CLIPImageProcessorPil(**settings)
            shape = processor(images=[Image.new("RGB", (8, 8))], return_tensors="np")["pixel_values"].shape
        except Exception as error:
            raise EncoderError(f"The encoder's {file.name} describes no way to prepare a picture.") from error
        if shape != (1, 3, image_size, image_size):
            raise EncoderError(
                f"The encoder takes pictures of {image_size} pixels, but its {file.name} makes them"
                f" {shape[-1]}×{shape[-2]}.",
                hint="Is this the right preprocessor file for these weights?",
            )
        return cls(processor)

    @classmethod
    def of_folder(cls, folder: Path) -> Preparation:
        """Read the preparation of an encoder's folder, whatever its weights are.

        Args:
            folder: With ``config.json`` and, if there is one, a preprocessor file.

        Raises:
            EncoderError: The folder does not say how large its pictures are.
        """
        config = _read_object(folder / "config.json")
        vision = config.get("vision_config")
        size = (vision if isinstance(vision, dict) else config).get("image_size", 224)
        if type(size) is not int or not 0 < size <= 4096:
            raise EncoderError("The encoder's config.json names no usable image_size.")
        return cls.load(folder / PREPROCESSOR, image_size=size)


def _read_object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EncoderError(f"The encoder's {file.name} is not JSON.") from error
    if not isinstance(found, dict):
        raise EncoderError(f"The encoder's {file.name} is no JSON object.")
    return found
