"""Fixtures shared by the tests that run commands or networks."""

from fixtures.shared import drawn_removal, ireu, recorded, small_removal

__all__ = ["drawn_removal", "ireu", "recorded", "small_removal"]
