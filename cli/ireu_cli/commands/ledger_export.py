"""`ireu ledger export`."""

from __future__ import annotations

from pathlib import Path

import click

from ireu_cli.context import Shared
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option, plain, stdout_console

__all__ = ["export"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--since-size",
    type=Whole(min=0),
    default=0,
    show_default=True,
    help="Leave out full files of entries before this number, for somebody who has them.",
)
@json_option
@click.pass_obj
def export(shared: Shared, folder: Path, since_size: int, *, as_json: bool) -> None:
    """Write the published ledger into FOLDER as static files, or bring the folder up to date.

    Anyone can copy or serve the folder, and check it with `ireu ledger audit FOLDER --key KEYFILE`, without the
    database. Files of entries that are there are never changed; if one differs, the export is refused.
    """
    from ireu_governance.core.keys import Role
    from ireu_governance.export.documents import gather_documents
    from ireu_governance.export.published import published_checkpoint
    from ireu_governance.export.tiles import export_ledger

    workspace = shared.open_workspace()
    with workspace.open_ledger() as ledger:
        published_checkpoint(ledger)
        signer = workspace.signer(Role.RECORD)
        result = export_ledger(
            ledger,
            folder,
            signer=signer,
            documents=gather_documents(workspace, ledger, signer),
            since_size=since_size,
        )

    def show() -> None:
        console = stdout_console()
        before = "a new folder" if result.previous_size is None else f"{result.previous_size} entries before"
        console.print(f"Exported [bold]{plain(result.origin)}[/bold] to {plain(result.folder)}")
        console.print(f"  {result.size} entries ({before}), root {result.root}")
        console.print(f"  {result.written} files written, {result.kept} tiles and bundles were there")
        if result.large_entries:
            console.print(f"  {result.large_entries} long entries written to files of their own, below large/")
        console.print(f"  check it: ireu ledger audit {plain(result.folder)} --key KEYFILE")

    emit(result, as_json=as_json, show=show)
