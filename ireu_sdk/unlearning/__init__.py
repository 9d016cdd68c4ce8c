"""The method: localise identity, choose targets, move the encoder (arXiv 2606.29880)."""

from ireu_sdk.unlearning.settings import UnlearningSettings, choose_settings
from ireu_sdk.unlearning.targets import compute_targets
from ireu_sdk.unlearning.train import train

__all__ = ["UnlearningSettings", "choose_settings", "compute_targets", "train"]
