"""Taking the certificate out of a PDF that anybody may have made.

Only the attachments are looked at: no page, picture, font or script is. Whatever is wrong with the file is an
`InputError`; a small file cannot cost much time or memory, since all that is unpacked is bounded.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.reports.enclosure import CERTIFICATE_NAME, NOTE_NAME

__all__ = ["MAX_PDF_BYTES", "extract_certificate", "extract_note"]

MAX_PDF_BYTES: Final = 16 * 2**20  # pages take some 200 kB, five thousand lines of tables 3 MB
MAX_ATTACHMENT_BYTES: Final = 8 * 2**20  # a certificate about an encoder of 10,000 files
MAX_ATTACHMENTS: Final = 20  # ireu writes two
MAX_DEPTH: Final = 8  # of the tree of names; one level holds twenty easily

_WORK: Final[dict[str, Any]] = {
    "maximum_declared_stream_length": MAX_PDF_BYTES,
    "array_based_stream_maximum_output_length": MAX_ATTACHMENT_BYTES,
    "array_maximum_element_count": 20_000,
    "dictionary_maximum_element_count": 20_000,
    "lzw_maximum_output_length": MAX_ATTACHMENT_BYTES,
    "run_length_maximum_output_length": MAX_ATTACHMENT_BYTES,
    "zlib_maximum_output_length": MAX_ATTACHMENT_BYTES,
    "zlib_maximum_recovery_input_length": 1,
    "flate_maximum_row_length": 100_000,
    "stream_filters_maximum_length": 2,
    "stream_decoding_work_maximum_length": 4 * MAX_ATTACHMENT_BYTES,
    "stream_parsing_work_maximum_count": 200_000,
}


def extract_certificate(pdf: bytes) -> bytes:
    """Take the certificate out of a PDF, without verifying anything.

    Args:
        pdf: The file.

    Returns:
        The certificate file, byte for byte as it was attached.

    Raises:
        InputError: The file cannot be read, is encrypted, or does not attach exactly one ``certificate.json``.
    """
    found = _attachments(pdf, CERTIFICATE_NAME)
    if len(found) != 1:
        many = "no" if not found else "more than one"
        raise InputError(
            f"The PDF has {many} attachment named {CERTIFICATE_NAME}.",
            hint="Ask for the certificate as the file that ireu wrote.",
            code=ErrorCode.INPUT_NOT_A_CERTIFICATE if not found else ErrorCode.INPUT_MALFORMED,
        )
    return found[0]


def extract_note(pdf: bytes) -> bytes:
    """Take out how the pages were made; `InputError` if the PDF does not attach exactly one such note."""
    found = _attachments(pdf, NOTE_NAME)
    if len(found) != 1:
        raise InputError(f"The PDF has not exactly one attachment named {NOTE_NAME}.")
    return found[0]


def _attachments(pdf: bytes, wanted: str) -> list[bytes]:
    if len(pdf) > MAX_PDF_BYTES:
        raise InputError("The PDF is too large for a certificate.", code=ErrorCode.INPUT_TOO_LARGE)
    from pypdf import PdfReader, apply_configuration

    try:
        with _quiet(), apply_configuration(**_WORK):
            reader = PdfReader(io.BytesIO(pdf), strict=True)
            if reader.is_encrypted:
                raise InputError("The PDF is encrypted.", hint="Ask for the certificate as the file that ireu wrote.")
            tree = _member(_member(reader.trailer["/Root"], "/Names"), "/EmbeddedFiles")
            return [_content(each) for names, each in _walk(tree, MAX_DEPTH, [MAX_ATTACHMENTS]) if wanted in names]
    except InputError:
        raise
    except Exception:  # noqa: BLE001 - a parser of a format this large fails in every way that there is
        raise InputError("The PDF is damaged, or is not one that ireu wrote.") from None


def _walk(node: Any, depth: int, left: list[int]) -> Iterator[tuple[set[str], Any]]:
    # The files of a tree of names, each with every name that a viewer may show for it.
    if node is None:
        return
    if depth == 0:
        raise InputError("The PDF nests its attachments too deeply.")
    entries = list(_member(node, "/Names") or ())
    for name, reference in zip(entries[::2], entries[1::2], strict=True):
        left[0] -= 1
        if left[0] < 0:
            raise InputError(f"The PDF has more than {MAX_ATTACHMENTS} attachments.")
        file = reference.get_object()
        shown = (name.get_object(), _member(file, "/F"), _member(file, "/UF"))
        yield {str(each) for each in shown if each is not None}, file
    for kid in list(_member(node, "/Kids") or ())[: MAX_ATTACHMENTS + 1]:
        left[0] -= 1  # empty branches count too, or a small file could hold very many of them
        if left[0] < 0:
            raise InputError(f"The PDF has more than {MAX_ATTACHMENTS} attachments.")
        yield from _walk(kid.get_object(), depth - 1, left)


def _content(file: Any) -> bytes:
    # A viewer may open any of the streams of a file, so all of them must be the same.
    streams = _member(file, "/EF")
    contents = {bytes(_member(streams, name).get_data()) for name in (streams or ()) if name != "/Type"}
    if len(contents) != 1:
        raise InputError("The PDF has an attachment without content, or with two contents.")
    (content,) = contents
    if len(content) > MAX_ATTACHMENT_BYTES:
        raise InputError("The PDF has an attachment that is too large.", code=ErrorCode.INPUT_TOO_LARGE)
    return content


def _member(container: Any, name: str) -> Any:
    # A member of a dictionary with references resolved; None if either is absent.
    if container is None or name not in container:
        return None
    return container[name].get_object()


@contextmanager
def _quiet() -> Iterator[None]:
    # What pypdf finds odd is no news for whoever verifies a certificate: the file is taken or refused.
    logger = logging.getLogger("pypdf")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
