"""Text as options: never empty, as an unset variable of the shell leaves it."""

from __future__ import annotations

import click

__all__ = ["Words"]


class Words(click.types.StringParamType):
    """A text with something in it. An empty path would mean the present folder, and an empty name the default."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is."""
        text = str(value)
        if not text.strip():
            self.fail("nothing is given; is a variable of the shell not set?", param, ctx)
        return text
