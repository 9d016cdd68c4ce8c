"""Notes and checkpoints that a lenient reader would take: each line has its end, and nothing is passed over."""

from __future__ import annotations

import pytest

from ireu_governance.core.checkpoint import Checkpoint, parse_decimal
from ireu_governance.core.errors import InputError
from ireu_governance.core.signed_note import NoteSignature, SignedNote

HEAD = Checkpoint("example.org/log", 3, bytes(32))
LINE = NoteSignature("example.org/log", b"hash", b"signature").to_line()


def test_note_is_read_back() -> None:
    assert SignedNote.from_text(f"any text\n\n{LINE}").text == "any text\n"


@pytest.mark.parametrize("sign", ["\x00", "\x07", "\t", "\r", "\x1f"])
def test_control_character_in_any_line_is_refused(sign: str) -> None:
    for text in (f"any {sign}text\n\n{LINE}", f"any text\n{sign}\n\n{LINE}", f"any text\n\n{LINE}{sign}"):
        with pytest.raises(InputError, match="control characters"):
            SignedNote.from_text(text)


def test_note_without_text_is_refused() -> None:
    with pytest.raises(InputError, match="not text, an empty line"):
        SignedNote.from_text(f"\n\n{LINE}")


@pytest.mark.parametrize("more", ["extension", "an extension\nand another"])
def test_last_line_without_its_end_is_not_dropped(more: str) -> None:
    assert Checkpoint.from_text(HEAD.to_text() + more + "\n").extensions == tuple(more.split("\n"))
    with pytest.raises(InputError, match="each with its end"):
        Checkpoint.from_text(HEAD.to_text() + more)


def test_numbers_end_below_two_to_the_63() -> None:
    assert parse_decimal(str(2**63 - 1), what="size") == 2**63 - 1
    for text in (str(2**63), str(10**19)):
        with pytest.raises(InputError):
            parse_decimal(text, what="size")
