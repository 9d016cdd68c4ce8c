"""DSSE's test vector and rules, and the vectors of RFC 8785."""

from __future__ import annotations

import base64
import json
import math
import struct
import time

import pytest
from builders import make_key
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.canonical import MAX_JSON_DEPTH, canonicalize, parse_json
from ireu_governance.core.ed25519 import PublicKey
from ireu_governance.core.envelope import MAX_SIGNATURES, PAYLOAD_TYPE, Envelope, Signature, pae
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError

A, B = make_key("a"), make_key("b")

# RFC 8785, appendix B: the bits of a double and its one spelling.
NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]
# Vectors of the same table that are spelt as integers beyond 2^53 − 1, which no strict reader takes back.
UNREADABLE = [
    "4340000000000000",
    "c340000000000000",
    "4430000000000000",
    "444b1ae4d6e2ef4e",
    "444b1ae4d6e2ef4f",
]


def double(bits: str) -> float:
    return struct.unpack(">d", bytes.fromhex(bits))[0]


@pytest.mark.parametrize(("bits", "text"), NUMBERS)
def test_rfc_8785_numbers(bits: str, text: str) -> None:
    assert canonicalize(double(bits)).decode() == text


@pytest.mark.parametrize("bits", UNREADABLE)
def test_number_that_no_strict_reader_takes_back_is_not_written(bits: str) -> None:
    with pytest.raises(InputError):
        canonicalize({"value": double(bits)})


def test_rfc_8785_example() -> None:
    source = (
        r'{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
        r'"string":"\u20ac$\u000F\u000aA\u0027\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}'
    )
    expected = (
        r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonicalize(parse_json(source.encode(), what="example")).decode() == expected


def test_rfc_8785_member_order_is_by_utf_16() -> None:
    members = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    ordered = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    data = canonicalize(dict.fromkeys(members, 0))
    assert list(json.loads(data)) == ordered


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: abs(x) < 2**53 or abs(x) >= 1e21)
    | st.text(max_size=10),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=6), children, max_size=4),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_canonical_form_is_read_back_and_is_stable(value: object) -> None:
    data = canonicalize(value)
    again = parse_json(data, what="value", canonical=True)
    assert canonicalize(again) == data
    assert again == value


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**53,
        -(2**53),
        10**400,
        1e17,
        [1e16],
        "\ud800",
        {"\udc00": 1},
        {1: 2},
        {1, 2},
        b"bytes",
        object(),
    ],
)
def test_value_without_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(InputError):
        canonicalize(value)


def test_nesting_without_end_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(InputError):
        canonicalize(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"nul",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'{"a":1,"a":2}',
        b'{"x":{"a":1,"\\u0061":2}}',
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"1e400",
        b"9007199254740992",
        b"-9007199254740992",
        b"1" * 5000,
        b'"\\ud800"',
        b'["\\ud83d\\u0041"]',
        b'{"\\udfff":1}',
        b"[1,]",
        b"{'a':1}",
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"0x1",
        b'"\n"',
        b"{} {}",
        b"{}\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * (MAX_JSON_DEPTH + 1) + b"]" * (MAX_JSON_DEPTH + 1),
    ],
)
def test_json_that_readers_could_understand_differently_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_json(data, what="document")


def test_brackets_in_text_are_no_nesting() -> None:
    assert parse_json(b'["' + b"[" * 100 + b'\\"' + b'"]', what="document") == ["[" * 100 + '"']
    assert parse_json(b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH, what="document")
    beside = b"," + b"[]," * 40 + b"[]"  # more brackets than levels, so that the levels have to be counted
    assert parse_json(b"[" * MAX_JSON_DEPTH + b"]" * (MAX_JSON_DEPTH - 1) + beside + b"]", what="document")
    assert len(parse_json(b"[" + b"[]," * 99 + b"[]]", what="document")) == 100  # type: ignore[arg-type]


def test_string_without_an_end_is_refused_in_no_time() -> None:
    # Looked at again from each of its escaped quotes, this takes hours.
    hostile = b"{}," * 20 + b"[" * 40 + b'"' + b'\\"' * 2**20
    start = time.process_time()
    with pytest.raises(InputError):
        parse_json(hostile, what="document")
    assert time.process_time() - start < 5


