"""Taking a certificate out of a PDF from anybody: the right bytes, or an `InputError`, and nothing else."""

from __future__ import annotations

import io
import random
from functools import cache

import pytest
from fixtures.rendered import holding
from hypothesis import given, settings
from hypothesis import strategies as st

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.reports.pdf_reader import (
    MAX_ATTACHMENT_BYTES,
    MAX_ATTACHMENTS,
    MAX_PDF_BYTES,
    extract_certificate,
    extract_note,
)

pypdf = pytest.importorskip("pypdf")
from pypdf.generic import (  # noqa: E402
    ArrayObject,
    DictionaryObject,
    IndirectObject,
    NameObject,
    StreamObject,
    TextStringObject,
)

CONTENT = b'{"certificate": "this"}\n'


def attach(
    writer, *names: str, content: bytes = CONTENT, second: bytes | None = None, packed: bool = True
) -> IndirectObject:
    """Add a file whose names are that of the tree, of /F and of /UF."""
    stream = StreamObject()
    stream.set_data(content)
    files = DictionaryObject({NameObject("/F"): writer._add_object(stream.flate_encode() if packed else stream)})
    if second is not None:
        other = StreamObject()
        other.set_data(second)
        files[NameObject("/UF")] = writer._add_object(other)
    spec = DictionaryObject({NameObject("/Type"): NameObject("/Filespec"), NameObject("/EF"): files})
    for key, name in zip(("/F", "/UF"), names[1:], strict=False):
        spec[NameObject(key)] = TextStringObject(name)
    return writer._add_object(spec)


def build(*files: tuple[str, ...], **options) -> bytes:
    """Return a PDF with attachments, each given by its names."""
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    entries = ArrayObject()
    for names in files:
        entries += [TextStringObject(names[0]), attach(writer, *names, **options)]
    tree = DictionaryObject({NameObject("/Names"): entries})
    set_tree(writer, writer._add_object(tree))
    return write(writer)


def set_tree(writer, tree) -> None:
    writer.root_object[NameObject("/Names")] = DictionaryObject({NameObject("/EmbeddedFiles"): tree})


def write(writer) -> bytes:
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


CERTIFICATE = ("certificate.json", "certificate.json", "certificate.json")


def test_attachment_is_taken_out_byte_for_byte() -> None:
    assert extract_certificate(build(CERTIFICATE)) == CONTENT
    assert extract_certificate(build(CERTIFICATE, ("notes.txt", "notes.txt"))) == CONTENT
    assert extract_note(build(("page.json",))) == CONTENT


@pytest.mark.parametrize(
    "files",
    [
        (),
        (("other.json",),),
        (CERTIFICATE, CERTIFICATE),
        (CERTIFICATE, ("a.txt", "certificate.json")),  # a viewer may show either
        (CERTIFICATE, ("a.txt", "a.txt", "certificate.json")),
        tuple((f"{number}.txt",) for number in range(MAX_ATTACHMENTS + 1)),
    ],
)
def test_pdf_without_exactly_one_certificate_is_refused(files) -> None:
    with pytest.raises(InputError):
        extract_certificate(build(*files))


def test_pdf_without_attachments_is_no_certificate() -> None:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    with pytest.raises(InputError) as refused:
        extract_certificate(write(writer))
    assert refused.value.code is ErrorCode.INPUT_NOT_A_CERTIFICATE


def test_note_that_is_absent_is_refused() -> None:
    with pytest.raises(InputError):
        extract_note(build(CERTIFICATE))


def test_attachment_with_two_contents_is_refused() -> None:
    with pytest.raises(InputError, match="two contents"):
        extract_certificate(build(CERTIFICATE, second=b"another"))
    with pytest.raises(InputError, match="two contents"):  # of one length, so that the streams are described alike
        extract_certificate(build(CERTIFICATE, second=CONTENT[::-1], packed=False))
    assert extract_certificate(build(CERTIFICATE, second=CONTENT)) == CONTENT


