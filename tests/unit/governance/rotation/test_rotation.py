"""Changing keys in a workspace: whole or not at all, whatever interrupts it, and nothing signed before is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import make_request
from fixtures.records import RecordedRemoval, record_removal

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.errors import ConfigError, InputError, IreuError, LedgerError, LedgerRefusedError
from ireu_governance.core.key_proposal import KeyFileProposal
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.statement import Draft, KeyChange
from ireu_governance.core.verdict import Verdict
from ireu_governance.ledger.audit import AuditReport, audit
from ireu_governance.ledger.succession import OutgrownError, SuccessionLedger
from ireu_governance.rotation import KeyRequest, apply, changes, planning, propose, revoke, rotate, steps, withdraw
from ireu_governance.rotation.journal import exclusively
from ireu_governance.workspace import Workspace


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("IREU_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def recorded_here(tmp_path: Path) -> RecordedRemoval:
    return record_removal(tmp_path / "work")


@pytest.fixture
def workspace(recorded_here: RecordedRemoval) -> Workspace:
    return recorded_here.workspace


def reopened(workspace: Workspace) -> Workspace:
    return Workspace(workspace.root)


def audited(workspace: Workspace) -> AuditReport:
    again = reopened(workspace)
    return audit(again.ledger_path, key_file=again.key_file(), checkpoint_path=again.checkpoint_path)


def findings(workspace: Workspace) -> list[str]:
    return [f"{each.kind} {each.entry}: {each.message}" for each in audited(workspace).findings]


def notes(workspace: Workspace) -> list[str]:
    return list(audited(workspace).notes)


def append(workspace: Workspace, case_id: str = "ab" * 16) -> int:
    import builders

    again = reopened(workspace)
    fields = make_request((case_id,))
    del fields["recorded_at"]
    draft = Draft(subject=builders.BEFORE.subjects(), kind="removal-request", fields=fields)
    with again.open_ledger() as ledger:
        seq = ledger.append([draft], again.signer(Role.RECORD))[0].seq
        ledger.publish(again.signer(Role.LOG))
    return seq


def names(workspace: Workspace) -> set[str]:
    keys = workspace.root / "keys"
    return {path.relative_to(keys).as_posix() for path in keys.rglob("*") if path.is_file()} - {".lock"}


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


# Interruptions.


class Killed(BaseException):
    """The process is gone: nothing catches this."""


def kill_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> None:
    real = getattr(owner, name)

    def killed(*args: Any, **kwargs: Any) -> Any:
        if after:
            real(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(owner, name, killed)


def expect_recovered(workspace: Workspace, certificate: Path, *, version: int) -> None:
    again = reopened(workspace)
    assert again.key_file().version == version
    assert "next.json" not in names(workspace)
    append(workspace)
    assert findings(workspace) == []
    report = verify_certificate(certificate.read_bytes(), key_file=again.key_file())
    assert report.verdict is Verdict.HOLDS
    listed = {entry.key_id[:16] for entry in again.key_file().entries}
    unlisted = [name for name in names(workspace) if "-" in name and name.partition("-")[2][:16] not in listed]
    assert unlisted == [], "a key that was never in force is not left behind"


@pytest.mark.parametrize("role", [Role.RECORD, Role.ROOT])
@pytest.mark.parametrize("after", [False, True])
def test_change_that_was_stopped_before_the_ledger_had_it_is_taken_back(
    recorded_here: RecordedRemoval, monkeypatch: pytest.MonkeyPatch, role: Role, after: bool
) -> None:
    workspace = recorded_here.workspace
    with monkeypatch.context() as patch:
        if after:
            kill_at(patch, SuccessionLedger, "adopt", after=False)
        else:
            kill_at(patch, changes, "write_journal", after=True)
        with pytest.raises(Killed):
            rotate(workspace, KeyRequest(role=role))
    assert reopened(workspace).key_file().version == 1
    append(workspace)  # whoever works on meanwhile is not held up
    done = rotate(reopened(workspace), KeyRequest(role=role))
    assert (done.resumed, done.newer.version) == (False, 2)
    expect_recovered(workspace, recorded_here.certificate, version=2)


@pytest.mark.parametrize("step", range(len(steps.FINISHING)), ids=lambda at: steps.FINISHING[at].__name__)
@pytest.mark.parametrize(
    "request_",
    [
        KeyRequest(role=Role.RECORD),
        KeyRequest(role=Role.ROOT, destroy=True),
        KeyRequest(role=Role.LOG, reason="compromised", from_size=2, to="file:"),
    ],
    ids=["record", "root", "stolen-log"],
)
def test_change_that_was_stopped_at_any_step_is_finished_by_running_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, request_: KeyRequest
) -> None:
    recorded_ = record_removal(tmp_path / "work")
    workspace = recorded_.workspace

    def killed(change: steps.Change) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(steps, "FINISHING", [*steps.FINISHING[:step], killed])
        with pytest.raises(Killed):
            rotate(workspace, request_)
    done = rotate(reopened(workspace), request_)
    assert (done.resumed, done.newer.version) == (True, 2)
    again = reopened(workspace)
    assert again.key_file().version == 2
    assert "next.json" not in names(workspace)
    append(workspace)
    stolen = request_.role is Role.LOG
    assert [each.split()[0] for each in findings(workspace)] == (["checkpoint-invalid"] if stolen else [])


def test_process_with_the_old_key_file_cannot_append_once_the_ledger_has_the_change(workspace: Workspace) -> None:
    import builders

    signer = workspace.signer(Role.RECORD)
    fields = make_request()
    del fields["recorded_at"]
    draft = Draft(subject=builders.BEFORE.subjects(), kind="removal-request", fields=fields)
    with workspace.open_ledger() as old:
        old.append([draft], signer)
        rotate(workspace, KeyRequest(role=Role.RECORD))
        for attempt in (lambda: old.append([draft], signer), lambda: old.publish(workspace.signer(Role.LOG))):
            with pytest.raises(ConfigError, match="newer key file than version 1"):
                attempt()
    assert findings(workspace) == []


def test_entry_that_slips_in_while_keys_change_is_not_lost(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, slipped = changes.sign_here, []

    def slip_in(*args: Any) -> KeyFileProposal:
        if len(slipped) < 2:
            slipped.append(append(workspace, f"{len(slipped):032x}"))
        return real(*args)

    monkeypatch.setattr(changes, "sign_here", slip_in)
    done = rotate(workspace, KeyRequest(role=Role.RECORD))
    assert (slipped, done.entry) == ([3, 4], 5)
    assert findings(workspace) == []


def test_ledger_that_grows_all_the_time_is_reported(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def outgrown(*_: object, **__: object) -> None:
        raise OutgrownError(9)

    before = names(workspace)
    monkeypatch.setattr(SuccessionLedger, "adopt", outgrown)
    with pytest.raises(LedgerError, match="grew faster"):
        rotate(workspace, KeyRequest(role=Role.RECORD))
    assert names(workspace) == before


@pytest.mark.parametrize("role", Role)
def test_ledger_that_cannot_be_written_leaves_everything_as_it_was(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise LedgerError("locked")

    before = names(workspace)
    with monkeypatch.context() as patch:
        patch.setattr(SuccessionLedger, "adopt", locked)
        with pytest.raises(LedgerError, match="locked"):
            rotate(workspace, KeyRequest(role=role))
    assert names(workspace) == before
    assert append(workspace) == 3


def test_error_after_the_commit_counts_as_done(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = SuccessionLedger.adopt

    def unheard(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        raise LedgerError("the connection broke")

    monkeypatch.setattr(SuccessionLedger, "adopt", unheard)
    assert rotate(workspace, KeyRequest(role=Role.LOG)).newer.version == 2
    assert findings(workspace) == []


def test_two_processes_do_not_change_keys_at_once(workspace: Workspace) -> None:
    with exclusively(workspace.root / "keys"), pytest.raises(ConfigError, match="Another process"):
        rotate(workspace, KeyRequest(role=Role.LOG))


def test_ledger_that_went_on_under_another_file_is_not_finished(workspace: Workspace, tmp_path: Path) -> None:
    planned = planning.plan(workspace, KeyRequest(role=Role.LOG))
    other = changes.sign_here(workspace, planned.proposal).finish()
    rotate(workspace, KeyRequest(role=Role.LOG))
    with steps.open_succession(workspace, workspace.key_file(1)) as ledger, pytest.raises(LedgerRefusedError):
        ledger.follows(other)


def test_damaged_journal_and_foreign_key_file_are_refused(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    journal = workspace.root / "keys" / "next.json"
    journal.write_text("{}")
    with pytest.raises(ConfigError, match="malformed"):
        rotate(workspace, KeyRequest(role=Role.LOG))
    journal.unlink()
    journal.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        rotate(workspace, KeyRequest(role=Role.LOG))
    journal.rmdir()
    other = Workspace.create(tmp_path / "other", organisation="X").key_file()

    def exchange(change: steps.Change) -> None:
        workspace.key_file_path.write_bytes(other.to_bytes())

    monkeypatch.setattr(steps, "FINISHING", [exchange, *steps.FINISHING])
    with pytest.raises(ConfigError, match="neither the key file before"):
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


# Several people.


@pytest.fixture
def shared(tmp_path: Path) -> tuple[Workspace, Callable[[int], Any]]:
    """A workspace with three root keys of which two sign; only the first one is in it."""
    from ireu_governance.keystore import load_private_key

    workspace = Workspace.create(tmp_path / "shared", organisation="X", root_keys=3, root_threshold=2)
    away = tmp_path / "away"
    away.mkdir()
    for number in (2, 3):
        (workspace.root / "keys" / f"root-{number}.pem").rename(away / f"root-{number}.pem")
    return workspace, lambda number: load_private_key(away / f"root-{number}.pem", None)


def test_one_of_two_needed_root_keys_changes_nothing(shared: tuple[Workspace, Any]) -> None:
    workspace, _ = shared
    before = names(workspace)
    with pytest.raises(ConfigError, match="1 more of the present root keys") as caught:
        rotate(workspace, KeyRequest(role=Role.RECORD))
    assert "--propose" in caught.value.hint
    assert names(workspace) == before


@pytest.mark.parametrize("role", [Role.LOG, Role.RECORD])
def test_proposal_is_applied_once_two_people_have_signed(shared: tuple[Workspace, Any], role: Role) -> None:
    workspace, root = shared
    proposal = propose(workspace, KeyRequest(role=role, room=10))
    assert proposal.missing == (1, 1)
    with pytest.raises(ConfigError, match="1 more"):
        apply(workspace, proposal)
    for _ in range(3):
        append(workspace)  # work goes on meanwhile, with the old keys
    done = apply(workspace, KeyFileProposal.from_bytes(proposal.to_bytes()).sign(root(3)))
    assert (done.entry, done.newer.version) == (3, 2)
    append(workspace)
    assert findings(workspace) == []


def test_proposal_that_the_ledger_has_outgrown_goes_on_waiting(shared: tuple[Workspace, Any]) -> None:
    workspace, root = shared
    proposal = propose(workspace, KeyRequest(role=Role.RECORD, room=1)).sign(root(2))
    append(workspace)
    append(workspace)
    with pytest.raises(OutgrownError):
        apply(workspace, proposal)
    with pytest.raises(ConfigError, match="waiting for signatures"):
        rotate(workspace, KeyRequest(role=Role.LOG))
    assert withdraw(workspace)
    assert not withdraw(workspace)
    assert not [name for name in names(workspace) if name.startswith("record-")]


def test_proposal_that_was_stopped_after_the_ledger_had_it_is_finished(
    shared: tuple[Workspace, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, root = shared
    proposal = propose(workspace, KeyRequest(role=Role.RECORD, room=5)).sign(root(2))
    with monkeypatch.context() as patch:
        kill_at(patch, changes, "finish", after=False)
        with pytest.raises(Killed):
            apply(workspace, proposal)
    assert apply(reopened(workspace), proposal).resumed
    assert reopened(workspace).key_file().version == 2
    append(workspace)
    assert findings(workspace) == []


def test_proposal_of_another_workspace_or_change_is_not_applied(shared: tuple[Workspace, Any], tmp_path: Path) -> None:
    workspace, root = shared
    with pytest.raises(ConfigError, match="No change of keys is waiting"):
        apply(workspace, planning.plan(workspace, KeyRequest(role=Role.LOG)).proposal)
    propose(workspace, KeyRequest(role=Role.LOG))
    other = planning.plan(workspace, KeyRequest(role=Role.RECORD)).proposal
    with pytest.raises(ConfigError, match="not the change"):
        apply(workspace, other.sign(root(2)).sign(root(3)))


def test_proposal_needs_no_root_key_where_it_is_made(shared: tuple[Workspace, Any]) -> None:
    workspace, root = shared
    (workspace.root / "keys" / "root.pem").unlink()
    proposal = propose(workspace, KeyRequest(role=Role.LOG))
    assert proposal.missing == (2, 2)
    assert apply(workspace, proposal.sign(root(2)).sign(root(3))).newer.version == 2


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
