"""`ireu monitor`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ireu_cli.context import Shared
from ireu_cli.exits import exit_code_of_verdict
from ireu_cli.numbers import Number
from ireu_cli.output import emit, json_option, mark, plain, print_error, stdout_console
from ireu_cli.views import count
from ireu_governance.core.errors import LedgerError

if TYPE_CHECKING:
    from ireu_governance.core.keys import KeyFile
    from ireu_governance.core.policy import Policy
    from ireu_governance.ledger.monitor import MonitorReport

__all__ = ["monitor"]


@click.command()
@click.argument("log")
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File in which the monitor remembers the log; made the first time.",
)
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), help="Key file from somewhere you trust.")
@click.option("--policy", type=click.Path(path_type=Path, dir_okay=False), help="Witnesses that must have cosigned.")
@click.option("--all", "everything", is_flag=True, help="Read again, and verify, also what was verified before.")
@click.option("--once", is_flag=True, help="Look once (this is so unless --every is given).")
@click.option("--every", type=Number(min=1), help="Look again after so many seconds, until something is wrong.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File for the proof of a fork.")
@json_option
@click.pass_obj
def monitor(
    shared: Shared,  # noqa: ARG001 - every command has it
    log: str,
    state: Path,
    key: Path | None,
    policy: Path | None,
    every: float | None,
    out: Path | None,
    *,
    everything: bool,
    once: bool,
    as_json: bool,
) -> None:
    """Follow LOG (an address, an exported folder or a workspace) and verify everything that is new in it.

    With --all, verify everything that is in it: this also finds a log that shows old entries in another form now.

    Exit code 0: it continues what was seen before. 1: it does not, or something in it does not hold; what is
    remembered stays as it was. 2: the log does not answer, so nothing is known.
    """
    from ireu_governance.keystore import load_key_file
    from ireu_governance.witness.publishing import load_policy

    if once and every is not None:
        raise click.UsageError("Name either --once or --every.")
    keys = None if key is None else load_key_file(key)
    witnesses = None if policy is None else load_policy(policy)
    while True:
        try:
            report = _look(log, state, keys, witnesses, everything=everything)
        except LedgerError as error:
            if every is None:
                raise
            print_error(error, as_json=as_json)  # a log that does not answer now is asked again
        else:
            believed = keys is None and report.previous_size is None
            _show(report, out, one_line=every is not None, as_json=as_json, believed=believed)
            if every is None or report.alarms:
                sys.exit(exit_code_of_verdict(report.verdict))
        time.sleep(every)


def _look(log: str, state: Path, keys: KeyFile | None, policy: Policy | None, *, everything: bool) -> MonitorReport:
    from ireu_governance.ledger.monitor import follow
    from ireu_governance.log_places import open_log

    with open_log(log) as source:
        return follow(source, state, key_file=keys, policy=policy, everything=everything)


def _show(report: MonitorReport, out: Path | None, *, one_line: bool, as_json: bool, believed: bool) -> None:
    if out is not None and report.fork_proof is not None:
        from ireu_governance.files import write_atomically

        write_atomically(out, report.fork_proof.encode("utf-8"))

    def show_report() -> None:
        console = stdout_console()
        before = "seen for the first time" if report.previous_size is None else f"{report.previous_size} before"
        size = "no valid head" if report.size is None else f"{report.size} entries"
        console.print(f"[bold]{mark(report.verdict.value)}[/bold]  {plain(report.origin)}, {size} ({before})")
        if report.entries:
            new = ", ".join(f"{number} {plain(kind)}" for kind, number in report.entries.items())
            console.print(f"  new and verified: {new}" if not report.alarms else f"  new: {new}")
        if report.read_again:
            again = count(report.read_again, "entry", "entries")
            console.print(f"  read again: {again}" if report.alarms else f"  read again and verified: {again}")
        if believed and not report.alarms:
            console.print("  its keys are those that lie beside it, believed from now on; to check them, give --key")
        if report.witnesses:
            console.print(f"  cosigned by {plain(', '.join(report.witnesses))}")
        for note in report.notes:
            console.print(f"  {plain(note)}")
        for alarm in report.alarms:
            where = "" if alarm.entry is None else f"entry {alarm.entry}"
            console.print(f"  [red]✗[/red] {where:<12} {alarm.kind.value:<18} {plain(alarm.message)}")
        if report.fork_proof is not None:
            kept = f"in {plain(out)}" if out is not None else "not kept: repeat with --out FILE"
            console.print(f"  proof for others: {kept}")

    if as_json and one_line:
        click.echo(report.model_dump_json())
    else:
        emit(report, as_json=as_json, show=show_report)
