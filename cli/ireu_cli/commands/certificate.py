"""`ireu certificate issue|show|verify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.exits import exit_code_of_verdict
from ireu_cli.output import emit, json_option, mark, plain, stdout_console
from ireu_governance.core.errors import ErrorCode, InputError

if TYPE_CHECKING:
    from ireu_governance.core.certificate import Certificate
    from ireu_governance.core.verdict import Report

__all__ = ["certificate"]

MAX_CERTIFICATE_BYTES = 8 * 2**20  # a certificate has some 100 KiB; this bounds what a hostile file can cost


class IssueResult(BaseModel):
    """Where a certificate went."""

    path: Path
    removal_entry: int


@click.group()
def certificate() -> None:
    """Removal certificates: issue them, read them, verify them offline."""


@certificate.command()
@click.option("--case", "case_id", help="Case id; its latest removal.")
@click.option("--entry", type=click.IntRange(min=0), help="Ledger entry of the removal, in place of --case.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@json_option
@click.pass_obj
def issue(shared: Shared, case_id: str | None, entry: int | None, out: Path | None, *, as_json: bool) -> None:
    """Issue the certificate of a removal, with its latest verification."""
    if (case_id is None) == (entry is None):
        raise click.UsageError("Name the removal with either --case or --entry.")
    from ireu_governance.core.keys import Role
    from ireu_governance.files import write_atomically
    from ireu_governance.ledger.certify import issue as issue_certificate

    workspace = shared.open_workspace()
    with workspace.open_ledger() as ledger:
        if entry is None and case_id is not None:
            removals = [e for e in ledger.find_case(case_id) if e.kind == "removal"]
            if not removals:
                raise InputError(f"The ledger has no removal of case '{case_id}'.", code=ErrorCode.CASE_UNKNOWN)
            entry = removals[-1].seq
        data = issue_certificate(
            ledger,
            removal_seq=entry,
            key_file=workspace.key_file(),
            signer=workspace.signer(Role.RECORD),
            contact=workspace.settings.contact,
        )
    path = out or workspace.root / "certificates" / f"removal-{entry}.json"
    write_atomically(path, data)
    result = IssueResult(path=path, removal_entry=entry or 0)
    emit(result, as_json=as_json, show=lambda: stdout_console().print(f"Certificate written to {plain(path)}"))


@certificate.command("show")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@json_option
def show_certificate(file: Path, *, as_json: bool) -> None:
    """Show what a certificate says. Nothing is verified: use `ireu certificate verify` for that."""
    from ireu_governance.core.certificate import parse_certificate

    parsed = parse_certificate(_read(file))
    if as_json:
        import json

        from ireu_cli.views import read_statements

        statements = {name: s.model_dump(mode="json", by_alias=True) for name, s in read_statements(parsed).items()}
        document = {"certificate": parsed.certificate.model_dump(mode="json"), "statements": statements}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    _show_certificate(parsed)


@certificate.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--key",
    "key_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Key file of the organisation, got from it directly and not with the certificate.",
)
@click.option(
    "--encoder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of an encoder, to check that the certificate is about exactly this one.",
)
@json_option
def verify(file: Path, key_path: Path, encoder: Path | None, *, as_json: bool) -> None:
    """Verify a certificate offline, with nothing but the certificate FILE (- for stdin) and a key file.

    Exit code 0: it holds. 1: it is proven not to hold. 2: it could not be decided, for example because FILE is no
    certificate.
    """
    from ireu_governance.core.certificate import verify_certificate
    from ireu_governance.files import hash_folder
    from ireu_governance.keystore import load_key_file

    data = _read(file)
    key_file = load_key_file(key_path)
    artifact = hash_folder(encoder) if encoder is not None else None
    report = verify_certificate(data, key_file=key_file, encoder=artifact)
    emit(report, as_json=as_json, show=lambda: _show_report(report, data))
    sys.exit(exit_code_of_verdict(report.verdict))


def _read(file: Path) -> bytes:
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(MAX_CERTIFICATE_BYTES + 1)
        else:
            with file.open("rb") as stream:
                data = stream.read(MAX_CERTIFICATE_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"'{file}' cannot be read: {error.strerror}.",
            hint="Check the path.",
            code=ErrorCode.INPUT_MISSING,
        ) from error
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise InputError(f"'{file}' is too large for a certificate.", code=ErrorCode.INPUT_TOO_LARGE)
    return data


def _show_report(report: Report, data: bytes) -> None:
    console = stdout_console()
    console.print(f"[bold]{mark(report.verdict.value)}[/bold]")
    console.print()
    width = max(len(check.name) for check in report.checks)
    for check in report.checks:
        padding = " " * (11 - len(check.outcome.value))
        console.print(f"  {mark(check.outcome.value)}{padding} {check.name:<{width}}  {plain(check.reason)}")
    if report.failed():
        return
    from ireu_governance.core.certificate import parse_certificate

    body = parse_certificate(data).certificate
    console.print()
    console.print("What it says:")
    for sentence in body.says:
        console.print(f"  • {plain(sentence)}")
    console.print("What it does not say:")
    for sentence in body.does_not_claim:
        console.print(f"  • {plain(sentence)}")


def _show_certificate(parsed: Certificate) -> None:
    from ireu_cli.views import describe_score, read_statements
    from ireu_governance.core.statement import Removal, RemovalRequest, Verification

    console = stdout_console()
    body = parsed.certificate
    statements = read_statements(parsed)
    removal, verification = statements["removal"], statements["verification"]
    console.print(f"Certificate {body.id}   [yellow]not verified[/yellow]")
    contact = body.issuer.contact or "no contact"
    console.print(f"  issued       {body.issued_at} by {plain(body.issuer.organisation)} ({plain(contact)})")
    console.print(f"  ledger       {body.origin}")
    console.print(f"  encoder      {removal.encoder_digest()}")
    if isinstance(removal.predicate, Removal):
        p = removal.predicate
        console.print(f"  before       {p.encoder_before.sha256}")
        console.print(f"  cases        {', '.join(case.case_id for case in p.cases)}")
        console.print(f"  method       {p.method.name} (k {p.method.k}, α {p.method.alpha}, {p.method.steps} steps)")
        console.print(f"  recorded     entry {p.ledger.seq} at {p.recorded_at}")
    request = statements["request"].predicate
    if isinstance(request, RemovalRequest):
        console.print(
            f"  plan         entry {request.ledger.seq} at {request.recorded_at}, {len(request.plan.tests)} tests"
        )
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
