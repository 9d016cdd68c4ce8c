"""`ireu certificate issue|list|show`, and the group that the other certificate commands hang on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from ireu_cli.certificate_files import read_certificate
from ireu_cli.context import Shared
from ireu_cli.groups import LazyCommands, ListingGroup
from ireu_cli.numbers import Whole
from ireu_cli.output import emit, json_option, mark, plain, stdout_console
from ireu_cli.views import count, describe_superseded

if TYPE_CHECKING:
    from ireu_governance.core.certificate import Certificate
    from ireu_governance.core.statement import Statement

__all__ = ["certificate"]


class IssueResult(BaseModel):
    """Where a certificate went, and which entries say that it took the place of older ones."""

    path: Path
    removal_entry: int
    id: str
    valid_until: str | None
    time_stamps: int
    history: int
    superseded: list[int]


class CertificateLine(BaseModel):
    """One certificate in a list; `problem` says why it is unusable, `latest` whether it is its removal's newest one."""

    id: str | None
    removal_entry: int | None
    encoder: str | None
    status: str
    problem: str | None
    issued_at: str | None
    valid_until: str | None
    latest: bool
    path: Path


class CertificateList(BaseModel):
    """The certificates of a workspace."""

    certificates: list[CertificateLine]


_ELSEWHERE = LazyCommands(
    {
        "verify": "certificate_verify",
        "render": "certificate_render",
        "revoke": "certificate_status",
        "stamp": "certificate_status",
        "status-list": "certificate_status",
        "pack": "pack",
        "verify-pack": "pack",
    }
)


@click.group(cls=ListingGroup, commands=_ELSEWHERE)
def certificate() -> None:
    """Removal certificates: issue them, read them, verify them offline, take them back."""


@certificate.command()
@click.option("--case", "case_id", help="Case id; its latest removal.")
@click.option("--entry", type=Whole(min=0), help="Ledger entry of the removal, in place of --case.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write it to this file.")
@click.option("--no-stamp", is_flag=True, help="Without a time stamp, although the settings name an authority.")
@json_option
@click.pass_obj
def issue(
    shared: Shared, case_id: str | None, entry: int | None, out: Path | None, *, no_stamp: bool, as_json: bool
) -> None:
    """Issue the certificate of a removal, with its latest verification. It takes the place of older ones."""
    if (case_id is None) == (entry is None):
        raise click.UsageError("Name the removal with either --case or --entry.")
    from ireu_governance.core.certificate import parse_certificate
    from ireu_governance.core.errors import ConfigError, ErrorCode
    from ireu_governance.files import write_atomically
    from ireu_governance.issuing import issue_in

    if out is not None and not out.absolute().parent.is_dir():
        raise ConfigError(f"There is no folder to write '{out}' to.")
    try:
        issued = issue_in(shared.open_workspace(), removal_seq=entry, case_id=case_id, stamp=not no_stamp)
    except ConfigError as error:
        if error.code is ErrorCode.TIMESTAMP_UNAVAILABLE:
            error.hint = "Nothing was issued. Try again later, or issue it without a time stamp: --no-stamp"
        raise
    if out is not None:
        write_atomically(out, issued.data)
    parsed = parse_certificate(issued.data)
    result = IssueResult(
        path=out or issued.path,
        removal_entry=issued.removal_seq,
        id=issued.certificate_id,
        valid_until=parsed.certificate.valid_until,
        time_stamps=len(parsed.timestamps or ()),
        history=len(parsed.certificate.history or ()),
        superseded=list(issued.superseded),
    )

    def show() -> None:
        console = stdout_console()
        console.print(f"Certificate written to {plain(result.path)}")
        console.print(f"  number       {result.id}")
        console.print(f"  valid until  {result.valid_until or 'no end'}")
        console.print(f"  time stamps  {result.time_stamps or 'none'}")
        if result.superseded:
            console.print(f"  {describe_superseded(result.superseded)}")

    emit(result, as_json=as_json, show=show)


@certificate.command("list")
@json_option
@click.pass_obj
def list_certificates(shared: Shared, *, as_json: bool) -> None:
    """List the certificates that the workspace issued, with their status by its ledger and keys."""
    from ireu_governance.core.times import now
    from ireu_governance.issuing import register_of
    from ireu_governance.ledger.certificate_standing import gravest_by_id, judge_standing, problem_of
    from ireu_governance.ledger.revocation import read_withdrawals, removal_of

    workspace = shared.open_workspace()
    with workspace.open_reader() as ledger:
        gone = gravest_by_id(read_withdrawals(ledger))
    time, key_file = now(), workspace.key_file()
    lines = []
    for each in register_of(workspace):
        if each.certificate is None:
            lines.append(
                CertificateLine(
                    id=None, removal_entry=None, encoder=None, status="unreadable", problem=None, issued_at=None,
                    valid_until=None, latest=each.is_latest, path=each.path,
                )
            )  # fmt: skip
            continue
        body = each.certificate.certificate
        standing = judge_standing(
            withdrawal=gone.get(body.id),
            problem=problem_of(each.data, key_file),
            valid_until=body.valid_until,
            at=time,
        )
        lines.append(
            CertificateLine(
                id=body.id,
                removal_entry=removal_of(each.certificate),
                encoder=_encoder(each.certificate),
                status=standing.status,
                problem=standing.problem,
                issued_at=body.issued_at,
                valid_until=body.valid_until,
                latest=each.is_latest,
                path=each.path,
            )
        )
    lines.sort(
        key=lambda line: (line.removal_entry is None, line.removal_entry or 0, line.issued_at or "", line.latest)
    )
    emit(CertificateList(certificates=lines), as_json=as_json, show=lambda: _show_list(lines))