def test_size_limit_is_named_as_such() -> None:
    with pytest.raises(InputError) as caught:
        parse_json(b'"12345"', what="document", max_bytes=6)
    assert caught.value.code is ErrorCode.INPUT_TOO_LARGE


@pytest.mark.parametrize("data", [b'{"a": 1}', b'{"b":1,"a":2}', b'"\\u0041"', b"1.0", b"-0", b"1E5", b"[]\n"])
def test_other_spellings_are_read_unless_canonical_is_asked_for(data: bytes) -> None:
    parse_json(data, what="document")
    with pytest.raises(InputError):
        parse_json(data, what="document", canonical=True)


@given(st.binary(max_size=200))
def test_parser_answers_any_bytes_with_a_value_or_an_input_error(data: bytes) -> None:
    try:
        value = parse_json(data, what="document")
    except InputError:
        return
    canonicalize(value)


# DSSE


def test_dsse_pae_vector() -> None:
    assert (
        pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("é", b"") == "DSSEv1 2 é 0 ".encode(), "lengths count bytes"


@given(st.from_regex(r"[a-z/+.-]{1,30}", fullmatch=True), st.binary(max_size=60))
def test_pae_agrees_with_securesystemslib(payload_type: str, payload: bytes) -> None:
    dsse = pytest.importorskip("securesystemslib.dsse")
    assert pae(payload_type, payload) == dsse.Envelope(payload, payload_type, {}).pae()


def test_envelope_is_verified_by_securesystemslib() -> None:
    dsse = pytest.importorskip("securesystemslib.dsse")
    signer = pytest.importorskip("securesystemslib.signer")
    envelope = Envelope.sign(b'{"a":1}', A)
    theirs = dsse.Envelope.from_dict(json.loads(envelope.to_bytes()))
    public = {"public": A.public_key.raw.hex()}
    key = signer.SSlibKey(A.public_key.key_id, "ed25519", "ed25519", public)
    assert theirs.verify([key], 1)


@given(st.binary(max_size=100), st.integers(1, 3))
def test_envelope_goes_both_ways_and_is_canonical(payload: bytes, count: int) -> None:
    signers = [A, B, make_key("c")][:count]
    signed = [Envelope.sign(payload, each).signatures[0] for each in signers]
    envelope = Envelope(payload, PAYLOAD_TYPE, tuple(signed))
    data = envelope.to_bytes()
    assert data == canonicalize(envelope.to_object())
    assert Envelope.from_bytes(data) == envelope
    keys = [each.public_key for each in signers]
    assert envelope.verify(keys, threshold=count, check="record-signature") == payload


def test_both_base64_alphabets_are_read_where_foreign_envelopes_may_come() -> None:
    payload = b"\xfb\xff\xfe" * 5
    value = Envelope.sign(payload, A).to_object()
    value["payload"] = base64.urlsafe_b64encode(payload).decode()
    data = canonicalize(value)
    assert Envelope.from_bytes(data, canonical=False).verify([A.public_key], check="x") == payload
    with pytest.raises(InputError):
        Envelope.from_bytes(data)


def test_stripped_signature_is_refused() -> None:
    value = Envelope.sign(b"x", A).to_object()
    with pytest.raises(InputError):
        Envelope.from_object({**value, "signatures": []})


def test_payload_shown_as_another_type_is_refused() -> None:
    envelope = Envelope.sign(b"x", A)
    with pytest.raises(VerificationError):
        Envelope(b"x", "text/plain", envelope.signatures).verify([A.public_key], check="x")


def test_one_signer_does_not_meet_a_threshold_of_two() -> None:
    envelope = Envelope.sign(b"x", A)
    with pytest.raises(VerificationError):
        envelope.verify([A.public_key, B.public_key], threshold=2, check="x")
    with pytest.raises(VerificationError):
        envelope.verify([A.public_key, A.public_key], threshold=2, check="x")
    with pytest.raises(InputError):
        Envelope(b"x", PAYLOAD_TYPE, envelope.signatures * 2)


def test_threshold_of_nothing_still_needs_a_signature() -> None:
    with pytest.raises(VerificationError):
        Envelope.sign(b"x", A).verify([], threshold=0, check="x")


def test_signature_of_an_unknown_key_is_passed_over() -> None:
    mine, theirs = (Envelope.sign(b"x", each).signatures[0] for each in (A, B))
    envelope = Envelope(b"x", PAYLOAD_TYPE, (theirs, mine))
    assert envelope.verify([A.public_key], check="x") == b"x"
    with pytest.raises(VerificationError):
        Envelope.sign(b"x", B).verify([A.public_key], check="x")


def test_failing_signature_of_a_known_key_spoils_the_envelope() -> None:
    good = Envelope.sign(b"x", A).signatures[0]
    bad = Signature(B.public_key.key_id, bytes(64))
    with pytest.raises(VerificationError) as caught:
        Envelope(b"x", PAYLOAD_TYPE, (good, bad)).verify([A.public_key, B.public_key], check="record-signature")
    assert caught.value.check == "record-signature"


def test_signature_under_the_name_of_another_key_is_refused() -> None:
    sig = Envelope.sign(b"x", B).signatures[0].sig
    envelope = Envelope(b"x", PAYLOAD_TYPE, (Signature(A.public_key.key_id, sig),))
    with pytest.raises(VerificationError):
        envelope.verify([A.public_key, B.public_key], check="x")


@pytest.mark.parametrize(
    "change",
    [
        {"payload": None},
        {"payload": "!"},
        {"payload": "QQ"},
        {"payload": "QR=="},
        {"payload": "QQ==\n"},
        {"payloadType": 1},
        {"payloadType": ""},
        {"payloadType": "a b"},
        {"payloadType": 'a"b'},
        {"payloadType": "x" * 300},
        {"signatures": None},
        {"signatures": {}},
        {"signatures": [None]},
        {"signatures": [{"keyid": "a"}]},
        {"signatures": [{"keyid": "a", "sig": "QQ==", "cert": "x"}]},
        {"signatures": [{"keyid": "", "sig": "QQ=="}]},
        {"signatures": [{"keyid": "a", "sig": ""}]},
        {"signatures": [{"keyid": "a", "sig": base64.b64encode(bytes(9000)).decode()}]},
        {"signatures": [{"keyid": f"{n}", "sig": "QQ=="} for n in range(MAX_SIGNATURES + 1)]},
        {"extra": 1},
    ],
)
@pytest.mark.parametrize("canonical", [True, False])
def test_malformed_envelope_is_refused(change: dict[str, object], canonical: bool) -> None:
    value = {**Envelope.sign(b"x", A).to_object(), **change}
    with pytest.raises(InputError):
        Envelope.from_bytes(canonicalize(value), canonical=canonical)


@pytest.mark.parametrize("value", [None, [], 1, "x", {}, {"payload": "QQ=="}])
def test_what_is_no_envelope_is_refused(value: object) -> None:
    with pytest.raises(InputError):
        Envelope.from_object(value)


def test_re_formatted_envelope_is_refused_where_its_bytes_are_hashed() -> None:
    value = Envelope.sign(b"x", A).to_object()
    pretty = json.dumps(value, indent=1).encode()
    assert Envelope.from_bytes(pretty, canonical=False).payload == b"x"
    with pytest.raises(InputError):
        Envelope.from_bytes(pretty)


def test_every_flipped_byte_of_an_envelope_is_refused() -> None:
    data = Envelope.sign(b'{"a":1}', A).to_bytes()
    for at in range(len(data)):
        damaged = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        with pytest.raises((InputError, VerificationError)):
            Envelope.from_bytes(damaged).verify([A.public_key], check="x")


def test_verification_takes_keys_of_any_number() -> None:
    keys: list[PublicKey] = [make_key(f"k{n}").public_key for n in range(5)]
    assert Envelope.sign(b"x", A).verify([*keys, A.public_key], check="x") == b"x"
