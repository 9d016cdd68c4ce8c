"""Fixtures shared by the tests that run commands or networks."""

from fixtures.postgres import postgres
from fixtures.shared import drawn_removal, ireu, recorded, small_removal

__all__ = ["drawn_removal", "ireu", "postgres", "recorded", "small_removal"]
