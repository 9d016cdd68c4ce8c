"""Archives in one form: what is written is what other tools read, and nothing else is taken back."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.export import archive
from ireu_governance.export.archive import looks_like_archive, read_archive, write_archive

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}(/[A-Za-z0-9][A-Za-z0-9._-]{0,9}){0,3}", fullmatch=True)
FILES = {"README.txt": b"read me", "entries/00000001.json": b"{}", "entries/00000001.tlog-proof": b""}


def zipped(
    *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_STORED, comment: bytes = b""
) -> bytes:
    """Return what an ordinary tool makes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as made:
        for name, data in members:
            made.writestr(name, data)
        made.comment = comment
    return target.getvalue()


@given(st.dictionaries(NAMES, st.binary(max_size=50), max_size=6))
def test_archive_is_read_as_it_was_written_and_by_other_tools_too(files: dict[str, bytes]) -> None:
    data = write_archive(files)
    assert read_archive(data) == files
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        assert read.testzip() is None
        assert {name: read.read(name) for name in read.namelist()} == files
        assert {each.date_time for each in read.infolist()} <= {(1980, 1, 1, 0, 0, 0)}
        assert {each.external_attr >> 16 for each in read.infolist()} <= {0o100644}


def test_same_files_in_any_order_give_the_same_bytes() -> None:
    assert write_archive(FILES) == write_archive(dict(reversed(FILES.items())))


@settings(max_examples=300)
@given(st.data())
def test_any_change_of_any_byte_is_refused(data: st.DataObject) -> None:
    good = write_archive(FILES)
    at = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InputError):
        read_archive(bytes(changed))


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes_are_an_archive_or_an_input_error(data: bytes) -> None:
    for each in (data, b"PK\x03\x04" + data):
        try:
            files = read_archive(each)
        except InputError:
            continue
        assert write_archive(files) == each


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("README.txt", (1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o120777 << 16
    return info


GOOD = write_archive({"README.txt": b"x"})
HOSTILE = {
    "path above": zipped(("../../etc/passwd", b"x")),
    "absolute path": zipped(("/etc/passwd", b"x")),
    "windows path": zipped(("a\\b", b"x")),
    "hidden": zipped((".profile", b"x")),
    "folder": zipped(("a/", b"")),
    "link": zipped((link(), b"/etc/passwd")),
    "compressed": zipped(("README.txt", bytes(10_000_000)), method=zipfile.ZIP_DEFLATED),
    "packed by another tool": zipped(("README.txt", b"x")),
    "comment": GOOD[:-2] + b"\x01\x00!",
    "trailing bytes": GOOD + b"x",
    "leading bytes": b"x" + GOOD,
    "no directory": GOOD[: GOOD.index(b"PK\x01\x02")],
    "doubled": GOOD[: GOOD.index(b"PK\x01\x02")] + GOOD,
    "length beyond the end": GOOD[:18] + struct.pack("<LL", 2**31, 2**31) + GOOD[26:],
    "length of a name beyond the end": GOOD[:26] + b"\xff\xff" + GOOD[28:],
    "cut in a header": GOOD[:20],
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_archive_in_any_other_form_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        read_archive(HOSTILE[name])


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_file_that_is_there_twice_is_refused() -> None:
    with pytest.raises(InputError):
        read_archive(zipped(("README.txt", b"x"), ("README.txt", b"y")))


def test_archive_of_too_many_files_or_bytes_is_neither_written_nor_read(monkeypatch: pytest.MonkeyPatch) -> None:
    three = write_archive(FILES)
    monkeypatch.setattr(archive, "MAX_ARCHIVED_FILES", 2)
    with pytest.raises(InputError):
        write_archive(FILES)
    with pytest.raises(InputError):
        read_archive(three)
    monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", 10)
    for call in (lambda: write_archive({"a": bytes(11)}), lambda: read_archive(three)):
        with pytest.raises(InputError) as error:
            call()
        assert error.value.code is ErrorCode.INPUT_TOO_LARGE


@pytest.mark.parametrize("name", ["", "../a", "/a", "a//b", "a/", "ä", ".a", "a b", "a" * 101, "a/b/c/d/e"])
def test_name_that_not_every_system_takes_is_not_written(name: str) -> None:
    with pytest.raises(InputError):
        write_archive({name: b""})


def test_damaged_archive_still_looks_like_one() -> None:
    assert looks_like_archive(GOOD[:40])
    assert not looks_like_archive(b"%PDF-1.7")
