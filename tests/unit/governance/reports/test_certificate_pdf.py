"""The document: what it claims to be, what is attached, that it is the same each time, and that data stays data."""

from __future__ import annotations

import io
import sys

import pytest
from fixtures.rendered import HOSTILE, Made, frozen, holding, inconclusive, make, requested, resurfaced
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.errors import ErrorCode, InputError, MissingExtraError
from ireu_governance.reports import pdf as pdf_module
from ireu_governance.reports.glyphs import DRAWN, drawable
from ireu_governance.reports.pdf import render_pdf
from ireu_governance.reports.pdf_reader import extract_certificate, extract_note

typst = pytest.importorskip("typst")
pypdf = pytest.importorskip("pypdf")


def draw(made: Made) -> bytes:
    return render_pdf(made.data, made.report)


def text_of(document: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(document)).pages).replace("\u200b", "")


@pytest.fixture(scope="module")
def document() -> bytes:
    return draw(frozen())


def test_document_claims_to_be_tagged_archival_and_accessible(document: bytes) -> None:
    reader = pypdf.PdfReader(io.BytesIO(document))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert "/StructTreeRoot" in root
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    metadata = root["/Metadata"].get_object().get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in metadata
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in metadata
    assert "<pdfuaid:part>1</pdfuaid:part>" in metadata
    assert reader.metadata.title == "Holds: removal certificate of Demo Portraits"
    assert reader.metadata.creation_date.isoformat() == "2026-11-23T08:27:46+00:00"
    assert {tuple(map(float, page.mediabox)) for page in reader.pages} == {(0.0, 0.0, 595.2756, 841.8898)}


def test_certificate_is_attached_byte_for_byte_as_the_source(document: bytes) -> None:
    assert extract_certificate(document) == frozen().data
    assert b'"urn:ireu:page:v1"' in extract_note(document)
    root = pypdf.PdfReader(io.BytesIO(document)).trailer["/Root"]
    associated = {each.get_object()["/UF"]: each.get_object()["/AFRelationship"] for each in root["/AF"]}
    assert associated == {"certificate.json": "/Source", "page.json": "/Supplement"}


@pytest.mark.parametrize("which", [frozen, holding, resurfaced, inconclusive])
def test_document_is_the_same_each_time(which) -> None:
    assert draw(which()) == draw(which())


def test_document_says_what_was_found(document: bytes) -> None:
    text = text_of(document)
    assert "Holds" in text.split("In short")[0]
    assert "0 of 12" in text
    assert "page 1 of" in text
    for each in frozen().report.checks:
        assert each.name in text
    assert "Does not hold" in text_of(draw(resurfaced()))
    assert "Not decided" in text_of(draw(inconclusive()))
    assert "Not verified" in text_of(render_pdf(frozen().data, None))


def test_document_tells_the_steps_of_the_request_and_where_its_status_is() -> None:
    text = text_of(draw(requested()))
    assert "Request received" in text
    assert "gdpr:17-3-e" in text
    assert "https://example.org/status.json" in text


def test_digests_can_be_copied_without_anything_between_their_digits(document: bytes) -> None:
    raw = "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(document)).pages)
    assert "9b5305e04452a5f2c9469c29e5bc46751ee6b2543c7aad141b882ec3e8ec88b2" in raw


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str) -> None:
    made = make(organisation=name, body={"issuer": {"organisation": name, "contact": name}})
    found = draw(made)
    assert extract_certificate(found) == made.data
    text = "".join(text_of(found).split())
    if name.isascii():
        assert "".join(name.split())[:60] in text
    if drawable(name) != name:
        assert "spelt by number" in text_of(found)


def test_damaged_certificate_gets_a_document_of_its_checks() -> None:
    data = holding().data[:-20]
    found = render_pdf(data, verify_certificate(data, key_file=holding().key_file))
    assert extract_certificate(found) == data
    assert "Does not hold" in text_of(found)
    with pytest.raises(InputError):
        render_pdf(data, None)


def test_certificate_that_is_not_text_has_no_document() -> None:
    data = b"urn:ireu:certificate:v1 \xff"
    with pytest.raises(InputError, match="not text"):
        render_pdf(data, verify_certificate(data, key_file=holding().key_file))


def test_document_too_large_to_be_read_back_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_module, "MAX_PDF_BYTES", 1000)
    with pytest.raises(InputError) as refused:
        draw(holding())
    assert refused.value.code is ErrorCode.INPUT_TOO_LARGE


class PanicException(BaseException):
    """What typst raises when it breaks down has this name."""


@pytest.mark.parametrize("error", [typst.TypstError("x", "y"), PanicException("x")])
def test_breakdown_of_the_typesetter_is_an_error_with_advice(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(typst, "compile", fail)
    with pytest.raises(InputError, match="no document"):
        draw(holding())


def test_interrupt_is_not_taken_for_a_breakdown(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(typst, "compile", interrupt)
    with pytest.raises(KeyboardInterrupt):
        draw(holding())


@pytest.mark.parametrize("missing", ["typst", "segno"])
def test_missing_extra_says_what_installs_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError) as refused:
        draw(holding())
    assert "ireu-sdk[pdf]" in refused.value.hint


# Characters

TEMPLATE = b"""
#set document(title: "x")
#set page(height: auto)
#set text(font: ("Libertinus Serif", "DejaVu Sans Mono"), lang: "en")
#sys.inputs.text *#sys.inputs.text* #text(font: "DejaVu Sans Mono", sys.inputs.text)
"""


def compile_text(text: str) -> None:
    typst.compile(
        TEMPLATE,
        font_paths=typst.Fonts(include_system_fonts=False),
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"text": text},
        pdf_standards=["a-3a"],
        timestamp=0,
    )


def test_every_character_that_is_said_to_be_drawn_is() -> None:
    characters = [chr(point) for first, last in DRAWN for point in range(first, last + 1)]
    drawn = [each for each in characters if drawable(each) == each]
    assert len(drawn) > 1500
    for start in range(0, len(drawn), 200):
        compile_text(" ".join(drawn[start : start + 200]))


@settings(max_examples=150)
@given(st.text(max_size=40))
@example("e\u0301\u0301\u0301")
@example("\u0301")
@example("שלום123بور")
@example("\u200d\u200c\ufeff")
def test_no_text_breaks_the_typesetter(text: str) -> None:
    compile_text(drawable(text))


def test_what_cannot_be_drawn_is_spelt_where_everybody_sees_it() -> None:
    assert drawable("例 Ltd") == "[U+4F8B] Ltd"
    assert drawable("Żółć Ελλάς Україна שלום") == "Żółć Ελλάς Україна שלום"
    assert drawable("e\u0301") == "é"
