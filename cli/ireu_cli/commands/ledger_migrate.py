"""`ireu ledger migrate`."""

from __future__ import annotations

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.output import emit, json_option

__all__ = ["migrate"]


class MigrateResult(BaseModel):
    """Which versions the ledger's tables had and have."""

    before: str
    after: str


@click.command()
@json_option
@click.pass_obj
def migrate(shared: Shared, *, as_json: bool) -> None:
    """Bring the tables of a ledger that an older ireu made up to date; entries are not touched.

    Make a backup first. All of it happens, or nothing.
    """
    from ireu_governance.ledger.append import Ledger
    from ireu_governance.ledger.tables import SCHEMA_VERSION

    workspace = shared.open_workspace()
    before = Ledger.migrate(workspace.ledger_location, key_file=workspace.key_file())
    result = MigrateResult(before=before, after=SCHEMA_VERSION)
    done = f"from version {before} to {SCHEMA_VERSION}" if before != SCHEMA_VERSION else "already of version " + before
    emit(result, as_json=as_json, show=lambda: click.echo(f"The ledger's tables: {done}."))
