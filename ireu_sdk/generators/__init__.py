"""Generators: diffusers pipelines that draw a person from an encoder's feature."""

from ireu_sdk.generators.sources import PortraitGenerator, load_generator

__all__ = ["PortraitGenerator", "load_generator"]
