"""Certificates for people: one page for a screen, one document for paper, each with the certificate inside.

::

    report = verify_certificate(data, key_file=keys)
    Path("removal.html").write_text(render_html(data, report), encoding="utf-8")
    Path("removal.pdf").write_bytes(render_pdf(data, report))          # needs the `pdf` extra
    assert take_out(Path("removal.pdf").read_bytes()).certificate == data
"""

from __future__ import annotations

from ireu_governance.reports.description import describe_certificate
from ireu_governance.reports.document import Carrier, DocumentKind, check_rendering, take_out, with_rendering
from ireu_governance.reports.html import render_html
from ireu_governance.reports.pdf import render_pdf
from ireu_governance.reports.pdf_reader import extract_certificate
from ireu_governance.reports.view import CertificateView

__all__ = [
    "Carrier",
    "CertificateView",
    "DocumentKind",
    "check_rendering",
    "describe_certificate",
    "extract_certificate",
    "render_html",
    "render_pdf",
    "take_out",
    "with_rendering",
]
