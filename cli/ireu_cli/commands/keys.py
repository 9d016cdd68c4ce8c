"""`ireu keys`: the keys of the ledger, and the key file that others verify with."""

from __future__ import annotations

from pathlib import Path

import click
from pydantic import BaseModel

from ireu_cli.commands.key_changes import revoke, rotate, sign
from ireu_cli.context import Shared
from ireu_cli.groups import ListingGroup
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option, plain, stdout_console
from ireu_governance.core.errors import ErrorCode, InputError

__all__ = ["keys"]


class KeyView(BaseModel):
    """One key: what everybody may know of it, and where this workspace has its private half."""

    key_id: str
    role: str
    algorithm: str
    valid_from: str
    valid_from_size: int | None
    revoked_from_size: int | None
    private_key: str | None


class KeyList(BaseModel):
    """All keys of a ledger."""

    origin: str
    version: int
    threshold: int
    digest: str
    log_verifier_key: str
    keys: list[KeyView]


class ExportResult(BaseModel):
    """Where the key file went."""

    path: Path
    version: int
    digest: str


class UpdateResult(BaseModel):
    """Which key file was trusted, and which one is now."""

    path: Path
    before: int
    version: int
    digest: str


@click.group(cls=ListingGroup)
def keys() -> None:
    """Keys of the ledger: list, export, update, rotate, revoke."""


for _command in (rotate, revoke, sign):
    keys.add_command(_command)


@keys.command("list")
@json_option
@click.pass_obj
def list_keys(shared: Shared, *, as_json: bool) -> None:
    """List the keys of the ledger: roles, since and until when they count, where the private halves are."""
    from ireu_governance.core.keys import Role, vkey

    workspace = shared.open_workspace()
    file = workspace.key_file()
    result = KeyList(
        origin=file.origin,
        version=file.version,
        threshold=file.threshold,
        digest=file.digest,
        log_verifier_key=vkey(file.origin, file.active(Role.LOG)[0]),
        keys=[
            KeyView(
                key_id=entry.key_id,
                role=entry.role.value,
                algorithm=entry.algorithm,
                valid_from=entry.valid_from,
                valid_from_size=entry.valid_from_size,
                revoked_from_size=entry.revoked_from_size,
                private_key=workspace.find_private_key(entry),
            )
            for entry in file.entries
        ],
    )

    def show() -> None:
        console = stdout_console()
        console.print(f"Keys of [bold]{result.origin}[/bold], version {result.version}, digest {result.digest}")
        if result.threshold > 1:
            console.print(f"  {result.threshold} root keys have to sign a change")
        for key in result.keys:
            console.print(f"  {key.role:<7} {key.algorithm:<9} {key.key_id}")
            since = "" if not key.valid_from_size else f", from entry {key.valid_from_size} on"
            until = "" if key.revoked_from_size is None else f", revoked from entry {key.revoked_from_size} on"
            console.print(f"          valid since {key.valid_from}{since}{until}")
            where = key.private_key or "not here"
            console.print(f"          private half: {plain(where)}")
        console.print(f"  verifier key, for witnesses, policies and other tools: {result.log_verifier_key}")

    emit(result, as_json=as_json, show=show)


@keys.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--version", "number", type=Whole(min=1), help="An earlier version of the key file.")
@json_option
@click.pass_obj
def export(shared: Shared, path: Path, number: int | None, *, as_json: bool) -> None:
    """Write the public key file to PATH, for whoever verifies certificates."""
    from ireu_governance.files import write_atomically

    workspace = shared.open_workspace()
    newest = workspace.key_file().version
    if number is not None and number > newest:
        raise InputError(
            f"There is no version {number} of the key file yet.",
            hint=f"The newest is {newest}; without --version it is the one that is written.",
            code=ErrorCode.INPUT_MISSING,
        )
    file = workspace.key_file(number)
    write_atomically(path, file.to_bytes())
    result = ExportResult(path=path, version=file.version, digest=file.digest)

    def show() -> None:
        console = stdout_console()
        console.print(f"Key file (version {result.version}) written to {plain(result.path)}")
        console.print(f"  digest {result.digest}  (say it over another channel, so that it cannot be swapped)")

    emit(result, as_json=as_json, show=show)


@keys.command()
@click.argument("newer", type=click.Path(path_type=Path, dir_okay=False), nargs=-1, required=True)
@click.option(
    "--trusted",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The key file that you trust; replaced by the newest one unless --out is given.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write in its place.")
@json_option
def update(newer: tuple[Path, ...], trusted: Path, out: Path | None, *, as_json: bool) -> None:
    """Go from a trusted key file to the NEWER ones, if each is signed by the root keys of the one before it.

    Give every version in between, in any order. Needs no workspace. Exit code 1: the chain does not hold, and
    nothing was written.
    """
    from ireu_governance.files import write_atomically
    from ireu_governance.keystore import load_key_file

    start = load_key_file(trusted)
    chain = sorted((load_key_file(each) for each in newer), key=lambda each: each.version)
    newest = start.follow(each for each in chain if each.digest != start.digest)
    write_atomically(out or trusted, newest.to_bytes())
    result = UpdateResult(path=out or trusted, before=start.version, version=newest.version, digest=newest.digest)

    def show() -> None:
        console = stdout_console()
        if result.before == result.version:
            console.print(f"Version {result.version} is the newest of these; nothing changed.")
        else:
            console.print(f"Version {result.before} vouches for version {result.version}, which is now in")
            console.print(f"  {plain(result.path)}, digest {result.digest}")

    emit(result, as_json=as_json, show=show)
