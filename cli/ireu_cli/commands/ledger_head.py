"""`ireu ledger checkpoint|prove`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option
from ireu_governance.core.errors import ErrorCode, InputError

if TYPE_CHECKING:
    from ireu_governance.workspace import Workspace

__all__ = ["checkpoint", "prove"]


class CheckpointView(BaseModel):
    """The head of a ledger.

    Attributes:
        origin: The ledger's name.
        size: Number of entries.
        root: Root over them in hex.
        witnesses: Names of the policy's witnesses that cosigned.
        problems: Why others did not.
        has_quorum: Whether the workspace's policy is met; None without a policy.
        text: The signed checkpoint.
    """

    origin: str
    size: int
    root: str
    witnesses: tuple[str, ...]
    problems: tuple[str, ...]
    has_quorum: bool | None
    text: str


class ProofView(BaseModel):
    """An inclusion proof."""

    seq: int
    size: int
    proof: str


class ConsistencyView(BaseModel):
    """A consistency proof between two sizes of a ledger, with the roots in hex."""

    from_size: int
    to_size: int
    from_root: str
    to_root: str
    hashes: list[str]
    proof: str


@click.command()
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write it to a file.")
@json_option
@click.pass_obj
def checkpoint(shared: Shared, out: Path | None, *, as_json: bool) -> None:
    """Publish and print the signed head of the ledger (a C2SP checkpoint), cosigned by the workspace's witnesses.

    Keep it where the ledger's administrators cannot write: whoever holds it can prove a rollback or rewrite.
    """
    from ireu_governance.core.log_checkpoint import verified_checkpoint
    from ireu_governance.files import write_atomically
    from ireu_governance.witness.publishing import publish_head

    workspace = shared.open_workspace()
    with workspace.open_ledger() as opened:
        published = publish_head(workspace, opened)
    head = verified_checkpoint(published.text, workspace.key_file())
    if out is not None:
        write_atomically(out, published.text.encode("utf-8"))
    result = CheckpointView(
        origin=head.origin,
        size=head.size,
        root=head.root.hex(),
        witnesses=published.witnesses,
        problems=tuple(each.error.message for each in published.problems),
        has_quorum=None if workspace.settings.witness_policy is None else published.has_quorum,
        text=published.text,
    )
    emit(result, as_json=as_json, show=lambda: click.echo(published.text, nl=False))


@click.command()
@click.argument("seq", type=Whole(min=0), required=False)
@click.option("--from", "from_size", type=Whole(min=1), help="Instead: the smaller of two sizes.")
@click.option("--to", "to_size", type=Whole(min=1), help="The larger of two sizes.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write it to a file.")
@json_option
@click.pass_obj
def prove(
    shared: Shared, seq: int | None, from_size: int | None, to_size: int | None, out: Path | None, *, as_json: bool
) -> None:
    """Print the proof that entry SEQ is in the published ledger (a C2SP tlog-proof).

    With --from and --to instead of SEQ: the proof that the ledger of the larger size begins with all entries of the
    smaller one.
    """
    workspace = shared.open_workspace()
    if seq is not None and from_size is None and to_size is None:
        result: ProofView | ConsistencyView = _prove_inclusion(workspace, seq)
    elif seq is None and from_size is not None and to_size is not None:
        result = _prove_consistency(workspace, from_size, to_size)
    else:
        raise click.UsageError("Name either an entry SEQ, or two sizes with --from and --to.")
    if out is not None:
        from ireu_governance.files import write_atomically

        write_atomically(out, result.proof.encode("utf-8"))
    emit(result, as_json=as_json, show=lambda: click.echo(result.proof, nl=False))


def _prove_inclusion(workspace: Workspace, seq: int) -> ProofView:
    from ireu_governance.core.log_checkpoint import verified_checkpoint

    with workspace.open_reader() as opened:
        if opened.checkpoint() is None:
            raise InputError(
                "The ledger has no published checkpoint yet.",
                hint="Publish one with: ireu ledger checkpoint",
                code=ErrorCode.ENTRY_UNKNOWN,
            )
        proof = opened.prove_inclusion(seq)
    size = verified_checkpoint(proof.checkpoint, workspace.key_file()).size
    return ProofView(seq=seq, size=size, proof=proof.to_text())


def _prove_consistency(workspace: Workspace, from_size: int, to_size: int) -> ConsistencyView:
    from ireu_governance.ledger.log_source import LedgerSource
    from ireu_governance.log_comparison import prove_consistency

    with workspace.open_reader() as opened:
        size = opened.head().size
        if to_size > size:
            raise InputError(
                f"The ledger has {size} entries, not {to_size}.",
                hint="Name two sizes that it had.",
                code=ErrorCode.ENTRY_UNKNOWN,
            )
        proof, older, newer = prove_consistency(
            LedgerSource(opened, where=str(workspace.root)),
            origin=opened.key_file.origin,
            from_size=from_size,
            to_size=to_size,
            checkpoint=opened.checkpoint(to_size),
        )
    return ConsistencyView(
        from_size=from_size,
        to_size=to_size,
        from_root=older.hex(),
        to_root=newer.hex(),
        hashes=[each.hex() for each in proof.hashes],
        proof=proof.to_text(),
    )
