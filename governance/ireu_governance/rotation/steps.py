"""The steps that put a change of keys into force, each of which can be repeated, and the way back before them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ireu_governance.core.errors import ConfigError, ErrorCode
from ireu_governance.core.key_document import Role
from ireu_governance.core.keys import KeyFile
from ireu_governance.files import unwritable, write_atomically
from ireu_governance.keystore import load_key_file, read_passphrase
from ireu_governance.ledger.succession import SuccessionLedger
from ireu_governance.rotation.journal import Journal, KeyNote, read_journal, remove_journal
from ireu_governance.settings import SETTINGS_FILE, WorkspaceSettings
from ireu_governance.signers import KeyPlace, open_place
from ireu_governance.signers.pem_files import ARCHIVE
from ireu_governance.workspace import Workspace

__all__ = ["Change", "find_change", "finish", "open_succession", "place_of", "undo"]


@dataclass(frozen=True)
class Change:
    """A change of keys that has all its signatures.

    Attributes:
        workspace: Whose keys.
        journal: What is being done.
        older: The key file before it.
        newer: The key file after it.
    """

    workspace: Workspace
    journal: Journal
    older: KeyFile
    newer: KeyFile

    @property
    def folder(self) -> Path:
        """The folder of keys."""
        return self.workspace.key_file_path.parent


def find_change(workspace: Workspace) -> Change | None:
    """Return the change that was begun here and has all its signatures; None if there is none."""
    journal = read_journal(workspace.key_file_path.parent)
    if journal is None:
        return None
    proposal = journal.open_proposal()
    return None if any(proposal.missing) else Change(workspace, journal, proposal.current, proposal.finish())


def open_succession(workspace: Workspace, older: KeyFile) -> SuccessionLedger:
    """Open a workspace's ledger under the key file that is to be replaced; the caller closes it."""
    return SuccessionLedger.open(
        workspace.ledger_location,
        key_file=older,
        checkpoint_path=workspace.checkpoint_path,
        checkpoint_copies=workspace.checkpoint_copies,
    )


def place_of(workspace: Workspace, role: Role, text: str | None) -> KeyPlace:
    """Open a place of private keys, whatever the settings say now."""
    return open_place(
        text,
        role=role,
        folder=workspace.key_file_path.parent,
        origin=workspace.key_file().origin,
        passphrase=read_passphrase(),
    )


def undo(workspace: Workspace, journal: Journal) -> None:
    """Take a change back that is not in the ledger: its new key was never in force, so it is destroyed."""
    if journal.made is not None:
        place_of(workspace, journal.made.role, journal.made.place).destroy(journal.made.key_id)
    remove_journal(workspace.key_file_path.parent)


def finish(change: Change) -> None:
    """Do everything that follows from a change that is in the ledger. Doing it again does no harm.

    Args:
        change: The change.

    Raises:
        ConfigError: Something cannot be written now; run it again.
    """
    for step in FINISHING:
        step(change)


def keep_older(change: Change) -> None:
    """Keep the key file that was replaced: readers of old certificates follow the chain from there."""
    archive = change.folder / ARCHIVE
    try:
        archive.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise unwritable(archive, error) from None
    write_atomically(archive / f"keys.v{change.older.version}.json", change.older.to_bytes())


def put_newer(change: Change) -> None:
    """Replace ``keys.json``."""
    present = load_key_file(change.workspace.key_file_path)
    if present.digest not in (change.older.digest, change.newer.digest):
        raise ConfigError(
            f"keys.json is version {present.version}, and neither the key file before the change nor the one after it.",
            hint="Put back the key file that belongs to this workspace.",
            code=ErrorCode.KEY_UNUSABLE,
        )
    write_atomically(change.workspace.key_file_path, change.newer.to_bytes())


def set_place(change: Change) -> None:
    """Write the new place of the role's keys into the settings, and leave everything else in them as it is."""
    made, value = change.journal.made, change.journal.setting
    if made is None or value is None:
        return
    path = change.workspace.root / SETTINGS_FILE
    name = f"signer_{made.role.value}"
    text = path.read_text(encoding="utf-8")
    quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    line = f"{name} = {quoted}"
    pattern = re.compile(rf"^(#[ \t]*)?{name}[ \t]*=.*$", re.MULTILINE)
    if pattern.search(text):
        text = pattern.sub(lambda _: line, text, count=1)
    else:
        text = f"{line}\n{text}"
    write_atomically(path, text.encode("utf-8"))
    WorkspaceSettings.load(path)


def publish_again(change: Change) -> None:
    """Replace a published checkpoint whose key counts no more."""
    with open_succession(change.workspace, change.older) as ledger:
        ledger.republish(change.newer)


def put_aside(change: Change) -> None:
    """Put the old private key aside, or destroy it."""
    retired: KeyNote | None = change.journal.retired
    if retired is None:
        return
    place = place_of(change.workspace, retired.role, retired.place)
    if change.journal.destroy:
        place.destroy(retired.key_id)
    else:
        place.archive(retired.key_id)


def close_journal(change: Change) -> None:
    """Forget the change: it is finished."""
    remove_journal(change.folder)


FINISHING: Final[list[Callable[[Change], None]]] = [
    keep_older,
    put_newer,
    set_place,
    publish_again,
    put_aside,
    close_journal,
]
"""What follows once a change is in the ledger, in this order."""
