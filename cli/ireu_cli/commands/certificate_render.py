"""`ireu certificate render`."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import BaseModel

from ireu_cli.certificate_files import read_certificate
from ireu_cli.commands.certificate_verify import verify, verify_as_asked
from ireu_cli.exits import exit_code_of_verdict
from ireu_cli.output import emit, json_option, mark, plain, stdout_console
from ireu_governance.core.verdict import Verdict

if TYPE_CHECKING:
    from ireu_governance.core.verdict import Report

__all__ = ["render"]

KINDS = (".html", ".pdf", ".json")


class RenderResult(BaseModel):
    """Where a page went, and what it says."""

    path: Path
    verdict: Verdict | None


def _reader_options() -> list[click.Parameter]:
    # Those of `verify`, so that a page can tell of every verification that ireu can make; but without a key file.
    options = [copy.copy(each) for each in verify.params if isinstance(each, click.Option) and each.name != "as_json"]
    for each in options:
        each.required = False
    return list(options)


@click.command(params=_reader_options())
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write: .html for a web page, .pdf for a document, .json for the bare certificate.",
)
@json_option
def render(file: Path, out: Path, *, as_json: bool, **reader: Any) -> None:
    """Write a certificate as a page for people, with the certificate inside.

    It is verified first, with --key and what else you give, and the page begins with the verdict. Without a key file
    the page says that nobody verified the certificate. FILE may be a page or document itself.

    Exit code, with --key: that of the verdict, as for `ireu certificate verify`. Without: 0.
    """
    from ireu_governance.files import write_atomically

    kind = out.suffix.lower()
    if kind not in KINDS:
        raise click.UsageError(f"'{out}' is no .html, .pdf or .json file; the ending says what to write.")
    data = read_certificate(file)
    report: Report | None = None
    if reader["key_path"] is not None:
        report = verify_as_asked(data, **reader)
    elif given := [name for name, value in reader.items() if value is not None]:
        raise click.UsageError(f"--{given[0].removesuffix('_path')} has no meaning without --key.")
    write_atomically(out, _draw(kind, data, report))
    verdict = None if report is None else report.verdict

    def show() -> None:
        stdout_console().print(f"{mark(verdict.value) if verdict else mark('not verified')}, written to {plain(out)}")

    emit(RenderResult(path=out, verdict=verdict), as_json=as_json, show=show)
    if verdict is not None:
        sys.exit(exit_code_of_verdict(verdict))


def _draw(kind: str, data: bytes, report: Report | None) -> bytes:
    if kind == ".pdf":
        from ireu_governance.reports.pdf import render_pdf

        return render_pdf(data, report)
    if kind == ".html":
        from ireu_governance.reports.html import render_html

        return render_html(data, report).encode("utf-8")
    return data
