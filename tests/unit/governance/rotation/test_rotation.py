"""Changing keys in a workspace: nothing that was signed before is lost, and what a thief signed counts no more."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fixtures.records import RecordedRemoval
from fixtures.rotations import append, findings, names, notes, reopened

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.errors import ConfigError, InputError, IreuError, LedgerRefusedError
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.statement import KeyChange
from ireu_governance.core.verdict import Verdict
from ireu_governance.ledger.succession import SuccessionLedger
from ireu_governance.rotation import KeyRequest, revoke, rotate
from ireu_governance.workspace import Workspace

# What a rotation does.


@pytest.mark.parametrize("role", Role)
def test_rotated_key_is_replaced_and_everything_that_it_signed_stays_valid(
    recorded_here: RecordedRemoval, role: Role
) -> None:
    workspace = recorded_here.workspace
    before, old = workspace.key_file(), workspace.signer(role).public_key
    done = rotate(workspace, KeyRequest(role=role))
    after = reopened(workspace).key_file()
    assert (done.older.digest, done.newer.digest, done.entry) == (before.digest, after.digest, 3)
    assert before.accepts(after)
    assert reopened(workspace).signer(role).public_key in after.active(role)
    assert old not in after.active(role)
    assert append(workspace) == 4
    assert findings(workspace) == []
    assert verify_certificate(recorded_here.certificate.read_bytes(), key_file=after).verdict is Verdict.HOLDS
    assert workspace.key_file(1).digest == before.digest
    assert f"history/{role.value}-{old.key_id[:16]}.pem" in names(workspace)
    assert "next.json" not in names(workspace)


def test_change_is_an_entry_that_readers_of_the_old_key_file_can_verify(workspace: Workspace) -> None:
    before = workspace.key_file()
    done = rotate(workspace, KeyRequest(role=Role.RECORD, reason="yearly"))
    with SuccessionLedger.open(
        workspace.ledger_location, key_file=before, checkpoint_path=workspace.checkpoint_path
    ) as ledger:
        statement = ledger.statement(ledger.entry(3))
    change = statement.predicate
    assert isinstance(change, KeyChange)
    assert [(each.name, each.digest.sha256) for each in statement.subject] == [("key-file", done.newer.digest)]
    assert (change.version, change.previous, change.reason) == (2, before.digest, "yearly")
    assert [(each.role, each.change, each.revoked_from_size) for each in change.changes] == [
        ("record", "retired", 4),
        ("record", "added", None),
    ]


def test_all_keys_rotated_again_and_again_still_form_one_chain(workspace: Workspace) -> None:
    first = workspace.key_file()
    for role in (*Role, *Role):
        rotate(reopened(workspace), KeyRequest(role=role))
        append(workspace)
    assert findings(workspace) == []
    chain = [reopened(workspace).key_file(number) for number in range(2, 8)]
    assert first.follow(chain).digest == reopened(workspace).key_file().digest


def test_destroyed_key_leaves_no_file(workspace: Workspace) -> None:
    pem = (workspace.root / "keys" / "record.pem").read_bytes()
    rotate(workspace, KeyRequest(role=Role.RECORD, destroy=True))
    assert not [path for path in workspace.root.rglob("*") if path.is_file() and pem in path.read_bytes()]


def test_encrypted_keys_stay_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IREU_KEY_PASSPHRASE", "correct horse")
    workspace = Workspace.create(tmp_path / "work", organisation="X")
    rotate(workspace, KeyRequest(role=Role.LOG))
    assert all(b"ENCRYPTED" in path.read_bytes() for path in (workspace.root / "keys").rglob("*.pem"))
    assert append(workspace) == 1


def test_log_gets_a_second_key_whose_signature_stands_under_each_head(workspace: Workspace) -> None:
    for expected in (1, 2):
        rotate(reopened(workspace), KeyRequest(role=Role.LOG, post_quantum=True))
        append(workspace)
        assert reopened(workspace).checkpoint_path.read_text().count("\N{EM DASH} ") == 2
        assert len(reopened(workspace).key_file().second_keys()) == expected
    assert findings(workspace) == []


@pytest.mark.parametrize(
    ("request_", "saying"),
    [
        (KeyRequest(role=Role.RECORD, post_quantum=True), "Only the log"),
        (KeyRequest(role=Role.LOG, post_quantum=True, to="keyring:"), "Only the log"),
        (KeyRequest(role=Role.LOG, key_id="00000000"), "lists no key"),
        (KeyRequest(role=Role.LOG, to="nowhere"), "no place"),
    ],
)
def test_impossible_request_changes_nothing(workspace: Workspace, request_: KeyRequest, saying: str) -> None:
    before = names(workspace)
    with pytest.raises(ConfigError, match=saying):
        rotate(workspace, request_)
    assert names(workspace) == before


def test_key_of_another_role_is_not_replaced_by_mistake(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match="is a log key"):
        rotate(workspace, KeyRequest(role=Role.RECORD, key_id=workspace.signer(Role.LOG).public_key.key_id))


def test_place_that_the_environment_sets_is_not_moved(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IREU_SIGNER_LOG", "file:")
    with pytest.raises(ConfigError, match="IREU_SIGNER_LOG"):
        rotate(reopened(workspace), KeyRequest(role=Role.LOG, to="keyring:"))


def test_key_moves_to_another_place_with_its_setting(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    items: dict[tuple[str, str], str] = {}
    monkeypatch.setattr(keyring, "get_keyring", lambda: type("K", (), {"priority": 5})())
    monkeypatch.setattr(keyring, "set_password", lambda service, name, value: items.update({(service, name): value}))
    monkeypatch.setattr(keyring, "get_password", lambda service, name: items.get((service, name)))
    rotate(workspace, KeyRequest(role=Role.LOG, to="keyring:", destroy=True))
    again = reopened(workspace)
    assert again.settings.signer_log == "keyring:"
    assert len(items) == 1 and not list((workspace.root / "keys").glob("log*"))
    assert append(workspace) == 4
    assert findings(workspace) == []
    entry = again.key_file().find(again.signer(Role.LOG).public_key.key_id)
    assert entry is not None and "keyring item" in str(again.find_private_key(entry))
    rotate(again, KeyRequest(role=Role.LOG, to="file:"))
    assert reopened(workspace).settings.signer_log == "file:"
    assert (workspace.root / "ireu.toml").read_text().count("signer_log") == 1
    assert append(workspace) == 6


def test_absent_root_key_is_said(workspace: Workspace) -> None:
    (workspace.root / "keys" / "root.pem").unlink()
    with pytest.raises(ConfigError, match="holds no private root key"):
        rotate(workspace, KeyRequest(role=Role.LOG))


def test_absent_record_key_is_said_before_anything_is_written(workspace: Workspace) -> None:
    (workspace.root / "keys" / "record.pem").unlink()
    before = names(workspace)
    with pytest.raises(ConfigError, match="holds no private record key"):
        rotate(workspace, KeyRequest(role=Role.LOG))
    assert names(workspace) == before


@pytest.mark.parametrize("numbers", [(0, 1), (2, 3), (9, 1), (1, 0)])
def test_impossible_numbers_of_root_keys_are_refused(tmp_path: Path, numbers: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="not possible"):
        Workspace.create(tmp_path / "w", organisation="X", root_keys=numbers[0], root_threshold=numbers[1])
    assert not (tmp_path / "w").exists()


def test_key_files_of_a_workspace_can_be_asked_for_by_version(workspace: Workspace) -> None:
    assert isinstance(workspace.key_file(1), KeyFile)
    with pytest.raises(InputError):
        workspace.key_file(2)
    assert json.loads(workspace.key_file_path.read_bytes())["signed"]["version"] == 1


def test_every_error_of_a_rotation_is_one_of_ireu(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IreuError):
        rotate(workspace, KeyRequest(role=Role.LOG))


# Theft.


def test_stolen_record_key_is_revoked_from_an_entry_on(recorded_here: RecordedRemoval) -> None:
    workspace = recorded_here.workspace
    stolen = workspace.signer(Role.RECORD).public_key
    append(workspace)
    bad = append(workspace)
    done = rotate(workspace, KeyRequest(role=Role.RECORD, reason="compromised", from_size=bad))
    assert done.entry == bad + 1
    assert findings(workspace) == []  # what the organisation gave up itself is no finding
    (note,) = [each for each in notes(workspace) if "no more" in each]
    assert note.startswith(f"Entry {bad} counts no more: entry {bad + 1} revokes the key")
    assert append(workspace) == bad + 2
    entry = done.newer.find(stolen.key_id)
    assert entry is not None and entry.revoked_from_size == bad
    certificate = recorded_here.certificate.read_bytes()
    assert verify_certificate(certificate, key_file=done.newer).verdict is Verdict.HOLDS


def test_theft_that_comes_to_light_later_moves_the_revocation_back(workspace: Workspace) -> None:
    old = workspace.signer(Role.RECORD).public_key.key_id
    rotate(workspace, KeyRequest(role=Role.RECORD))
    done = revoke(reopened(workspace), old[:12], from_size=2)
    entry = done.newer.find(old)
    assert entry is not None and entry.revoked_from_size == 2
    with pytest.raises(ConfigError, match="counts no more"):
        revoke(reopened(workspace), old, from_size=2)


@pytest.mark.parametrize("role", [Role.LOG, Role.RECORD, Role.ROOT])
def test_only_key_of_a_role_is_not_revoked_without_a_successor(workspace: Workspace, role: Role) -> None:
    before = names(workspace)
    with pytest.raises(ConfigError, match="no key left") as caught:
        revoke(workspace, workspace.signer(role).public_key.key_id, from_size=1)
    assert "ireu keys rotate" in caught.value.hint
    assert names(workspace) == before


def test_published_checkpoint_of_a_stolen_log_key_is_replaced_and_nothing_else(workspace: Workspace) -> None:
    old = workspace.checkpoint_path.read_bytes()
    rotate(workspace, KeyRequest(role=Role.LOG, reason="compromised", from_size=1))
    assert workspace.checkpoint_path.read_bytes() != old
    assert append(workspace) == 4
    assert [each.split()[0] for each in findings(workspace)] == ["checkpoint-invalid"]


def test_rollback_is_not_hidden_by_replacing_a_stolen_log_key(workspace: Workspace, tmp_path: Path) -> None:
    import shutil
    import sqlite3

    database = workspace.ledger_path
    sqlite3.connect(database).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
    shutil.copy(database, tmp_path / "old.db")
    append(workspace)
    for suffix in ("-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "old.db", database)
    with pytest.raises(LedgerRefusedError):
        rotate(workspace, KeyRequest(role=Role.LOG, reason="compromised", from_size=1))
    assert reopened(workspace).key_file().version == 1
