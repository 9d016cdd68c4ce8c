"""A forged page around a genuine certificate: whoever can draw the page again finds it out."""

from __future__ import annotations

import json

import pytest
from fixtures.rendered import Made, holding, resurfaced

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.certificate_trust import CertificateReport
from ireu_governance.core.errors import InputError, MissingExtraError
from ireu_governance.core.status import CertificateStatus
from ireu_governance.core.verdict import Check, Outcome, Report, Verdict
from ireu_governance.reports import document as document_module
from ireu_governance.reports.document import RENDERING, DocumentKind, check_rendering, take_out, with_rendering
from ireu_governance.reports.enclosure import PageNote, renderer_versions
from ireu_governance.reports.html import render_html

KINDS = ("html", "pdf")


def draw(kind: str, data: bytes, report: Report | None) -> bytes:
    if kind == "html":
        return render_html(data, report).encode()
    pytest.importorskip("typst")
    from ireu_governance.reports.pdf import render_pdf

    return render_pdf(data, report)


def check(page: bytes, made: Made) -> Check:
    return check_rendering(take_out(page), made.report)


@pytest.mark.parametrize("kind", KINDS)
def test_page_that_ireu_wrote_is_recognised(kind: str) -> None:
    page = draw(kind, holding().data, holding().report)
    carrier = take_out(page)
    assert (carrier.kind, carrier.certificate) == (DocumentKind(kind), holding().data)
    report = with_rendering(holding().report, carrier)
    assert (report.checks[-1].name, report.checks[-1].outcome) == (RENDERING, Outcome.PASSED)
    assert report.verdict is Verdict.HOLDS
    assert check(draw(kind, holding().data, None), holding()).outcome is Outcome.PASSED  # it says "not verified"


def test_bare_certificate_has_no_pages_to_check() -> None:
    carrier = take_out(holding().data)
    assert carrier.kind is DocumentKind.JSON
    assert with_rendering(holding().report, carrier) is holding().report
    assert take_out(b"anything").certificate == b"anything"


def test_altered_words_around_a_genuine_certificate_fail() -> None:
    page = draw("html", resurfaced().data, resurfaced().report)
    forged = page.replace(b"Does not hold", b"Holds")
    found = check(forged, resurfaced())
    assert found.outcome is Outcome.FAILED
    assert with_rendering(holding().report, take_out(draw("html", holding().data, None) + b" ")).verdict is (
        Verdict.DOES_NOT_HOLD
    )


def test_forged_document_around_a_genuine_attachment_fails() -> None:
    pypdf = pytest.importorskip("pypdf")
    import io

    page = draw("pdf", holding().data, holding().report)
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(page))
    writer.add_blank_page(100, 100)
    stream = io.BytesIO()
    writer.write(stream)
    assert take_out(stream.getvalue()).certificate == holding().data
    found = check(stream.getvalue(), holding())
    assert found.outcome is Outcome.FAILED
    assert "altered" in found.reason


@pytest.mark.parametrize("kind", KINDS)
def test_certificate_that_was_exchanged_in_a_page_fails(kind: str) -> None:
    if kind == "html":
        import base64

        page = draw(kind, resurfaced().data, resurfaced().report)
        swapped = page.replace(base64.b64encode(resurfaced().data), base64.b64encode(holding().data))
        assert take_out(swapped).certificate == holding().data
        assert check(swapped, holding()).outcome is Outcome.FAILED


def other_report(**changes: object) -> CertificateReport:
    values = {"checks": holding().report.checks, **changes}
    return CertificateReport(**values)  # type: ignore[arg-type]


PASSED = Check(name="revocation", outcome=Outcome.PASSED, reason="The regulator says that all is well.")
REPORTS = {
    "more checks": other_report(checks=(*holding().report.checks, PASSED.model_copy(update={"name": "approval"}))),
    "fewer checks": other_report(checks=holding().report.checks[:-1]),
    "another outcome": other_report(checks=(*holding().report.checks[:-1], PASSED)),
    "another order": other_report(checks=tuple(reversed(holding().report.checks))),
    "a check twice": other_report(checks=(*holding().report.checks, holding().report.checks[-1])),
    "a status": other_report(status=CertificateStatus.VALID),
    "a proven time": other_report(proven_time="2020-01-01T00:00:00Z"),
    "another verdict": resurfaced().report,
}


