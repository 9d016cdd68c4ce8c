"""The status list: one spelling, in the order of the log, signed by the log's own keys."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import make_keys
from fixtures.extended import KEYS, WitnessedLog, change_record_key, make_status
from fixtures.timestamping import moment

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.status import REASONS, StatusEntry, StatusList


def entry(seq: int, **changes: Any) -> StatusEntry:
    values = {"id": "a" * 32, "status": "revoked", "since": moment(-600), "reason": "resurfaced", "replaced_by": None}
    return StatusEntry(**{**values, "seq": seq, **changes})


@pytest.fixture
def log() -> WitnessedLog:
    log = WitnessedLog()
    log.fill(10)
    return log


def test_list_is_read_back_and_verified(log: WitnessedLog) -> None:
    made = make_status(log, entry(3), entry(7, id="b" * 32))
    assert StatusList.from_bytes(made.to_bytes()) == made
    assert (made.origin, made.size) == (KEYS.key_file.origin, 10)
    assert made.verify(KEYS.key_file).root == log.root()
    assert made.find("b" * 32, moment()) == entry(7, id="b" * 32, since=made.status_list.entries[1].since)
    assert made.find("c" * 32, moment()) is None
    assert made.find("a" * 32, moment(-3600)) is None


def test_empty_list_says_that_nothing_was_revoked(log: WitnessedLog) -> None:
    assert make_status(log).status_list.entries == ()


@pytest.mark.parametrize("order", [(7, 3), (3, 3), (3, 10), (3, 11)])
def test_entries_out_of_the_order_of_the_log_are_refused(log: WitnessedLog, order: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="order"):
        make_status(log, *map(entry, order))


def test_list_that_ends_before_it_begins_is_refused(log: WitnessedLog) -> None:
    with pytest.raises(InputError, match="ends before"):
        make_status(log, days=0)


@pytest.mark.parametrize(
    "changes", [{"origin": ""}, {"checkpoint": "x"}, {"issued_at": "today"}, {"checkpoint": "x" * 300_000}]
)
def test_malformed_content_is_refused(log: WitnessedLog, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        make_status(log, **changes)


def test_other_spelling_is_refused(log: WitnessedLog) -> None:
    data = make_status(log, entry(3)).to_bytes()
    for other in (data[:-1], data + b"\n", b" " + data, json.dumps(json.loads(data), indent=1).encode()):
        with pytest.raises(InputError, match="canonical"):
            StatusList.from_bytes(other)


@pytest.mark.parametrize("kind", ["urn:ireu:status-list:v2", "urn:ireu:certificate:v1", None, 1])
def test_file_of_another_kind_is_no_list(log: WitnessedLog, kind: object) -> None:
    value = {**json.loads(make_status(log).to_bytes()), "_type": kind}
    with pytest.raises(InputError, match="no ireu status list"):
        StatusList.from_bytes(canonicalize(value) + b"\n")
    with pytest.raises(InputError, match="no ireu status list"):
        StatusList.from_bytes(b"[]")


def test_unknown_member_is_refused(log: WitnessedLog) -> None:
    value = json.loads(make_status(log).to_bytes())
    value["status_list"]["note"] = "x"
    with pytest.raises(InputError, match="malformed"):
        StatusList.from_bytes(canonicalize(value) + b"\n")


def test_list_of_another_log_or_signer_is_refused(log: WitnessedLog) -> None:
    made = make_status(log, entry(3))
    with pytest.raises(VerificationError, match="of the log"):
        made.verify(make_keys(origin="other.example").key_file)
    with pytest.raises(VerificationError):
        made.verify(make_keys("stranger").key_file)
    with pytest.raises(VerificationError, match="no record key"):
        make_status(log, signer=KEYS.log).verify(KEYS.key_file)
    changed = made.model_copy(update={"status_list": made.status_list.model_copy(update={"next_update": moment(9e6)})})
    with pytest.raises(VerificationError, match="does not fit"):
        changed.verify(KEYS.key_file)


def test_list_of_a_key_that_was_revoked_since_says_nothing_about_now(log: WitnessedLog) -> None:
    newer, _ = change_record_key(KEYS, from_size=12)
    made = make_status(log)  # of a time when the key counted, or so the thief says
    made.verify(KEYS.key_file, current=True)
    made.verify(newer)
    with pytest.raises(VerificationError, match="revoked since"):
        made.verify(newer, current=True)


def test_list_of_the_new_key_counts_after_a_change(log: WitnessedLog) -> None:
    newer, record = change_record_key(KEYS, from_size=4)
    made = make_status(log, entry(3), signer=record)
    assert made.verify(newer, current=True).size == 10


def test_reasons_are_tokens_that_entries_take() -> None:
    for reason in REASONS:
        assert entry(1, reason=reason)
