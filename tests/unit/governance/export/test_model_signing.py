"""Signatures over encoders: what is in a bundle, and what OpenSSF's own tool says of it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.dsse import Envelope as ForeignEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.export.model_key import ModelKey, open_model_key
from ireu_governance.export.model_signing import build_bundle, sign_encoder
from ireu_governance.files import hash_folder

ROOT = Path(__file__).resolve().parents[4]
TOOL = os.environ.get("IREU_TEST_MODEL_SIGNING") or str(ROOT / ".venv-foreign" / "bin" / "model_signing")
foreign = pytest.mark.skipif(
    not Path(TOOL).exists() and not os.environ.get("CI"),
    reason="there is no model_signing here; make it with: make foreign, or name it in IREU_TEST_MODEL_SIGNING",
)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    folder = tmp_path / "encoder"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "b").write_bytes(b"one")
    (folder / "a-b").write_bytes(b"two")  # stands before a/b in plain text, and behind it in paths
    (folder / ".hidden").write_bytes(b"three")
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 1000)
    return folder


@pytest.fixture(scope="module")
def key() -> ModelKey:
    return ModelKey.generate()


def statement(bundle: bytes) -> dict[str, object]:
    return json.loads(base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"]))


def test_subject_is_the_digest_by_which_the_log_names_the_encoder(encoder: Path, key: ModelKey) -> None:
    signed = sign_encoder(encoder, key=key)
    assert signed.digest == hash_folder(encoder).digest
    assert statement(signed.data)["subject"] == [{"name": "encoder", "digest": {"sha256": signed.digest}}]
    names = [each["name"] for each in statement(signed.data)["predicate"]["resources"]]
    assert names == [".hidden", "a/b", "a-b", "model.safetensors"]
    assert not signed.has_git_files


def test_signature_is_a_dsse_signature_of_the_named_key(encoder: Path, key: ModelKey) -> None:
    bundle = json.loads(sign_encoder(encoder, key=key).data)
    assert bundle["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert bundle["verificationMaterial"] == {"publicKey": {"hint": key.fingerprint}, "tlogEntries": []}
    envelope = ForeignEnvelope.from_dict(
        {**bundle["dsseEnvelope"], "signatures": [{**bundle["dsseEnvelope"]["signatures"][0], "keyid": "key"}]}
    )
    value = {"public": key.public_pem.decode()}
    envelope.verify([SSlibKey("key", "ecdsa", "ecdsa-sha2-nistp256", value)], 1)
    other = SSlibKey("key", "ecdsa", "ecdsa-sha2-nistp256", {"public": ModelKey.generate().public_pem.decode()})
    with pytest.raises(VerificationError):
        envelope.verify([other], 1)


def test_signature_inside_the_folder_is_refused(encoder: Path, key: ModelKey) -> None:
    for out in (encoder / "model.sig", encoder / "a" / ".." / "x.sig"):
        with pytest.raises(InputError, match="inside"):
            sign_encoder(encoder, key=key, out=out)
    sign_encoder(encoder, key=key, out=encoder.parent / "model.sig")


def test_link_in_the_encoder_is_refused(encoder: Path, key: ModelKey) -> None:
    (encoder / "link").symlink_to(encoder / "a-b")
    with pytest.raises(InputError, match="link"):
        sign_encoder(encoder, key=key)


# The key -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path, passphrase: bytes | None) -> None:
    first = open_model_key(tmp_path, passphrase)
    assert stat.S_IMODE((tmp_path / "model.pem").stat().st_mode) == 0o600
    assert (tmp_path / "model.pub.pem").read_bytes() == first.public_pem
    again = open_model_key(tmp_path, passphrase)
    assert again.fingerprint == first.fingerprint
    assert (b"ENCRYPTED" in (tmp_path / "model.pem").read_bytes()) is (passphrase is not None)
    assert first.fingerprint[:16] in repr(first)


def test_public_half_that_is_gone_or_changed_is_written_again(tmp_path: Path) -> None:
    key = open_model_key(tmp_path, None)
    (tmp_path / "model.pub.pem").write_text("something else")
    open_model_key(tmp_path, None)
    assert (tmp_path / "model.pub.pem").read_bytes() == key.public_pem


@pytest.mark.skipif(os.name != "posix", reason="permissions of other systems are not looked at")
def test_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    open_model_key(tmp_path, None)
    (tmp_path / "model.pem").chmod(0o644)
    with pytest.raises(ConfigError, match="other users"):
        open_model_key(tmp_path, None)


def test_key_is_not_opened_with_another_passphrase_nor_of_another_kind(tmp_path: Path) -> None:
    pem = ModelKey.generate().to_pem(b"right")
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for data, passphrase in ((pem, b"wrong"), (pem, None), (other, None), (b"junk", None), (other, b"x")):
        with pytest.raises(ConfigError) as error:
            ModelKey.from_pem(data, passphrase)
        assert error.value.code is ErrorCode.KEY_UNUSABLE


# The other tool ----------------------------------------------------------------------------------------------


def verify(encoder: Path, bundle: bytes, key: ModelKey, *options: str) -> tuple[int, str]:
    (encoder.parent / "model.sig").write_bytes(bundle)
    (encoder.parent / "model.pub.pem").write_bytes(key.public_pem)
    done = subprocess.run(
        [
            *(TOOL, "verify", "key", str(encoder)),
            *("--signature", str(encoder.parent / "model.sig")),
            *("--public_key", str(encoder.parent / "model.pub.pem")),
            *options,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


@foreign
def test_other_tool_accepts_the_bundle_and_refuses_every_change(encoder: Path, key: ModelKey, tmp_path: Path) -> None:
    bundle = sign_encoder(encoder, key=key).data
    assert verify(encoder, bundle, key)[0] == 0
    renamed = encoder.rename(tmp_path / "another-name")
    assert verify(renamed, bundle, key)[0] == 0

    def flip(folder: Path) -> None:
        data = bytearray((folder / "model.safetensors").read_bytes())
        data[128_000] ^= 1
        (folder / "model.safetensors").write_bytes(data)

    changes = {
        "flip": flip,
        "extra": lambda folder: (folder / "extra.bin").write_bytes(b""),
        "missing": lambda folder: (folder / "a-b").unlink(),
        "renamed": lambda folder: (folder / "a-b").rename(folder / "a-c"),
    }
    for name, change in changes.items():
        copy = tmp_path / name / "encoder"
        shutil.copytree(renamed, copy)
        change(copy)
        code, said = verify(copy, bundle, key)
        assert code == 1, name
        assert "ismatch" in said, said
    assert verify(renamed, bundle, ModelKey.generate())[0] == 1
    document = json.loads(bundle)
    payload = base64.b64decode(document["dsseEnvelope"]["payload"]).replace(b'"a-b"', b'"a-c"')
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    assert verify(renamed, json.dumps(document).encode(), key)[0] == 1


@foreign
def test_files_of_git_are_signed_too_and_the_command_says_so(encoder: Path, key: ModelKey) -> None:
    (encoder / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    signed = sign_encoder(encoder, key=key)
    assert signed.has_git_files
    command = signed.verify_command("encoder", signature="model.sig", public_key="model.pub.pem")
    assert command[-1] == "--no-ignore-git-paths"
    assert verify(encoder, signed.data, key, "--no-ignore-git-paths")[0] == 0
    (encoder / ".gitattributes").write_text("changed")
    assert verify(encoder, signed.data, key, "--no-ignore-git-paths")[0] == 1


@foreign
def test_manifest_is_the_one_that_the_other_tool_writes(encoder: Path, key: ModelKey, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(key.to_pem(None))
    subprocess.run(
        [TOOL, "sign", "key", encoder, "--private_key", tmp_path / "key.pem", "--signature", tmp_path / "theirs.sig"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    theirs = json.loads((tmp_path / "theirs.sig").read_bytes())
    mine = json.loads(build_bundle(hash_folder(encoder), key))
    assert theirs["mediaType"] == mine["mediaType"]
    assert theirs["verificationMaterial"] == mine["verificationMaterial"]
    a, b = (statement(json.dumps(each).encode()) for each in (theirs, mine))
    assert a["subject"][0]["digest"] == b["subject"][0]["digest"]
    assert a["predicate"]["resources"] == b["predicate"]["resources"]
    assert (a["_type"], a["predicateType"]) == (b["_type"], b["predicateType"])
    del a["predicate"]["serialization"]["ignore_paths"]
    assert a["predicate"]["serialization"] == b["predicate"]["serialization"]
