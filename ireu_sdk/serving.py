"""The unlearned encoder as MLflow serves it: model code that MLflow copies beside the weights, no pickle.

This file is read by MLflow's models-from-code; it depends on nothing of ireu, so that a server without ireu can
serve the encoder.
"""

from __future__ import annotations

import warnings
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
from mlflow.pyfunc import PythonModel

# The signature is logged with the model; MLflow's advice to infer one from type hints does not apply.
warnings.filterwarnings("ignore", message=r"[\s\S]*Add type hints to the `predict` method")


class EncoderModel(PythonModel):  # type: ignore[misc]
    """Pixels in, features out."""

    def load_context(self, context: Any) -> None:
        """Load the weights, safetensors only."""
        import torch
        from transformers import CLIPVisionModelWithProjection

        self._network = CLIPVisionModelWithProjection.from_pretrained(
            context.artifacts["encoder"], use_safetensors=True, local_files_only=True, dtype=torch.float32
        ).eval()

    def predict(  # type: ignore[no-untyped-def]
        self,
        context,  # noqa: ARG002
        model_input,
        params: dict[str, Any] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return features of preprocessed pixels.

        Args:
            context: MLflow's, not used.
            model_input: (N, 3, H, W), float32, or a mapping with them under ``pixels``.
            params: ``tap``: ``image_embeds`` (N, D), or ``penultimate`` (N, T, H).

        Returns:
            The features.
        """
        import torch

        pixels = model_input["pixels"] if isinstance(model_input, dict) else model_input
        tap = (params or {}).get("tap", "image_embeds")
        if tap not in ("image_embeds", "penultimate"):
            message = f"unknown tap {tap!r}; known are image_embeds and penultimate"
            raise ValueError(message)
        with torch.no_grad():
            output = self._network(
                pixel_values=torch.as_tensor(np.asarray(pixels, dtype=np.float32)), output_hidden_states=True
            )
        features = output.image_embeds if tap == "image_embeds" else output.hidden_states[-2]
        return np.asarray(features.numpy())


mlflow.models.set_model(EncoderModel())
