"""Canonical JSON (RFC 8785) at the speed of C, for the values that allow it.

Writing the canonical form is most of what an append costs, and was half of what verifying a certificate does.
Python's own encoder writes the same bytes unless a value has members whose names it orders otherwise, a large
integer, or a float that Python and JavaScript spell differently; what may hold one of these goes the long way.
"""

from __future__ import annotations

from typing import Final

from ireu_governance.core.canonical import ENCODER, canonicalize, has_odd_number

__all__ = ["spell"]

_EXACT: Final = 10**15  # far below 2^53, where each whole float is an integer and spelt as one
# Of all bytes of UTF-8 only these begin a character beyond U+FFFF, and such names are ordered otherwise in UTF-16.
_NOT_BEYOND: Final = bytes(each for each in range(256) if not 0xF0 <= each <= 0xF4)


def spell(value: object) -> bytes:
    """Return the canonical spelling of a JSON value, the same as `canonicalize`.

    Args:
        value: What pydantic's ``to_jsonable_python`` returns: all keys are text.

    Returns:
        UTF-8 bytes.

    Raises:
        InputError: The value has no canonical form.
    """
    try:
        data = ENCODER.encode(value).encode("utf-8")
        if _differs(data):
            data = ENCODER.encode(_without_points(value)).encode("utf-8")  # most often it is only a 1.0
    except (TypeError, ValueError, RecursionError):
        return canonicalize(value)  # which says what is wrong
    return canonicalize(value) if _differs(data) or data.translate(None, _NOT_BEYOND) else data


def _differs(data: bytes) -> bool:
    return has_odd_number(b":%b," % data)  # so that a number alone stands between signs, too


def _without_points(value: object) -> object:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, dict):
        return {key: _without_points(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_without_points(member) for member in value]
    return value
