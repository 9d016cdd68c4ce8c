"""`ireu evidence list|erase|expire|rekey`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.groups import ListingGroup
from ireu_cli.output import emit, json_option, plain, stdout_console
from ireu_governance.core.grounds import ERASURES

if TYPE_CHECKING:
    from ireu_governance.ledger import Ledger, Vault
    from ireu_governance.ledger.erasure import Eraser, LotErased
    from ireu_governance.workspace import Workspace

__all__ = ["evidence"]

UNREACHABLE = (
    "Out of reach of this command: backups and snapshots of the vault, and what a disk keeps of overwritten blocks."
    " Without the vault's key they cannot be opened: 'ireu evidence rekey' exchanges it."
)


class CaseView(BaseModel):
    """What the vault holds of one case."""

    case_id: str
    state: str
    parts: list[str]
    size: int
    created_at: str
    expires_at: str | None
    erased_at: str | None


class CaseList(BaseModel):
    """What the vault holds."""

    cases: list[CaseView]


class CopyView(BaseModel):
    """A copy that is not erased."""

    path: Path
    modified_at: str
    opens_with_present_key: bool


class ErasureView(BaseModel):
    """Cases that were erased together."""

    case_ids: list[str]
    entry: int
    reason: str
    erased_before: bool
    removed: list[str]
    unreadable: list[str]


class EraseResult(BaseModel):
    """What was erased, which copies are known that were not, and which of the cases' requests still wait."""

    erased: list[ErasureView]
    copies: list[CopyView]
    open_requests: list[str] = []
    not_reached: str = UNREACHABLE


class ExpireResult(EraseResult):
    """What was erased since its time has ended.

    `waiting` has cases past their time whose requests are open; `discarded` those whose evidence the ledger never
    named. With --dry-run nothing is erased, and `due` says what would be.
    """

    due: list[str]
    waiting: list[str]
    discarded: list[str]


class RekeyResult(BaseModel):
    """How many cases have their keys under the new master key."""

    cases: int


@click.group(cls=ListingGroup)
def evidence() -> None:
    """The encrypted evidence: what is kept for re-tests and of requests, and erasing it for good."""


@evidence.command("list")
@json_option
@click.pass_obj
def list_evidence(shared: Shared, *, as_json: bool) -> None:
    """List cases, the size of what is kept of them, and until when."""
    with shared.open_workspace().open_vault() as vault:
        found = vault.cases()
    result = CaseList(
        cases=[
            CaseView(
                case_id=case.case_id,
                state="erased" if case.erased_at and not case.erasing_since else
                "being-erased" if case.erasing_since else "kept",
                parts=[part.name for part in case.parts],
                size=case.size,
                created_at=case.created_at,
                expires_at=case.expires_at,
                erased_at=case.erased_at,
            )
            for case in found
        ]
    )  # fmt: skip

    def show() -> None:
        console = stdout_console()
        if not result.cases:
            console.print("The vault is empty.")
        for case in result.cases:
            console.print(
                f"  {case.case_id}  {', '.join(case.parts):<20} {_size(case.size):>9}  since {case.created_at}"
                f"  {_until(case)}"
            )
        if any(case.state == "being-erased" for case in result.cases):
            console.print("Erasures that were stopped are finished by: ireu evidence expire")

    emit(result, as_json=as_json, show=show)


@evidence.command()
@click.argument("case", metavar="CASE")
@click.option("--reason", type=click.Choice(list(ERASURES)), default="gdpr:17-1-a", show_default=True, help="Why.")
@click.option(
    "--backups",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="Where copies of the vault may lie; those that still hold the case are listed. May be repeated.",
)
@click.option("--yes", is_flag=True, help="Do not ask first.")
@json_option
@click.pass_obj
def erase(shared: Shared, case: str, reason: str, backups: tuple[Path, ...], *, yes: bool, as_json: bool) -> None:
    """Destroy the evidence of CASE for good, and record that it was done.

    Photos, template, who asked, salts and the case's key are gone afterwards; the ledger, proofs and certificates
    verify as before; the case cannot be tested again. Stopped halfway, it is finished by running it again.
    """
    from ireu_governance.ledger.request_log import open_cases

    workspace = shared.open_workspace()
    if sys.stdin.isatty() and not yes and not as_json:
        click.confirm(f"Destroy the evidence of case {plain(case)}? This cannot be undone.", abort=True, err=True)
    with workspace.open_vault() as vault, workspace.open_ledger() as ledger:
        erased = _eraser(workspace, vault, ledger).erase([case], reason=reason)
        result = EraseResult(
            erased=_views(erased),
            copies=_copies(workspace, vault, erased, backups),
            open_requests=sorted(open_cases(ledger, [case])),
        )
    emit(result, as_json=as_json, show=lambda: _show(result))


