"""The quick ways of reading canonical JSON and envelopes take exactly what the slow ways take, and read the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import make_key
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ireu_governance.core import canonical, envelope
from ireu_governance.core.canonical import MAX_JSON_DEPTH, canonicalize, decode_base64, parse_json
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import InputError
from ireu_governance.core.times import parse_time

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["", '"', "\\", "\\u0041", "é", "é", "\x7f", "\x1f", "2.0,", "e+1", "e-05", "0" * 20, ".0}", "[[[["]
)
NUMBERS = (
    st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([1.0, -0.0, 1e16, 1e21, 1e-5, 1e-6, 1e-7, 1e-10, 123456789012345.5, 0.1, 5e-324, 1e22])
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def read_slowly(data: bytes) -> Any:
    """Return what the long way reads, or InputError as a value."""
    try:
        value = parse_json(data, what="document")
        return value if canonicalize(value) == data else InputError
    except InputError:
        return InputError


def read_quickly(data: bytes) -> Any:
    try:
        return parse_json(data, what="document", canonical=True)
    except InputError:
        return InputError


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # tells 1 from 1.0 and from True


SPELLINGS = [
    lambda value: json.dumps(value),
    lambda value: json.dumps(value, ensure_ascii=False),
    lambda value: json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
    lambda value: json.dumps(value, sort_keys=True, separators=(",", ":")),
    lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False),
]


@settings(max_examples=400)
@given(VALUES, st.sampled_from(SPELLINGS))
def test_both_ways_take_the_same_spellings(value: Any, spell: Any) -> None:
    data = spell(value).encode("utf-8", "surrogatepass")
    assert same(read_quickly(data), read_slowly(data))


@settings(max_examples=400)
@given(VALUES)
def test_canonical_form_is_read_by_both_ways(value: Any) -> None:
    try:
        data = canonicalize(value)
    except InputError:
        return
    assert same(read_quickly(data), read_slowly(data))
    assert not same(read_quickly(data), InputError)


@settings(max_examples=600)
@given(VALUES, st.integers(0, 10**6), st.sampled_from(list(b'"\\{}[]:,.-+eE0123456789 \n\xc3\xa9')), st.booleans())
def test_both_ways_answer_edited_bytes_alike(value: Any, at: int, byte: int, insert: bool) -> None:
    data = bytearray(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
    at %= len(data)
    data[at : at if insert else at + 1] = bytes([byte])
    assert same(read_quickly(bytes(data)), read_slowly(bytes(data)))


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1.0}',
        b"[1.0]",
        b"[1.0,2]",
        b"[-0.0]",
        b"[-0]",
        b"[1e16]",
        b"[1e+16]",
        b"[1e+21]",
        b"[1e-05]",
        b"[1e-7]",
        b"[1e-07]",
        b"[1e-10]",
        b"[0.00001]",
        b"[10000000000000000]",
        b"[9007199254740991]",
        b"[9007199254740992]",
        b"[9007199254740993]",
        b"[1.00]",
        b"[01]",
        b"[.5]",
        b"[1E5]",
        b"[NaN]",
        b"[Infinity]",
        b'{"a":1,"a":1}',
        b'{"b":1,"a":1}',
        b'{"a":1, "b":1}',
        b'["\\u0041"]',
        b'["\\/"]',
        b'["\\u001f"]',
        b'["\\u001F"]',
        b'["\x7f"]',
        b'["\\ud800"]',
        b"\xef\xbb\xbf[]",
        b"[]",
        b"{}",
        b"[] ",
        b"null",
        b"1",
        b'"x"',
        b"",
        b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH,
        b"[" * (MAX_JSON_DEPTH + 1) + b"]" * (MAX_JSON_DEPTH + 1),
        b'["' + b"[" * 100 + b'"]',
        b'["\\"' + b"[" * 100 + b'"]',
        b'["' + b"\\\\" * 50 + b'",' + b"[" * 40 + b"]" * 41,
        b"[" * 100_000,
        b'"' + b"[" * 100_000,
    ],
    ids=lambda data: repr(data[:30]),
)
def test_both_ways_agree_on_what_parsers_differ_over(data: bytes) -> None:
    assert same(read_quickly(data), read_slowly(data))


def test_entries_of_a_ledger_are_read_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = b'{"a":[1,0.5,"text"],"b":{"c":null}}'
    data = Envelope.sign(payload, make_key("k")).to_bytes()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the long way was taken")

    monkeypatch.setattr(canonical.json, "loads", refuse)
    monkeypatch.setattr(envelope, "parse_json", refuse)
    assert Envelope.from_bytes(data).payload == payload
    assert parse_json(payload, what="document", canonical=True) == {"a": [1, 0.5, "text"], "b": {"c": None}}


# Envelopes ----------------------------------------------------------------------------------------------------

WHOLE = Envelope.sign(b'{"a":1}', make_key("k")).to_bytes()


def envelope_slowly(data: bytes) -> Any:
    try:
        found = Envelope.from_object(parse_json(data, what="envelope"))
        return found if found.to_bytes() == data else InputError
    except InputError:
        return InputError


def envelope_quickly(data: bytes) -> Any:
    try:
        return Envelope.from_bytes(data)
    except InputError:
        return InputError


@settings(max_examples=600)
@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=3), st.integers(0, 4))
@example(12, b"", 0)
def test_both_ways_answer_edited_envelopes_alike(at: int, put: bytes, gone: int) -> None:
    data = WHOLE[:at] + put + WHOLE[at + gone :]
    assert envelope_quickly(data) == envelope_slowly(data)


@pytest.mark.parametrize("payload", [b"", b"x", b"xy", b"xyz", b'{"a":1}', bytes(range(256))])
@pytest.mark.parametrize("kind", ["x", "application/vnd.in-toto+json"])
def test_envelope_of_any_payload_comes_back(payload: bytes, kind: str) -> None:
    made = Envelope.sign(payload, make_key("k"), kind)
    assert envelope_quickly(made.to_bytes()) == made == envelope_slowly(made.to_bytes())


@given(st.binary(max_size=12), st.text("AB+/=-_ \n\x00é", max_size=4), st.integers(0, 16))
def test_base64_is_taken_in_one_spelling_only(data: bytes, junk: str, at: int) -> None:
    import base64

    text = base64.b64encode(data).decode()
    changed = text[:at] + junk + text[at:]
    try:
        read = decode_base64(changed, what="text")
    except InputError:
        assert changed != text
    else:
        assert base64.b64encode(read).decode() == changed


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T24:00:00Z",
        "2026-11-20T23:59:60Z",
        "2026-02-30T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-W01-1T00:00Z",
    ],
)
def test_moment_that_is_none_is_refused_by_every_version_of_python(text: str) -> None:
    with pytest.raises(InputError):
        parse_time(text)
