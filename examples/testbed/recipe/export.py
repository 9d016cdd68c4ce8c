"""Checkpoints to what others load: transformers and diffusers folders, and the judge as ONNX."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from recipe.networks.captions import build_tokenizer
from recipe.networks.encoders import (
    IMAGE_SIZE,
    PIXEL_MEAN,
    PIXEL_STD,
    build_autoencoder,
    build_image_encoder,
    build_text_encoder,
)
from recipe.networks.generators import GeneratorName, build_generator, build_sampler
from recipe.networks.judge import CROP_LEFT, CROP_SIZE, CROP_TOP, Judge
from recipe.training.checkpoints import Checkpoints

GENERATORS: tuple[GeneratorName, ...] = ("a", "b")
ONNX_TOLERANCE = 1e-3


def export_weights(checkpoints: Checkpoints, output: Path) -> None:
    """Write all networks in half precision, the judge in single precision.

    Args:
        checkpoints: What the training stages saved.
        output: The folder to fill.

    Raises:
        FileNotFoundError: If a stage has not been run.
    """
    _export_image_encoder(checkpoints, output / "image_encoder")
    shared = _shared_components(checkpoints)
    for name, component in shared.items():
        component.save_pretrained(output / "common" / name)
    for name in GENERATORS:
        _export_generator(checkpoints, name, shared, output / f"generator_{name}")
    _export_judge(checkpoints.load("judge", Judge()).eval(), output)


def _export_image_encoder(checkpoints: Checkpoints, folder: Path) -> None:
    checkpoints.load("image_encoder", build_image_encoder()).half().save_pretrained(folder)
    _write_json(folder / "preprocessor_config.json", _preprocessing())


def _shared_components(checkpoints: Checkpoints) -> dict[str, Any]:
    """Load what both generators use, by its name in a pipeline."""
    autoencoder = checkpoints.load("autoencoder", build_autoencoder())
    autoencoder.register_to_config(scaling_factor=checkpoints.figures("autoencoder")["scaling_factor"])
    return {
        "text_encoder": checkpoints.load("text_encoder", build_text_encoder()).half(),
        "tokenizer": build_tokenizer(),
        "vae": autoencoder.half(),
    }


def _export_generator(checkpoints: Checkpoints, name: GeneratorName, shared: dict[str, Any], folder: Path) -> None:
    """Write a pipeline's index and the components of its own; the shared ones lie beside it, once."""
    generator = checkpoints.load(f"generator_{name}", build_generator(name)).eval().half()
    own: dict[str, Any] = {
        generator.pipeline_type.denoiser_name: generator.backbone,
        "fusion": generator.fusion,
        "scheduler": build_sampler(),
    }
    for component_name, component in own.items():
        component.save_pretrained(folder / component_name)
    generator.pipeline_type(**own, **shared).save_config(folder)


def _preprocessing() -> dict[str, Any]:
    """Describe the image encoder's input for CLIPImageProcessor."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        "resample": 3,
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [PIXEL_MEAN] * 3,
        "image_std": [PIXEL_STD] * 3,
        "do_convert_rgb": True,
    }


def _export_judge(judge: Judge, folder: Path) -> None:
    """Write the judge so that ``insightface.model_zoo.get_model`` takes it for an ArcFace model."""
    crop = {"top": CROP_TOP, "left": CROP_LEFT, "size": CROP_SIZE}
    _write_json(folder / "judge.json", {"portrait_size": IMAGE_SIZE, "crop": crop})
    file = folder / "judge.onnx"
    crops = torch.randn(2, 3, CROP_SIZE, CROP_SIZE)
    # The newer exporter (dynamo=True) would need onnxscript, which nothing else here does.
    torch.onnx.export(
        judge,
        (crops[:1],),
        str(file),
        input_names=["input"],
        output_names=["embedding"],
        dynamic_axes={"input": {0: "n"}, "embedding": {0: "n"}},
        opset_version=17,
        dynamo=False,
    )
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (exported,) = session.run(None, {"input": crops.numpy()})
    with torch.no_grad():
        difference = float(np.abs(exported - judge(crops).numpy()).max())
    if difference > ONNX_TOLERANCE:
        raise RuntimeError(f"the exported judge differs from the trained one by {difference:.1e}")


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
