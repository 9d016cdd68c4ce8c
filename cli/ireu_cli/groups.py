"""Groups of commands that list what each command does in whole sentences."""

from __future__ import annotations

import click

__all__ = ["ListingGroup"]

_WHOLE = 1000  # more characters than any first sentence has


class ListingGroup(click.Group):
    """A group whose list of commands is wrapped, where click would cut each line short."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with the first sentence of each."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, each.get_short_help_str(_WHOLE)) for name, each in commands if each is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
