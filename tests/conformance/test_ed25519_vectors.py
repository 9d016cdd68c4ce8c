"""Ed25519 through ireu's own wrappers: the vectors of RFC 8032, and keys and signatures that must be refused."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from builders import make_key
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.ed25519 import PrivateKey, PublicKey
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, VerificationError

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]

WAYS: list[Callable[[bytes], PublicKey]] = [
    PublicKey,
    PublicKey.from_raw,
    lambda raw: PublicKey.from_base64(base64.b64encode(raw).decode()),
    lambda raw: PublicKey.from_pem(pem_of(raw)),
]


def pem_of(raw: bytes) -> bytes:
    der = bytes.fromhex("302a300506032b6570032100") + raw
    return b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(der) + b"\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
@pytest.mark.parametrize("read", WAYS)
def test_rfc_8032_vectors(
    read: Callable[[bytes], PublicKey], seed: str, public: str, message: str, signature: str
) -> None:
    private = PrivateKey(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)))
    assert private.public_key.raw.hex() == public
    assert private.sign(bytes.fromhex(message)).hex() == signature
    read(bytes.fromhex(public)).verify(bytes.fromhex(signature), bytes.fromhex(message), check="x")


# The eight points of small order, computed here rather than quoted, in every encoding that decodes to them.


def add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % P
    return (
        (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P,
    )


def multiply(n: int, point: tuple[int, int]) -> tuple[int, int]:
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


def x_of(y: int) -> int | None:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    return x if x * x % P == square else None


def small_order_encodings() -> list[bytes]:
    y = 3
    while True:
        x = x_of(y)
        if x is not None:
            generator = multiply(L, (x, y))
            points = {multiply(n, generator) for n in range(8)}
            if len(points) == 8:
                break
        y += 1
    ys = {point[1] for point in points}
    encodings = set()
    for value in ys | {y + P for y in ys if y + P < 2**255}:
        for sign in (0, 1):
            encodings.add((value | sign << 255).to_bytes(32, "little"))
    return sorted(encodings)


SMALL = small_order_encodings()


def test_there_are_the_expected_encodings_of_small_order() -> None:
    assert len(SMALL) == 14


@pytest.mark.parametrize("raw", SMALL, ids=lambda raw: raw.hex()[:8] + raw.hex()[-2:])
@pytest.mark.parametrize("read", WAYS)
def test_key_of_small_order_is_refused(read: Callable[[bytes], PublicKey], raw: bytes) -> None:
    with pytest.raises(InputError):
        read(raw)


def test_why_keys_of_small_order_are_refused() -> None:
    # Without the refusal, this signature of nobody verifies for every message.
    Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little")).verify(
        (1).to_bytes(32, "little") + bytes(32), b"any message"
    )


@pytest.mark.parametrize("value", [P, P + 1, P + 3, P + 18, 2**255 - 1])
@pytest.mark.parametrize("sign", [0, 1])
def test_key_in_non_canonical_form_is_refused(value: int, sign: int) -> None:
    with pytest.raises(InputError):
        PublicKey((value | sign << 255).to_bytes(32, "little"))


def test_key_off_the_curve_is_refused_and_on_it_is_taken() -> None:
    taken = 0
    for y in range(2, 100):
        raw = y.to_bytes(32, "little")
        if x_of(y) is None:
            with pytest.raises(InputError):
                PublicKey(raw)
        else:
            PublicKey(raw)
            taken += 1
    assert 20 < taken < 80


@given(st.binary(max_size=80).filter(lambda raw: len(raw) != 32))
def test_key_of_wrong_length_is_refused(raw: bytes) -> None:
    for read in WAYS:
        with pytest.raises(InputError):
            read(raw)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_random_key_is_refused_or_verifies_nothing(raw: bytes, signature: bytes) -> None:
    try:
        key = PublicKey(raw)
    except InputError:
        return
    with pytest.raises(VerificationError):
        key.verify(signature, b"message", check="x")


KEY = make_key("vectors")


@given(st.binary(max_size=50))
def test_non_canonical_s_is_refused(message: bytes) -> None:
    signature = KEY.sign(message)
    KEY.public_key.verify(signature, message, check="x")
    s = int.from_bytes(signature[32:], "little")
    for malleable in (s + L, s + 2 * L, s + 8 * L, L - s, (s + L) % 2**256 | 1 << 255):
        with pytest.raises(VerificationError):
            KEY.public_key.verify(signature[:32] + malleable.to_bytes(32, "little"), message, check="x")


@pytest.mark.parametrize("raw", SMALL[:6], ids=lambda raw: raw.hex()[:8] + raw.hex()[-2:])
def test_signature_with_commitment_of_small_order_is_refused(raw: bytes) -> None:
    for s in (0, 1, L - 1):
        with pytest.raises(VerificationError):
            KEY.public_key.verify(raw + s.to_bytes(32, "little"), b"message", check="x")


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65), b"\xff" * 64])
def test_signature_of_wrong_length_or_content_is_refused(signature: bytes) -> None:
    with pytest.raises(VerificationError) as caught:
        KEY.public_key.verify(signature, b"message", check="record-signature")
    assert caught.value.check == "record-signature"


def test_truncated_and_extended_signatures_are_refused() -> None:
    signature = KEY.sign(b"message")
    for damaged in (signature[:-1], signature + b"\0", signature[1:], signature[32:] + signature[:32]):
        with pytest.raises(VerificationError):
            KEY.public_key.verify(damaged, b"message", check="x")
    with pytest.raises(VerificationError):
        KEY.public_key.verify(signature, b"messagf", check="x")


def test_keys_go_both_ways() -> None:
    public = KEY.public_key
    assert PublicKey.from_pem(public.to_pem()) == public
    assert PublicKey.from_base64(public.to_base64()) == public
    der = Ed25519PublicKey.from_public_bytes(public.raw)
    expected = der.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert public.to_pem() == expected


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_private_key_goes_both_ways(passphrase: bytes | None) -> None:
    pem = KEY.to_pem(passphrase)
    assert (b"ENCRYPTED" in pem) == (passphrase is not None)
    again = PrivateKey.from_pem(pem, passphrase)
    assert again.public_key == KEY.public_key
    assert again.sign(b"x") == KEY.sign(b"x")


def test_wrong_passphrases_open_nothing() -> None:
    plain, closed = KEY.to_pem(None), KEY.to_pem(b"right")
    for pem, passphrase in ((closed, b"wrong"), (closed, None), (plain, b"any"), (closed[:-40], b"right")):
        with pytest.raises(ConfigError) as caught:
            PrivateKey.from_pem(pem, passphrase)
        assert caught.value.code is ErrorCode.KEY_UNUSABLE
    for bad in (b"", bytes(2000)):
        with pytest.raises(ConfigError):
            KEY.to_pem(bad)


def test_keys_of_other_kinds_are_refused() -> None:
    encoding, public_format = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    for other in (ec.generate_private_key(ec.SECP256R1()), x25519.X25519PrivateKey.generate()):
        with pytest.raises(InputError):
            PublicKey.from_pem(other.public_key().public_bytes(encoding, public_format))
        pem = other.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        with pytest.raises(ConfigError):
            PrivateKey.from_pem(pem)


@given(st.binary(max_size=200))
def test_pem_parsers_answer_any_bytes_with_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(InputError):
        PublicKey.from_pem(data)
    with pytest.raises(ConfigError):
        PrivateKey.from_pem(data)


def test_private_key_shows_nothing_of_itself() -> None:
    import copy
    import pickle  # noqa: TID251 -- to see that it is refused

    key = PrivateKey.generate()
    assert repr(key) == str(key) == f"<PrivateKey of {key.public_key.key_id}>"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(key)
