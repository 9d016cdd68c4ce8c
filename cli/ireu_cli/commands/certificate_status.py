"""`ireu certificate revoke|stamp|status-list`: what becomes of a certificate after its issue."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from ireu_cli.certificate_files import MAX_CERTIFICATE_BYTES, read_certificate, read_file
from ireu_cli.context import Shared
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option, plain, stdout_console
from ireu_cli.views import count

if TYPE_CHECKING:
    from ireu_governance.workspace import Workspace

__all__ = ["revoke", "stamp", "status_list"]

# The words of `ireu_governance.core.status.REASONS`, which costs too much to import for a help text; a test
# compares them.
REASONS = (
    "resurfaced",
    "encoder-withdrawn",
    "issued-in-error",
    "key-compromised",
    "request-withdrawn",
    "unspecified",
)
_NUMBER = re.compile("[0-9a-f]{32}")


class RevokeResult(BaseModel):
    """What was recorded."""

    certificate_id: str
    reason: str
    replaced_by: str | None
    entry: int
    recorded_at: str


class StatusListResult(BaseModel):
    """What a status list says, and where it is."""

    path: Path
    size: int
    issued_at: str
    next_update: str
    revoked: int
    superseded: int


class StampResult(BaseModel):
    """A certificate's new time stamp."""

    path: Path
    time: str
    time_stamps: int


@click.command()
@click.argument("certificate")
@click.option("--reason", type=click.Choice(REASONS), required=True, help="Why.")
@click.option(
    "--replaced-by",
    "replacement",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Certificate that takes its place.",
)
@json_option
@click.pass_obj
def revoke(shared: Shared, certificate: str, reason: str, replacement: Path | None, *, as_json: bool) -> None:
    """Record that a CERTIFICATE (its number or its file) counts no more, and publish the ledger's head.

    Readers learn of it from the next status list: ireu certificate status-list
    """
    from ireu_governance.core.certificate import parse_certificate
    from ireu_governance.core.keys import Role
    from ireu_governance.ledger.revocation import revoke as record

    workspace = shared.open_workspace()
    data = _find(workspace, certificate)
    parsed = parse_certificate(data)
    other = None if replacement is None else parse_certificate(read_certificate(replacement)).certificate.id
    with workspace.open_ledger() as ledger:
        done = record(ledger, data, parsed, reason=reason, signer=workspace.signer(Role.RECORD), replaced_by=other)
        ledger.publish(workspace.signer(Role.LOG))
    result = RevokeResult(
        certificate_id=parsed.certificate.id,
        reason=reason,
        replaced_by=other,
        entry=done.seq,
        recorded_at=done.recorded_at,
    )

    def show() -> None:
        console = stdout_console()
        console.print(f"Certificate {result.certificate_id} is revoked: entry {result.entry} at {result.recorded_at}.")
        console.print("Publish the new status list, so that readers learn of it: ireu certificate status-list -o FILE")

    emit(result, as_json=as_json, show=show)


@click.command("status-list")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@click.option(
    "--days",
    type=Whole(min=1, max=366),
    default=7,
    show_default=True,
    help="For how many days readers may use it.",
)
@json_option
@click.pass_obj
def status_list(shared: Shared, out: Path, days: int, *, as_json: bool) -> None:
    """Publish the ledger's head and write the signed list of all certificates that count no more.

    Make it anew before it ends, also when nothing has changed: readers take an old list for none.
    """
    from ireu_governance.core.keys import Role
    from ireu_governance.core.status import StatusList
    from ireu_governance.files import write_atomically
    from ireu_governance.ledger.revocation import make_status_list

    workspace = shared.open_workspace()
    with workspace.open_ledger() as ledger:
        ledger.publish(workspace.signer(Role.LOG))
        data = make_status_list(ledger, key_file=workspace.key_file(), signer=workspace.signer(Role.RECORD), days=days)
    write_atomically(out, data)
    made = StatusList.from_bytes(data)
    gone = {each.id: each.status for each in sorted(made.status_list.entries, key=lambda e: e.status == "revoked")}
    result = StatusListResult(
        path=out,
        size=made.size,
        issued_at=made.issued_at,
        next_update=made.next_update,
        revoked=sum(status == "revoked" for status in gone.values()),
        superseded=sum(status == "superseded" for status in gone.values()),
    )

    def show() -> None:
        console = stdout_console()
        console.print(f"Status list written to {plain(result.path)}")
        console.print(f"  certificates  {result.revoked} revoked, {result.superseded} superseded")
        console.print(f"  of            the ledger of {count(result.size, 'entry', 'entries')}, {result.issued_at}")
        console.print(f"  next update   {result.next_update}")

    emit(result, as_json=as_json, show=show)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@click.pass_obj
def stamp(shared: Shared, file: Path, *, as_json: bool) -> None:
    """Add a time stamp to the certificate FILE, by the authority that the settings name.

    A stamp shows that the certificate existed when it was made. Add one before the certificates of the first
    authority end, or to a certificate that was issued without.
    """
    from ireu_governance.core.certificate import parse_certificate
    from ireu_governance.core.certificate_document import stamp_certificate
    from ireu_governance.core.errors import ConfigError
    from ireu_governance.core.keys import Role
    from ireu_governance.core.timestamp import stated_time
    from ireu_governance.files import write_atomically
    from ireu_governance.issuing import expect_stampable, time_authority_of, tsa_roots_of
    from ireu_governance.ledger.stamps import obtain_token

    workspace = shared.open_workspace()
    authority = time_authority_of(workspace)
    if authority is None:
        raise ConfigError(
            "No time-stamping authority is set.", hint="Set 'timestamp_url' or 'timestamp_command' in ireu.toml."
        )
    # Not a page or PDF that encloses one: what is written back is the certificate alone.
    data = read_file(file, what="certificate", limit=MAX_CERTIFICATE_BYTES)
    expect_stampable(workspace, data)
    token = obtain_token(authority, parse_certificate(data).unstamped_bytes(), roots=tsa_roots_of(workspace))
    stamped = stamp_certificate(data, [token], workspace.signer(Role.RECORD))
    write_atomically(file, stamped)
    number = len(parse_certificate(stamped).timestamps or ())
    result = StampResult(path=file, time=stated_time(token), time_stamps=number)

    def show() -> None:
        stamps = count(result.time_stamps, "time stamp")
        stdout_console().print(f"Stamped at {result.time}; {plain(result.path)} now carries {stamps}.")

    emit(result, as_json=as_json, show=show)


def _find(workspace: Workspace, certificate: str) -> bytes:
    from ireu_governance.issuing import register_of

    if _NUMBER.fullmatch(certificate):
        return register_of(workspace).find(certificate).data
    return read_certificate(Path(certificate))
