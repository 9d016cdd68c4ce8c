"""`ireu ledger log|show`, and the group that the other ledger commands hang on."""

from __future__ import annotations

from typing import Any

import click
from pydantic import BaseModel

from ireu_cli.commands.ledger_audit import audit
from ireu_cli.commands.ledger_compare import compare
from ireu_cli.commands.ledger_export import export
from ireu_cli.commands.ledger_head import checkpoint, prove
from ireu_cli.commands.ledger_migrate import migrate
from ireu_cli.commands.ledger_stamp import stamp
from ireu_cli.context import Shared
from ireu_cli.output import emit, json_option, mark, stdout_console

__all__ = ["ledger"]

KINDS = (
    "removal-request",
    "removal",
    "verification",
    "request-event",
    "erasure",
    "key-change",
    "revocation",
    "deployment",
)


class EntryLine(BaseModel):
    """One entry in a list; `encoder` is the digest of what the entry is about, where that is an encoder."""

    seq: int
    kind: str
    recorded_at: str
    cases: list[str]
    encoder: str | None
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
    from ireu_governance.ledger.records import case_ids
    from ireu_governance.ledger.summaries import summarise

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
                    cases=case_ids(statement),
                    encoder=statement.encoder_digest() if statement.is_about_encoder else None,
                    summary=summarise(predicate),
                )
            )
        result = EntryList(origin=workspace.key_file().origin, size=opened.head().size, entries=lines)

    def show_lines() -> None:
        console = stdout_console()
        console.print(f"[bold]{result.origin}[/bold], {result.size} entries")
        for line in result.entries:
            cases = ", ".join(case[:8] for case in line.cases[:3]) + ("…" if len(line.cases) > 3 else "")
            console.print(
                f"  {line.seq:>5}  {line.recorded_at}  {line.kind:<16}"
                + (f" encoder {line.encoder[:12]}" if line.encoder else "")
                + (f"  cases {cases}" if cases else "")
                + f"  {_colour(line)}"
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


for command in (audit, checkpoint, compare, export, migrate, prove, stamp):
    ledger.add_command(command)


def _colour(line: EntryLine) -> str:
    """Return an entry's summary with its verdict, if it is one, marked."""
    verdict, space, rest = line.summary.partition(" ")
    return f"{mark(verdict)}{space}{rest}" if line.kind == "verification" else line.summary
