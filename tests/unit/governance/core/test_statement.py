"""Statements and times: read strictly, and never with anything but an `InputError`."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from builders import AFTER, BEFORE, make_removal, make_request, make_statement, make_verification
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.errors import InputError
from ireu_governance.core.statement import Statement
from ireu_governance.core.times import parse_time

POSITION = {"origin": "log.example/ireu", "seq": 3, "prev": "ab" * 32}
STATEMENTS = [
    make_statement(BEFORE, "removal-request", {"ledger": POSITION, **make_request()}),
    make_statement(AFTER, "removal", {"ledger": POSITION, **make_removal(1)}),
    make_statement(AFTER, "verification", {"ledger": POSITION, **make_verification(2)}),
]


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda s: s.predicate.kind)
def test_statement_goes_both_ways(statement: Statement) -> None:
    data = statement.to_bytes()
    assert data == canonicalize(json.loads(data))
    assert Statement.from_bytes(data) == statement
    assert json.loads(data)["_type"] == "https://in-toto.io/Statement/v1"


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"predicateType": "urn:ireu:predicate:removal:v1"},
        {"predicateType": "https://slsa.dev/provenance/v1"},
        {"subject": []},
        {"subject": [{"name": "encoder", "digest": {"sha512": "ab" * 64}}]},
        {"subject": [{"name": "encoder", "digest": {}}]},
        {"subject": [{"digest": {"sha256": "ab" * 32}}]},
        {"predicate": None},
        {"predicate": {"kind": "\x1b[2J"}},
        {"note": "free text"},
    ],
)
def test_invalid_in_toto_statement_is_refused(change: dict[str, object]) -> None:
    value = {**json.loads(STATEMENTS[0].to_bytes()), **change}
    with pytest.raises(InputError) as caught:
        Statement.from_bytes(canonicalize(value))
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(("member", "python"), [("_type", "type_"), ("predicateType", "predicate_type")])
def test_statement_without_its_own_members_is_refused(member: str, python: str) -> None:
    document = json.loads(STATEMENTS[0].to_bytes())
    value = document.pop(member)
    for changed in (document, {**document, python: value}):
        with pytest.raises(InputError):
            Statement.from_bytes(canonicalize(changed))


def test_member_under_its_name_in_python_is_refused() -> None:
    document = next(
        value
        for value in (json.loads(each.to_bytes()) for each in STATEMENTS)
        if value["predicate"]["kind"] == "removal"
    )
    method = document["predicate"]["method"]
    Statement.from_bytes(canonicalize(document))
    method["lambda_"] = method.pop("lambda")
    with pytest.raises(InputError):
        Statement.from_bytes(canonicalize(document))


def test_member_that_could_carry_personal_data_is_refused() -> None:
    for statement in STATEMENTS:
        value = json.loads(statement.to_bytes())
        value["predicate"]["name"] = "Ada"
        with pytest.raises(InputError):
            Statement.from_bytes(canonicalize(value))


def test_subject_without_a_whole_encoder_is_refused() -> None:
    value = json.loads(STATEMENTS[0].to_bytes())
    value["subject"] = value["subject"][1:]
    with pytest.raises(InputError):
        Statement.from_bytes(canonicalize(value)).encoder_digest()


def test_statement_in_another_spelling_is_refused() -> None:
    with pytest.raises(InputError):
        Statement.from_bytes(json.dumps(json.loads(STATEMENTS[0].to_bytes())).encode())


def leaves(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [here] if here else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        found += leaves(each, (*here, key))
    return found


@given(st.data())
def test_edited_statement_is_an_input_error_or_another_statement(data: st.DataObject) -> None:
    value = copy.deepcopy(json.loads(data.draw(st.sampled_from(STATEMENTS)).to_bytes()))
    path = data.draw(st.sampled_from(leaves(value)))
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    junk = st.none() | st.booleans() | st.integers(-5, 2**53 - 1) | st.floats(-2, 2) | st.text(max_size=10)
    parent[path[-1]] = data.draw(junk | st.lists(junk, max_size=2) | st.dictionaries(st.text(max_size=5), junk))
    written = canonicalize(value)
    try:
        statement = Statement.from_bytes(written)
    except InputError:
        return
    assert statement.to_bytes() == written


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_answered_with_an_input_error(data: bytes) -> None:
    with pytest.raises(InputError):
        Statement.from_bytes(data)


@given(st.text(max_size=25))
def test_any_text_is_no_time(text: str) -> None:
    with pytest.raises(InputError):
        parse_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T09:00:00+00:00",
        "2026-11-20T09:00:00.5Z",
        "2026-11-20 09:00:00Z",
        "2026-11-20T09:00:00z",
        "2026-02-30T09:00:00Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T09:00:60Z",
        "٢٠٢٦-11-20T09:00:00Z",
        "2026-11-20T09:00:00Z\n",
        "0000-01-01T00:00:00Z",
    ],
)
def test_time_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_time(text)
