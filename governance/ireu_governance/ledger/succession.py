"""Recording a change of keys in the ledger itself, so that it goes on under the next version of the key file."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert

from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, LedgerRefusedError, VerificationError
from ireu_governance.core.key_proposal import KeyFileProposal
from ireu_governance.core.keys import KeyFile, Role, Signer
from ireu_governance.core.statement import Draft
from ireu_governance.core.times import now
from ireu_governance.core.vocabulary import Digest, Subject
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.continuity import State, expect_continued, load_end, load_frontier
from ireu_governance.ledger.database import reading, writing
from ireu_governance.ledger.guard import LATEST_CHECKPOINT
from ireu_governance.ledger.key_version import note_key_file, noted_key_file
from ireu_governance.ledger.place import prepare, sign_entries, store_entries
from ireu_governance.ledger.published import PublishedCheckpoint
from ireu_governance.ledger.read import verified_checkpoint
from ireu_governance.ledger.records import Entry
from ireu_governance.ledger.tables import CHECKPOINTS

__all__ = ["OutgrownError", "SuccessionLedger", "describe_change"]


class OutgrownError(ConfigError):
    """The ledger has more entries by now than a new key file was made for.

    Args:
        size: How many it has.
    """

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The ledger has {size} entries by now, more than the new key file was made for.",
            hint="Make the change of keys anew; a proposal can be given more --room.",
            code=ErrorCode.KEY_UNUSABLE,
        )


def describe_change(older: KeyFile, newer: KeyFile, *, reason: str) -> Draft:
    """Return the statement that a key file replaces another one.

    Args:
        older: The version that was in force.
        newer: The next one.
        reason: Why, by code; ``compromised`` is told of each key that is revoked with it.

    Returns:
        A draft of the kind ``key-change``.
    """
    proposal = KeyFileProposal(current=older, signed=newer.signed)
    retired = "compromised" if reason == "compromised" else "retired"
    changes = [
        {
            "key_id": entry.key_id,
            "role": entry.role.value,
            "change": "added" if change == "added" else retired,
            **({} if entry.revoked_from_size is None else {"revoked_from_size": entry.revoked_from_size}),
        }
        for entry, change in proposal.changes()
    ]
    return Draft(
        subject=(Subject(name="key-file", digest=Digest(sha256=newer.digest)),),
        kind="key-change",
        fields={"version": newer.version, "previous": older.digest, "reason": reason, "changes": changes},
    )


class SuccessionLedger(Ledger):
    """A ledger, opened under the key file that is to be replaced."""

    def follows(self, newer: KeyFile) -> bool:
        """Return whether the ledger goes on under this next version of the key file already.

        Raises:
            LedgerRefusedError: It goes on under another file of that version.
        """
        with reading(self._engine) as connection:
            noted = noted_key_file(connection, newer.version)
        if noted is not None and noted != newer.digest:
            raise LedgerRefusedError(
                f"The ledger goes on under another version {newer.version} of the key file.",
                hint="Find out who else changed the keys; 'ireu ledger log --kind key-change' lists the changes.",
            )
        return noted is not None

    def adopt(
        self,
        newer: KeyFile,
        *,
        reason: str,
        signers: Sequence[Signer],
        log_signer: Signer,
        at_most: int | None = None,
    ) -> Entry:
        """Record that the key file was replaced, in one transaction with everything that follows from it.

        Args:
            newer: The next version, signed by both sides.
            reason: Why, by code.
            signers: Record keys to sign the entry with; the first one that counts at its place under `newer`.
            log_signer: The log key of `newer`; signs the head where the published one counts no more.
            at_most: The largest size of the ledger that the new file allows for; None for any.

        Returns:
            The entry of the change.

        Raises:
            VerificationError: The newer file is not the next version of the present one.
            OutgrownError: The ledger grew beyond what the new file allows for, or no signer counts.
            LedgerError: The ledger cannot be continued or written; nothing was changed.
        """
        self.key_file.expect_next(newer)
        draft = describe_change(self.key_file, newer, reason=reason)
        with self._mutex, writing(self._engine) as connection:
            state, file = self._guard.expect_continued(connection)
            if at_most is not None and state.size > at_most:
                raise OutgrownError(state.size)
            signer = next((each for each in signers if _counts(each, Role.RECORD, newer, state.size)), None)
            if signer is None:
                raise OutgrownError(state.size)
            time = max(now(), state.last_time, newer.issued_at)
            prepared = prepare([draft], origin=newer.origin)
            entries = sign_entries(prepared, signer, state, origin=newer.origin, recorded_at=time)
            state = store_entries(connection, state, entries, prepared)
            note_key_file(connection, newer)
            if not self._still_published(connection, file, newer):
                self._sign_head(connection, state, newer, log_signer)
        return entries[0]

    def republish(self, newer: KeyFile) -> None:
        """Replace a published checkpoint whose key counts no more by the one that `adopt` signed.

        Args:
            newer: The version that the ledger goes on under.

        Raises:
            LedgerRefusedError: The database does not continue what was published.
            ConfigError: The file cannot be written.
        """
        published = PublishedCheckpoint(self.checkpoint_path, self._published.copies, newer)
        with self._mutex, writing(self._engine) as connection:
            file, latest = published.read(), connection.execute(LATEST_CHECKPOINT).first()
            if file is None or latest is None or _is_valid(file, newer):
                return
            state = load_frontier(connection, load_end(connection))
            try:
                before = verified_checkpoint(file.decode("utf-8", "replace"), self.key_file)
            except (InputError, VerificationError) as error:
                raise LedgerRefusedError(
                    f"What stands as the published checkpoint is none of this log: {error.message}",
                    hint="Run an audit.",
                ) from error
            expect_continued(connection, state, size=before.size, root=before.root, what="the published checkpoint")
            published.write(latest.text, latest.size)

    def _still_published(self, connection: Connection, file: bytes | None, newer: KeyFile) -> bool:
        latest = connection.execute(LATEST_CHECKPOINT).first()
        known = [each for each in (file, latest.text.encode() if latest else None) if each is not None]
        return all(_is_valid(each, newer) for each in known)

    def _sign_head(self, connection: Connection, state: State, newer: KeyFile, signer: Signer) -> None:
        if not _counts(signer, Role.LOG, newer, state.size):
            raise OutgrownError(state.size)
        latest = connection.execute(LATEST_CHECKPOINT).first()
        row = {
            "size": state.size,
            "number": 0 if latest is None else latest.number + 1,
            "text": sign_checkpoint(Checkpoint(newer.origin, state.size, state.root), signer),
            "published_at": now(),
        }
        connection.execute(insert(CHECKPOINTS), row)


def _counts(signer: Signer, role: Role, key_file: KeyFile, size: int) -> bool:
    return signer.public_key in key_file.keys(role, at_size=size)


def _is_valid(data: bytes, key_file: KeyFile) -> bool:
    try:
        verified_checkpoint(data.decode("utf-8", "replace"), key_file)
    except (InputError, VerificationError):
        return False
    return True
