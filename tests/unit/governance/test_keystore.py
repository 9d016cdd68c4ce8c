"""Keys on disk: closed to others, never overwritten, never half written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from builders import make_key, make_keys

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.keystore import load_key_file, load_private_key, save_private_key

KEY = make_key("disk")


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_saved_key_is_loaded_again_and_closed_to_others(tmp_path: Path, passphrase: bytes | None) -> None:
    path = tmp_path / "record.pem"
    old = os.umask(0)
    try:
        save_private_key(path, KEY, passphrase)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_private_key(path, passphrase).public_key == KEY.public_key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_key_open_to_others_is_refused_with_advice(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "record.pem"
    save_private_key(path, KEY, None)
    path.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        load_private_key(path, None)
    assert caught.value.code is ErrorCode.KEY_UNUSABLE
    assert f"chmod 600 {path}" in caught.value.hint


def test_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "record.pem"
    save_private_key(path, KEY, None)
    with pytest.raises(ConfigError) as caught:
        save_private_key(path, make_key("new"), None)
    assert caught.value.code is ErrorCode.KEY_UNUSABLE
    assert load_private_key(path, None).public_key == KEY.public_key


def test_key_is_not_written_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "record.pem").symlink_to(target)
    with pytest.raises(ConfigError):
        save_private_key(tmp_path / "record.pem", KEY, None)
    assert not target.exists()


def test_failed_write_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ConfigError) as caught:
        save_private_key(tmp_path / "record.pem", KEY, None)
    assert caught.value.code is ErrorCode.DISK_FULL
    assert list(tmp_path.iterdir()) == []


def test_wrong_passphrase_absent_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "record.pem"
    save_private_key(path, KEY, b"right")
    junk = tmp_path / "junk"
    junk.write_bytes(b"junk" * 10_000)
    junk.chmod(0o600)
    for file, passphrase in (
        (path, b"wrong"),
        (path, None),
        (tmp_path / "nowhere", None),
        (junk, None),
        (tmp_path, None),
    ):
        with pytest.raises(ConfigError) as caught:
            load_private_key(file, passphrase)
        assert caught.value.code is ErrorCode.KEY_UNUSABLE


def test_key_file_is_loaded_and_refused(tmp_path: Path) -> None:
    key_file = make_keys().key_file
    path = tmp_path / "keys.json"
    path.write_bytes(key_file.to_bytes())
    assert load_key_file(path).digest == key_file.digest
    path.write_bytes(key_file.to_bytes() + b" " * 400_000)
    with pytest.raises(InputError):
        load_key_file(path)
    path.write_bytes(key_file.to_bytes()[:100])
    with pytest.raises(InputError, match=r"keys\.json") as caught:
        load_key_file(path)
    assert "organisation" in caught.value.hint
    path.write_bytes(make_key("root").to_pem(b"a passphrase"))
    with pytest.raises(InputError, match="private key"):
        load_key_file(path)
    with pytest.raises(InputError) as caught:
        load_key_file(tmp_path / "nowhere")
    assert caught.value.code is ErrorCode.INPUT_MISSING
    with pytest.raises(InputError):
        load_key_file(tmp_path)