@evidence.command()
@click.option("--backups", type=click.Path(path_type=Path, exists=True), multiple=True, help="As for erase.")
@click.option("--dry-run", is_flag=True, help="Say what would be erased; erase nothing.")
@json_option
@click.pass_obj
def expire(shared: Shared, backups: tuple[Path, ...], *, dry_run: bool, as_json: bool) -> None:
    """Erase all evidence that is past its time (retention_days), and finish erasures that were stopped.

    Cases of requests that are still open are kept until those are answered. Made to be run every day.
    """
    from ireu_governance.core.times import now

    workspace = shared.open_workspace()
    with workspace.open_vault() as vault, workspace.open_ledger() as ledger:
        eraser = _eraser(workspace, vault, ledger)
        due, waiting = eraser.past_retention(at=now())
        if dry_run:
            result = ExpireResult(erased=[], copies=[], due=due, waiting=waiting, discarded=[])
        else:
            done = eraser.expire()
            result = ExpireResult(
                erased=_views(done.erased),
                copies=_copies(workspace, vault, done.erased, backups),
                due=due,
                waiting=list(done.waiting),
                discarded=list(done.discarded),
            )

    def show() -> None:
        console = stdout_console()
        if dry_run:
            console.print("[bold]Dry run: nothing was erased.[/bold]")
            for case_id in due:
                console.print(f"  case {case_id} would be erased")
        elif result.erased:
            _show(result)
        else:
            console.print("No evidence is past its time.")
        for case_id in result.waiting:
            console.print(f"  [yellow]kept[/yellow]  case {case_id} is past its time, but its request is still open")
        for case_id in result.discarded:
            console.print(f"  evidence of case {case_id} was taken out; the ledger never named it")

    emit(result, as_json=as_json, show=show)


@evidence.command()
@json_option
@click.pass_obj
def rekey(shared: Shared, *, as_json: bool) -> None:
    """Exchange the vault's master key and destroy the old one: older copies of the vault open no more.

    That holds for copies without the old key only. Back up the new key, apart from the vault.
    """
    workspace = shared.open_workspace()
    with workspace.open_vault() as vault:
        vault.rekey(workspace.vault_key_path)
        result = RekeyResult(cases=sum(case.erased_at is None for case in vault.cases()))

    def show() -> None:
        console = stdout_console()
        console.print(f"The vault has a new key; the keys of {result.cases} cases are under it.")
        console.print("  Back it up apart from the vault, and destroy backups of the old key.")

    emit(result, as_json=as_json, show=show)


def _eraser(workspace: Workspace, vault: Vault, ledger: Ledger) -> Eraser:
    from ireu_governance.core.keys import Role
    from ireu_governance.ledger.erasure import Eraser

    return Eraser(
        vault=vault,
        ledger=ledger,
        record_signer=workspace.signer(Role.RECORD),
        log_signer=workspace.signer(Role.LOG),
        root=workspace.root,
    )


def _views(erased: Sequence[LotErased]) -> list[ErasureView]:
    return [
        ErasureView(
            case_ids=list(lot.case_ids),
            entry=lot.entry,
            reason=lot.reason,
            erased_before=lot.before,
            removed=list(lot.traces.removed),
            unreadable=list(lot.traces.unreadable),
        )
        for lot in erased
    ]


def _copies(workspace: Workspace, vault: Vault, erased: Sequence[LotErased], backups: Sequence[Path]) -> list[CopyView]:
    from ireu_governance.ledger.copies import find_copies

    case_ids = {case_id for lot in erased for case_id in lot.case_ids}
    return [
        CopyView(path=copy.path, modified_at=copy.modified_at, opens_with_present_key=copy.opens)
        for copy in find_copies(vault, case_ids, [workspace.root, *backups])
    ]


def _show(result: EraseResult) -> None:
    console = stdout_console()
    for lot in result.erased:
        for case_id in lot.case_ids:
            was = "  before now" if lot.erased_before else ""
            console.print(f"Erased    {case_id}{was}  (entry {lot.entry}, {lot.reason})")
        for name in lot.removed:
            console.print(f"  removed   {plain(name)}")
        for name in lot.unreadable:
            console.print(f"  [yellow]look[/yellow]      {plain(name)} cannot be read; see for yourself what is in it")
    for case_id in result.open_requests:
        console.print(
            f"  [yellow]note[/yellow]      the request of case {case_id} is still open, and its clock runs on"
        )
    for copy in result.copies:
        opens = "[red]opens with the present key[/red]" if copy.opens_with_present_key else "does not open now"
        console.print(f"  [yellow]copy[/yellow]      {plain(copy.path)}, of {copy.modified_at}, {opens}")
    console.print(f"[dim]{result.not_reached}[/dim]")


def _size(count: int) -> str:
    if count < 10_000:
        return f"{count} B"
    return f"{count / 1000:.0f} kB" if count < 10_000_000 else f"{count / 1_000_000:.0f} MB"


def _until(case: CaseView) -> str:
    if case.state == "being-erased":
        return "[yellow]being erased[/yellow]"
    if case.erased_at:
        return f"erased {case.erased_at}"
    return f"until {case.expires_at}" if case.expires_at else "until it is erased"
