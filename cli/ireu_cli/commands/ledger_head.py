"""`ireu ledger checkpoint|prove`."""

from __future__ import annotations

from pathlib import Path

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.output import emit, json_option
from ireu_governance.core.errors import ErrorCode, InputError

__all__ = ["checkpoint", "prove"]


class CheckpointView(BaseModel):
    """The head of a ledger."""

    origin: str
    size: int
    root: str
    text: str


class ProofView(BaseModel):
    """An inclusion proof."""

    seq: int
    size: int
    proof: str


@click.command()
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write it to a file.")
@json_option
@click.pass_obj
def checkpoint(shared: Shared, out: Path | None, *, as_json: bool) -> None:
    """Publish and print the signed head of the ledger (a C2SP checkpoint).

    Keep it where the ledger's administrators cannot write: whoever holds it can prove a rollback or rewrite.
    """
    from ireu_governance.core.checkpoint import open_checkpoint
    from ireu_governance.core.keys import Role
    from ireu_governance.files import write_atomically

    workspace = shared.open_workspace()
    keys = workspace.key_file()
    with workspace.open_ledger() as opened:
        text = opened.publish(workspace.signer(Role.LOG))
    head = open_checkpoint(text, origin=keys.origin, keys=keys.keys(Role.LOG))
    if out is not None:
        write_atomically(out, text.encode("utf-8"))
    result = CheckpointView(origin=head.origin, size=head.size, root=head.root.hex(), text=text)
    emit(result, as_json=as_json, show=lambda: click.echo(text, nl=False))


@click.command()
@click.argument("seq", type=click.IntRange(min=0))
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write, *.tlog-proof.")
@json_option
@click.pass_obj
def prove(shared: Shared, seq: int, out: Path | None, *, as_json: bool) -> None:
    """Print the proof that entry SEQ is in the published ledger (a C2SP tlog-proof)."""
    from ireu_governance.core.checkpoint import open_checkpoint
    from ireu_governance.core.keys import Role
    from ireu_governance.files import write_atomically

    workspace = shared.open_workspace()
    keys = workspace.key_file()
    with workspace.open_ledger() as opened:
        if opened.checkpoint() is None:
            raise InputError(
                "The ledger has no published checkpoint yet.",
                hint="Publish one with: ireu ledger checkpoint",
                code=ErrorCode.ENTRY_UNKNOWN,
            )
        proof = opened.prove_inclusion(seq)
    text = proof.to_text()
    if out is not None:
        write_atomically(out, text.encode("utf-8"))
    size = open_checkpoint(proof.checkpoint, origin=keys.origin, keys=keys.keys(Role.LOG)).size
    result = ProofView(seq=seq, size=size, proof=text)
    emit(result, as_json=as_json, show=lambda: click.echo(text, nl=False))
