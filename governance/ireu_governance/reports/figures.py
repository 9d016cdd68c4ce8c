"""Figures, times and foreign text as people read them, the same on every page and in every language setting."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import Final

from ireu_governance.core.errors import InputError
from ireu_governance.core.times import parse_time

__all__ = ["count", "decimal", "moment", "percent", "plain_number", "visible"]

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_JOINERS: Final = "\u200c\u200d"  # part of how Persian and Indian names are spelt
_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def decimal(value: float, digits: int = 3) -> str:
    """Return a number with a true minus sign; far from 1, in scientific notation.

    Args:
        value: Any finite number.
        digits: Digits after the point.

    Returns:
        Text such as ``−0.349``.
    """
    if value and not 10.0**-digits <= abs(value) < 1e6:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{_minus(mantissa)}·10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    text = f"{value:.{digits}f}"
    return _minus("0" + text[2:] if not float(text) and text.startswith("-") else text)


def percent(rate: float) -> str:
    """Return a rate, 0 to 1, in percent with three significant digits and never in scientific notation."""
    text = format(Decimal(f"{100.0 * rate:.3g}"), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text}\N{NO-BREAK SPACE}%"


def plain_number(value: float) -> str:
    """Return a setting as it was given, such as ``−2``, ``200`` or ``0.0002``; far from 1, in scientific notation."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return _minus(f"{int(value):,}")
    if 1e-6 <= abs(value) < 1e15:
        return _minus(format(Decimal(repr(value)), "f"))
    return decimal(value)


def count(number: int, one: str, many: str) -> str:
    """Return a number with its noun, such as ``1 case`` or ``3 cases``."""
    return f"{number:,} {one if number == 1 else many}"


def moment(timestamp: str) -> str:
    """Return a time of a record as people write it, in UTC; what is no time comes back as it is."""
    try:
        time = parse_time(timestamp)
    except InputError:
        return timestamp
    return f"{time.day} {_MONTHS[time.month - 1]} {time.year}, {time:%H:%M:%S} UTC"


def visible(text: str) -> str:
    """Return foreign text with every character in it that nobody would see spelt out, such as ``[U+202E]``.

    Marks that turn the direction of writing can make a name look like another one.
    """
    return "".join(
        f"[U+{ord(each):04X}]" if unicodedata.category(each) in _UNSEEN and each not in _JOINERS else each
        for each in text
    )


def _minus(text: str) -> str:
    return text.replace("-", "−")
