"""`ireu ledger log|show`, and the group that the other ledger commands hang on."""

from __future__ import annotations

import sys
from typing import Any

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.exits import NOT
from ireu_cli.groups import LazyCommands, ListingGroup
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option, mark, plain, stdout_console
from ireu_cli.views import count
from ireu_governance.core.errors import EntryVoidError, ErrorCode, InputError, VerificationError

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
    """One entry in a list.

    Attributes:
        seq: Its number.
        kind: What it is.
        recorded_at: When it was recorded.
        cases: The cases that it speaks of.
        encoder: Digest of what it is about, where that is an encoder.
        summary: What it says, in a few words.
        problem: Why it counts for nothing, so that none of what it says is listed; else None.
        problem_code: The error's code: ``entry-void`` where its key is revoked there, another one where it is
            damaged; else None.
    """

    seq: int
    kind: str
    recorded_at: str
    cases: list[str] = []
    encoder: str | None = None
    summary: str = ""
    problem: str | None = None
    problem_code: str | None = None


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


_ELSEWHERE = LazyCommands(
    {
        "audit": "ledger_audit",
        "checkpoint": "ledger_head",
        "compare": "ledger_compare",
        "export": "ledger_export",
        "migrate": "ledger_migrate",
        "prove": "ledger_head",
        "stamp": "ledger_stamp",
    }
)


@click.group(cls=ListingGroup, commands=_ELSEWHERE)
def ledger() -> None:
    """The signed, append-only record of removals and their tests."""


@ledger.command()
@click.option("--kind", type=click.Choice(KINDS), help="Only entries of this kind.")
@click.option("--limit", type=Whole(min=1), default=50, show_default=True, help="Only so many, the newest.")
@json_option
@click.pass_obj
def log(shared: Shared, kind: str | None, limit: int, *, as_json: bool) -> None:
    """List entries, the newest last.

    Exit code 1: one of those that are listed does not verify. One that counts no more, since the key that signed it is
    revoked there, is marked too, and is no reason for it.
    """
    from ireu_governance.ledger.records import case_ids
    from ireu_governance.ledger.summaries import summarise

    workspace = shared.open_workspace()
    with workspace.open_reader() as opened:
        entries = list(opened.entries(kind=kind))[-limit:]
        lines = []
        for entry in entries:
            line = EntryLine(seq=entry.seq, kind=entry.kind, recorded_at=entry.recorded_at)
            try:
                statement = opened.statement(entry)
            except (VerificationError, InputError) as error:
                # Listed all the same: after the theft of a key some entries count for nothing, and the others have
                # to be found. What it says is not shown, since nobody answers for it.
                line.problem, line.problem_code = error.message, error.code.value
            else:
                line.cases = case_ids(statement)
                line.encoder = statement.encoder_digest() if statement.is_about_encoder else None
                line.summary = summarise(statement.predicate)
            lines.append(line)
        result = EntryList(origin=workspace.key_file().origin, size=opened.head().size, entries=lines)

    def show_lines() -> None:
        console = stdout_console()
        console.print(f"[bold]{result.origin}[/bold], {count(result.size, 'entry', 'entries')}")
        for line in result.entries:
            cases = ", ".join(line.cases[:3]) + ("…" if len(line.cases) > 3 else "")
            console.print(
                f"  {line.seq:>5}  {line.recorded_at}  {line.kind:<16}"
                + (f" encoder {line.encoder[:12]}" if line.encoder else "")
                + (f"  cases {cases}" if cases else "")
                + f"  {_colour(line)}"
            )

    emit(result, as_json=as_json, show=show_lines)
    # As in an audit, what the organisation itself gave up is told and is nothing that is wrong with the ledger.
    if any(line.problem_code not in (None, ErrorCode.ENTRY_VOID) for line in lines):
        sys.exit(NOT)


@ledger.command("show")
@click.argument("seq", type=Whole(min=0))
@json_option
@click.pass_obj
def show_entry(shared: Shared, seq: int, *, as_json: bool) -> None:
    """Show entry SEQ whole, its signature verified."""
    import json

    with shared.open_workspace().open_reader() as opened:
        entry = opened.entry(seq)
        try:
            statement = opened.statement(entry)
        except EntryVoidError:
            raise  # which names the entry, and why it does not count
        except VerificationError as error:
            raise VerificationError(
                f"Entry {seq} does not verify: {error.message}",
                hint="'ireu ledger audit' says what is wrong with it.",
                check=error.check,
            ) from error
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


def _colour(line: EntryLine) -> str:
    """Return an entry's summary with its verdict, if it is one, marked."""
    if line.problem is not None:
        word = line.problem_code if line.problem_code == ErrorCode.ENTRY_VOID else "does-not-verify"
        return f" {mark(word)} {plain(line.problem)}"
    verdict, space, rest = line.summary.partition(" ")
    return f"{mark(verdict)}{space}{rest}" if line.kind == "verification" else line.summary