@pytest.mark.parametrize("packed", [True, False])
def test_attachment_that_is_too_large_is_refused(packed: bool) -> None:
    with pytest.raises(InputError):
        extract_certificate(build(CERTIFICATE, content=b" " * (MAX_ATTACHMENT_BYTES + 1), packed=packed))


def test_file_has_its_limit_too() -> None:
    with pytest.raises(InputError) as refused:
        extract_certificate(b"%PDF-1.7" + b" " * MAX_PDF_BYTES)
    assert refused.value.code is ErrorCode.INPUT_TOO_LARGE


def tree_of(shape: str) -> bytes:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    node = DictionaryObject()
    reference = writer._add_object(node)
    if shape == "loop":
        node[NameObject("/Kids")] = ArrayObject([reference])
    elif shape == "wide":
        node[NameObject("/Kids")] = ArrayObject([reference] * 1000)
    elif shape == "deep":
        for _ in range(50):
            node = DictionaryObject({NameObject("/Kids"): ArrayObject([reference])})
            reference = writer._add_object(node)
    elif shape == "empty-branches":
        leaf = writer._add_object(DictionaryObject())
        node[NameObject("/Kids")] = ArrayObject([leaf] * 30)
    elif shape == "odd":
        node[NameObject("/Names")] = ArrayObject([TextStringObject("certificate.json")])
    elif shape == "no-content":
        spec = writer._add_object(DictionaryObject())
        node[NameObject("/Names")] = ArrayObject([TextStringObject("certificate.json"), spec])
    elif shape == "number":
        from pypdf.generic import NumberObject

        node[NameObject("/Names")] = NumberObject(3)
    set_tree(writer, reference)
    return write(writer)


@pytest.mark.parametrize("shape", ["loop", "wide", "deep", "empty-branches", "odd", "no-content", "number"])
def test_tree_of_names_that_is_none_is_refused(shape: str) -> None:
    with pytest.raises(InputError):
        extract_certificate(tree_of(shape))


def test_certificate_on_a_lower_branch_is_found() -> None:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    entries = ArrayObject([TextStringObject("certificate.json"), attach(writer, "certificate.json")])
    leaf = writer._add_object(DictionaryObject({NameObject("/Names"): entries}))
    set_tree(writer, writer._add_object(DictionaryObject({NameObject("/Kids"): ArrayObject([leaf])})))
    assert extract_certificate(write(writer)) == CONTENT


def test_encrypted_pdf_is_refused() -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(build(CERTIFICATE)))
    writer.encrypt("secret", algorithm="RC4-128")
    with pytest.raises(InputError, match="encrypted"):
        extract_certificate(write(writer))


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-", b"%PDF-1.7\n%%EOF", b"%PDF-1.7\nstartxref\n9\n%%EOF", b"%PDF-1.7\n" + b"[" * 100_000]
)
def test_what_is_no_pdf_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        extract_certificate(data)


@cache
def true_document() -> bytes:
    pytest.importorskip("typst")
    from ireu_governance.reports.pdf import render_pdf

    return render_pdf(holding().data, holding().report)


def attempt(data: bytes) -> bytes | None:
    try:
        return extract_certificate(data)
    except InputError:
        return None


@pytest.mark.parametrize("seed", range(60))
def test_mutated_document_is_read_or_refused(seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(seed)
    data = bytearray(true_document() if seed % 2 else build(CERTIFICATE, ("notes.txt",)))
    for _ in range(chance.choice((1, 5, 50))):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randrange(1, 200)]
            case 2:
                data[at:at] = data[: chance.randrange(1, 200)]
            case 3:
                data[at : at + 4] = chance.choice((b"9999", b" 0 R", b"<<>>", b"obj "))
        if not data:
            break
    attempt(bytes(data))
    assert capfd.readouterr() == ("", "")  # what the parser finds odd is not for the reader's terminal


@settings(max_examples=100)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_cut_document_is_read_or_refused(start: int, end: int) -> None:
    data = build(CERTIFICATE)
    attempt(data[start % len(data) :])
    attempt(data[: end % len(data)])


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    assert attempt(b"%PDF-1.7\n" + noise) is None
