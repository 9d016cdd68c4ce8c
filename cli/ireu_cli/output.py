"""What commands print: results on stdout, everything else on stderr; with --json nothing on stdout but one document."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ireu_governance.core.errors import IreuError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

__all__ = ["emit", "json_option", "mark", "plain", "print_error", "print_fault", "stderr_console", "stdout_console"]

F = TypeVar("F", bound=Callable[..., Any])

_MARKS = {
    "holds": ("✓", "green"),
    "passed": ("✓", "green"),
    "does-not-hold": ("✗", "red"),
    "failed": ("✗", "red"),
    "resurfaced": ("✗", "red"),
    "encoder-changed": ("✗", "red"),
    "utility-lost": ("✗", "red"),
    "valid": ("✓", "green"),
    "revoked": ("✗", "red"),
    "unusable": ("✗", "red"),
    "unreadable": ("✗", "red"),
    "does-not-verify": ("✗", "red"),
    "check-failed": ("✗", "red"),
}


def json_option(command: F) -> F:
    """Add --json to a command."""
    option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, nothing else.")
    return option(command)


def stdout_console() -> Console:
    """Return a console for results; plain text where stdout is no terminal."""
    from rich.console import Console

    class Results(Console):
        def on_broken_pipe(self) -> None:
            # rich would leave with 1, which here means "proven not to hold"; `main` knows better.
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    return Results(highlight=False, soft_wrap=not sys.stdout.isatty())


def stderr_console() -> Console:
    """Return a console for progress and errors."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def mark(word: str) -> str:
    """Return a verdict or outcome with its sign and colour, in rich's markup."""
    sign, colour = _MARKS.get(word, ("–", "yellow"))
    return f"[{colour}]{sign} {word}[/{colour}]"


def plain(text: object) -> str:
    """Return text for rich's consoles as it is: brackets are no markup, control characters cannot reach the terminal.

    For everything that is not ireu's own: paths, names, and whatever a certificate from elsewhere says.
    """
    from rich.markup import escape

    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text)))


def emit(result: BaseModel, *, as_json: bool, show: Callable[[], None]) -> None:
    """Print a result.

    Args:
        result: The result.
        as_json: Whether to print it as JSON.
        show: Prints it for people.
    """
    if as_json:
        click.echo(result.model_dump_json(indent=2, by_alias=True))
    else:
        show()


def print_error(error: IreuError, *, as_json: bool) -> None:
    """Print an error on stderr: what happened, and what to do next."""
    if as_json:
        print_fault(error.code.value, error.message, error.hint)
        return
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {error.message}", err=True)
    if error.hint:
        click.echo(f"       {error.hint}", err=True)


def print_fault(code: str, message: str, hint: str) -> None:
    """Print an error on stderr as one JSON document.

    Args:
        code: Stable name.
        message: What happened.
        hint: What to do next; may be empty.
    """
    document = {"error": {"code": code, "message": message, "hint": hint}}
    click.echo(json.dumps(document, ensure_ascii=False), err=True)
