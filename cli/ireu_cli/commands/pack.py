"""`ireu certificate pack|verify-pack`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from ireu_cli.certificate_files import read_file
from ireu_cli.checks import show_checks
from ireu_cli.context import Shared
from ireu_cli.exits import exit_code_of_verdict
from ireu_cli.output import emit, json_option, mark, plain, stdout_console

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ireu_governance.core.verdict import Report
    from ireu_governance.export.pack import Renderer

__all__ = ["pack", "verify_pack"]


class PackResult(BaseModel):
    """What was packed."""

    path: Path
    sha256: str
    case_id: str
    log_size: int
    entries: list[int]
    certificates: list[str]
    left_out: list[str]


@click.command()
@click.argument("case_id", metavar="CASE")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@json_option
@click.pass_obj
def pack(shared: Shared, case_id: str, out: Path | None, *, as_json: bool) -> None:
    """Gather all that the ledger holds about CASE in one archive, with proofs and instructions.

    It holds certificates, entries, proofs, keys and time stamps; nothing from the evidence vault.
    """
    import hashlib

    from ireu_governance.core.keys import Role
    from ireu_governance.export.documents import gather_documents, stored_certificates
    from ireu_governance.export.pack import build_pack
    from ireu_governance.export.published import published_checkpoint
    from ireu_governance.files import write_atomically

    workspace = shared.open_workspace()
    with workspace.open_ledger() as ledger:
        published_checkpoint(ledger)
        signer = workspace.signer(Role.RECORD)
        documents = gather_documents(workspace, ledger, signer)
        built = build_pack(
            ledger,
            case_id=case_id,
            signer=signer,
            certificates=stored_certificates(workspace),
            documents=documents,
            renderers=_renderers(),
        )
    path = out or Path(f"case-{case_id[:8]}.zip")
    write_atomically(path, built.data)
    result = PackResult(
        path=path,
        sha256=hashlib.sha256(built.data).hexdigest(),
        case_id=case_id,
        log_size=built.size,
        entries=list(built.entries),
        certificates=[each.name for each in built.certificates],
        left_out=list(built.left_out),
    )

    gone = _withdrawn(documents)

    def show() -> None:
        console = stdout_console()
        console.print(f"Evidence pack written to {plain(path)}")
        console.print(f"  sha256 {result.sha256}")
        console.print(f"  {len(result.entries)} entries, proven in the log of {result.log_size}")
        for each in built.certificates:
            withdrawn = f", {mark(gone[each.id])}" if each.id in gone else ""
            console.print(f"  {each.name}  {mark(each.verdict.value)}{withdrawn}")
        for remark in result.left_out:
            console.print(f"  [yellow]–[/yellow] {plain(remark)}")

    emit(result, as_json=as_json, show=show)


@click.command("verify-pack")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--key",
    "key_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Key file of the organisation, got from it directly and not out of the pack.",
)
@json_option
def verify_pack(file: Path, key_path: Path, *, as_json: bool) -> None:
    """Verify an evidence pack offline: everything in FILE, with nothing but a key file.

    Nothing is unpacked to the disk. Exit code 0: it holds. 1: it is proven not to hold. 2: it could not be decided.
    """
    from ireu_governance.export.archive import MAX_ARCHIVE_BYTES
    from ireu_governance.export.pack_verification import verify_pack as verify
    from ireu_governance.keystore import load_key_file

    data = read_file(file, what="evidence pack", limit=MAX_ARCHIVE_BYTES)
    report = verify(data, key_file=load_key_file(key_path))

    def show() -> None:
        console = stdout_console()
        console.print(f"[bold]{mark(report.verdict.value)}[/bold]")
        console.print()
        show_checks(console, report)

    emit(report, as_json=as_json, show=show)
    sys.exit(exit_code_of_verdict(report.verdict))


def _withdrawn(documents: Mapping[str, bytes]) -> dict[str, str]:
    """Return the status of each certificate that the pack's status list names, by number; the worse one of two."""
    from ireu_governance.core.status import StatusList

    data = documents.get("status.json")
    if data is None:
        return {}
    entries = StatusList.from_bytes(data).status_list.entries
    return {each.id: each.status for each in sorted(entries, key=lambda each: each.status == "revoked")}


def _renderers() -> Mapping[str, Renderer]:
    def to_pdf(data: bytes, report: Report) -> bytes:
        from ireu_governance.reports.pdf import render_pdf

        return render_pdf(data, report)

    def to_html(data: bytes, report: Report) -> bytes:
        from ireu_governance.reports.html import render_html

        return render_html(data, report).encode("utf-8")

    return {"html": to_html, "pdf": to_pdf}