@certificate.command("show")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@json_option
def show_certificate(file: Path, *, as_json: bool) -> None:
    """Show what a certificate says. Nothing is verified: use `ireu certificate verify` for that."""
    from ireu_governance.core.certificate import parse_certificate

    parsed = parse_certificate(read_certificate(file))
    if as_json:
        import json

        from ireu_cli.views import read_statements

        statements = {name: s.model_dump(mode="json", by_alias=True) for name, s in read_statements(parsed).items()}
        document = {
            "certificate": parsed.certificate.model_dump(mode="json"),
            "statements": statements,
            "history": [s.model_dump(mode="json", by_alias=True) for s in _read_history(parsed)],
            "timestamps": list(parsed.timestamps or ()),
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    _show_certificate(parsed)


def _encoder(parsed: Certificate) -> str:
    from ireu_cli.views import read_statements

    return read_statements(parsed)["removal"].encoder_digest()


def _read_history(parsed: Certificate) -> list[Statement]:
    from ireu_governance.core.envelope import Envelope
    from ireu_governance.core.statement import Statement

    history = parsed.certificate.history or ()
    return [Statement.from_bytes(Envelope.from_object(each.envelope).payload) for each in history]


def _show_list(lines: list[CertificateLine]) -> None:
    console = stdout_console()
    if not lines:
        console.print("The workspace issued no certificate yet.")
        return
    console.print(f"  {'number':<32}  {'removal':>7}  {'encoder':<12}  {'status':<12}  valid until")
    for line in lines:
        removal = "–" if line.removal_entry is None else line.removal_entry
        encoder = (line.encoder or "–")[:12]
        name = line.id or plain(line.path.name)
        padding = " " * (10 - len(line.status))
        until = line.valid_until or ("–" if line.id is None else "no end")
        console.print(f"  {name:<32}  {removal:>7}  {encoder:<12}  {mark(line.status)}{padding}  {until}")
        if line.problem is not None:
            console.print(f"    {plain(line.problem)}")


def _show_certificate(parsed: Certificate) -> None:
    from ireu_cli.views import describe_score, read_statements
    from ireu_governance.core.statement import Removal, RemovalRequest, RequestEvent, Verification

    console = stdout_console()
    body = parsed.certificate
    statements = read_statements(parsed)
    removal, verification = statements["removal"], statements["verification"]
    console.print(f"Certificate {body.id}   [yellow]not verified[/yellow]")
    contact = body.issuer.contact or "no contact"
    console.print(f"  issued       {body.issued_at} by {plain(body.issuer.organisation)} ({plain(contact)})")
    console.print(f"  valid until  {body.valid_until or 'no end'}")
    stamps = count(len(parsed.timestamps), "time stamp") if parsed.timestamps else "no time stamp"
    console.print(f"  time         {stamps}")
    if body.status_url is not None:
        console.print(f"  status list  {plain(body.status_url)}")
    console.print(f"  ledger       {body.origin}")
    console.print(f"  encoder      {removal.encoder_digest()}")
    if isinstance(removal.predicate, Removal):
        p = removal.predicate
        console.print(f"  before       {p.encoder_before.sha256}")
        console.print(f"  cases        {', '.join(case.case_id for case in p.cases)}")
        console.print(f"  method       {p.method.name} (k {p.method.k}, α {p.method.alpha}, {p.method.steps} steps)")
        pickled = "yes: files were read that could run code" if p.run.pickle_allowed else "no"
        console.print(f"  pickle read  {pickled}")
        console.print(f"  recorded     entry {p.ledger.seq} at {p.recorded_at}")
    request = statements["request"].predicate
    if isinstance(request, RemovalRequest):
        tests = count(len(request.plan.tests), "test")
        console.print(f"  plan         entry {request.ledger.seq} at {request.recorded_at}, {tests}")
    for statement in _read_history(parsed):
        event = statement.predicate
        if isinstance(event, RequestEvent):
            due = "" if event.due_at is None else f", due {event.due_at}"
            grounds = "".join(f", {each}" for each in event.grounds)
            told = "" if event.recipients is None else f", {count(event.recipients, 'recipient')} told"
            where = f"entry {event.ledger.seq}"
            console.print(f"  {event.event:<12} {where} of {event.happened_at}{due}{grounds}{told}")
    if isinstance(verification.predicate, Verification):
        v = verification.predicate
        console.print(f"  tested       entry {v.ledger.seq} at {v.recorded_at}: {mark(v.verdict.value)}")
        for case in v.cases:
            console.print(f"  case {case.case_id}: {mark(case.verdict.value)}")
            for score in case.scores:
                console.print(f"    {describe_score(score)}")
        console.print("  everybody else")
        for score in v.scores:
            console.print(f"    {describe_score(score)}")
