"""Changes of keys that several people sign: proposed here, signed wherever the root keys are, applied here."""

from __future__ import annotations

from contextlib import suppress

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.core.key_proposal import KeyFileProposal
from ireu_governance.rotation.changes import (
    ChangeResult,
    expect_free,
    record,
    recover,
    sign_here,
)
from ireu_governance.rotation.journal import exclusively, read_journal, write_journal
from ireu_governance.rotation.planning import KeyRequest, plan
from ireu_governance.rotation.steps import undo
from ireu_governance.workspace import Workspace

__all__ = ["apply", "propose", "withdraw"]


def propose(workspace: Workspace, request: KeyRequest) -> KeyFileProposal:
    """Begin a change of keys that others have to sign. Nothing changes before `apply`.

    Args:
        workspace: Whose keys.
        request: What shall be changed; `room` says how many entries the ledger may grow by until then.

    Returns:
        The proposal, signed with the root keys that are here, if any; to be carried to the others.

    Raises:
        ConfigError: As for `rotate`.
    """
    folder = workspace.key_file_path.parent
    with exclusively(folder):
        recover(workspace)
        expect_free(workspace)
        planned = plan(workspace, request)
        proposal = planned.proposal
        with suppress(ConfigError):  # no root key may be here at all
            proposal = sign_here(workspace, proposal, planned.made)
        write_journal(folder, planned.journal.with_proposal(proposal).model_copy(update={"waiting": True}))
        if planned.made is not None:
            planned.made.store()
        return proposal


def apply(workspace: Workspace, signed: KeyFileProposal) -> ChangeResult:
    """Put a proposal into force that enough people have signed.

    Args:
        workspace: Where it was proposed.
        signed: The proposal as it came back.

    Returns:
        The key files before and after.

    Raises:
        ConfigError: Signatures are still missing, it was not proposed here, or the ledger has outgrown it.
    """
    folder = workspace.key_file_path.parent
    with exclusively(folder):
        resumed = recover(workspace)
        if resumed is not None:
            return resumed
        journal = read_journal(folder)
        if journal is None:
            raise ConfigError(
                "No change of keys is waiting in this workspace.",
                hint="Apply it in the workspace where it was proposed; if it was applied, 'ireu keys list' shows it.",
                code=ErrorCode.KEY_UNUSABLE,
            )
        proposal = journal.open_proposal()
        try:
            proposal = proposal.merge(signed)
        except InputError:
            raise ConfigError(
                "This is not the change of keys that was proposed here.",
                hint="Apply the file that 'ireu keys rotate --propose' wrote, with its signatures.",
                code=ErrorCode.KEY_UNUSABLE,
            ) from None
        with suppress(ConfigError):
            proposal = sign_here(workspace, proposal)
        proposal.finish()
        return record(workspace, journal.with_proposal(proposal))


def withdraw(workspace: Workspace) -> bool:
    """Drop a proposal that waits for signatures, and the private key that was made for it.

    Args:
        workspace: Where it was proposed.

    Returns:
        Whether there was one.
    """
    folder = workspace.key_file_path.parent
    with exclusively(folder):
        recover(workspace)  # what has reached the ledger cannot be withdrawn any more
        journal = read_journal(folder)
        if journal is None or not journal.waiting:
            return False
        undo(workspace, journal)
        return True
