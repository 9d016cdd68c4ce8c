"""`ireu ledger compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.exits import ABSENT, HOLDS, NOT
from ireu_cli.output import emit, json_option, plain, stdout_console
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError

if TYPE_CHECKING:
    from ireu_governance.core.fork import Comparison
    from ireu_governance.core.keys import KeyFile

__all__ = ["compare"]

_EXITS = {"same": HOLDS, "consistent": HOLDS, "fork": NOT, "undecided": ABSENT}
_SIGNS = {"same": "[green]✓", "consistent": "[green]✓", "fork": "[red]✗", "undecided": "[yellow]–"}


class HeadView(BaseModel):
    """One of two heads, the root in hex."""

    size: int
    root: str


class CompareView(BaseModel):
    """How two views of a ledger stand to each other.

    Attributes:
        origin: The ledger's name.
        relation: ``same``, ``consistent``, ``fork`` or ``undecided``.
        reason: Why, in a sentence.
        smaller: The head of the smaller size.
        larger: The other one.
        first_difference: The first entry in which they differ, where both ledgers are at hand.
        fork_proof: For a fork, what proves it to others.
    """

    origin: str
    relation: str
    reason: str
    smaller: HeadView
    larger: HeadView
    first_difference: int | None = None
    fork_proof: str | None = None


@click.command()
@click.argument("a")
@click.argument("b", required=False)
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), help="Key file; the workspace's if not given.")
@click.option(
    "--proof", type=click.Path(path_type=Path, dir_okay=False), help="A consistency proof, where no ledger is at hand."
)
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File for the proof of a fork.")
@json_option
@click.pass_obj
def compare(
    shared: Shared, a: str, b: str | None, key: Path | None, proof: Path | None, out: Path | None, *, as_json: bool
) -> None:
    """Compare two views of one ledger: checkpoint files, exported folders, their addresses, or workspaces.

    Exit code 0: they are the same, or one continues the other. 1: a fork; --out writes a proof of it that anybody
    can check who has the key file. 2: two checkpoints alone do not tell.

    With one file instead of two: check a proof of a fork. Exit code 1: it proves one. 2: it does not.
    """
    if b is None:
        result = _verify(a, _load_keys(shared, key, []))
    else:
        result = _compare(a, b, _load_keys(shared, key, [a, b]), proof)
    if out is not None and result.fork_proof is not None:
        from ireu_governance.files import write_atomically

        write_atomically(out, result.fork_proof.encode("utf-8"))

    def show() -> None:
        console = stdout_console()
        console.print(f"{_SIGNS[result.relation]} {result.relation}[/]  {plain(result.reason)}")
        for head in (result.smaller, result.larger):
            console.print(f"  size {head.size:>8}  root {head.root}")
        if result.first_difference is not None:
            console.print(f"  first different entry: {result.first_difference}")
        if result.fork_proof is not None:
            unkept = "the file that was given" if b is None else "not kept: repeat with --out FILE"
            kept = unkept if out is None else f"in {plain(out)}"
            console.print(f"  proof for others: {kept}")

    emit(result, as_json=as_json, show=show)
    sys.exit(_EXITS[result.relation])


def _compare(a: str, b: str, keys: KeyFile, proof: Path | None) -> CompareView:
    from ireu_governance.core.checkpoint import MAX_NOTE_BYTES
    from ireu_governance.core.consistency import ConsistencyProof
    from ireu_governance.log_comparison import compare_logs, read_text

    given = None
    if proof is not None:
        given = ConsistencyProof.from_text(read_text(proof, what="consistency proof", max_bytes=2 * MAX_NOTE_BYTES))
    found = compare_logs(a, b, key_file=keys, proof=given)
    return _view(found.comparison, keys, found.first_difference)


def _verify(path: str, keys: KeyFile) -> CompareView:
    from ireu_governance.core.errors import VerificationError
    from ireu_governance.core.fork import MAX_FORK_PROOF_BYTES, verify_fork_proof
    from ireu_governance.log_comparison import read_text

    hint = "Two views of a log are compared with: ireu ledger compare A B"
    if "://" in path or Path(path).is_dir():
        raise InputError(f"'{path}' is one view of a log, and nothing to compare it with.", hint=hint)
    data = read_text(Path(path), what="proof of a fork", max_bytes=MAX_FORK_PROOF_BYTES).encode("utf-8")
    if not data.lstrip().startswith(b"{"):
        raise InputError(f"'{path}' is no proof of a fork.", hint=hint)
    try:
        return _view(verify_fork_proof(data, key_file=keys), keys, None)
    except VerificationError as error:
        # A proof that proves nothing says nothing about the log either.
        raise InputError(error.message, hint=hint) from error


def _view(found: Comparison, keys: KeyFile, first: int | None) -> CompareView:
    return CompareView(
        origin=keys.origin,
        relation=found.relation.value,
        reason=found.reason,
        smaller=HeadView(size=found.smaller.size, root=found.smaller.root.hex()),
        larger=HeadView(size=found.larger.size, root=found.larger.root.hex()),
        first_difference=first,
        fork_proof=None if found.fork is None else found.fork.to_bytes().decode("utf-8"),
    )


def _load_keys(shared: Shared, key: Path | None, places: list[str]) -> KeyFile:
    """Return the keys to verify with: those that were named, else a workspace's; never those that lie beside a log."""
    from ireu_governance.keystore import load_key_file
    from ireu_governance.settings import SETTINGS_FILE
    from ireu_governance.workspace import Workspace

    if key is not None:
        return load_key_file(key)
    for place in places:
        if "://" not in place and (Path(place) / SETTINGS_FILE).is_file():
            return Workspace(Path(place)).key_file()
    try:
        return shared.open_workspace().key_file()
    except ConfigError as error:
        if error.code is not ErrorCode.WORKSPACE_MISSING:
            raise
        raise InputError(
            "No keys to verify the checkpoints with.",
            hint="Name the key file that the organisation gave out: --key keys.json.",
            code=ErrorCode.INPUT_MISSING,
        ) from None
