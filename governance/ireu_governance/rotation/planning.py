"""Working out what a change of keys means for the key file, before anything is written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from ireu_governance.core.errors import ConfigError
from ireu_governance.core.key_change import KeyFileChange
from ireu_governance.core.key_document import KeyEntry, Role
from ireu_governance.core.key_proposal import KeyFileProposal
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.times import now
from ireu_governance.keystore import read_passphrase
from ireu_governance.rotation.journal import Journal, KeyNote
from ireu_governance.rotation.steps import open_succession, place_of
from ireu_governance.signers import NewKey
from ireu_governance.signers.pem_files import FilePlace
from ireu_governance.workspace import Workspace

__all__ = ["COMPROMISED", "KeyRequest", "Planned", "plan", "request_revocation"]

COMPROMISED: Final = "compromised"


@dataclass(frozen=True)
class KeyRequest:
    """What shall be changed.

    Attributes:
        role: Of the key that is replaced.
        reason: Why, by code; ``compromised`` says that others may have the old key.
        key_id: The key that is replaced; None for the only one of the role.
        from_size: Size of the log from which on the old key counts no more; None for what comes next.
        to: Where the new key shall be, as in the settings; None for where the old one is.
        post_quantum: Make or replace the log's ML-DSA-44 key in place of the Ed25519 one.
        destroy: Destroy the old private key.
        replace: False to only revoke `key_id`, without a new key.
        room: How many entries may still be written before the change is recorded; 0 for none.
    """

    role: Role
    reason: str = "scheduled"
    key_id: str | None = None
    from_size: int | None = None
    to: str | None = None
    post_quantum: bool = False
    destroy: bool = False
    replace: bool = True
    room: int = 0


@dataclass(frozen=True)
class Planned:
    """A change that was worked out and not written down anywhere yet.

    Attributes:
        proposal: The next key file, unsigned.
        journal: What to write down.
        made: The new private key.
    """

    proposal: KeyFileProposal
    journal: Journal
    made: NewKey | None


def request_revocation(
    key_file: KeyFile, key_id: str, from_size: int, reason: str, *, destroy: bool = False
) -> KeyRequest:
    """Return the request of `revoke`."""
    entry = _entry(key_file, key_id)
    return KeyRequest(
        role=entry.role, reason=reason, key_id=entry.key_id, from_size=from_size, destroy=destroy, replace=False
    )


def plan(workspace: Workspace, request: KeyRequest) -> Planned:
    """Work out the next key file. Nothing is written; only a token keeps a key that is made in it.

    Args:
        workspace: Whose keys.
        request: What shall be changed.

    Returns:
        The change, unsigned.
    """
    key_file, role = workspace.key_file(), request.role
    with open_succession(workspace, key_file) as ledger:
        size = ledger.head().size
    old = _replaced(key_file, request)
    here: str | None = None if request.post_quantum else getattr(workspace.settings, f"signer_{role.value}")
    target = here if request.to is None else request.to
    _expect_settable(request)
    last = size + request.room  # the greatest number that the entry of the change may get
    until = last + 1 if request.from_size is None else request.from_size
    change = KeyFileChange(key_file)
    if old is not None:
        change = change.revoke(old.key_id, from_size=until)
    if not request.replace:
        change.propose(issued_at=now())  # a role without a key is refused before anything is made
        made = None
    else:
        made = _make(workspace, request, target)
        # The old record key still signs the entry that announces the new one, unless it counts no more there.
        announces = role is Role.RECORD and old is not None and until > last
        first = None if role is Role.ROOT else size + 1 if announces or role is Role.LOG else size
        change = change.add(made.signer.public_key, role, valid_from=now(), valid_from_size=first)
    proposal = change.propose(issued_at=now())
    journal = Journal(
        proposal=proposal.to_object(),
        reason=request.reason,
        made=None if made is None else KeyNote(role=role, key_id=made.signer.public_key.key_id, place=target),
        retired=None if old is None else KeyNote(role=role, key_id=old.key_id, place=here),
        destroy=request.destroy,
        setting=request.to,
        at_most=last if request.from_size is None else None,
    )
    return Planned(proposal, journal, made)


def _make(workspace: Workspace, request: KeyRequest, target: str | None) -> NewKey:
    if not request.post_quantum:
        return place_of(workspace, request.role, target).make()
    if request.role is not Role.LOG or target not in (None, "file:"):
        raise ConfigError("Only the log has an ML-DSA-44 key, and only in a file.", hint="Use --role log without --to.")
    folder = workspace.key_file_path.parent
    return FilePlace(folder, role=Role.LOG, passphrase=read_passphrase()).make(post_quantum=True)


def _replaced(key_file: KeyFile, request: KeyRequest) -> KeyEntry | None:
    """Return the key that a request is about; None when the log gets its first ML-DSA-44 key."""
    if request.key_id is not None:
        entry = _entry(key_file, request.key_id)
        if entry.role is not request.role:
            raise ConfigError(
                f"Key {entry.key_id[:16]}… is a {entry.role.value} key, not a {request.role.value} key.",
                hint=f"Use --role {entry.role.value}.",
            )
        return entry
    algorithm = "ml-dsa-44" if request.post_quantum else "ed25519"
    found = [
        each
        for each in key_file.entries
        if each.role is request.role and each.algorithm == algorithm and each.revoked_from_size is None
    ]
    if not found and request.post_quantum:
        return None
    if len(found) != 1:
        raise ConfigError(
            f"There are {len(found)} {request.role.value} keys in force.",
            hint="Name the one to replace with --key; 'ireu keys list' shows them.",
        )
    return found[0]


def _entry(key_file: KeyFile, key_id: str) -> KeyEntry:
    found = [each for each in key_file.entries if len(key_id) >= 8 and each.key_id.startswith(key_id.lower())]
    if len(found) != 1:
        raise ConfigError(
            f"The key file lists {'no' if not found else 'more than one'} key {key_id[:64]!a}.",
            hint="Give the key id, or at least its first eight digits, as 'ireu keys list' shows it.",
        )
    return found[0]


def _expect_settable(request: KeyRequest) -> None:
    variable = f"IREU_SIGNER_{request.role.value.upper()}"
    if request.to is not None and os.environ.get(variable):
        raise ConfigError(
            f"The place of the {request.role.value} key is set by {variable}, which would go on to win over ireu.toml.",
            hint=f"Unset {variable}, then repeat.",
        )
