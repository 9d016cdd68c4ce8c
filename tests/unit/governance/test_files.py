"""Hashing folders and writing files: nothing is overlooked, nothing is half there."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from ireu_governance import files
from ireu_governance.core.artifact import Artifact
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.files import hash_file, hash_folder, write_atomically


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "encoder"
    (path / "sub").mkdir(parents=True)
    (path / "config.json").write_bytes(b"{}")
    (path / "sub" / "model.safetensors").write_bytes(b"weights" * 100_000)
    return path


def test_folder_is_the_artifact_of_its_files(folder: Path) -> None:
    expected = {
        "config.json": hashlib.sha256(b"{}").hexdigest(),
        "sub/model.safetensors": hashlib.sha256(b"weights" * 100_000).hexdigest(),
    }
    assert hash_folder(folder) == Artifact.from_files(expected)


@pytest.mark.parametrize("name", [".hidden", "__pycache__/x.pyc", ".cache/huggingface/y", "sub/.z", "model.py"])
def test_added_file_is_noticed_however_unimportant_it_looks(folder: Path, name: str) -> None:
    before = hash_folder(folder).digest
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"")
    assert hash_folder(folder).digest != before


def test_links_are_refused(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"x")
    (folder / "link").symlink_to(outside)
    with pytest.raises(InputError, match="link"):
        hash_folder(folder)
    with pytest.raises(InputError, match="link"):
        hash_file(folder / "link")
    (folder / "link").unlink()
    (folder / "linked").symlink_to(folder / "sub", target_is_directory=True)
    with pytest.raises(InputError, match="link"):
        hash_folder(folder)
    (folder / "linked").unlink()
    (folder / "broken").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="link"):
        hash_folder(folder)


def test_pipe_is_refused_and_does_not_block(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(InputError, match="no regular file"):
        hash_folder(folder)


@pytest.mark.parametrize("name", [b"back\\slash", b"new\nline", b"not-utf8-\xff", b"encoder"])
def test_name_that_no_record_can_carry_is_refused(folder: Path, name: bytes) -> None:
    (folder / os.fsdecode(name)).write_bytes(b"")
    with pytest.raises(InputError) as caught:
        hash_folder(folder)
    assert caught.value.message.isprintable()


def test_absent_and_empty_folders_are_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    for path in (tmp_path / "nowhere", tmp_path / "empty", folder / "config.json"):
        with pytest.raises(InputError) as caught:
            hash_folder(path)
        assert caught.value.code is ErrorCode.INPUT_MISSING
    with pytest.raises(InputError) as caught:
        hash_file(tmp_path / "nowhere")
    assert caught.value.code is ErrorCode.INPUT_MISSING
    with pytest.raises(InputError):
        hash_file(folder)


def test_written_file_has_its_content_and_mode_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    write_atomically(path, b"one")
    write_atomically(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize("call", ["fsync", "fchmod", "replace"])
@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, ErrorCode.DISK_FULL), (errno.EIO, ErrorCode.CONFIG_INVALID)]
)
def test_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: ErrorCode
) -> None:
    path = tmp_path / "checkpoint"
    write_atomically(path, b"old")

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    if call == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    else:
        monkeypatch.setattr(files.os, call, fail)
    with pytest.raises(ConfigError) as caught:
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert caught.value.code is code
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint"]


def test_full_disk_is_named_as_such() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError) as caught, Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")
    assert files.unwritable(Path("x"), caught.value).code is ErrorCode.DISK_FULL


def test_absent_folder_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        write_atomically(tmp_path / "nowhere" / "file", b"x")
