"""The key file: who may sign what, until when, and what makes one worthless."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from builders import ISSUED_AT, ORIGIN, KeySet, make_key, make_keys, sign_key_file
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.ed25519 import PrivateKey
from ireu_governance.core.errors import InputError
from ireu_governance.core.keys import MAX_KEYS, KeyFile, Role

KEYS = make_keys()


def document() -> dict[str, Any]:
    return copy.deepcopy(KEYS.key_file.to_object())


def sign(value: dict[str, Any], *signers: PrivateKey) -> bytes:
    return sign_key_file(value, *(signers or (KEYS.root,)))


def test_key_file_goes_both_ways_in_any_layout() -> None:
    key_file = KEYS.key_file
    data = key_file.to_bytes()
    assert data.startswith(b'{\n  "_type": "urn:ireu:key-file:v1"')
    assert data.endswith(b"}\n")
    for layout in (data, canonicalize(json.loads(data)), json.dumps(json.loads(data), indent=7).encode()):
        again = KeyFile.from_bytes(layout)
        assert again.digest == key_file.digest
        assert again.to_bytes() == data
    assert (key_file.origin, key_file.version, key_file.threshold) == (ORIGIN, 1, 1)
    assert key_file.issued_at == ISSUED_AT


def test_each_key_has_its_role() -> None:
    key_file = KEYS.key_file
    assert key_file.keys(Role.ROOT) == (KEYS.root.public_key,)
    assert key_file.keys(Role.LOG) == (KEYS.log.public_key,)
    assert key_file.keys(Role.RECORD) == (KEYS.record.public_key,)
    entry = key_file.find(KEYS.log.public_key.key_id)
    assert entry is not None and entry.role is Role.LOG
    assert key_file.find("0" * 64) is None


def test_revoked_key_counts_before_its_revocation_and_not_from_it_on() -> None:
    value = document()
    value["signed"]["keys"][2]["revoked_from_size"] = 10
    key_file = KeyFile.from_bytes(sign(value))
    assert key_file.keys(Role.RECORD, at_size=9) == (KEYS.record.public_key,)
    assert key_file.keys(Role.RECORD, at_size=10) == ()
    assert key_file.keys(Role.RECORD, at_size=11) == ()
    assert key_file.keys(Role.RECORD) == (KEYS.record.public_key,)
    assert key_file.keys(Role.LOG, at_size=11) == (KEYS.log.public_key,)


def test_key_that_was_added_without_the_root_key_is_refused() -> None:
    value = document()
    attacker = make_key("attacker").public_key
    value["signed"]["keys"].append(
        {**value["signed"]["keys"][2], "key_id": attacker.key_id, "public_key": attacker.to_base64()}
    )
    with pytest.raises(InputError, match="not signed by its own root keys"):
        KeyFile.from_bytes(json.dumps(value).encode())


def test_key_file_signed_by_a_key_of_another_role_is_refused() -> None:
    for signer in (KEYS.log, KEYS.record, make_key("attacker")):
        with pytest.raises(InputError, match="0 of its root keys"):
            KeyFile.from_bytes(sign(document(), signer))


def test_threshold_counts_different_root_keys() -> None:
    roots = [make_key("r1"), make_key("r2"), make_key("r3")]
    key_file = KeyFile.create(
        origin=ORIGIN,
        organisation="Example",
        root_signers=roots,
        log_keys=[KEYS.log.public_key],
        record_keys=[KEYS.record.public_key],
        issued_at=ISSUED_AT,
        threshold=2,
    )
    value = copy.deepcopy(key_file.to_object())
    for signers in ((roots[0], roots[1]), (roots[2], roots[0]), tuple(roots)):
        assert KeyFile.from_bytes(sign(value, *signers)).threshold == 2
    for few in ((roots[0],), (roots[0], make_key("attacker")), (roots[0], KEYS.log)):
        with pytest.raises(InputError, match="it needs 2"):
            KeyFile.from_bytes(sign(value, *few))
    with pytest.raises(InputError, match="twice"):
        KeyFile.from_bytes(sign(value, roots[0], roots[0]))


def test_threshold_that_cannot_be_met_is_refused() -> None:
    with pytest.raises(InputError):
        make_keys(threshold=2)


def test_one_key_has_one_role() -> None:
    with pytest.raises(InputError, match="exactly one role"):
        KeyFile.create(
            origin=ORIGIN,
            organisation="Example",
            root_signers=[KEYS.root],
            log_keys=[KEYS.log.public_key],
            record_keys=[KEYS.log.public_key],
            issued_at=ISSUED_AT,
        )


def test_newer_version_endorses_an_older_one_signed_by_the_same_root() -> None:
    newer = make_keys(version=2).key_file
    assert newer.endorses(KEYS.key_file)
    assert not KEYS.key_file.endorses(newer), "an older file cannot vouch for a newer one"
    assert not newer.endorses(newer)
    assert not newer.endorses(make_keys("attacker").key_file), "another root signed it"
    assert not newer.endorses(make_keys(origin="other.example").key_file)


def signed(change: Callable[[dict[str, Any]], object]) -> Callable[[], bytes]:
    def build() -> bytes:
        value = document()
        change(value)
        return sign(value)

    return build


@pytest.mark.parametrize(
    "build",
    [
        signed(lambda v: v.update(_type="urn:ireu:key-file:v2")),
        signed(lambda v: v.update(extra=1)),
        signed(lambda v: v["signed"].update(extra=1)),
        signed(lambda v: v["signed"].pop("origin")),
        signed(lambda v: v["signed"].update(origin="two words")),
        signed(lambda v: v["signed"].update(origin="a+b")),
        signed(lambda v: v["signed"].update(origin="")),
        signed(lambda v: v["signed"].update(organisation="a\u001b[2Jb")),
        signed(lambda v: v["signed"].update(version=0)),
        signed(lambda v: v["signed"].update(version=True)),
        signed(lambda v: v["signed"].update(version="1")),
        signed(lambda v: v["signed"].update(threshold=0)),
        signed(lambda v: v["signed"].update(threshold=-1)),
        signed(lambda v: v["signed"].update(issued_at="yesterday")),
        signed(lambda v: v["signed"].update(issued_at="2026-02-30T00:00:00Z")),
        signed(lambda v: v["signed"].update(keys=[])),
        signed(lambda v: v["signed"].update(keys=v["signed"]["keys"] * (MAX_KEYS // 3 + 1))),
        signed(lambda v: v["signed"]["keys"].append(v["signed"]["keys"][0])),
        signed(lambda v: v["signed"]["keys"].pop(0)),
        signed(lambda v: v["signed"]["keys"][1].update(role="admin")),
        signed(lambda v: v["signed"]["keys"][1].update(algorithm="rsa")),
        signed(lambda v: v["signed"]["keys"][1].update(key_id="0" * 64)),
        signed(lambda v: v["signed"]["keys"][1].update(public_key=base64.b64encode(bytes(32)).decode())),
        signed(lambda v: v["signed"]["keys"][1].update(public_key=v["signed"]["keys"][2]["public_key"])),
        signed(lambda v: v["signed"]["keys"][1].update(public_key="AAAA")),
        signed(lambda v: v["signed"]["keys"][1].update(revoked_from_size=-1)),
        signed(lambda v: v["signed"]["keys"][1].update(revoked_from_size=1.5)),
        signed(lambda v: v["signed"]["keys"][1].pop("valid_from")),
        lambda: json.dumps({**document(), "signatures": []}).encode(),
        lambda: json.dumps({**document(), "signatures": document()["signatures"] * 20}).encode(),
        lambda: json.dumps({**document(), "signatures": [{"keyid": "x", "sig": "AAAA"}]}).encode(),
        lambda: json.dumps([document()]).encode(),
        lambda: KEYS.key_file.to_bytes().replace(b'"version": 1,', b'"version": 1, "version": 1,'),
        lambda: KEYS.key_file.to_bytes() + b"{}",
        lambda: b" " * 300_000 + KEYS.key_file.to_bytes(),
        lambda: b"",
    ],
)
def test_malformed_key_file_is_refused(build: Callable[[], bytes]) -> None:
    with pytest.raises(InputError):
        KeyFile.from_bytes(build())


def test_messages_carry_no_terminal_commands() -> None:
    value = document()
    value["signed"]["\x1b[31mred"] = "\x1b[2J"
    with pytest.raises(InputError) as caught:
        KeyFile.from_bytes(sign(value))
    assert caught.value.message.isprintable()


@given(st.binary(max_size=100))
def test_any_bytes_are_answered_with_an_input_error(data: bytes) -> None:
    with pytest.raises(InputError):
        KeyFile.from_bytes(data)


def test_every_flipped_byte_is_refused_or_changes_nothing() -> None:
    data = KEYS.key_file.to_bytes()
    for at in range(0, len(data), 3):
        damaged = data[:at] + bytes([data[at] ^ 2]) + data[at + 1 :]
        try:
            key_file = KeyFile.from_bytes(damaged)
        except InputError:
            continue
        assert key_file.digest == KEYS.key_file.digest, "white space only"


def test_builders_make_the_same_keys_each_time() -> None:
    again: KeySet = make_keys()
    assert again.key_file.digest == KEYS.key_file.digest
