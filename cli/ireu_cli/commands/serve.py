"""`ireu serve`: the verification service, API and portal."""

from __future__ import annotations

import sys

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option, plain, stdout_console

__all__ = ["serve"]


class Service(BaseModel):
    """A service that answers."""

    origin: str
    url: str
    workers: int
    warnings: list[str]


@click.command()
@click.option("--host", help="Address to listen on. [default: 127.0.0.1, or the setting]")
@click.option("--port", type=Whole(0, 65535), help="Port; 0 for any. [default: 8350, or the setting]")
@click.option("--workers", type=Whole(1, 64), default=1, show_default=True, help="Processes that answer.")
@click.option("--dev", is_flag=True, help="For work on ireu: log in plain words, start again when the code changes.")
@json_option
@click.pass_obj
def serve(shared: Shared, host: str | None, port: int | None, workers: int, *, dev: bool, as_json: bool) -> None:
    """Serve the record of the workspace over HTTP: API and portal, until stopped.

    The log, certificates of published cases, and the check of certificates need no key; everything else does: make one
    with 'ireu access create'. Re-tests that are asked for are made by 'ireu worker'.
    """
    from ireu_governance.api import server

    workspace = shared.open_workspace()
    served = server.prepare(workspace, host=host, port=port)
    result = Service(
        origin=workspace.key_file().origin, url=served.url, workers=workers, warnings=list(served.warnings)
    )

    def show() -> None:
        console = stdout_console()
        console.print(f"[bold]{plain(result.origin)}[/bold] is served on {plain(result.url)}")
        console.print(f"  the API is described on {plain(result.url)}/docs; Ctrl-C stops it")
        for warning in result.warnings:
            click.echo(f"Warning: {warning}", err=True)

    emit(result, as_json=as_json, show=show)
    sys.stdout.flush()
    server.serve(served, workers=workers, dev=dev)
