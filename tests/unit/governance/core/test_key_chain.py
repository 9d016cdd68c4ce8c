"""The chain of key files: what the next version must be, and every way in which a step is refused."""

from __future__ import annotations

import copy
import json
from itertools import pairwise
from typing import Any

import pytest
from builders import ISSUED_AT, ORIGIN, make_key, make_keys, sign_key_file
from hypothesis import given, settings
from hypothesis import strategies as st

from ireu_governance.core.ed25519 import PrivateKey
from ireu_governance.core.errors import ConfigError, InputError, VerificationError
from ireu_governance.core.key_change import KeyFileChange
from ireu_governance.core.key_proposal import KeyFileProposal
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.mldsa import MlDsaPrivateKey

LATER = "2026-11-21T08:00:00Z"
ROOTS = [make_key(f"chain/root-{number}") for number in range(3)]
LOG, RECORD, NEXT = make_key("chain/log"), make_key("chain/record"), make_key("chain/next")


def first(threshold: int = 2, roots: int = 3) -> KeyFile:
    return KeyFile.create(
        origin=ORIGIN,
        organisation="Example",
        root_signers=ROOTS[:roots],
        log_keys=[LOG.public_key],
        record_keys=[RECORD.public_key],
        issued_at=ISSUED_AT,
        threshold=threshold,
    )


def next_proposal(base: KeyFile | None = None) -> KeyFileProposal:
    change = KeyFileChange(base or first()).add(NEXT.public_key, Role.RECORD, valid_from=LATER, valid_from_size=7)
    return change.revoke(RECORD.public_key.key_id, from_size=7).propose(issued_at=LATER)


def signed(proposal: KeyFileProposal, *signers: PrivateKey) -> KeyFile:
    for each in signers:
        proposal = proposal.sign(each)
    return proposal.finish()


# A good step.


def test_next_version_signed_by_enough_of_the_old_and_new_roots_is_accepted() -> None:
    older, newer = first(), signed(next_proposal(), ROOTS[0], ROOTS[2])
    assert older.accepts(newer)
    assert newer.endorses(older)
    assert (newer.version, newer.threshold) == (2, 2)
    assert not newer.accepts(older)


def test_keys_count_from_and_until_the_sizes_of_the_change() -> None:
    newer = signed(next_proposal(), *ROOTS[:2])
    assert newer.keys(Role.RECORD, at_size=6) == (RECORD.public_key,)
    assert newer.keys(Role.RECORD, at_size=7) == (NEXT.public_key,)
    assert newer.active(Role.RECORD) == (NEXT.public_key,)


@pytest.mark.parametrize(
    ("key", "size", "time", "counts"),
    [
        (RECORD, 6, ISSUED_AT, True),
        (RECORD, 7, LATER, False),
        (RECORD, 0, "2026-11-20T07:59:59Z", False),
        (NEXT, 6, LATER, False),
        (NEXT, 7, LATER, True),
        (NEXT, 7, "2026-11-21T07:59:59Z", False),
        (make_key("unlisted"), 0, ISSUED_AT, True),
    ],
)
def test_key_is_refused_before_it_was_added_and_from_its_revocation_on(
    key: PrivateKey, size: int, time: str, counts: bool
) -> None:
    newer = signed(next_proposal(), *ROOTS[:2])
    if counts:
        newer.expect_valid(key.public_key.key_id, size=size, time=time, check="record-signature")
    else:
        with pytest.raises(VerificationError):
            newer.expect_valid(key.public_key.key_id, size=size, time=time, check="record-signature")


