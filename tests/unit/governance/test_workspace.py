"""A workspace is whole or absent, is found from inside, and refuses what would not fit."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from ireu_governance.core.errors import ConfigError, ErrorCode, IreuError, LedgerError
from ireu_governance.core.keys import Role
from ireu_governance.keystore import PASSPHRASE_VARIABLE
from ireu_governance.ledger import Ledger, Vault
from ireu_governance.ledger.audit import audit
from ireu_governance.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "work", organisation="Example Portraits")


def test_new_workspace_has_all_its_parts_and_an_empty_ledger_that_holds(workspace: Workspace) -> None:
    names = {path.name for path in workspace.root.iterdir()}
    assert {"ireu.toml", "keys", "ledger.db", "vault", "encoders", "runs", "certificates"} <= names
    assert workspace.key_file().organisation == "Example Portraits"
    with workspace.open_ledger() as ledger, workspace.open_vault() as vault:
        assert ledger.head().size == 0
        assert vault.cases() == []
    report = audit(workspace.ledger_path, key_file=workspace.key_file(), checkpoint_path=workspace.checkpoint_path)
    assert report.findings == ()


def test_secrets_are_closed_to_other_users_and_nothing_else_is_secret(workspace: Workspace) -> None:
    keys = workspace.root / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    for name in ("root.pem", "log.pem", "record.pem", "vault.key"):
        assert stat.S_IMODE((keys / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((workspace.root / "vault").stat().st_mode) == 0o700
    public = workspace.key_file_path.read_bytes()
    assert b"PRIVATE" not in public


def test_every_role_has_a_key_of_its_own_that_the_key_file_lists(workspace: Workspace) -> None:
    signers = {role: workspace.signer(role).public_key for role in Role}
    assert len({key.key_id for key in signers.values()}) == len(Role)
    for role in (Role.LOG, Role.RECORD):
        assert list(workspace.key_file().keys(role)) == [signers[role]]


def test_passphrase_of_the_environment_encrypts_the_keys_and_is_needed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    workspace = Workspace.create(tmp_path / "work", organisation="X")
    assert b"ENCRYPTED" in (workspace.root / "keys" / "record.pem").read_bytes()
    assert workspace.signer(Role.RECORD)
    for wrong in ("battery staple", ""):
        monkeypatch.setenv(PASSPHRASE_VARIABLE, wrong)
        with pytest.raises(ConfigError) as caught:
            workspace.signer(Role.RECORD)
        assert caught.value.code is ErrorCode.KEY_UNUSABLE


@pytest.mark.parametrize("entry", ["ireu.toml", "keys", "ledger.db", "checkpoint", "vault"])
def test_folder_with_part_of_a_workspace_is_refused_and_left_as_it_is(tmp_path: Path, entry: str) -> None:
    (tmp_path / entry).write_text("precious")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError) as caught:
        Workspace.create(tmp_path, organisation="X")
    assert caught.value.code is ErrorCode.WORKSPACE_EXISTS
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([entry, "notes.txt"])
    assert (tmp_path / entry).read_text() == "precious"


@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("part", ["ledger", "vault", "settings"])
def test_workspace_that_cannot_be_finished_leaves_nothing_and_spares_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, existed: bool
) -> None:
    root = tmp_path / "work"
    if existed:
        root.mkdir()
        (root / "notes.txt").write_text("mine")

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device") if part == "settings" else LedgerError("no")

    if part == "settings":
        monkeypatch.setattr("ireu_governance.workspace.write_atomically", fail)
    else:
        monkeypatch.setattr({"ledger": Ledger, "vault": Vault}[part], "create", fail)
    with pytest.raises(IreuError):
        Workspace.create(root, organisation="X")
    assert root.exists() is existed
    if existed:
        assert [path.name for path in root.iterdir()] == ["notes.txt"]
    monkeypatch.undo()
    assert Workspace.create(root, organisation="X").root == root


def test_folder_that_cannot_be_written_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError):
        Workspace.create(tmp_path / "file" / "work", organisation="X")


@pytest.mark.parametrize("origin", ["Example.org/x", "a b", "-x", "x" * 130, "https://x\n", "ä.example"])
def test_origin_that_no_log_may_have_is_refused_before_anything_is_made(tmp_path: Path, origin: str) -> None:
    with pytest.raises(ConfigError):
        Workspace.create(tmp_path / "work", organisation="X", origin=origin)
    assert not (tmp_path / "work").exists()


def test_two_workspaces_never_get_the_same_origin(tmp_path: Path) -> None:
    origins = {Workspace.create(tmp_path / str(n), organisation="X").key_file().origin for n in range(3)}
    assert len(origins) == 3


def test_workspace_is_found_from_a_folder_inside_it(workspace: Workspace, tmp_path: Path) -> None:
    inside = workspace.root / "encoders" / "deep"
    inside.mkdir()
    assert Workspace.find(inside).root == workspace.root
    with pytest.raises(ConfigError) as caught:
        Workspace.find(tmp_path)
    assert caught.value.code is ErrorCode.WORKSPACE_MISSING
    assert "ireu init" in caught.value.hint


@pytest.mark.parametrize("free", [0, 10 * 2**20 - 1])
def test_too_little_disk_is_refused_with_both_figures(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 100 - free, free))
    with pytest.raises(ConfigError) as caught:
        workspace.require_space(10 * 2**20)
    assert caught.value.code is ErrorCode.DISK_FULL
    assert "MiB" in caught.value.message


def test_enough_disk_is_enough(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 0, 10 * 2**20))
    workspace.require_space(10 * 2**20)


def test_lost_ledger_and_lost_vault_are_named(workspace: Workspace) -> None:
    workspace.ledger_path.unlink()
    with pytest.raises(LedgerError, match="no ledger"):
        workspace.open_ledger()
    shutil.rmtree(workspace.root / "vault")
    with pytest.raises(LedgerError, match="no evidence vault"):
        workspace.open_vault()


class TestDatabase:
    def test_ledger_may_lie_in_another_file(self, tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        workspace = Workspace.create(tmp_path / "work", organisation="Example", database="../disk/l.db")
        assert not (workspace.root / "ledger.db").exists()
        assert workspace.ledger_path == workspace.ledger_location == workspace.root / "../disk/l.db"
        with Workspace(workspace.root).open_ledger() as ledger:
            assert ledger.head().size == 0

    def test_environment_says_where_it_is(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IREU_DATABASE", str(tmp_path / "l.db"))
        Workspace.create(tmp_path / "work", organisation="Example")
        assert (tmp_path / "l.db").exists()
        monkeypatch.delenv("IREU_DATABASE")
        assert Workspace(tmp_path / "work").ledger_path == tmp_path / "l.db"  # it was written down

    @pytest.mark.parametrize("database", ["postgresql://me:hush@host/db", "mysql://me:hush@host/db"])
    def test_password_and_other_databases_are_refused_before_anything_is_made(
        self, tmp_path: Path, database: str
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            Workspace.create(tmp_path / "work", organisation="Example", database=database)
        assert "hush" not in f"{caught.value} {caught.value.hint}"
        assert not (tmp_path / "work").exists()

    def test_server_that_is_not_there_leaves_no_workspace(self, tmp_path: Path) -> None:
        pytest.importorskip("psycopg")
        with pytest.raises(LedgerError):
            Workspace.create(tmp_path / "work", organisation="Example", database="postgresql://me@127.0.0.1:1/db")
        assert not (tmp_path / "work").exists()

    def test_missing_driver_is_said_to_be_missing(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        monkeypatch.setenv("IREU_DATABASE", "postgresql://me@host/db")
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(ConfigError) as caught:
            Workspace(workspace.root).open_ledger()
        assert caught.value.code is ErrorCode.EXTRA_MISSING
        assert "ireu-sdk[postgres]" in caught.value.hint

    def test_path_of_a_ledger_on_a_server_is_refused(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("IREU_DATABASE", "postgresql://me@host/db")
        with pytest.raises(ConfigError, match="PostgreSQL"):
            Workspace(workspace.root).ledger_path

    def test_copies_of_the_checkpoint_are_written(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IREU_CHECKPOINT_COPIES", '["encoders/copy"]')
        again = Workspace(workspace.root)
        with again.open_ledger() as ledger:
            text = ledger.publish(again.signer(Role.LOG))
        assert [each.read_text() for each in again.checkpoint_copies] == [text]
