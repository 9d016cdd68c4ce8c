"""`ireu init`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option, plain, stdout_console

__all__ = ["init"]


class InitResult(BaseModel):
    """What `ireu init` made."""

    workspace: Path
    origin: str
    key_file: Path


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--organisation", default="Unnamed organisation", help="Who runs it; stands on certificates.")
@click.option("--origin", help="Name of the ledger, such as example.org/ireu; random if not given.")
@click.option("--database", help="Where the ledger shall be: postgresql://user@host/database, without a password.")
@click.option("--contact", help="Role address for questions about certificates, such as privacy@example.org.")
@click.option(
    "--root-keys",
    type=Whole(1, 8),
    default=1,
    show_default=True,
    help="How many root keys to make, so that several people can hold one each.",
)
@click.option(
    "--root-threshold",
    type=Whole(1, 8),
    default=1,
    show_default=True,
    help="How many of them have to sign a change of keys.",
)
@json_option
@click.pass_obj
def init(
    shared: Shared,
    directory: Path | None,
    organisation: str,
    origin: str | None,
    database: str | None,
    contact: str | None,
    root_keys: int,
    root_threshold: int,
    *,
    as_json: bool,
) -> None:
    """Make a workspace in DIRECTORY (or where --workspace says, or here): keys, an empty ledger, a vault, settings.

    Private keys are encrypted when the environment variable IREU_KEY_PASSPHRASE is set.
    """
    from ireu_governance.workspace import Workspace

    if directory is not None and shared.workspace is not None:
        raise click.UsageError("Name the folder either as DIRECTORY or with --workspace.")
    root = directory or shared.workspace or Path()
    workspace = Workspace.create(
        root,
        organisation=organisation,
        origin=origin,
        contact=contact,
        database=database,
        root_keys=root_keys,
        root_threshold=root_threshold,
    )
    result = InitResult(workspace=workspace.root, origin=workspace.key_file().origin, key_file=workspace.key_file_path)

    def show() -> None:
        console = stdout_console()
        console.print(f"Workspace made in [bold]{plain(result.workspace)}[/bold]")
        console.print(f"  ledger      {result.origin}")
        console.print(f"  key file    {plain(result.key_file)}  (public: give it to whoever verifies certificates)")
        if root_keys > 1:
            console.print("  root keys   give each keys/root-N.pem to another person, and remove it here")
        inside = "" if root.resolve() == Path.cwd() else f"-w {plain(shlex.quote(str(root)))} "
        console.print(f"  next        ireu {inside}unlearn --encoder testbed --forget testbed:0 --retain testbed")

    emit(result, as_json=as_json, show=show)
