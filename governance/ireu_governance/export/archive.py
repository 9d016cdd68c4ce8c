"""ZIP archives with exactly one form: the same files always give the same bytes, and nothing else is read.

A ZIP file says everything twice, and readers differ in which one they believe; what is between, before and after
the files is anybody's. So a reader here takes the files in their order, writes the archive anew, and compares: a
compressed, linked, doubled, hidden or misnamed file cannot survive that, and nothing is ever unpacked to a disk.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, methods "stored" only.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from typing import Final

from ireu_governance.core.errors import ErrorCode, InputError

__all__ = ["MAX_ARCHIVED_FILES", "MAX_ARCHIVE_BYTES", "looks_like_archive", "read_archive", "write_archive"]

MAX_ARCHIVE_BYTES: Final = 128 * 2**20  # a case with a hundred re-tests and their pages has some 20 MiB
MAX_ARCHIVED_FILES: Final = 20_000  # the format's own limit without extensions is 65,535

_LOCAL: Final = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL: Final = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_END: Final = struct.Struct("<4sHHHHLLH")
_VERSION: Final = 20
_MADE_BY: Final = 3 << 8 | _VERSION  # Unix, so that the mode below counts
_DATE: Final = 0x21  # 1980-01-01, the earliest that the format knows; the time is midnight
_MODE: Final = 0o100644 << 16  # a regular file
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,3}")


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files: stored, by name, without times or attributes of their own.

    Args:
        files: Content by name, with forward slashes.

    Raises:
        InputError: A name is none that every system takes, or there are too many or too large files.
    """
    if len(files) > MAX_ARCHIVED_FILES or sum(map(len, files.values())) > MAX_ARCHIVE_BYTES:
        raise InputError("There is too much for one archive.", code=ErrorCode.INPUT_TOO_LARGE)
    body, directory, offset = [], [], 0
    for name, data in sorted(files.items()):
        if not _NAME.fullmatch(name):
            raise InputError(f"{name[:200]!a} is no name of a file in an archive.")
        encoded = name.encode("ascii")
        common = (_VERSION, 0, 0, 0, _DATE, zlib.crc32(data), len(data), len(data), len(encoded), 0)
        body += [_LOCAL.pack(b"PK\x03\x04", *common), encoded, data]
        directory += [_CENTRAL.pack(b"PK\x01\x02", _MADE_BY, *common, 0, 0, 0, _MODE, offset), encoded]
        offset += _LOCAL.size + len(encoded) + len(data)
    listing = b"".join(directory)
    end = _END.pack(b"PK\x05\x06", 0, 0, len(files), len(files), len(listing), offset, 0)
    return b"".join([*body, listing, end])


def looks_like_archive(data: bytes) -> bool:
    """Return whether bytes are meant as a ZIP archive, however damaged."""
    return data.startswith(b"PK\x03\x04")


def read_archive(data: bytes) -> dict[str, bytes]:
    """Read an archive that `write_archive` wrote.

    Args:
        data: The archive.

    Returns:
        Content by name.

    Raises:
        InputError: It is damaged, was packed anew, or is no such archive.
    """
    if len(data) > MAX_ARCHIVE_BYTES:
        raise InputError(f"The archive is larger than {MAX_ARCHIVE_BYTES} bytes.", code=ErrorCode.INPUT_TOO_LARGE)
    files: dict[str, bytes] = {}
    position = 0
    while data.startswith(b"PK\x03\x04", position) and len(data) - position >= _LOCAL.size:
        head = _LOCAL.unpack_from(data, position)
        size, name_length = head[8], head[9]
        start = position + _LOCAL.size + name_length
        position = start + size
        if position > len(data) or len(files) == MAX_ARCHIVED_FILES:
            break
        files[data[start - name_length : start].decode("latin-1")] = data[start : start + size]
    try:
        same = write_archive(files) == data
    except InputError:
        same = False
    if not same:
        raise InputError(
            "The archive is damaged, or was unpacked and packed again.",
            hint="Ask for the file again, and pass it on as it is.",
        )
    return files