def test_root_keys_can_be_replaced_and_the_new_file_still_vouches_for_the_old_one() -> None:
    older, new_root = first(1, 1), make_key("chain/new-root")
    change = KeyFileChange(older).add(new_root.public_key, Role.ROOT, valid_from=LATER)
    proposal = change.revoke(ROOTS[0].public_key.key_id, from_size=3).propose(issued_at=LATER)
    assert proposal.missing == (1, 1)
    newer = signed(proposal, ROOTS[0], new_root)
    assert older.accepts(newer)
    assert newer.endorses(older), "certificates of the old file are still recognised"
    third = KeyFileChange(newer).add(NEXT.public_key, Role.RECORD, valid_from=LATER).propose(issued_at=LATER)
    with pytest.raises(ConfigError):
        third.sign(ROOTS[0])  # retired
    assert newer.accepts(signed(third, new_root))


def test_root_key_cannot_endorse_a_file_that_is_older_than_itself() -> None:
    older, new_root = first(1, 1), make_key("chain/new-root")
    change = KeyFileChange(older).add(new_root.public_key, Role.ROOT, valid_from=LATER)
    newer = signed(change.propose(issued_at=LATER), ROOTS[0])
    forged = KeyFile.create(
        origin=ORIGIN,
        organisation="Example",
        root_signers=[new_root],
        log_keys=[LOG.public_key],
        record_keys=[RECORD.public_key],
        issued_at=ISSUED_AT,
    )
    assert not newer.endorses(forged)


def test_threshold_can_be_raised_with_new_root_keys() -> None:
    older = first(1, 1)
    change = KeyFileChange(older)
    for each in ROOTS[1:]:
        change = change.add(each.public_key, Role.ROOT, valid_from=LATER)
    proposal = change.require(2).propose(issued_at=LATER)
    with pytest.raises(ConfigError, match="1 more of the next"):
        proposal.sign(ROOTS[0]).finish()
    with pytest.raises(ConfigError, match="1 more of the present"):
        proposal.sign(ROOTS[1]).sign(ROOTS[2]).finish()
    assert older.accepts(signed(proposal, ROOTS[0], ROOTS[1]))


def test_ml_dsa_key_is_a_second_key_of_the_log_only() -> None:
    second = MlDsaPrivateKey.generate().public_key
    change = KeyFileChange(first(1)).add(second, Role.LOG, valid_from=LATER, valid_from_size=4)
    newer = signed(change.propose(issued_at=LATER), ROOTS[0])
    assert KeyFile.from_bytes(newer.to_bytes()).second_keys(at_size=4) == (second,)
    assert newer.second_keys(at_size=3) == ()
    assert newer.keys(Role.LOG) == (LOG.public_key,)
    for role in (Role.ROOT, Role.RECORD):
        with pytest.raises(InputError, match="only a log"):
            KeyFileChange(first(1)).add(second, role, valid_from=LATER).propose(issued_at=LATER)


# Steps that are refused.


def resigned(change: Any, *roots: PrivateKey) -> KeyFile:
    value = copy.deepcopy(signed(next_proposal(), *ROOTS[:2]).to_object())
    change(value["signed"])
    return KeyFile.from_bytes(sign_key_file(value, *(roots or ROOTS)))


def old_record(signed_: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in signed_["keys"] if each["key_id"] == RECORD.public_key.key_id)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(version=3),
        lambda s: s.update(version=1),
        lambda s: s.update(origin="other.example"),
        lambda s: s.update(organisation="Another"),
        lambda s: s.update(issued_at="2026-11-19T08:00:00Z"),
        lambda s: s["keys"].remove(old_record(s)),
        lambda s: old_record(s).update(role="log"),
        lambda s: old_record(s).update(valid_from="2026-11-20T08:00:01Z"),
        lambda s: old_record(s).update(valid_from_size=1),
        lambda s: s["keys"][-1].update(valid_from="2026-11-20T07:59:59Z"),
    ],
)
def test_content_that_does_not_follow_is_refused_whoever_signed_it(change: Any) -> None:
    assert not first().accepts(resigned(change))


