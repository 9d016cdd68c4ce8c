"""Where the testbed's package data is."""

from pathlib import Path

__all__ = ["DATA", "GALLERY", "WEIGHTS"]

DATA = Path(__file__).resolve().parent / "data"
WEIGHTS = DATA / "weights"
GALLERY = DATA / "gallery"
