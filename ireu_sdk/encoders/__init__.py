"""Image encoders: what is asked of one, CLIP towers, and where they come from."""

from ireu_sdk.encoders.base import Encoder, Tap, TrainableEncoder
from ireu_sdk.encoders.clip import ClipEncoder
from ireu_sdk.encoders.sources import load_encoder

__all__ = ["ClipEncoder", "Encoder", "Tap", "TrainableEncoder", "load_encoder"]
