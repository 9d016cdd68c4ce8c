"""JSON with exactly one spelling (RFC 8785), and a reader that forgives nothing.

Two programs that read the same signed bytes must see the same thing. So whatever JSON leaves open is closed
here: duplicate member names, numbers that a double cannot hold, NaN, lone surrogates, byte-order marks.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from itertools import accumulate
from typing import Final, NoReturn

import rfc8785
from pydantic_core import from_json

from ireu_governance.core.errors import ErrorCode, InputError

__all__ = [
    "ENCODER",
    "MAX_JSON_BYTES",
    "MAX_JSON_DEPTH",
    "MAX_SAFE_INTEGER",
    "canonicalize",
    "decode_base64",
    "decode_base64_bytes",
    "has_odd_number",
    "parse_json",
]

MAX_JSON_BYTES: Final = 16 * 2**20  # a certificate about an encoder of 10,000 files stays under 8 MiB
MAX_JSON_DEPTH: Final = 32  # ireu's own documents nest at most 9 deep
MAX_SAFE_INTEGER: Final = 2**53 - 1  # beyond it, readers that keep numbers as doubles see another number

# A string without an end is taken up to the end of the text: looked at again from each quote that is escaped in it,
# it would cost the square of its length.
_STRUCTURE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', re.DOTALL)
_LONG_INTEGER = re.compile(rb"(?:^|[\[:,])-?[0-9]{16,}(?:[\]},]|$)")
_SURROGATE = re.compile("[\ud800-\udfff]")

ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)
"""Writes the canonical form of many values, at the speed of C; see `_read_plain` and `core.spelling`."""

_NOT_STRUCTURE: Final = bytes(each for each in range(256) if each not in b'"\\[]{}')
_LEVELS: Final = {0x5B: 1, 0x7B: 1, 0x5D: -1, 0x7D: -1}
_DIGITS_TO_ZEROS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_POINT_ZERO: Final = re.compile(rb"\.0[,\]}]")
_EXPONENT: Final = re.compile(rb"e(?:\+|-0)[0-9]+[,\]}]")  # of a number: in base64 no such sign comes behind it
_NUMBER_THAT_DIFFERS: Final = re.compile(rb"[:\[,]-?[0-9](?:[0-9]{15}|[0-9]*(?:\.0(?![0-9])|(?:\.[0-9]+)?e))")


def canonicalize(value: object) -> bytes:
    """Return the one canonical spelling of a JSON value (RFC 8785).

    Args:
        value: Nothing but dicts with text keys, lists, tuples, text, finite numbers, bools and None.

    Returns:
        UTF-8 bytes that `parse_json` reads back.

    Raises:
        InputError: The value cannot be written as JSON that every reader understands in the same way.
    """
    try:
        data = rfc8785.dumps(value)  # type: ignore[arg-type]
    except RecursionError:
        raise InputError("The value nests too deeply for JSON.") from None
    except ValueError as error:  # rfc8785's own errors, and UnicodeEncodeError from lone surrogates in keys
        raise InputError(f"The value has no canonical JSON form: {_reason(error)}.") from None
    if _has_many_digits(data) and _LONG_INTEGER.search(data):
        # A float such as 1e17 is spelt as an integer that no strict reader takes back: refuse to write it.
        parse_json(data, what="value", max_bytes=len(data))
    return data


def parse_json(data: bytes, *, what: str, max_bytes: int = MAX_JSON_BYTES, canonical: bool = False) -> object:
    """Read JSON and refuse everything that two readers could understand differently.

    Args:
        data: The bytes as they came.
        what: What they should be, as a noun for messages.
        max_bytes: Refuse more bytes than this.
        canonical: Also refuse any other spelling than the canonical one.

    Returns:
        Dicts, lists, text, ints within ±(2^53 − 1), finite floats, bools and None.

    Raises:
        InputError: The bytes break a rule.
    """
    if len(data) > max_bytes:
        raise InputError(f"The {what} is larger than {max_bytes} bytes.", code=ErrorCode.INPUT_TOO_LARGE)
    if canonical and (plain := _read_plain(data)) is not None:
        return plain
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"The {what} is not UTF-8 text (at byte {error.start}).") from None
    if text.startswith("\ufeff"):
        raise InputError(f"The {what} begins with a byte-order mark.")
    if _depth(data) > MAX_JSON_DEPTH:
        raise InputError(f"The {what} nests deeper than {MAX_JSON_DEPTH} levels.")
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=_unique_members,
            parse_int=_safe_integer,
            parse_float=_finite_float,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise InputError(f"The {what} is no valid JSON: {_reason(error)}.") from None
    if "\\u" in text and _has_surrogate(value):
        raise InputError(f"The {what} holds half of a character (a lone surrogate).")
    if canonical and canonicalize(value) != data:
        raise InputError(f"The {what} is not in canonical JSON form (RFC 8785).")
    return value


def decode_base64(text: str, *, what: str) -> bytes:
    """Decode base64 (RFC 4648, section 4) that is spelt in its one canonical way.

    Args:
        text: Standard alphabet, padded, unused bits zero, no white space.
        what: What it should be, as a noun for messages.

    Returns:
        The bytes.

    Raises:
        InputError: The text is something else.
    """
    try:
        return decode_base64_bytes(text.encode("ascii"), what=what)
    except UnicodeEncodeError:
        raise InputError(f"The {what} is not base64.") from None


def decode_base64_bytes(encoded: bytes, *, what: str) -> bytes:
    """Decode base64 that comes as bytes; see `decode_base64`."""
    try:
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        raise InputError(f"The {what} is not base64.") from None
    # The decoder leaves open a padding that nothing needs, and what stands in the unused bits of the last character.
    rest = len(data) % 3
    if len(encoded) != 4 * -(-len(data) // 3):
        raise InputError(f"The {what} is not base64 in its canonical spelling.")
    if rest and binascii.b2a_base64(data[-rest:], newline=False) != encoded[-4:]:
        raise InputError(f"The {what} is not base64 in its canonical spelling.")
    return data


def _read_plain(data: bytes) -> object | None:
    """Read an object or array that is certainly canonical; return None for whatever needs the long way.

    An audit does this for every entry. Python's encoder writes RFC 8785's form of any value but for text outside
    ASCII and some numbers, so what it writes back byte by byte, without these, had no second member of a name, no
    white space, no other order, no other escapes, and no number that another reader takes for another one.
    """
    if not data.isascii() or has_odd_number(data) or _depth(data) > MAX_JSON_DEPTH:
        return None
    try:
        value: object = from_json(data, allow_inf_nan=False)
        same = isinstance(value, dict | list) and ENCODER.encode(value).encode("ascii") == data
    except ValueError:  # the long way says what is wrong
        return None
    return value if same else None


def has_odd_number(data: bytes) -> bool:
    """Return whether dense JSON of an object or array may hold a number that Python and JavaScript spell differently.

    They differ over 1.0 and over exponents, which Python writes as e+16 or e-07; and whole numbers from 16 digits on
    may be too large for JavaScript. Text that looks like such a number counts as one.
    """
    # Quick looks that nearly always say no, and where they do not, a slow one.
    return (
        _POINT_ZERO.search(data) is not None
        or ((b"e+" in data or b"e-0" in data) and _EXPONENT.search(data) is not None)
        or _has_many_digits(data)
    ) and _NUMBER_THAT_DIFFERS.search(data) is not None


def _has_many_digits(data: bytes) -> bool:
    return b"0" * 16 in data.translate(_DIGITS_TO_ZEROS)


def _depth(data: bytes) -> int:
    if data.count(b"[") + data.count(b"{") <= MAX_JSON_DEPTH:
        return 0  # it cannot nest deeper than it has brackets
    structure = data.translate(None, _NOT_STRUCTURE)
    if b"\\" not in structure:
        # Without escapes every second piece between quotes stands outside of strings.
        return max(accumulate(map(_LEVELS.__getitem__, b"".join(structure.split(b'"')[::2]))), default=0)
    deepest = depth = 0
    for token in _STRUCTURE.finditer(data):
        first = token.group()[0]
        if first in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first != 0x22:  # anything but a string closes a level
            depth -= 1
    return deepest


def _unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has two members of the same name")
    return members


def _safe_integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > MAX_SAFE_INTEGER:
        raise ValueError("an integer is beyond 2^53 - 1")
    return int(digits)


def _finite_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _has_surrogate(value: object) -> bool:
    if isinstance(value, str):
        return _SURROGATE.search(value) is not None
    if isinstance(value, dict):
        return any(_has_surrogate(key) or _has_surrogate(member) for key, member in value.items())
    if isinstance(value, list):
        return any(map(_has_surrogate, value))
    return False


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.removesuffix(' at')} at character {error.pos}"  # some of Python's messages end so
    if isinstance(error, UnicodeError):
        return "text holds half of a character (a lone surrogate)"
    return str(error)[:200]
