"""A certificate as a document for paper and archives: PDF/A-3, tagged, with the certificate attached.

typst draws it with the fonts that it brings, so the same certificate and report give the same bytes on every
machine with the same versions. The template is a constant; what is shown reaches it as data.
"""

from __future__ import annotations

import dataclasses
import json
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from ireu_governance.core.errors import ErrorCode, InputError, MissingExtraError
from ireu_governance.core.times import parse_time
from ireu_governance.core.verdict import Report
from ireu_governance.reports.description import describe_certificate
from ireu_governance.reports.enclosure import PageNote, renderer_versions
from ireu_governance.reports.glyphs import drawable
from ireu_governance.reports.pdf_reader import MAX_PDF_BYTES
from ireu_governance.reports.qr import draw_qr, qr_text
from ireu_governance.reports.view import CertificateView
from ireu_governance.reports.words import PROBES

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["PDF_MARK", "pdf_renderer", "render_pdf"]

PDF_MARK: Final = b"%PDF-"
STANDARD: Final = ("a-3a", "ua-1")  # for archives, with attachments and tags; and accessible

_EPOCH: Final = "1980-01-01T00:00:00Z"  # the date of a document about a certificate whose own cannot be read
_SPELT: Final = (
    "The fonts of this document lack characters that the certificate has. They are spelt by number, such as [U+4F8B];"
    " the attached certificate has them as they are."
)


def pdf_renderer() -> dict[str, str | None]:
    """Return the versions on which the bytes of a document depend."""
    return renderer_versions("typst", "segno")


def render_pdf(data: bytes, report: Report | None) -> bytes:
    """Write a certificate as a document with the certificate attached.

    Args:
        data: The certificate file.
        report: What its verification found; None makes a document that says "not verified" first of all.

    Returns:
        A PDF; the same for the same arguments and versions.

    Raises:
        InputError: The bytes do not claim to be a certificate, cannot be shown, or nobody verified them and they
            cannot be read.
        MissingExtraError: The `pdf` extra is not installed.
    """
    typst = _typst()
    view = describe_certificate(data, report)
    link = None if view.content is None else view.content.link
    qr = draw_qr(qr_text(sha256=view.sha256, link=link), title="QR code")
    note = PageNote.about(report, renderer=pdf_renderer()).to_bytes()
    moment = parse_time(_EPOCH if view.content is None else view.content.issued_at)
    try:
        certificate = data.decode("utf-8")
        drawn = typst.compile(
            resources.files(__package__).joinpath("certificate.typ").read_bytes(),
            font_paths=typst.Fonts(include_system_fonts=False),
            ignore_system_fonts=True,
            format="pdf",
            sys_inputs={
                "view": json.dumps(_shown(view)),
                "certificate": certificate,
                "note": note.decode("utf-8"),
                "qr": qr,
            },
            pdf_standards=list(STANDARD),
            timestamp=moment,
        )
    except UnicodeDecodeError:
        raise InputError("The certificate is not text, so no document can carry it.") from None
    except BaseException as error:
        # A fault inside typst is no `Exception`, so that nobody catches it by mistake.
        if isinstance(error, typst.TypstError) or type(error).__name__ == "PanicException":
            raise InputError(
                "The certificate holds text that no document can be made of.", hint="Render it as .html instead."
            ) from None
        raise
    if len(drawn) > MAX_PDF_BYTES:
        raise InputError(
            "The document would be too large for anybody to read back.",
            hint="Render it as .html instead.",
            code=ErrorCode.INPUT_TOO_LARGE,
        )
    return bytes(drawn)


def _typst() -> ModuleType:
    try:
        import typst
    except ModuleNotFoundError:
        raise MissingExtraError("pdf", "Writing a certificate as PDF") from None
    return typst


def _shown(view: CertificateView) -> dict[str, Any]:
    # What the template shows, with every text in characters that its fonts have.
    values = dataclasses.asdict(view)
    organisation = "" if view.content is None else view.content.organisation
    values.update(
        title=f"{view.stamp.word}: removal certificate" + (f" of {organisation}" if organisation else ""),
        author=organisation,
        description="What a removal certificate says and what was found about it, with the certificate attached",
        keywords=["removal certificate", "machine unlearning"],
        explanation=PROBES,
        qr_alt="QR code with the digest of the certificate file",
    )
    spelt: list[str] = []
    shown: dict[str, Any] = _drawable(values, spelt)
    shown["notes"] = [_SPELT] if spelt else []
    if shown["content"] is not None and view.content is not None:
        shown["content"]["link"] = view.content.link  # where it leads, which is ASCII
    return shown


def _drawable(value: Any, spelt: list[str]) -> Any:
    # Texts with a character that cannot be drawn are also added to `spelt`.
    if isinstance(value, str):
        drawn = drawable(value)
        if "[U+" in drawn:
            spelt.append(drawn)
        return drawn
    if isinstance(value, dict):
        return {name: _drawable(each, spelt) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_drawable(each, spelt) for each in value]
    return value
