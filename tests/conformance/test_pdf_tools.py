"""What another PDF implementation (poppler) makes of a document: it is tagged, and the attachment is the certificate."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from fixtures.rendered import frozen

pytest.importorskip("typst")
for tool in ("pdfinfo", "pdfdetach", "pdftotext"):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed (Debian: poppler-utils)", allow_module_level=True)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ireu_governance.reports.pdf import render_pdf

    path = tmp_path_factory.mktemp("pdf") / "removal.pdf"
    path.write_bytes(render_pdf(frozen().data, frozen().report))
    return path


def output(*command: str | Path) -> str:
    return subprocess.run([str(each) for each in command], capture_output=True, text=True, check=True).stdout


def test_poppler_finds_the_document_tagged_titled_and_without_scripts(document: Path) -> None:
    found = dict(line.split(":", 1) for line in output("pdfinfo", document).splitlines() if ":" in line)
    assert found["Title"].strip() == "Holds: removal certificate of Demo Portraits"
    assert {name: found[name].strip() for name in ("Tagged", "JavaScript", "Encrypted")} == {
        "Tagged": "yes",
        "JavaScript": "no",
        "Encrypted": "no",
    }
    assert "A4" in found["Page size"]


def test_poppler_detaches_the_very_certificate(document: Path, tmp_path: Path) -> None:
    assert "1: certificate.json" in output("pdfdetach", "-list", document)
    output("pdfdetach", "-save", "1", "-o", tmp_path / "out.json", document)
    assert (tmp_path / "out.json").read_bytes() == frozen().data


def test_poppler_reads_the_verdict_before_everything_else(document: Path) -> None:
    text = output("pdftotext", document, "-")
    assert text.index("Holds") < text.index("In short") < text.index("What was checked")
