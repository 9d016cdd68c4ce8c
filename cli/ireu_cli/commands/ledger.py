"""`ireu ledger log|show|audit|checkpoint|prove`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.exits import exit_code_of_verdict
from ireu_cli.output import emit, json_option, mark, plain, stdout_console
from ireu_governance.core.errors import ErrorCode, InputError

__all__ = ["ledger"]

KINDS = ("removal-request", "removal", "verification")


class EntryLine(BaseModel):
    """One entry in a list."""

    seq: int
    kind: str
    recorded_at: str
    cases: list[str]
    encoder: str
    summary: str


class EntryList(BaseModel):
    """Entries of a ledger."""

    origin: str
    size: int
    entries: list[EntryLine]


class EntryDetail(BaseModel):
    """One entry, whole."""

    seq: int
    kind: str
    recorded_at: str
    prev: str
    leaf_hash: str
    statement: dict[str, Any]
    envelope: dict[str, Any]


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


@click.group()
def ledger() -> None:
    """The signed, append-only record of removals and their tests."""


@ledger.command()
@click.option("--kind", type=click.Choice(KINDS), help="Only entries of this kind.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Only so many, the newest.")
@json_option
@click.pass_obj
def log(shared: Shared, kind: str | None, limit: int, *, as_json: bool) -> None:
    """List entries, the newest last."""
    workspace = shared.open_workspace()
    with workspace.open_ledger() as opened:
        entries = list(opened.entries(kind=kind))[-limit:]
        lines = []
        for entry in entries:
            statement = opened.statement(entry)
            predicate = statement.predicate
            lines.append(
                EntryLine(
                    seq=entry.seq,
                    kind=entry.kind,
                    recorded_at=entry.recorded_at,
                    cases=[case.case_id for case in predicate.cases],
                    encoder=statement.encoder_digest(),
                    summary=_summarise(predicate),
                )
            )
        result = EntryList(origin=workspace.key_file().origin, size=opened.head().size, entries=lines)

    def show_lines() -> None:
        console = stdout_console()
        console.print(f"[bold]{result.origin}[/bold], {result.size} entries")
        for line in result.entries:
            cases = ", ".join(case[:8] for case in line.cases[:3]) + ("…" if len(line.cases) > 3 else "")
            console.print(
                f"  {line.seq:>5}  {line.recorded_at}  {line.kind:<16} encoder {line.encoder[:12]}"
                f"  cases {cases}  {_colour(line)}"
            )

    emit(result, as_json=as_json, show=show_lines)


@ledger.command("show")
@click.argument("seq", type=click.IntRange(min=0))
@json_option
@click.pass_obj
def show_entry(shared: Shared, seq: int, *, as_json: bool) -> None:
    """Show entry SEQ whole, its signature verified."""
    import json

    with shared.open_workspace().open_ledger() as opened:
        entry = opened.entry(seq)
        statement = opened.statement(entry)
    result = EntryDetail(
        seq=entry.seq,
        kind=entry.kind,
        recorded_at=entry.recorded_at,
        prev=entry.prev.hex(),
        leaf_hash=entry.leaf_hash.hex(),
        statement=statement.model_dump(mode="json", by_alias=True),
        envelope=json.loads(entry.envelope),
    )

    def show_detail() -> None:
        console = stdout_console()
        console.print(f"Entry {result.seq}: [bold]{result.kind}[/bold], {result.recorded_at}, signature verified")
        console.print(f"  leaf  {result.leaf_hash}")
        console.print(f"  prev  {result.prev}")
        console.print_json(data=result.statement)

    emit(result, as_json=as_json, show=show_detail)


@ledger.command()
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


@ledger.command()
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


@ledger.command()
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


def _colour(line: EntryLine) -> str:
    """Return an entry's summary with its verdict, if it is one, marked."""
    verdict, space, rest = line.summary.partition(" ")
    return f"{mark(verdict)}{space}{rest}" if line.kind == "verification" else line.summary


def _summarise(predicate: object) -> str:
    from ireu_governance.core.statement import Removal, RemovalRequest, Verification

    if isinstance(predicate, RemovalRequest):
        return f"{len(predicate.plan.tests)} tests planned"
    if isinstance(predicate, Removal):
        return f"{predicate.method.name}, request {predicate.request_seq}"
    if isinstance(predicate, Verification):
        return f"{predicate.verdict.value} ({predicate.occasion} of {predicate.removal_seq})"
    return ""
