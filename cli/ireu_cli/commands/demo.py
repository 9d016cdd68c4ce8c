"""`ireu demo`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ireu_cli.numbers import Whole
from ireu_cli.output import json_option

__all__ = ["demo"]


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("ireu-demo"),
    show_default=True,
    help="Folder for the demo's workspace; must not exist yet.",
)
@click.option("--person", type=Whole(0, 4), default=0, show_default=True, help="Whom to forget.")
@click.option("--steps", type=Whole(min=1), help="Fewer training steps, for a quick look.")
@json_option
def demo(out: Path, person: int, steps: int | None, *, as_json: bool) -> None:
    """Tell the whole story on the built-in synthetic testbed: forget, prove, re-test, catch a lie.

    Runs offline on a CPU in a few minutes. Exit code 0: every step ended as it should.
    """
    from ireu_cli.demonstration import Demonstration

    demonstration = Demonstration(out, person=person, steps=steps, quiet=as_json)
    result = demonstration.run()
    if as_json:
        click.echo(result.model_dump_json(indent=2))
    sys.exit(0 if result.as_expected else 1)
