"""Signatures count for an audit exactly when they count for a certificate, whichever library looks first."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from ireu_governance.core.bulk_keys import BulkPublicKey
from ireu_governance.core.ed25519 import PrivateKey, PublicKey
from ireu_governance.core.errors import VerificationError

ORDER = 2**252 + 27742317777372353535851937790883648493  # of the group, RFC 8032, section 5.1
SEED = bytes(range(32))
KEY = PrivateKey(Ed25519PrivateKey.from_private_bytes(SEED))
MESSAGE = b"an entry"
# Points of small order in their canonical form: the identity, and the one of order 2.
SMALL = ((1).to_bytes(32, "little"), (2**255 - 20).to_bytes(32, "little"))


def counts(key: PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message, check="record-signature")
    except VerificationError:
        return False
    return True


def sign_with_small_order_r(r: bytes, message: bytes) -> bytes:
    """Return what only the key's owner can make: a signature whose R is of small order."""
    digest = bytearray(hashlib.sha512(SEED).digest()[:32])
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    challenge = int.from_bytes(hashlib.sha512(r + KEY.public_key.raw + message).digest(), "little")
    return r + (challenge * int.from_bytes(digest, "little") % ORDER).to_bytes(32, "little")


@given(message=st.binary(max_size=200))
def test_what_the_key_signed_counts(message: bytes) -> None:
    BulkPublicKey.of(KEY.public_key).verify(KEY.sign(message), message, check="record-signature")


@given(message=st.binary(min_size=1, max_size=200), place=st.integers(0, 63), bit=st.integers(0, 7))
def test_an_edited_signature_or_message_is_refused_alike(message: bytes, place: int, bit: int) -> None:
    signature = bytearray(KEY.sign(message))
    signature[place] ^= 1 << bit
    edited = bytearray(message)
    edited[place % len(message)] ^= 1 << bit
    for key in (KEY.public_key, BulkPublicKey.of(KEY.public_key)):
        assert not counts(key, bytes(signature), message)
        assert not counts(key, KEY.sign(message), bytes(edited))


def test_a_signature_with_s_beyond_the_order_is_refused_alike() -> None:
    signature = KEY.sign(MESSAGE)
    beyond = signature[:32] + (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    for key in (KEY.public_key, BulkPublicKey.of(KEY.public_key)):
        assert not counts(key, beyond, MESSAGE)


def test_what_only_libsodium_refuses_openssl_decides() -> None:
    signature = sign_with_small_order_r(SMALL[0], MESSAGE)
    with pytest.raises(BadSignatureError):
        crypto_sign_open(signature + MESSAGE, KEY.public_key.raw)
    assert counts(KEY.public_key, signature, MESSAGE)
    assert counts(BulkPublicKey.of(KEY.public_key), signature, MESSAGE)


@given(message=st.binary(max_size=40), r=st.sampled_from(SMALL))
def test_an_r_of_small_order_counts_alike(message: bytes, r: bytes) -> None:
    signature = sign_with_small_order_r(r, message)
    assert counts(BulkPublicKey.of(KEY.public_key), signature, message) == counts(KEY.public_key, signature, message)


@pytest.mark.parametrize("length", [0, 63, 65, 128])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(VerificationError, match="64"):
        BulkPublicKey.of(KEY.public_key).verify(bytes(length), MESSAGE, check="record-signature")
