"""`ireu receipt`: what a service handed out about a re-test."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ireu_cli.certificate_files import read_file
from ireu_cli.checks import show_checks
from ireu_cli.exits import exit_code_of_verdict
from ireu_cli.groups import ListingGroup
from ireu_cli.output import emit, json_option, mark, stdout_console

if TYPE_CHECKING:
    from ireu_governance.core.receipt_verification import ReceiptReport

__all__ = ["receipt"]

MAX_RECEIPT_BYTES = 16 * 2**20


@click.group(cls=ListingGroup)
def receipt() -> None:
    """Check what a service handed out about a re-test."""


@receipt.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--key",
    "key_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Key file of the organisation, got from it directly and not with the receipt.",
)
@click.option(
    "--encoder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of an encoder, to check that exactly this one was tested.",
)
@json_option
def verify(file: Path, key_path: Path, encoder: Path | None, *, as_json: bool) -> None:
    """Verify a receipt offline, with nothing but the receipt FILE (- for stdin) and a key file.

    Exit code 0: the receipt is genuine, and the re-test says 'holds'. 1: the receipt is proven not to be genuine, or
    it is and says 'resurfaced', 'encoder-changed' or 'utility-lost'. 2: neither could be decided.
    """
    from ireu_governance.core.receipt_verification import verify_receipt
    from ireu_governance.files import hash_folder
    from ireu_governance.keystore import load_key_file

    report = verify_receipt(
        read_file(file, what="receipt", limit=MAX_RECEIPT_BYTES),
        key_file=load_key_file(key_path),
        encoder=hash_folder(encoder) if encoder is not None else None,
    )
    emit(report, as_json=as_json, show=lambda: _show(report))
    sys.exit(exit_code_of_verdict(report.verdict if report.retest is None else report.retest))


def _show(report: ReceiptReport) -> None:
    console = stdout_console()
    console.print(f"[bold]The receipt: {mark(report.verdict.value)}[/bold]")
    if report.retest is not None:
        console.print(f"[bold]The re-test: {mark(report.retest.value)}[/bold]")
    console.print()
    show_checks(console, report)
    for removal in report.removals:
        console.print()
        console.print(
            f"Entry {removal.verification_entry} of {removal.recorded_at}, against the removal in entry"
            f" {removal.removal_entry}: {mark(removal.verdict.value)}"
        )
        console.print(f"  encoder  {removal.encoder_digest or 'its files could not be seen'} ({removal.white_box})")
        for case_id, verdict in removal.cases.items():
            console.print(f"  case     {case_id}  {mark(verdict.value)}")
