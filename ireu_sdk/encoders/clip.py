"""CLIP vision encoders as Hugging Face folders: `config.json`, `model.safetensors`, `preprocessor_config.json`."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.errors import EncoderError, ErrorCode
from ireu_governance.files import hash_folder
from ireu_sdk.encoders.base import Tap
from ireu_sdk.encoders.preparation import PREPROCESSOR, Preparation

__all__ = ["PICKLE_SUFFIXES", "ClipEncoder"]

PICKLE_SUFFIXES = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"})


class ClipEncoder:
    """A `CLIPVisionModelWithProjection` with its preprocessing and the digests of its files.

    Args:
        model: The network.
        preparation: Makes pixels of pictures, as belongs to it.
        artifact: Digests of the files that both were loaded from.
        storage_dtype: Number format of the weights on disk; the network itself runs in float32 unless moved.
        preprocessor_file: The original preprocessor file, copied byte for byte when the encoder is saved.
    """

    def __init__(
        self,
        *,
        model: Any,
        preparation: Preparation,
        artifact: Artifact,
        storage_dtype: torch.dtype,
        preprocessor_file: Path | None,
    ) -> None:
        self._model = model
        self._preparation = preparation
        self._artifact = artifact
        self._storage_dtype = storage_dtype
        self._preprocessor_file = preprocessor_file

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        artifact: Artifact | None = None,
        preprocessor: Path | None = None,
        allow_pickle: bool = False,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> ClipEncoder:
        """Load an encoder from a folder.

        Args:
            folder: A Hugging Face model folder, of a CLIP vision tower or of a whole CLIP.
            artifact: Digests of its files, when they were computed already.
            preprocessor: Preprocessor file, when it is not the folder's own.
            allow_pickle: Whether weights that are Python pickles may be in the folder and be read.
            device: Where the network shall run.
            dtype: Number format in which it shall run.

        Returns:
            The encoder, in evaluation mode.

        Raises:
            EncoderError: The folder holds no CLIP vision encoder, or a pickle without `allow_pickle`.
        """
        config_file = folder / "config.json"
        if not config_file.is_file():
            raise EncoderError(
                "The encoder folder has no config.json.",
                hint="Give a Hugging Face model folder with config.json and model.safetensors.",
            )
        _refuse_pickles(folder, allow_pickle=allow_pickle)
        model = _load_model(folder, allow_pickle=allow_pickle)
        storage_dtype = next(model.parameters()).dtype
        preprocessor_file = preprocessor or folder / PREPROCESSOR
        return cls(
            model=model.to(device=device, dtype=dtype).eval(),
            preparation=Preparation.load(preprocessor_file, image_size=int(model.config.image_size)),
            artifact=artifact or hash_folder(folder),
            storage_dtype=storage_dtype,
            preprocessor_file=preprocessor_file if preprocessor_file.is_file() else None,
        )

    @property
    def name(self) -> str:
        """Architecture in words that identify no file: kind, width, depth, patch and picture size."""
        c = self._model.config
        return f"clip-vision-{c.hidden_size}x{c.num_hidden_layers}-p{c.patch_size}-{c.image_size}px"

    @property
    def artifact(self) -> Artifact:
        """Digests of the files that the encoder was loaded from."""
        return self._artifact

    @property
    def module(self) -> nn.Module:
        """The network."""
        return self._model  # type: ignore[no-any-return]

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.module.parameters()).device

    def preprocess(self, images: Sequence[Image.Image]) -> Tensor:
        """Return pixel values (N, 3, H, W), float32, on the CPU."""
        return self._preparation(images)

    def forward(self, pixels: Tensor, *, tap: Tap) -> Tensor:
        """Return features of one batch, with gradients where they are enabled.

        Args:
            pixels: (N, 3, H, W), preprocessed.
            tap: Which output to return.

        Returns:
            (N, D) for pooled taps, (N, T, H) for token taps, float32.
        """
        tap = Tap(tap)  # also from its name, as the command line has it; an unknown one must not pass as another
        parameter = next(self.module.parameters())
        output = self._model(
            pixel_values=pixels.to(device=parameter.device, dtype=parameter.dtype),
            output_hidden_states=tap in (Tap.PENULTIMATE, Tap.LAST_TOKENS, Tap.POOLED),
        )
        if tap is Tap.IMAGE_EMBEDS:
            features = output.image_embeds
        elif tap is Tap.PENULTIMATE:
            features = output.hidden_states[-2]
        elif tap is Tap.LAST_TOKENS:
            features = output.hidden_states[-1]
        else:
            # CLIP pools by taking the class token of the last hidden states through the last layer norm.
            features = self._model.vision_model.post_layernorm(output.hidden_states[-1][:, 0])
        return features.float()  # type: ignore[no-any-return]

    @torch.no_grad()
    def encode(self, pixels: Tensor, *, tap: Tap = Tap.IMAGE_EMBEDS, batch_size: int = 32) -> Tensor:
        """Return features of any number of pictures, in batches, without gradients.

        Args:
            pixels: (N, 3, H, W), preprocessed.
            tap: Which output to return.
            batch_size: Pictures in one forward pass; changes memory, not results beyond rounding.

        Returns:
            (N, D) or (N, T, H), float32, on the CPU.
        """
        was_training = self.module.training
        self.module.eval()
        parts = [
            self.forward(pixels[start : start + batch_size], tap=tap).cpu()
            for start in range(0, len(pixels), batch_size)
        ]
        self.module.train(was_training)
        return torch.cat(parts)

    def copy(self) -> ClipEncoder:
        """Return an independent copy of the network with the same preprocessing."""
        return ClipEncoder(
            model=copy.deepcopy(self._model),
            preparation=self._preparation,
            artifact=self._artifact,
            storage_dtype=self._storage_dtype,
            preprocessor_file=self._preprocessor_file,
        )

    def save(self, folder: Path) -> None:
        """Write the encoder as a Hugging Face folder in the number format that it was read in.

        Args:
            folder: A new folder; its name is not recorded anywhere.
        """
        stored = copy.deepcopy(self._model).to(device="cpu", dtype=self._storage_dtype)
        stored.config.dtype = self._storage_dtype
        stored.save_pretrained(folder, safe_serialization=True)
        if self._preprocessor_file is not None:
            shutil.copyfile(self._preprocessor_file, folder / PREPROCESSOR)


def _refuse_pickles(folder: Path, *, allow_pickle: bool) -> None:
    found = sorted(p.name for p in folder.rglob("*") if p.suffix.lower() in PICKLE_SUFFIXES)
    if found and not allow_pickle:
        raise EncoderError(
            f"The encoder folder holds Python pickle weights ({', '.join(found[:3])}); reading one runs its code.",
            hint="Convert them to safetensors, or pass --allow-pickle; the ledger records that you did.",
            code=ErrorCode.ENCODER_UNSAFE,
        )


def _load_model(folder: Path, *, allow_pickle: bool) -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
    from transformers.utils import logging

    has_safetensors = any(folder.glob("*.safetensors"))
    if not has_safetensors and not allow_pickle:
        raise EncoderError("The encoder folder has no safetensors weights.", hint="Expected model.safetensors in it.")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise EncoderError("The encoder's config.json is not JSON.") from error
    if not isinstance(config, dict) or config.get("model_type") not in ("clip", "clip_vision_model"):
        kind = config.get("model_type") if isinstance(config, dict) else None
        raise EncoderError(
            f"The folder holds no CLIP vision encoder (model_type is {kind!r}).",
            hint="This version reads CLIP vision towers and whole CLIP models.",
        )
    logging.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # a whole CLIP has text weights too; that they are left out is no news
    try:
        vision = CLIPVisionConfig.from_pretrained(str(folder), local_files_only=True)
        if config["model_type"] == "clip" and isinstance(config.get("projection_dim"), int):
            # In a whole CLIP the width of the projection stands above the towers, whose own value may be stale.
            vision.projection_dim = config["projection_dim"]
        model, loading = CLIPVisionModelWithProjection.from_pretrained(
            str(folder),
            config=vision,
            local_files_only=True,
            use_safetensors=has_safetensors,
            ignore_mismatched_sizes=True,  # refused below, with a message of our own
            output_loading_info=True,
            dtype="auto",
        )
    except ImportError:
        raise
    except Exception as error:
        # transformers, safetensors, torch and their validators raise whatever they meet; all of it means the same here.
        raise _describe_unreadable(error) from error
    finally:
        logging.set_verbosity(verbosity)
    misshapen = sorted(str(key) for key, *_ in loading["mismatched_keys"])
    if misshapen:
        raise EncoderError(
            f"{len(misshapen)} of the encoder's tensors have another shape than its config.json says, the first"
            f" being {misshapen[0]}.",
            hint="Is this the right config.json for these weights?",
        )
    missing = sorted(loading["missing_keys"])
    if missing:
        raise EncoderError(
            f"The encoder's weights lack {len(missing)} tensors, the first being {missing[0]}.",
            hint="Is this the right config.json for these weights?",
        )
    return model


def _describe_unreadable(error: Exception) -> EncoderError:
    kind = type(error).__name__
    if kind == "SafetensorError":
        return EncoderError("The encoder's safetensors file is damaged.")
    if kind == "UnpicklingError":
        return EncoderError(
            "The encoder's pickle holds more than weights, or is damaged; it was not run.",
            hint="Convert the weights to safetensors where they come from.",
            code=ErrorCode.ENCODER_UNSAFE,
        )
    text = str(error).strip()
    return EncoderError(f"The encoder's weights cannot be read: {text.splitlines()[0][:200] if text else kind}")
