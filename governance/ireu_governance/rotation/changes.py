"""Changes of keys that one person makes: a planned rotation, and a revocation after a theft."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ireu_governance.core.errors import ConfigError, ErrorCode, IreuError, LedgerError
from ireu_governance.core.key_document import Role
from ireu_governance.core.key_proposal import KeyFileProposal
from ireu_governance.core.keys import KeyFile, PublicKey, Signer
from ireu_governance.core.mldsa import MlDsaPrivateKey
from ireu_governance.keystore import read_passphrase
from ireu_governance.ledger.succession import OutgrownError
from ireu_governance.rotation.journal import Journal, exclusively, read_journal, write_journal
from ireu_governance.rotation.planning import COMPROMISED, KeyRequest, plan, request_revocation
from ireu_governance.rotation.steps import Change, find_change, finish, open_succession, place_of, undo
from ireu_governance.signers import NewKey
from ireu_governance.signers.second import with_second_key
from ireu_governance.workspace import Workspace

__all__ = [
    "ChangeResult",
    "expect_free",
    "record",
    "recover",
    "revoke",
    "rotate",
    "sign_here",
]

_ATTEMPTS: Final = 5  # other processes may append while a change is being prepared


@dataclass(frozen=True)
class ChangeResult:
    """What came of a change of keys.

    Attributes:
        older: The key file before.
        newer: The key file that is in force now.
        entry: Number of the ledger entry; None when an interrupted change was finished.
        resumed: Whether this finished a change that was interrupted before; then nothing else was done.
    """

    older: KeyFile
    newer: KeyFile
    entry: int | None
    resumed: bool = False


def rotate(workspace: Workspace, request: KeyRequest) -> ChangeResult:
    """Replace a key, and record that in the ledger.

    A change that was interrupted earlier is finished first, and then nothing else is done; one that had not
    reached the ledger is taken back, and this one begins.

    Args:
        workspace: Whose keys.
        request: What shall be changed.

    Returns:
        The key files before and after.

    Raises:
        ConfigError: A key is missing or cannot be used, too few root keys are here, or a proposal is waiting.
        LedgerError: The ledger cannot be written; nothing was changed.
    """
    with exclusively(workspace.key_file_path.parent):
        resumed = recover(workspace)
        if resumed is not None:
            return resumed
        expect_free(workspace)
        for _ in range(_ATTEMPTS):
            planned = plan(workspace, request)
            try:
                proposal = sign_here(workspace, planned.proposal, planned.made)
                proposal.finish()
            except IreuError:
                undo(workspace, planned.journal)  # a token keeps what is made in it
                raise
            try:
                return record(workspace, planned.journal.with_proposal(proposal), planned.made)
            except OutgrownError:
                continue
        raise LedgerError(
            "The ledger grew faster than its keys could be changed.",
            hint="Stop what is writing to it, or give a --from-size.",
            code=ErrorCode.LEDGER_LOCKED,
        )


def revoke(
    workspace: Workspace, key_id: str, *, from_size: int, reason: str = COMPROMISED, destroy: bool = False
) -> ChangeResult:
    """Let a key count no more from a size of the log on, and record that in the ledger.

    Args:
        workspace: Whose keys.
        key_id: The key, or the beginning of its id.
        from_size: For a record key the first entry that counts no more, for a log key the first size.
        reason: Why, by code.
        destroy: Destroy the private key if it is here.

    Returns:
        The key files before and after.

    Raises:
        InputError: There is no such key.
        ConfigError: The role would have no key left, or as for `rotate`.
    """
    return rotate(workspace, request_revocation(workspace.key_file(), key_id, from_size, reason, destroy=destroy))


def recover(workspace: Workspace) -> ChangeResult | None:
    """Finish a change that is in the ledger, or take one back that is not.

    Args:
        workspace: Whose keys.

    Returns:
        What was finished; None if there was nothing to finish.
    """
    change = find_change(workspace)
    if change is None:
        return None
    with open_succession(workspace, change.older) as ledger:
        recorded = ledger.follows(change.newer)
    if not recorded:
        if not change.journal.waiting:
            undo(workspace, change.journal)
        return None
    finish(change)
    return ChangeResult(change.older, change.newer, entry=None, resumed=True)


def record(workspace: Workspace, journal: Journal, made: NewKey | None = None) -> ChangeResult:
    """Write a fully signed change down, record it in the ledger, and do what follows.

    Args:
        workspace: Whose keys.
        journal: The change.
        made: The new private key if it is not stored yet.

    Returns:
        The key files before and after.
    """
    proposal = journal.open_proposal()
    change = Change(workspace, journal, proposal.current, proposal.finish())
    # Every signer is at hand before anything is written: what is missing is found out while it is harmless.
    signers, log_signer = _signers(change, made)
    write_journal(change.folder, journal)
    try:
        if made is not None:
            made.store()
        with open_succession(workspace, change.older) as ledger:
            entry = ledger.adopt(
                change.newer,
                reason=journal.reason,
                signers=signers,
                log_signer=log_signer,
                at_most=journal.at_most,
            )
    except IreuError:
        # Whether the ledger has it is for the ledger to say: an error can also come while it answers.
        with suppress(IreuError):
            recovered = recover(workspace)
            if recovered is not None:
                return recovered
        raise
    finish(change)
    return ChangeResult(change.older, change.newer, entry=entry.seq)


def sign_here(workspace: Workspace, proposal: KeyFileProposal, made: NewKey | None = None) -> KeyFileProposal:
    """Sign a proposal with all root keys that are here.

    Args:
        workspace: Whose keys.
        proposal: What to sign.
        made: A new private key, which signs if it is a root key.

    Returns:
        The proposal with the signatures.
    """
    if made is not None and proposal.wants(made.signer.public_key.key_id):
        proposal = proposal.sign(made.signer)
    problem: ConfigError | None = None
    for key in {key.key_id: key for key in (*proposal.current.active(Role.ROOT), *proposal.new_roots)}.values():
        if proposal.wants(key.key_id):
            try:
                proposal = proposal.sign(workspace.key_place(Role.ROOT).find([key]))
            except ConfigError as error:
                problem = problem or error
    if problem is not None and not proposal.signatures:
        raise problem
    return proposal


def _signers(change: Change, made: NewKey | None) -> tuple[list[Signer], Signer]:
    new = [] if made is None else [made.signer]
    return (
        _usable(change, Role.RECORD, [*change.older.active(Role.RECORD), *change.newer.active(Role.RECORD)], new),
        _log_signer(change, new),
    )


def _log_signer(change: Change, new: list[Signer]) -> Signer:
    signer = _usable(change, Role.LOG, change.newer.active(Role.LOG), new)[0]
    if any(isinstance(each, MlDsaPrivateKey) for each in new):
        return signer  # the other key is being added; heads are signed by both from the next one on
    return with_second_key(signer, change.newer, change.folder, read_passphrase())


def _usable(change: Change, role: Role, keys: Iterable[PublicKey], new: list[Signer]) -> list[Signer]:
    found: dict[str, Signer] = {}
    problem: ConfigError | None = None
    for key in keys:
        if key.key_id in found:
            continue
        fresh = next((each for each in new if each.public_key == key), None)
        note = change.journal.made
        place = note.place if note is not None and note.key_id == key.key_id else None
        try:
            if fresh is not None:
                found[key.key_id] = fresh
            elif note is not None and note.key_id == key.key_id:
                found[key.key_id] = place_of(change.workspace, role, place).find([key])
            else:
                found[key.key_id] = change.workspace.key_place(role).find([key])
        except ConfigError as error:
            problem = problem or error
    if not found:
        raise problem or ConfigError(f"There is no {role.value} key.", code=ErrorCode.KEY_UNUSABLE)
    return list(found.values())


def expect_free(workspace: Workspace) -> None:
    """Refuse to begin a change while a proposed one waits for signatures."""
    if read_journal(workspace.key_file_path.parent) is not None:
        raise ConfigError(
            "A proposed change of keys is waiting for signatures.",
            hint="Bring it to its end with 'ireu keys rotate --apply FILE', or drop it with --withdraw.",
            code=ErrorCode.KEY_UNUSABLE,
        )
