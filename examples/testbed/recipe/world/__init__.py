"""Synthetic portraits: identity × context → picture, in plain torch. No real person's face is in them."""

from recipe.world.contexts import Contexts
from recipe.world.identities import Identities
from recipe.world.world import DEFAULT_BASIS, World

__all__ = ["DEFAULT_BASIS", "Contexts", "Identities", "World"]
