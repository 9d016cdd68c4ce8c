"""Numbers as arguments and options. Click has a number in bounds called a "range" where somebody mistypes it."""

from __future__ import annotations

import click

__all__ = ["Number", "Whole"]


class Whole(click.IntRange):
    """A whole number in bounds; what is none is "not a valid integer"."""

    name = "integer"


class Number(click.FloatRange):
    """A number in bounds; what is none is "not a valid number"."""

    name = "number"
