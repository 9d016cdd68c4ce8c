"""Root keys that several people hold: a change waits for their signatures, and is then applied once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures.rotations import Killed, append, findings, kill_at, names, reopened

from ireu_governance.core.errors import ConfigError
from ireu_governance.core.key_proposal import KeyFileProposal
from ireu_governance.core.keys import Role
from ireu_governance.ledger.succession import OutgrownError
from ireu_governance.rotation import KeyRequest, apply, changes, planning, propose, rotate, withdraw
from ireu_governance.workspace import Workspace

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
