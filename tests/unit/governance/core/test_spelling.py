"""The quick way to canonical JSON writes the same bytes as the long one, for every value."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.errors import InputError
from ireu_governance.core.spelling import spell

SAFE = 2**53 - 1
FLOATS = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(-1e7, 1e7)
    | st.decimals(-1000, 1000, places=4).map(float)
)
LEAVES = st.none() | st.booleans() | st.integers(-SAFE, SAFE) | FLOATS | st.text() | st.text('0123456789.,:[]e-+"')
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.text("abAB10"), inner),
    max_leaves=20,
)


def outcome(function: object, value: object) -> bytes | str:
    try:
        return function(value)  # type: ignore[operator]
    except InputError as error:
        return error.message


@given(VALUES)
@example({"\U0001f600": 1, "\uffff": 2})
@example({"b": 1, "a": {"B": 1, "A": 2}})
@example({"\U0001f600": 1, "\ue000": 2, "plain": "\u2014"})
@example(["\u2014 \u2028 \u00e9 \uffff", "\U0001f600", 1.0, 1e-10])
@example('\x7f\x1f\b\t\n\f\r"\\/')
@example(1.0)
@example(1e22)
@example([1.0, -0.0, 1e-5, 1e-7, 1e16, 1e21, 123456789012345680.0, 9007199254740993.0])
def test_both_ways_agree_on_every_value(value: object) -> None:
    assert outcome(spell, value) == outcome(canonicalize, value)


@given(st.binary(min_size=8, max_size=8).map(lambda data: struct.unpack("<d", data)[0]))
def test_both_ways_agree_on_every_float(value: float) -> None:
    assert outcome(spell, value) == outcome(canonicalize, value)
    assert outcome(spell, {"x": [value]}) == outcome(canonicalize, {"x": [value]})


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**53, -(2**53), 10**30, "\ud800", {"\udfff": 1}, b"x", object(), {1, 2}],
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(InputError):
        spell({"x": value})


def test_the_usual_record_goes_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ireu_governance.core.spelling.canonicalize", None)
    value = {
        "seq": 7,
        "rate": 0.001,
        "digest": "ab" * 32,
        "time": "2026-11-20T08:00:00Z",
        "ok": [True, None, -3],
        "note": "\N{EM DASH} example.org/log",
    }
    assert spell(value).startswith(b'{"digest":"abab')
