"""`ireu certificate verify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ireu_cli.certificate_files import read_file, read_given, read_time
from ireu_cli.checks import show_checks
from ireu_cli.exits import exit_code_of_verdict
from ireu_cli.output import emit, json_option, mark, plain, stdout_console

if TYPE_CHECKING:
    from ireu_governance.core.certificate import CertificateReport

__all__ = ["verify", "verify_as_asked"]

MAX_STATUS_LIST_BYTES = 16 * 2**20
MAX_ROOTS_BYTES = 4 * 2**20
MAX_POLICY_BYTES = 2**20


@click.command()
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
@click.option(
    "--status",
    "status_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Status list of the ledger, to check that the certificate was not revoked or superseded.",
)
@click.option(
    "--tsa-roots",
    "roots_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Root certificates (PEM) of the time-stamping authorities you trust, to check when it existed.",
)
@click.option(
    "--policy",
    "policy_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Policy that says which witnesses must have seen the ledger.",
)
@click.option("--at", help="Time that is asked about, such as 2026-11-23T06:00:00Z, or a day.  [default: now]")
@json_option
def verify(
    file: Path,
    key_path: Path,
    encoder: Path | None,
    status_path: Path | None,
    roots_path: Path | None,
    policy_path: Path | None,
    at: str | None,
    *,
    as_json: bool,
) -> None:
    """Verify a certificate offline, with nothing but the certificate FILE (- for stdin) and a key file.

    FILE is the certificate, or a page (.html) or document (.pdf) that encloses one; then the enclosed certificate is
    what is verified. What else you give is checked too, and the verdict then needs it.

    Exit code 0: it holds. 1: it is proven not to hold. 2: it could not be decided, for example because FILE is no
    certificate.
    """
    given = read_given(file)
    report = verify_as_asked(
        given.data,
        key_path=key_path,
        encoder=encoder,
        status_path=status_path,
        roots_path=roots_path,
        policy_path=policy_path,
        at=at,
    )
    if given.carrier is not None:
        from ireu_governance.reports.document import with_rendering

        report = with_rendering(report, given.carrier)
    emit(report, as_json=as_json, show=lambda: _show_report(report, given.data))
    sys.exit(exit_code_of_verdict(report.verdict))


def verify_as_asked(
    data: bytes,
    *,
    key_path: Path,
    encoder: Path | None,
    status_path: Path | None,
    roots_path: Path | None,
    policy_path: Path | None,
    at: str | None,
) -> CertificateReport:
    """Verify a certificate with what the options of `verify` name.

    Args:
        data: The certificate file.
        key_path: Key file.
        encoder: Folder of an encoder.
        status_path: Status list.
        roots_path: Root certificates of time-stamping authorities.
        policy_path: Witness policy.
        at: Time that is asked about; now if not given.

    Returns:
        The report.
    """
    from ireu_governance.core.certificate import verify_certificate
    from ireu_governance.core.times import now
    from ireu_governance.files import hash_folder
    from ireu_governance.keystore import load_key_file

    time = now() if at is None else read_time(at)
    key_file = load_key_file(key_path)
    status = tsa_roots = policy = None
    if status_path is not None:
        from ireu_governance.core.status import StatusList

        status = StatusList.from_bytes(read_file(status_path, what="status list", limit=MAX_STATUS_LIST_BYTES))
    if roots_path is not None:
        from ireu_governance.core.timestamp import TsaRoots

        what = "file of root certificates"
        tsa_roots = TsaRoots.from_pem(read_file(roots_path, what=what, limit=MAX_ROOTS_BYTES))
    if policy_path is not None:
        from ireu_governance.core.policy import Policy

        policy = Policy.from_bytes(read_file(policy_path, what="policy", limit=MAX_POLICY_BYTES))
    return verify_certificate(
        data,
        key_file=key_file,
        encoder=hash_folder(encoder) if encoder is not None else None,
        policy=policy,
        tsa_roots=tsa_roots,
        status=status,
        at=time,
    )


def _show_report(report: CertificateReport, data: bytes) -> None:
    console = stdout_console()
    status = "" if report.status is None else f"  (status at {report.at}: {report.status.value})"
    console.print(f"[bold]{mark(report.verdict.value)}[/bold]{status}")
    console.print()
    show_checks(console, report)
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
