"""A CLIP tower inside a generator's one checkpoint, as PhotoMaker and FastComposer carry theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.errors import EncoderError
from ireu_sdk.encoders.clip import ClipEncoder
from ireu_sdk.encoders.preparation import PREPROCESSOR, Preparation

__all__ = ["load_from_checkpoint"]

HEAD_WIDTH: Final = 64  # of every CLIP vision tower that is published but ViT-bigG's, whose width does not divide by it


def load_from_checkpoint(file: Path, *, prefix: str, artifact: Artifact, device: str = "cpu") -> ClipEncoder:
    """Load the tower whose tensors begin with a prefix.

    Args:
        file: A safetensors file; a preprocessor file may lie beside it.
        prefix: Such as ``id_encoder.``.
        artifact: Digests of the checkpoint.
        device: Where the network shall run.

    Raises:
        EncoderError: The tensors are no CLIP tower.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    try:
        tensors = {
            name.removeprefix(prefix): tensor for name, tensor in load_file(file).items() if name.startswith(prefix)
        }
        config = CLIPVisionConfig(**_shape_of(tensors))
        model = CLIPVisionModelWithProjection(config)
        # PhotoMaker's second projection and buffers of older libraries have no place here, and decide nothing.
        missing = model.load_state_dict(tensors, strict=False).missing_keys
    except (KeyError, IndexError, ValueError, RuntimeError, SafetensorError, OSError) as error:
        raise EncoderError(
            "The checkpoint's tensors are no CLIP vision tower that can be read.",
            hint="Give the encoder as a folder with config.json and model.safetensors.",
        ) from error
    missing = [name for name in missing if not name.endswith("position_ids")]
    if missing:
        raise EncoderError(f"The checkpoint's encoder lacks {len(missing)} tensors, the first being {missing[0]}.")
    own = file.with_name(PREPROCESSOR)
    stored = next(iter(tensors.values())).dtype
    return ClipEncoder(
        model=model.to(device=device, dtype=torch.float32).eval(),
        preparation=Preparation.load(own, image_size=int(config.image_size)),
        artifact=artifact,
        storage_dtype=stored,
        preprocessor_file=own if own.is_file() else None,
    )


def _shape_of(tensors: dict[str, Tensor]) -> dict[str, int]:
    """Read the tower's shape off its tensors: such checkpoints carry no config."""
    patches = tensors["vision_model.embeddings.patch_embedding.weight"]
    positions = tensors["vision_model.embeddings.position_embedding.weight"]
    width, _, patch, _ = patches.shape
    side = round((positions.shape[0] - 1) ** 0.5)
    layers = {int(name.split(".")[3]) for name in tensors if name.startswith("vision_model.encoder.layers.")}
    return {
        "hidden_size": width,
        "patch_size": patch,
        "image_size": side * patch,
        "num_hidden_layers": len(layers),
        "num_attention_heads": max(1, width // HEAD_WIDTH),
        "intermediate_size": tensors["vision_model.encoder.layers.0.mlp.fc1.weight"].shape[0],
        "projection_dim": tensors["visual_projection.weight"].shape[0],
    }
