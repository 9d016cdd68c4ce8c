"""`ireu ledger audit`."""

from __future__ import annotations

import sys

import click

from ireu_cli.context import Shared
from ireu_cli.exits import exit_code_of_verdict
from ireu_cli.output import emit, json_option, mark, plain, stdout_console

__all__ = ["audit"]


@click.command()
@json_option
@click.pass_obj
def audit(shared: Shared, *, as_json: bool) -> None:
    """Recompute everything from the rows and report ALL that is wrong, with entry numbers.

    Exit code 0: nothing is wrong. 1: something is.
    """
    from ireu_governance.ledger.audit import audit as audit_ledger

    workspace = shared.open_workspace()
    report = audit_ledger(
        workspace.ledger_path, key_file=workspace.key_file(), checkpoint_path=workspace.checkpoint_path
    )

    def show_report() -> None:
        console = stdout_console()
        console.print(
            f"[bold]{mark(report.verdict.value)}[/bold]  {report.size} entries, root {report.root or 'unknown'}"
        )
        console.print("  " + ", ".join(f"{count} {name}" for name, count in report.checked.items()) + " checked")
        for finding in report.findings:
            where = "" if finding.entry is None else f"entry {finding.entry}"
            where += "" if finding.until is None else f"–{finding.until}"
            console.print(f"  [red]✗[/red] {where:<12} {finding.kind.value:<18} {plain(finding.message)}")

    emit(report, as_json=as_json, show=show_report)
    sys.exit(exit_code_of_verdict(report.verdict))