@pytest.mark.parametrize("later", [None, 8])
def test_revocation_is_never_taken_back(later: int | None) -> None:
    second = signed(next_proposal(), *ROOTS)
    value = copy.deepcopy(second.to_object())
    value["signed"]["version"] = 3
    old_record(value["signed"])["revoked_from_size"] = later
    assert not second.accepts(KeyFile.from_bytes(sign_key_file(value, *ROOTS)))
    old_record(value["signed"])["revoked_from_size"] = 5
    assert second.accepts(KeyFile.from_bytes(sign_key_file(value, *ROOTS))), "an earlier theft may come to light"


def build_chain(length: int) -> tuple[list[KeyFile], list[list[PrivateKey]]]:
    """Return key files in which every step replaces all three root keys, and their root keys."""
    roots = [[make_key(f"v{version}/root-{number}") for number in range(3)] for version in range(length)]
    chain = [
        KeyFile.create(
            origin=ORIGIN,
            organisation="Example",
            root_signers=roots[0],
            log_keys=[LOG.public_key],
            record_keys=[RECORD.public_key],
            issued_at=ISSUED_AT,
            threshold=2,
        )
    ]
    for old, new in pairwise(roots):
        change = KeyFileChange(chain[-1])
        for each in new:
            change = change.add(each.public_key, Role.ROOT, valid_from=LATER)
        for each in old:
            change = change.revoke(each.public_key.key_id, from_size=len(chain))
        chain.append(signed(change.propose(issued_at=LATER), *old[:2], *new[:2]))
    return chain, roots


CHAIN, CHAIN_ROOTS = build_chain(5)


def test_whole_chain_is_followed_from_the_first_to_the_last() -> None:
    assert CHAIN[0].follow(CHAIN[1:]) is CHAIN[-1]
    assert CHAIN[0].accepts(CHAIN[-1], through=CHAIN[1:-1])
    assert CHAIN[2].follow([]) is CHAIN[2]
    assert all(CHAIN[-1].endorses(each) for each in CHAIN[:-1])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_any_other_order_or_any_gap_is_refused(steps: list[int]) -> None:
    whole = steps == list(range(1, len(steps) + 1))
    assert CHAIN[0].accepts(CHAIN[steps[-1]], through=[CHAIN[each] for each in steps[:-1]]) == whole


@settings(max_examples=60)
@given(
    step=st.integers(0, 3),
    old=st.sets(st.integers(0, 2)),
    new=st.sets(st.integers(0, 2)),
    strangers=st.integers(0, 2),
    duplicate=st.booleans(),
)
def test_step_needs_the_threshold_of_distinct_old_and_of_distinct_new_roots(
    step: int, old: set[int], new: set[int], strangers: int, duplicate: bool
) -> None:
    value = copy.deepcopy(CHAIN[step + 1].to_object())
    signers = [CHAIN_ROOTS[step][each] for each in old] + [CHAIN_ROOTS[step + 1][each] for each in new]
    signers += [make_key(f"stranger/{number}") for number in range(strangers)] + [LOG, RECORD]
    data = sign_key_file(value, *signers, *(signers[:1] if duplicate else []))
    if duplicate or len(new) < 2:
        with pytest.raises(InputError):
            KeyFile.from_bytes(data)
        return
    assert CHAIN[step].accepts(KeyFile.from_bytes(data)) == (len(old) >= 2)


@given(st.sampled_from(["root", "log", "record"]), st.integers(0, 4))
def test_key_whose_role_is_swapped_is_refused(role: str, at: int) -> None:
    value: Any = copy.deepcopy(CHAIN[1].to_object())
    entry = value["signed"]["keys"][at]
    if entry["role"] == role:
        return
    entry["role"] = role
    try:
        newer = KeyFile.from_bytes(sign_key_file(value, *CHAIN_ROOTS[0], *CHAIN_ROOTS[1]))
    except InputError:
        return
    assert not CHAIN[0].accepts(newer)


# Proposals.


