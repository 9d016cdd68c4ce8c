"""What commands print: results on stdout, everything else on stderr; with --json nothing on stdout but one document."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from pydantic import BaseModel

from ireu_governance.core.errors import IreuError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["emit", "json_option", "mark", "print_error", "stderr_console", "stdout_console"]

F = TypeVar("F", bound=Callable[..., Any])

_MARKS = {
    "holds": ("✓", "green"),
    "passed": ("✓", "green"),
    "does-not-hold": ("✗", "red"),
    "failed": ("✗", "red"),
    "resurfaced": ("✗", "red"),
    "encoder-changed": ("✗", "red"),
    "utility-lost": ("✗", "red"),
}


def json_option(command: F) -> F:
    """Add --json to a command."""
    option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, nothing else.")
    return option(command)


def stdout_console() -> Console:
    """Return a console for results; plain text where stdout is no terminal."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def stderr_console() -> Console:
    """Return a console for progress and errors."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def mark(word: str) -> str:
    """Return a verdict or outcome with its sign and colour, in rich's markup."""
    sign, colour = _MARKS.get(word, ("–", "yellow"))
    return f"[{colour}]{sign} {word}[/{colour}]"


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
        document = {"error": {"code": error.code.value, "message": error.message, "hint": error.hint}}
        click.echo(json.dumps(document, ensure_ascii=False), err=True)
        return
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {error.message}", err=True)
    if error.hint:
        click.echo(f"       {error.hint}", err=True)
