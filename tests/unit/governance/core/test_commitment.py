"""Salted commitments: they bind, and without the salt they tell nothing."""

from __future__ import annotations

import hashlib

import pytest

from ireu_governance.core.commitment import SALT_SIZE, commit, new_salt, verify_opening
from ireu_governance.core.errors import InputError, VerificationError

PAYLOAD = {"subject": "case", "photos": ["ab" * 32]}
SALT = bytes(range(32))


def test_commitment_is_the_documented_hash() -> None:
    data = b'{"photos":["' + b"ab" * 32 + b'"],"subject":"case"}'
    assert commit(PAYLOAD, SALT) == hashlib.sha256(b"urn:ireu:commitment:v1\0" + SALT + data).hexdigest()


def test_opening_verifies_however_the_payload_was_written() -> None:
    salt = new_salt()
    verify_opening(commit(PAYLOAD, salt), dict(reversed(PAYLOAD.items())), salt)


@pytest.mark.parametrize(
    ("payload", "salt"),
    [({**PAYLOAD, "subject": "other"}, SALT), (PAYLOAD, bytes(32)), ([PAYLOAD], SALT), (None, SALT)],
)
def test_another_payload_or_salt_does_not_open(payload: object, salt: bytes) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_opening(commit(PAYLOAD, SALT), payload, salt)
    assert caught.value.check == "commitment"


@pytest.mark.parametrize("commitment", ["", "00", "é", "\ud800", commit(PAYLOAD, SALT).upper()])
def test_damaged_commitment_does_not_open(commitment: str) -> None:
    with pytest.raises(VerificationError):
        verify_opening(commitment, PAYLOAD, SALT)


def test_same_payload_under_two_salts_cannot_be_linked() -> None:
    assert commit(PAYLOAD, new_salt()) != commit(PAYLOAD, new_salt())
    assert len({new_salt() for _ in range(50)}) == 50


@pytest.mark.parametrize("length", [0, 1, SALT_SIZE - 1, SALT_SIZE + 1, 2 * SALT_SIZE])
def test_salt_of_another_length_is_refused(length: int) -> None:
    # A longer one could take in the payload's first bytes: one commitment would open to two payloads.
    with pytest.raises(InputError):
        commit(PAYLOAD, bytes(length))
