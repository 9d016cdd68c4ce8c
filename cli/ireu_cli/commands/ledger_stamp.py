"""`ireu ledger stamp`."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.output import emit, json_option, plain, stdout_console
from ireu_cli.views import count
from ireu_governance.core.errors import ConfigError

__all__ = ["stamp"]


class LedgerStampResult(BaseModel):
    """A checkpoint's time stamp; nothing but `stamped` when the newest one is new enough."""

    stamped: bool
    size: int | None = None
    authority: str | None = None
    time: str | None = None


@click.command()
@click.option("--force", is_flag=True, help="Also if the newest time stamp is less than a day old.")
@json_option
@click.pass_obj
def stamp(shared: Shared, *, force: bool, as_json: bool) -> None:
    """Publish the head of the ledger and have it time-stamped, unless that was done within a day.

    The stamps show later that no entry was backdated across them. Run it every day.
    """
    from ireu_governance.core.keys import Role
    from ireu_governance.issuing import time_authority_of, tsa_roots_of
    from ireu_governance.ledger.stamps import stamp_checkpoint

    workspace = shared.open_workspace()
    authority = time_authority_of(workspace)
    if authority is None:
        raise ConfigError(
            "No time-stamping authority is set.", hint="Set 'timestamp_url' or 'timestamp_command' in ireu.toml."
        )
    with workspace.open_ledger() as ledger:
        # Just before, since what is recorded between a checkpoint and its stamp looks earlier than the stamp.
        ledger.publish(workspace.signer(Role.LOG))
        done = stamp_checkpoint(ledger, authority, roots=tsa_roots_of(workspace), now=datetime.now(UTC), force=force)
    result = LedgerStampResult(stamped=False)
    if done is not None:
        result = LedgerStampResult(stamped=True, size=done.size, authority=done.authority, time=done.time)

    def show() -> None:
        console = stdout_console()
        if done is None:
            console.print("The newest time stamp is less than a day old; --force makes another one.")
        else:
            head = f"The checkpoint of {count(done.size, 'entry', 'entries')}"
            console.print(f"{head} is stamped at {done.time} by {plain(done.authority)}.")

    emit(result, as_json=as_json, show=show)
