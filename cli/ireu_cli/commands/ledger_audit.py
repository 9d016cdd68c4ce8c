"""`ireu ledger audit`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ireu_cli.context import Shared
from ireu_cli.exits import exit_code_of_verdict
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option, mark, plain, stdout_console

if TYPE_CHECKING:
    from ireu_governance.core.policy import Policy
    from ireu_governance.ledger.audit_attestations import StampVerifier
    from ireu_governance.ledger.findings import AuditReport
    from ireu_governance.workspace import Workspace

__all__ = ["audit"]


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="For a FOLDER: key file of the organisation, got from it directly and not out of the folder.",
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path, dir_okay=False),
    help="For a FOLDER: policy that says which witnesses count.",
)
@click.option(
    "--tsa-roots",
    type=click.Path(path_type=Path, dir_okay=False),
    help="For a FOLDER: root certificates (PEM) of the time-stamping authorities you trust.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="For a workspace: keep in this file where the audit ended, and read only what is new next time. Keep it"
    " yourself.",
)
@click.option(
    "--processes",
    type=Whole(min=1, max=256),
    default=1,
    show_default=True,
    help="Verify in so many processes.",
)
@json_option
@click.pass_obj
def audit(
    shared: Shared,
    folder: Path | None,
    *,
    key: Path | None,
    policy: Path | None,
    tsa_roots: Path | None,
    state: Path | None,
    processes: int,
    as_json: bool,
) -> None:
    """Recompute everything from the rows and report ALL that is wrong, with entry numbers.

    With FOLDER and --key, audit an exported ledger (ireu ledger export): that needs no workspace and no database.

    With --state, the audit goes on where a former one ended that found nothing: entries before that are not read
    again. Cosignatures are verified if the setting witness_policy names whose count, time stamps if timestamp_roots
    does.

    Exit code 0: nothing is wrong. 1: something is.
    """
    if folder is not None and key is not None and state is None:
        from ireu_cli.folder_audit import FolderAudit

        of_folder = FolderAudit(key=key, policy=policy, tsa_roots=tsa_roots, processes=processes).run(folder)
        emit(of_folder, as_json=as_json, show=lambda: _show(of_folder, None))
        sys.exit(exit_code_of_verdict(of_folder.verdict))
    if folder is not None and state is not None:
        raise click.UsageError("--state is for the ledger of a workspace; an exported ledger is read whole.")
    if folder or key or policy or tsa_roots:
        raise click.UsageError("An exported ledger is audited with: ireu ledger audit FOLDER --key KEYFILE")
    report = _audit_workspace(shared.open_workspace(), state, processes)
    emit(report, as_json=as_json, show=lambda: _show(report, state))
    if state is not None and report.state is not None:
        from ireu_governance.ledger.audit_state import save_state

        save_state(state, report.state)
    sys.exit(exit_code_of_verdict(report.verdict))


def _audit_workspace(workspace: Workspace, state: Path | None, processes: int) -> AuditReport:
    from ireu_governance.ledger.audit import audit as audit_ledger
    from ireu_governance.ledger.audit_state import load_state

    return audit_ledger(
        workspace.ledger_location,
        key_file=workspace.key_file(),
        checkpoint_path=workspace.checkpoint_path,
        checkpoint_copies=workspace.checkpoint_copies,
        processes=processes,
        since=None if state is None else load_state(state),
        policy=_policy(workspace),
        verify_stamp=_stamp_verifier(workspace),
    )


def _policy(workspace: Workspace) -> Policy | None:
    from ireu_governance.witness.publishing import load_policy

    path = workspace.settings.witness_policy
    return None if path is None else load_policy(workspace.root / path)


def _stamp_verifier(workspace: Workspace) -> StampVerifier | None:
    if workspace.settings.timestamp_roots is None:
        return None
    from ireu_governance.issuing import tsa_roots_of
    from ireu_governance.ledger.stamps import stamp_verifier

    roots = tsa_roots_of(workspace)
    return None if roots is None else stamp_verifier(roots)


def _show(report: AuditReport, state: Path | None) -> None:
    console = stdout_console()
    console.print(f"[bold]{mark(report.verdict.value)}[/bold]  {report.size} entries, root {report.root or 'unknown'}")
    counts = [f"{count} {name}" for name, count in report.checked.items() if count or name == "entries"]
    console.print(f"  {', '.join(counts)} checked")
    for note in report.notes:
        console.print(f"  [yellow]–[/yellow] {plain(note)}")
    for finding in report.findings:
        where = "" if finding.entry is None else f"entry {finding.entry}"
        where += "" if finding.until is None else f"–{finding.until}"
        console.print(f"  [red]✗[/red] {where:<12} {finding.kind.value:<20} {plain(finding.message)}")
    if state is not None and report.state is None:
        console.print(f"  {plain(state)} stays as it was: it only ever says where an audit ended that found nothing.")