def test_proposal_is_carried_as_a_file_and_signed_by_two_people() -> None:
    proposal = next_proposal()
    assert proposal.missing == (2, 2)
    at_first = KeyFileProposal.from_bytes(proposal.to_bytes()).sign(ROOTS[0])
    at_second = KeyFileProposal.from_bytes(proposal.to_bytes()).sign(ROOTS[1])
    assert at_first.missing == (1, 1)
    with pytest.raises(ConfigError, match="1 more of the present root keys"):
        at_first.finish()
    assert at_first.digest == at_second.digest == proposal.digest
    together = at_first.merge(at_second)
    assert together.sign(ROOTS[0]) is together, "a second signature of one person counts for nothing"
    assert first().accepts(together.finish())
    assert [(entry.role, change) for entry, change in proposal.changes()] == [
        (Role.RECORD, "revoked"),
        (Role.RECORD, "added"),
    ]


def test_proposal_of_another_change_is_not_merged() -> None:
    with pytest.raises(InputError):
        next_proposal().merge(KeyFileChange(first()).require(3).propose(issued_at=LATER))


def test_proposal_is_signed_by_root_keys_only() -> None:
    for key in (LOG, RECORD, NEXT, make_key("stranger")):
        with pytest.raises(ConfigError, match="no root key"):
            next_proposal().sign(key)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.update(_type="urn:ireu:key-file:v1"),
        lambda v: v.update(extra=1),
        lambda v: v["signed"].update(version=5),
        lambda v: v["signed"].update(threshold=4),
        lambda v: v["signed"]["keys"].pop(),
        lambda v: v["current"]["signed"].update(organisation="Another"),
        lambda v: v["signatures"].append({"keyid": ROOTS[0].public_key.key_id, "sig": "AAAA"}),
        lambda v: v.update(signatures=v["signatures"] * 2),
    ],
)
def test_proposal_that_could_never_be_accepted_is_refused_before_anybody_signs(change: Any) -> None:
    value = json.loads(next_proposal().sign(ROOTS[0]).to_bytes())
    change(value)
    with pytest.raises(InputError):
        KeyFileProposal.from_bytes(json.dumps(value).encode())


@given(st.binary(max_size=60))
def test_any_bytes_are_no_proposal(data: bytes) -> None:
    with pytest.raises(InputError):
        KeyFileProposal.from_bytes(data)


# Changes that are not made.


def test_role_is_never_left_without_a_key() -> None:
    for key in (LOG, RECORD):
        with pytest.raises(ConfigError, match="no key left"):
            KeyFileChange(first()).revoke(key.public_key.key_id, from_size=3).propose(issued_at=LATER)


def test_root_keys_that_could_not_meet_the_threshold_are_not_proposed() -> None:
    change = KeyFileChange(first())
    for each in ROOTS[:2]:
        change = change.revoke(each.public_key.key_id, from_size=0)
    with pytest.raises(ConfigError, match="cannot give 2"):
        change.propose(issued_at=LATER)


def test_change_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="Nothing would change"):
        KeyFileChange(first()).propose(issued_at=LATER)


def test_unknown_key_and_later_revocation_are_refused() -> None:
    with pytest.raises(InputError, match="lists no key"):
        KeyFileChange(first()).revoke("ab" * 32, from_size=1)
    with pytest.raises(ConfigError, match="counts no more"):
        KeyFileChange(signed(next_proposal(), *ROOTS)).revoke(RECORD.public_key.key_id, from_size=7)


def test_key_file_does_not_grow_beyond_its_limit() -> None:
    change = KeyFileChange(first())
    for number in range(196):
        change = change.add(make_key(f"many/{number}").public_key, Role.RECORD, valid_from=LATER)
    with pytest.raises(ConfigError, match="at most"):
        change.propose(issued_at=LATER)


def test_clock_that_was_set_back_does_not_date_the_next_version_before_this_one() -> None:
    proposal = KeyFileChange(first()).add(NEXT.public_key, Role.RECORD, valid_from=ISSUED_AT)
    assert proposal.propose(issued_at="2020-01-01T00:00:00Z").signed.issued_at == ISSUED_AT


def test_first_version_keeps_its_bytes() -> None:
    assert "valid_from_size" not in make_keys().key_file.to_bytes().decode()
