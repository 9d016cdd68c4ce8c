"""Which characters the fonts inside typst can draw.

A document that needs no fonts of the machine has four: Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew and
basic Arabic letters are among them, Chinese, Japanese, Korean, Indian and Thai ones are not. PDF/A forbids empty
boxes in their place, and typst's shaper can break down on stray combining marks. So what is not known to be drawn
is spelt as its number, where everybody sees that something is missing; the attached certificate has the text itself.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from ireu_governance.reports.figures import visible

__all__ = ["DRAWN", "drawable"]

DRAWN: Final = (
    (0x20, 0x7E),  # ASCII
    (0xA0, 0xAC),
    (0xAE, 0x17F),  # Western and Central European Latin
    (0x180, 0x24F),
    (0x250, 0x2AF),  # phonetic letters
    (0x384, 0x38A),
    (0x38C, 0x38C),
    (0x38E, 0x3A1),
    (0x3A3, 0x3CE),  # Greek
    (0x400, 0x45F),  # Cyrillic
    (0x490, 0x4C4),
    (0x4D0, 0x4F9),
    (0x531, 0x556),  # Armenian
    (0x561, 0x587),
    (0x5D0, 0x5EA),  # Hebrew
    (0x60C, 0x60C),
    (0x61B, 0x61B),
    (0x61F, 0x61F),
    (0x621, 0x63A),  # Arabic
    (0x641, 0x64A),
    (0x660, 0x66D),
    (0x67E, 0x67E),
    (0x686, 0x686),
    (0x698, 0x698),
    (0x6A9, 0x6A9),
    (0x6AF, 0x6AF),
    (0x6CC, 0x6CC),
    (0x6F0, 0x6F9),
    (0x10D0, 0x10F0),  # Georgian
    (0x1E00, 0x1EFF),  # Vietnamese and further Latin
    (0x1F00, 0x1F15),  # accented Greek
    (0x2010, 0x2027),  # punctuation
    (0x2030, 0x2040),
    (0x2044, 0x2052),
    (0x2070, 0x2071),
    (0x2074, 0x208E),  # superscripts and subscripts
    (0x20A0, 0x20B5),  # currencies
    (0x20B8, 0x20BA),
    (0x20BD, 0x20BD),
    (0x20BF, 0x20BF),
    (0x2116, 0x2116),
    (0x2122, 0x2122),
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x22FF),  # mathematics
    (0x2713, 0x2713),
    (0x2717, 0x2717),
)
"""Ranges of code points, both ends included; within them, combining and format characters do not count."""

_MARKS: Final = frozenset({"Mn", "Mc", "Me", "Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_KNOWN: Final = frozenset(
    chr(point)
    for first, last in DRAWN
    for point in range(first, last + 1)
    if unicodedata.category(chr(point)) not in _MARKS
)


def drawable(text: str) -> str:
    """Return text with every character that cannot be drawn spelt as its number, such as ``[U+4F8B]``.

    Args:
        text: Any text.

    Returns:
        Text in composed form (NFC); the same text if all of it can be drawn.
    """
    composed = unicodedata.normalize("NFC", visible(text))
    return "".join(each if each in _KNOWN else f"[U+{ord(each):04X}]" for each in composed)
