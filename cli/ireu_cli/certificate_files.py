"""Reading what certificate commands are given: certificates, key material of others, times."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.times import parse_time

if TYPE_CHECKING:
    from ireu_governance.reports.document import Carrier

__all__ = ["MAX_CERTIFICATE_BYTES", "GivenCertificate", "read_certificate", "read_file", "read_given", "read_time"]

MAX_CERTIFICATE_BYTES = 8 * 2**20  # a certificate has some 100 KiB; this bounds what a hostile file can cost
MAX_PAGE_BYTES = 2 * MAX_CERTIFICATE_BYTES  # a page or PDF that encloses the largest
_JSON_MARK = b"{"
_ZIP_MARK = b"PK\x03\x04"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class GivenCertificate:
    """A certificate that somebody gave.

    Attributes:
        data: The certificate's own bytes.
        carrier: The page or PDF that it was taken from; None for a bare certificate.
    """

    data: bytes
    carrier: Carrier | None = None


def read_certificate(file: Path) -> bytes:
    """Return the bytes of a certificate, wherever it comes from; the one place where commands read one.

    Args:
        file: Its path, ``-`` for standard input; of a page or PDF, the certificate that it encloses is returned.

    Raises:
        InputError: It cannot be read, is too large for a certificate, or encloses none.
    """
    return read_given(file).data


def read_given(file: Path) -> GivenCertificate:
    """Return a certificate with the file that it came in.

    Args:
        file: Its path, ``-`` for standard input.

    Raises:
        InputError: It cannot be read, is too large for a certificate, or is a page or PDF that encloses none.
    """
    data = read_file(file, what="certificate", limit=MAX_PAGE_BYTES)
    if data.startswith(_ZIP_MARK):
        raise InputError(
            f"'{file}' is an archive, not a certificate.",
            hint="An evidence pack is verified as a whole, with: ireu certificate verify-pack",
            code=ErrorCode.INPUT_NOT_A_CERTIFICATE,
        )
    given = GivenCertificate(data) if data.startswith(_JSON_MARK) else _take_out(data)
    if len(given.data) > MAX_CERTIFICATE_BYTES:
        raise InputError(f"'{file}' is too large for a certificate.", code=ErrorCode.INPUT_TOO_LARGE)
    return given


def _take_out(data: bytes) -> GivenCertificate:
    # Late, and not for what begins as JSON does: all that draws pages comes along, and takes as long as verifying.
    from ireu_governance.reports.document import DocumentKind, take_out

    carrier = take_out(data)
    return GivenCertificate(carrier.certificate, None if carrier.kind is DocumentKind.JSON else carrier)


def read_file(file: Path, *, what: str, limit: int) -> bytes:
    """Return the bytes of a file that may be anything.

    Args:
        file: Its path, ``-`` for standard input.
        what: What it should be, as a noun for messages.
        limit: Refuse more bytes than this.

    Raises:
        InputError: It cannot be read, or is larger.
    """
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with file.open("rb") as stream:
                data = stream.read(limit + 1)
    except IsADirectoryError as error:
        raise InputError(
            f"'{file}' is a folder, not a {what}.",
            hint="Name the file in it.",
            code=ErrorCode.INPUT_MISSING,
        ) from error
    except OSError as error:
        raise InputError(
            f"'{file}' cannot be read: {error.strerror}.",
            hint="Check the path.",
            code=ErrorCode.INPUT_MISSING,
        ) from error
    if len(data) > limit:
        raise InputError(f"'{file}' is too large for a {what}.", code=ErrorCode.INPUT_TOO_LARGE)
    return data


def read_time(text: str) -> str:
    """Return a time as records spell it.

    Args:
        text: Such a time, or a day for its beginning (UTC).

    Raises:
        InputError: It is neither.
    """
    whole = f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text
    try:
        parse_time(whole)
    except InputError as error:
        raise InputError(error.message, hint="Write 2026-11-23, or 2026-11-23T06:00:00Z (UTC).") from None
    return whole
