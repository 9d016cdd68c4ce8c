"""The state of a removal in training, on disk: weights and Adam's moments as safetensors, written atomically."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ireu_governance.core.errors import ConfigError, ErrorCode
from ireu_governance.files import write_atomically

__all__ = ["TrainingState"]

FILE = "training.safetensors"


class TrainingState:
    """Progress of one removal in its run folder.

    One file holds everything, so that it is whole or absent: weights, both moments, the step, and a fingerprint
    of settings and inputs, without which a state of another removal could be continued by mistake.

    Args:
        folder: The run's folder.
        fingerprint: Digest of settings and inputs.
    """

    def __init__(self, folder: Path, *, fingerprint: str) -> None:
        self._file = folder / FILE
        self._fingerprint = fingerprint
        self.step = 0

    @property
    def exists(self) -> bool:
        """Whether there is a saved state."""
        return self._file.is_file()

    def save(self, module: nn.Module, optimizer: torch.optim.Optimizer, *, names: list[str], step: int) -> None:
        """Write the state after `step` whole steps.

        Args:
            module: The network in training.
            optimizer: Adam over its parameters.
            names: Names of the parameters in the optimizer's order.
            step: Number of steps taken.
        """
        tensors: dict[str, Tensor] = {}
        parameters = dict(module.named_parameters())
        moments = optimizer.state_dict()["state"]
        for index, name in enumerate(names):
            tensors[f"weight/{name}"] = parameters[name].detach().cpu().contiguous()
            if index in moments:
                tensors[f"exp_avg/{name}"] = moments[index]["exp_avg"].cpu().contiguous()
                tensors[f"exp_avg_sq/{name}"] = moments[index]["exp_avg_sq"].cpu().contiguous()
        header = {"step": str(step), "fingerprint": self._fingerprint, "names": json.dumps(names)}
        write_atomically(self._file, save(tensors, metadata=header), mode=0o600)
        self.step = step

    def restore(self, module: nn.Module, optimizer: torch.optim.Optimizer, *, names: list[str]) -> int:
        """Put a saved state back.

        Args:
            module: The network, as it was loaded.
            optimizer: A fresh Adam over its parameters.
            names: Names of the parameters in the optimizer's order.

        Returns:
            Steps already taken; 0 without a saved state.

        Raises:
            ConfigError: The state is damaged, or belongs to other settings or photos.
        """
        if not self.exists:
            return 0
        try:
            with safe_open(self._file, framework="pt") as opened:
                header = opened.metadata() or {}
                tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
            step = int(header["step"])
            known = json.loads(header["names"])
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise ConfigError(
                "The saved state of the run is damaged.", hint="Start anew.", code=ErrorCode.RUN_NOT_RESUMABLE
            ) from error
        if header.get("fingerprint") != self._fingerprint or known != names:
            raise ConfigError(
                "The saved state belongs to a removal with other settings, photos or another encoder.",
                hint="Repeat the command exactly as it was, with --resume RUN added.",
                code=ErrorCode.RUN_NOT_RESUMABLE,
            )
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.copy_(tensors[f"weight/{name}"])
        layout = optimizer.state_dict()
        layout["state"] = {
            index: {
                "step": torch.tensor(float(step)),
                "exp_avg": tensors[f"exp_avg/{name}"],
                "exp_avg_sq": tensors[f"exp_avg_sq/{name}"],
            }
            for index, name in enumerate(names)
            if f"exp_avg/{name}" in tensors
        }
        optimizer.load_state_dict(layout)
        self.step = step
        return step

    def clear(self) -> None:
        """Remove the state after the run has ended well."""
        self._file.unlink(missing_ok=True)
