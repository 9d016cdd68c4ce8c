"""Any file that carries a certificate: the certificate itself, a web page, a PDF. And whether its pages are ireu's.

Verifying what is enclosed says nothing about the text around it, which a forger can write as they like. So the
page is drawn again from the certificate and the note that it encloses: with the same versions the same bytes come
out, and any other page is not ireu's. Who has other versions is told that nobody compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from ireu_governance.core.errors import InputError, MissingExtraError
from ireu_governance.core.verdict import Check, Outcome, Report
from ireu_governance.reports.enclosure import PageNote, ShownReport
from ireu_governance.reports.figures import visible
from ireu_governance.reports.html import HTML_MARK, extract_from_html, html_renderer, render_html
from ireu_governance.reports.pdf import PDF_MARK, pdf_renderer, render_pdf
from ireu_governance.reports.pdf_reader import extract_certificate, extract_note
from ireu_governance.reports.words import NOT_VERIFIED, VERDICTS

__all__ = ["RENDERING", "Carrier", "DocumentKind", "check_rendering", "take_out", "with_rendering"]

RENDERING: Final = "rendering"
"""Name of the check; optional, since the verdict is about the certificate and not about paper."""

_ENCLOSED_ONLY: Final = "Only the certificate inside the file was verified, not the text that the pages show"


R = TypeVar("R", bound=Report)


class DocumentKind(StrEnum):
    """What a file is."""

    JSON = "json"
    HTML = "html"
    PDF = "pdf"


@dataclass(frozen=True)
class Carrier:
    """A file and the certificate in it.

    Attributes:
        kind: What the file is.
        data: Its bytes.
        certificate: The certificate file inside, or the file itself; nothing is verified.
    """

    kind: DocumentKind
    data: bytes
    certificate: bytes


def take_out(data: bytes) -> Carrier:
    """Take the certificate out of a file, whatever kind it is of.

    Args:
        data: A certificate file, or a page or document that encloses one.

    Returns:
        The certificate; of a file that is neither page nor PDF, the file as it is.

    Raises:
        InputError: The file is a page or PDF, and encloses something else than exactly one certificate.
    """
    if data.startswith(PDF_MARK):
        return Carrier(DocumentKind.PDF, data, extract_certificate(data))
    if data[: len(HTML_MARK)].lower() == HTML_MARK:
        return Carrier(DocumentKind.HTML, data, extract_from_html(data)[0])
    return Carrier(DocumentKind.JSON, data, data)


def with_rendering(report: R, carrier: Carrier) -> R:
    """Add to a report whether the pages around the certificate are what ireu prints; a bare certificate has none.

    Args:
        report: On the certificate that was taken out.
        carrier: Where it was taken from.
    """
    if carrier.kind is DocumentKind.JSON:
        return report
    return report.model_copy(update={"checks": (*report.checks, check_rendering(carrier, report))})


def check_rendering(carrier: Carrier, report: Report) -> Check:
    """Draw the pages around a certificate again, and compare.

    Args:
        carrier: A page or PDF.
        report: What the reader's own verification of the certificate in it found.

    Returns:
        ``passed`` if the file is, byte for byte, what these versions of ireu write about its certificate, and tells
        of what the reader's verification found too (or that nobody verified); ``failed`` if the bytes are others;
        ``not-checked`` where it cannot be drawn again, or tells of a verification that found something else.
    """
    try:
        note = _read_note(carrier)
        drawn = _draw_again(carrier, note)
    except InputError as error:
        return _failed(f"The pages cannot be what ireu prints: {error.message}")
    except _CannotCompareError as reason:
        return _open(f"{_ENCLOSED_ONLY}: {reason}")
    if drawn != carrier.data:
        return _failed("The pages are not what ireu prints for this certificate: they were altered or made by others.")
    shown = NOT_VERIFIED if note.report is None else VERDICTS[note.report.verdict]
    if note.report is not None and (other := _differences(note.report, report)):
        return _open(
            f"The pages are what ireu prints for this certificate, and say '{shown.word}', but they tell of a"
            f" verification that found something else than yours: {visible(', '.join(other))}."
        )
    return Check(
        name=RENDERING,
        outcome=Outcome.PASSED,
        reason=f"The pages are, byte for byte, what ireu prints for this certificate, and say '{shown.word}'.",
        required=False,
    )


def _differences(shown: ShownReport, own: Report) -> list[str]:
    # What a page says about a verification is in its note, which a forger can write; so it counts only where the
    # reader's own verification found the very same. The time that was asked about may be another.
    mine = ShownReport.model_validate(own, from_attributes=True)
    stated = {name: (getattr(shown, name), getattr(mine, name)) for name in ("status", "proven_time")}
    different = [name.replace("_", " ") for name, (theirs, ours) in stated.items() if theirs != ours]
    times = {time for time in (shown.at, mine.at) if time is not None}
    found, expected = _comparable(shown, times), _comparable(mine, times)
    names = dict.fromkeys((*found, *expected))
    different += [name for name in names if found.get(name) != expected.get(name)]
    if not different and list(found) != list(expected):
        different.append("the order of the checks")
    return different[:10] if len({each.name for each in shown.checks}) == len(shown.checks) else ["a check twice"]


def _comparable(report: ShownReport, times: Iterable[str]) -> dict[str, tuple[Outcome, bool, str]]:
    # Both times are left out of both reports: one of them may stand there as the time of something else too.
    reasons = {each.name: each.reason for each in report.checks}
    for time in times:
        reasons = {name: reason.replace(time, "…") for name, reason in reasons.items()}
    return {each.name: (each.outcome, each.required, reasons[each.name]) for each in report.checks}


class _CannotCompareError(Exception):
    pass


def _read_note(carrier: Carrier) -> PageNote:
    if carrier.kind is DocumentKind.PDF:
        return PageNote.from_bytes(extract_note(carrier.data))
    return PageNote.from_bytes(extract_from_html(carrier.data)[1])


def _draw_again(carrier: Carrier, note: PageNote) -> bytes:
    present = pdf_renderer() if carrier.kind is DocumentKind.PDF else html_renderer()
    with_code = note.renderer.get("segno") is not None
    if carrier.kind is DocumentKind.HTML and not with_code:
        present["segno"] = None  # a page can do without its code
    for name, version in present.items():
        stated = note.renderer.get(name)
        if version is None and stated is not None:
            raise _CannotCompareError(f"drawing them again needs {name}. {MissingExtraError('pdf', 'It').hint}.")
        if stated != version:
            raise _CannotCompareError(
                f"they say that they were drawn {_spelt(stated)} {name}, and {version} is installed here."
            )
    try:
        if carrier.kind is DocumentKind.PDF:
            return render_pdf(carrier.certificate, note.report)
        return render_html(carrier.certificate, note.report, with_code=with_code).encode("utf-8")
    except MissingExtraError as error:
        raise _CannotCompareError(f"{error.message} {error.hint}.") from None


def _spelt(version: str | None) -> str:
    return "without" if version is None else f"with version {visible(version)} of"


def _failed(reason: str) -> Check:
    return Check(name=RENDERING, outcome=Outcome.FAILED, reason=reason, required=False)


def _open(reason: str) -> Check:
    return Check(name=RENDERING, outcome=Outcome.NOT_CHECKED, reason=reason, required=False)
