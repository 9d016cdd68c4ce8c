"""How changes of keys are shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from ireu_cli.output import emit, plain, stdout_console
from ireu_governance.core.errors import IreuError

if TYPE_CHECKING:
    from ireu_governance.core.key_proposal import KeyFileProposal
    from ireu_governance.rotation import ChangeResult
    from ireu_governance.workspace import Workspace

__all__ = ["WithdrawnView", "show_change", "show_proposal"]


class ChangedKey(BaseModel):
    """What happens to one key."""

    key_id: str
    role: str
    change: str
    from_size: int | None


class ChangeView(BaseModel):
    """A change of keys that is in force."""

    version: int
    digest: str
    entry: int | None
    resumed: bool
    published: bool
    changes: list[ChangedKey]


class ProposalView(BaseModel):
    """A change of keys that waits for signatures."""

    path: Path | None
    version: int
    digest: str
    signatures_missing_old: int
    signatures_missing_new: int
    changes: list[ChangedKey]


class WithdrawnView(BaseModel):
    """Whether a proposal was dropped."""

    withdrawn: bool


def _changes(proposal: KeyFileProposal) -> list[ChangedKey]:
    return [
        ChangedKey(
            key_id=entry.key_id,
            role=entry.role.value,
            change=change,
            from_size=entry.valid_from_size if change == "added" else entry.revoked_from_size,
        )
        for entry, change in proposal.changes()
    ]


def _describe(changes: list[ChangedKey]) -> list[str]:
    lines = []
    for each in changes:
        since = "" if each.from_size is None or each.role == "root" else f"  from entry {each.from_size} on"
        lines.append(f"  {each.change:<8} {each.role:<7} {each.key_id}{since}")
    return lines


def show_proposal(path: Path, proposal: KeyFileProposal, *, as_json: bool) -> None:
    """Print what a proposal would change, and whose signatures it still needs."""
    old, new = proposal.missing
    result = ProposalView(
        path=path,
        version=proposal.signed.version,
        digest=proposal.digest,
        signatures_missing_old=old,
        signatures_missing_new=new,
        changes=_changes(proposal),
    )

    def show() -> None:
        console = stdout_console()
        console.print(f"Proposed version {result.version} of the key file, in {plain(path)}, nothing is in force yet:")
        for line in _describe(result.changes):
            console.print(line)
        console.print(f"  digest {result.digest}  (compare it with the others over another channel)")
        if old or new:
            console.print(f"  signatures missing: {old} of present root keys, {new} of the next ones")
            console.print(f"  next    ireu keys sign {plain(path)} --key ROOT.pem")
        else:
            console.print(f"  it has its signatures; next: ireu keys rotate --apply {plain(path)}")

    emit(result, as_json=as_json, show=show)


def show_change(workspace: Workspace, done: ChangeResult, *, as_json: bool) -> None:
    """Publish the head under the new keys, and print what was changed."""
    from ireu_governance.core.key_proposal import KeyFileProposal

    problem = _publish(workspace)
    result = ChangeView(
        version=done.newer.version,
        digest=done.newer.digest,
        entry=done.entry,
        resumed=done.resumed,
        published=problem is None,
        changes=_changes(KeyFileProposal(current=done.older, signed=done.newer.signed)),
    )

    def show() -> None:
        console = stdout_console()
        if result.resumed:
            console.print(
                "[yellow]A change of keys that was interrupted is finished now, and nothing else was done.[/yellow]"
            )
        recorded = "" if result.entry is None else f", recorded as entry {result.entry}"
        console.print(f"Version {result.version} of the key file is in force{recorded}:")
        for line in _describe(result.changes):
            console.print(line)
        console.print(f"  digest {result.digest}")
        if problem is not None:
            console.print(f"  [yellow]not published yet:[/yellow] {plain(problem.message)} {plain(problem.hint)}")
        console.print("  next    give the new key file to whoever verifies certificates: ireu keys export keys.json")

    emit(result, as_json=as_json, show=show)


def _publish(workspace: Workspace) -> IreuError | None:
    """Publish the head under the new keys; what is in the ledger stays there whether or not that works now."""
    from ireu_governance.core.key_document import Role
    from ireu_governance.workspace import Workspace as Reopened

    try:
        changed = Reopened(workspace.root)
        with changed.open_ledger() as ledger:
            ledger.publish(changed.signer(Role.LOG))
    except IreuError as error:
        return error
    return None