@pytest.mark.parametrize("name", REPORTS)
def test_page_that_tells_of_checks_which_the_reader_did_not_find_is_not_confirmed(name: str) -> None:
    """A forger can draw a true page with a note of their own; its checks count only where ours found the same."""
    found = check(draw("html", holding().data, REPORTS[name]), holding())
    assert found.outcome is Outcome.NOT_CHECKED
    assert "found something else than yours" in found.reason


def test_page_about_an_earlier_day_with_the_same_findings_is_confirmed() -> None:
    from builders import Removal

    from ireu_governance.core.certificate_document import seal_certificate

    removal = Removal()
    body = removal.body(valid_until="2027-11-20T12:00:00Z")
    data = seal_certificate(body, removal.log.keys.record)
    key_file = removal.log.keys.key_file
    earlier = verify_certificate(data, key_file=key_file, at="2026-12-01T00:00:00Z")
    today = verify_certificate(data, key_file=key_file, at="2026-12-02T00:00:00Z")
    assert earlier.verdict is Verdict.HOLDS
    carrier = take_out(draw("html", data, earlier))
    assert check_rendering(carrier, today).outcome is Outcome.PASSED
    expired = verify_certificate(data, key_file=key_file, at="2028-01-01T00:00:00Z")
    assert check_rendering(carrier, expired).outcome is Outcome.NOT_CHECKED


def test_page_drawn_in_the_second_of_issue_is_confirmed_later() -> None:
    """The time that was asked about then stands in the reasons as another time too."""
    at_issue, later = (
        verify_certificate(holding().data, key_file=holding().key_file, at=at)
        for at in ("2026-11-20T12:00:00Z", "2026-11-20T12:00:01Z")
    )
    assert any("2026-11-20T12:00:00Z" in each.reason for each in later.checks)
    carrier = take_out(draw("html", holding().data, at_issue))
    assert check_rendering(carrier, later).outcome is Outcome.PASSED


def test_page_of_other_versions_is_not_compared_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    page = draw("html", holding().data, holding().report)
    monkeypatch.setattr(document_module, "html_renderer", lambda: {"ireu": "99.0", "segno": "1.0"})
    found = check(page, holding())
    assert found.outcome is Outcome.NOT_CHECKED
    assert "Only the certificate inside the file was verified" in found.reason
    assert "99.0 is installed" in found.reason
    assert with_rendering(holding().report, take_out(page)).verdict is Verdict.HOLDS  # optional


def test_document_without_the_extra_is_not_compared_and_the_line_to_install_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = draw("pdf", holding().data, holding().report)
    with monkeypatch.context() as patched:
        patched.setattr(document_module, "pdf_renderer", lambda: {"ireu": renderer_versions()["ireu"], "typst": None})
        found = check(page, holding())
    assert (found.outcome, "ireu-sdk[pdf]" in found.reason) == (Outcome.NOT_CHECKED, True)

    def missing(*_: object) -> bytes:
        raise MissingExtraError("pdf", "Writing a certificate as PDF")

    monkeypatch.setattr(document_module, "render_pdf", missing)
    assert check(page, holding()).outcome is Outcome.NOT_CHECKED


def test_note_that_is_none_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    import base64

    page = draw("html", holding().data, holding().report)
    note = PageNote.about(holding().report, renderer=document_module.html_renderer()).to_bytes()
    for replacement in (b"{}", b"no json", json.dumps({"_type": "urn:ireu:page:v2"}).encode()):
        broken = page.replace(base64.b64encode(note), base64.b64encode(replacement))
        assert broken != page
        assert check(broken, holding()).outcome is Outcome.FAILED


def test_page_drawn_without_the_code_is_compared_without_it() -> None:
    page = render_html(holding().data, holding().report, with_code=False).encode()
    assert b"<svg" not in page
    assert check(page, holding()).outcome is Outcome.PASSED
    assert check(page.replace(b"Holds", b"Stays"), holding()).outcome is Outcome.FAILED


def test_page_with_a_code_needs_what_draws_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("segno")
    page = draw("html", holding().data, holding().report)
    monkeypatch.setattr(document_module, "html_renderer", lambda: {**renderer_versions(), "segno": None})
    found = check(page, holding())
    assert (found.outcome, "needs segno" in found.reason) == (Outcome.NOT_CHECKED, True)


def test_versions_of_what_is_absent_are_null() -> None:
    assert renderer_versions("no-such-distribution")["no-such-distribution"] is None


def test_damaged_pdf_is_an_input_error() -> None:
    with pytest.raises(InputError):
        take_out(b"%PDF-1.7 nothing")
    with pytest.raises(InputError):
        take_out(b"<!DOCTYPE html><p>")
