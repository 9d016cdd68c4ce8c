"""Private keys at rest: hard to guess, readable by OpenSSL, and older files are still opened."""

from __future__ import annotations

import base64
import copy
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import make_key
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.ed25519 import PrivateKey
from ireu_governance.core.errors import ConfigError, InputError, VerificationError
from ireu_governance.core.mldsa import HybridSigner, MlDsaPrivateKey, MlDsaPublicKey
from ireu_governance.core.private_pem import SCRYPT_N, SCRYPT_P, SCRYPT_R, write_private_pem

KEY = make_key("pem")
SECOND = MlDsaPrivateKey.generate()


@pytest.mark.parametrize("key", [KEY, SECOND], ids=["ed25519", "ml-dsa-44"])
@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_key_is_written_and_read_again(key: PrivateKey | MlDsaPrivateKey, passphrase: bytes | None) -> None:
    data = key.to_pem(passphrase)
    assert data.startswith(b"-----BEGIN ENCRYPTED" if passphrase else b"-----BEGIN PRIVATE")
    assert type(key).from_pem(data, passphrase).public_key == key.public_key


def test_encrypted_key_costs_a_guesser_memory() -> None:
    der = base64.b64decode(b"".join(KEY.to_pem(b"x").splitlines()[1:-1]))
    assert bytes.fromhex("06092b06010401da47040b") in der, "scrypt, and not PBKDF2 with 2,048 rounds"
    assert 128 * SCRYPT_N * SCRYPT_R >= 16 * 2**20
    assert SCRYPT_P >= 5
    assert KEY.to_pem(b"x") != KEY.to_pem(b"x"), "each with its own salt"


def test_file_of_an_earlier_version_is_still_opened() -> None:
    old = KEY._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"old"))
    assert PrivateKey.from_pem(old, b"old").public_key == KEY.public_key


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on this machine")
def test_openssl_opens_an_encrypted_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(KEY.to_pem(b"correct horse"))
    command = ["openssl", "pkey", "-in", str(path), "-passin", "pass:correct horse", "-pubout"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout.replace(b"\n", b"") == KEY.public_key.to_pem().replace(b"\n", b"")


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: PrivateKey.from_pem(KEY.to_pem(b"right"), b"wrong"),
        lambda: PrivateKey.from_pem(KEY.to_pem(b"right")),
        lambda: PrivateKey.from_pem(KEY.to_pem(None), b"none needed"),
        lambda: PrivateKey.from_pem(b"junk", None),
        lambda: KEY.to_pem(b""),
        lambda: KEY.to_pem(b"x" * 1024),
    ],
)
def test_every_trouble_with_a_passphrase_names_its_variable(attempt: Callable[[], object]) -> None:
    with pytest.raises(ConfigError) as caught:
        attempt()
    assert "IREU_KEY_PASSPHRASE" in caught.value.hint


def test_key_of_another_kind_is_refused() -> None:
    curve = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for read, data in (
        (PrivateKey.from_pem, curve),
        (PrivateKey.from_pem, SECOND.to_pem(None)),
        (MlDsaPrivateKey.from_pem, KEY.to_pem(None)),
    ):
        with pytest.raises(ConfigError, match="not an"):
            read(data, None)


@given(st.binary(max_size=80))
def test_any_bytes_are_answered_with_a_config_error(data: bytes) -> None:
    with pytest.raises(ConfigError):
        PrivateKey.from_pem(
            b"-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(data) + b"\n-----END PRIVATE KEY-----\n"
        )


def test_long_passphrases_and_keys_are_encoded_by_the_rules() -> None:
    for length in (1, 127, 128, 1023):
        assert PrivateKey.from_pem(write_private_pem(KEY._key, b"x" * length), b"x" * length).public_key


# ML-DSA-44.


def test_ml_dsa_signature_verifies_and_a_changed_one_does_not() -> None:
    signature = SECOND.sign(b"head")
    SECOND.public_key.verify(signature, b"head", check="c")
    for damaged, message in (
        (signature, b"tail"),
        (bytes([signature[0] ^ 1]) + signature[1:], b"head"),
        (signature[:-1], b"head"),
        (b"", b"head"),
    ):
        with pytest.raises(VerificationError):
            SECOND.public_key.verify(damaged, message, check="c")


def test_ml_dsa_public_key_goes_both_ways_and_has_the_id_of_its_spki() -> None:
    import hashlib

    from cryptography.hazmat.primitives.serialization import PublicFormat

    public = SECOND.public_key
    spki = SECOND._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert public.key_id == hashlib.sha256(spki).hexdigest()
    assert MlDsaPublicKey.from_base64(public.to_base64()) == MlDsaPublicKey.from_raw(public.raw) == public
    for raw in (b"", public.raw[:-1], public.raw + b"\0"):
        with pytest.raises(InputError):
            MlDsaPublicKey.from_raw(raw)


def test_private_keys_tell_nothing_and_are_not_copied() -> None:
    assert repr(SECOND) == f"<MlDsaPrivateKey of {SECOND.public_key.key_id}>"
    for attempt in (copy.copy, copy.deepcopy, lambda key: key.__reduce__()):
        with pytest.raises(TypeError):
            attempt(SECOND)


def test_both_keys_of_a_log_act_as_one_signer() -> None:
    both = HybridSigner(KEY, SECOND)
    assert both.public_key == KEY.public_key
    assert both.sign(b"m") == KEY.sign(b"m")


def test_build_without_ml_dsa_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm

    from ireu_governance.core import mldsa

    class Absent:
        @staticmethod
        def generate() -> None:
            raise UnsupportedAlgorithm("no")

        @staticmethod
        def from_public_bytes(data: bytes) -> None:
            raise UnsupportedAlgorithm("no")

    monkeypatch.setattr(mldsa, "MLDSA44PrivateKey", Absent)
    monkeypatch.setattr(mldsa, "MLDSA44PublicKey", Absent)
    with pytest.raises(ConfigError, match="no ML-DSA"):
        MlDsaPrivateKey.generate()
    with pytest.raises(InputError, match="no ML-DSA"):
        MlDsaPublicKey(SECOND.public_key.raw).verify(bytes(2420), b"", check="c")
