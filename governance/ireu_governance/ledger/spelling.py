"""Canonical JSON (RFC 8785) at the speed of C, for the values that allow it.

Writing the canonical form is most of what an append costs. Python's own encoder writes the same bytes unless
a value holds text outside ASCII, a large integer, or a float that Python and JavaScript spell differently;
what may hold one of these goes the long way.
"""

from __future__ import annotations

import json
import re
from typing import Final

from ireu_governance.core.canonical import canonicalize

__all__ = ["spell"]

# In dense JSON a number follows a colon, a bracket or a comma. JavaScript writes 1 for 1.0 and begins
# exponents elsewhere; integers from 16 digits on may be beyond 2^53. Text that looks alike only costs time.
_DIFFERENT: Final = re.compile(r"[:\[,]-?\d(?:\d{15}|\d*(?:\.0(?!\d)|(?:\.\d+)?e))")
_EXACT: Final = 10**15  # far below 2^53, where each whole float is an integer and spelt as one
_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=True, allow_nan=False, sort_keys=True, separators=(",", ":")
)


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
        text = _ENCODER.encode(value)
        if _differs(text) and text.isascii():
            text = _ENCODER.encode(_without_points(value))  # most often it is only a 1.0
    except (TypeError, ValueError, RecursionError):
        return canonicalize(value)  # which says what is wrong
    return canonicalize(value) if _differs(text) or not text.isascii() else text.encode("ascii")


def _differs(text: str) -> bool:
    return _DIFFERENT.search(f":{text}") is not None  # so that a number alone follows a colon, too


def _without_points(value: object) -> object:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, dict):
        return {key: _without_points(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_without_points(member) for member in value]
    return value
