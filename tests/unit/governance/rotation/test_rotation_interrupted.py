"""A change of keys that is stopped, hindered or raced: it is taken back or brought to its end, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders import make_request
from fixtures.records import RecordedRemoval, record_removal
from fixtures.rotations import Killed, append, findings, kill_at, names, reopened

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.errors import ConfigError, LedgerError, LedgerRefusedError
from ireu_governance.core.key_proposal import KeyFileProposal
from ireu_governance.core.keys import Role
from ireu_governance.core.statement import Draft
from ireu_governance.core.verdict import Verdict
from ireu_governance.ledger.succession import OutgrownError, SuccessionLedger
from ireu_governance.rotation import KeyRequest, changes, planning, rotate, steps
from ireu_governance.rotation.journal import exclusively
from ireu_governance.workspace import Workspace

# Interruptions.


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
