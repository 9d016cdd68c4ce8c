"""The journal of a change of keys: one file that says what is being done, so that it can be finished or undone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.errors import ConfigError, ErrorCode
from ireu_governance.core.key_document import Role
from ireu_governance.core.key_proposal import KeyFileProposal
from ireu_governance.core.validation import describe
from ireu_governance.files import sync_folder, unwritable, write_atomically

__all__ = ["Journal", "KeyNote", "exclusively", "read_journal", "remove_journal", "write_journal"]

JOURNAL: Final = "next.json"
_LOCK: Final = ".lock"


class KeyNote(BaseModel):
    """A private key that the change is about.

    Attributes:
        role: Whose key.
        key_id: Its id.
        place: Where it is, as in the settings; None for PEM files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    key_id: str
    place: str | None


class Journal(BaseModel):
    """A change of keys that was begun.

    Attributes:
        proposal: The next key file, with the signatures that it has.
        reason: Why the keys are changed, by code.
        waiting: Whether others have to sign before it can be recorded.
        made: The new private key, if one was made.
        retired: The private key that it replaces, if it is here.
        destroy: Whether to destroy that one in place of putting it aside.
        setting: The new value of the role's place in the settings; None to leave it.
        at_most: The largest size of the ledger at which it may be recorded; None for any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    proposal: dict[str, Any]
    reason: str
    waiting: bool = False
    made: KeyNote | None = None
    retired: KeyNote | None = None
    destroy: bool = False
    setting: str | None = None
    at_most: int | None = None

    def with_proposal(self, proposal: KeyFileProposal) -> Journal:
        """Return the journal of the same change with more signatures."""
        return self.model_copy(update={"proposal": proposal.to_object()})

    def open_proposal(self) -> KeyFileProposal:
        """Return the proposal, verified."""
        return KeyFileProposal.from_bytes(canonicalize(self.proposal))


def read_journal(folder: Path) -> Journal | None:
    """Return the change that was begun; None if there is none.

    Args:
        folder: The folder of keys.

    Raises:
        ConfigError: The journal cannot be read.
    """
    path = folder / JOURNAL
    try:
        return Journal.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", code=ErrorCode.KEY_UNUSABLE) from None
    except ValidationError as error:
        raise ConfigError(
            f"{path} is malformed {describe(error)}.",
            hint="It was not written by this version of ireu; use the one that began the change.",
            code=ErrorCode.KEY_UNUSABLE,
        ) from None


def write_journal(folder: Path, journal: Journal) -> None:
    """Write a journal, as a whole or not at all.

    Args:
        folder: The folder of keys.
        journal: The change.
    """
    write_atomically(folder / JOURNAL, journal.model_dump_json(indent=2).encode("utf-8") + b"\n", mode=0o600)


def remove_journal(folder: Path) -> None:
    """Remove the journal: the change is finished, or was taken back."""
    try:
        (folder / JOURNAL).unlink(missing_ok=True)
        sync_folder(folder)
    except OSError as error:
        raise unwritable(folder / JOURNAL, error) from None


@contextmanager
def exclusively(folder: Path) -> Iterator[None]:
    """Keep other processes on this machine from changing keys at the same time.

    Args:
        folder: The folder of keys.

    Yields:
        Nothing.

    Raises:
        ConfigError: Another process is at it.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows; there the ledger's own transaction still lets only one change through
        yield
        return
    path = folder / _LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                "Another process is changing the keys of this workspace.",
                hint="Wait until it is done.",
                code=ErrorCode.KEY_UNUSABLE,
            ) from None
        yield
    finally:
        os.close(descriptor)
