"""`ireu keys list|export`."""

from __future__ import annotations

from pathlib import Path

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.output import emit, json_option, plain, stdout_console

__all__ = ["keys"]


class KeyView(BaseModel):
    """One public key."""

    key_id: str
    role: str
    algorithm: str
    valid_from: str
    revoked_from_size: int | None


class KeyList(BaseModel):
    """All public keys of a ledger."""

    origin: str
    version: int
    digest: str
    log_verifier_key: str
    keys: list[KeyView]


class ExportResult(BaseModel):
    """Where the key file went."""

    path: Path
    digest: str


@click.group()
def keys() -> None:
    """Public keys of the ledger."""


@keys.command("list")
@json_option
@click.pass_obj
def list_keys(shared: Shared, *, as_json: bool) -> None:
    """List the keys that sign the ledger, with their roles."""
    from ireu_governance.core.keys import Role, vkey

    file = shared.open_workspace().key_file()
    log_key = file.keys(Role.LOG)[0]
    result = KeyList(
        origin=file.origin,
        version=file.version,
        digest=file.digest,
        log_verifier_key=vkey(file.origin, log_key),
        keys=[
            KeyView(
                key_id=entry.key_id,
                role=entry.role.value,
                algorithm=entry.algorithm,
                valid_from=entry.valid_from,
                revoked_from_size=entry.revoked_from_size,
            )
            for entry in file.entries
        ],
    )

    def show() -> None:
        console = stdout_console()
        console.print(f"Keys of [bold]{result.origin}[/bold], version {result.version}, digest {result.digest}")
        for key in result.keys:
            revoked = "" if key.revoked_from_size is None else f"  revoked from entry {key.revoked_from_size}"
            console.print(f"  {key.role:<7} {key.algorithm}  {key.key_id}  (valid since {key.valid_from}){revoked}")
        console.print(f"  for other transparency-log tools: {result.log_verifier_key}")

    emit(result, as_json=as_json, show=show)


@keys.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@click.pass_obj
def export(shared: Shared, path: Path, *, as_json: bool) -> None:
    """Write the public key file to PATH, for whoever verifies certificates."""
    from ireu_governance.files import write_atomically

    file = shared.open_workspace().key_file()
    write_atomically(path, file.to_bytes())
    result = ExportResult(path=path, digest=file.digest)

    def show() -> None:
        console = stdout_console()
        console.print(f"Key file written to {plain(result.path)}")
        console.print(f"  digest {result.digest}  (say it over another channel, so that it cannot be swapped)")

    emit(result, as_json=as_json, show=show)
