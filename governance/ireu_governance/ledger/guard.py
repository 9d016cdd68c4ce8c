"""The guard before every append: the ledger has to continue all that is known about it.

Known are the checkpoint's file and its copies outside the database, the checkpoints inside, and what this process
saw last. An older copy of the database, another one, or one that was rewritten is refused here; going on from it
would fork the ledger.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from ireu_governance.core.errors import InputError, LedgerError, LedgerRefusedError, VerificationError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.ledger.continuity import State, expect_continued, expect_whole_end, follow, load_end, load_frontier
from ireu_governance.ledger.key_version import expect_current_keys
from ireu_governance.ledger.published import PublishedCheckpoint
from ireu_governance.ledger.records import Entry, verified_statement
from ireu_governance.ledger.tables import CHECKPOINTS, ENTRIES, META

__all__ = ["LATEST_CHECKPOINT", "FirstFilePendingError", "Guard", "expect_origin"]

LATEST_CHECKPOINT = select(CHECKPOINTS).order_by(CHECKPOINTS.c.size.desc()).limit(1)


class FirstFilePendingError(LedgerError):
    """There is one checkpoint in the database and no file yet: it may be about to be written."""


class Guard:
    """Remembers what is known about a ledger, and compares the database with it.

    Args:
        key_file: Whose keys count.
        published: The published checkpoint.
    """

    def __init__(self, *, key_file: KeyFile, published: PublishedCheckpoint) -> None:
        self._key_file = key_file
        self._published = published
        # The end of the ledger as this process saw it last, and the published file that it was compared with.
        self._seen: State | None = None
        self._seen_file: bytes | None = None

    def remember(self, state: State, file: bytes | None) -> None:
        """Take note of the ledger's end, once the transaction is committed: what was rolled back was never seen.

        Args:
            state: The end.
            file: The published file that it was compared with.
        """
        self._seen, self._seen_file = state, file

    def expect_continued(self, connection: Connection, *, publishing: bool = False) -> tuple[State, bytes | None]:
        """Return the ledger's end, after checking that it continues all that is known of the ledger.

        Args:
            connection: In a transaction that holds the write lock.
            publishing: Compare with everything, also with what was compared before.

        Returns:
            The end, and the content of the published file.

        Raises:
            LedgerRefusedError: It does not.
            FirstFilePendingError: The first checkpoint has no file yet.
            LedgerError: The published checkpoint is missing or cannot be read.
        """
        file = self._published.read()
        seen = self._seen
        same_file = seen is not None and file == self._seen_file
        state = None if seen is None or publishing else follow(connection, seen)
        if state is not None and state is seen and same_file:
            return state, file  # so no keys were changed either: that would have been an entry
        expect_current_keys(connection, self._key_file)
        if state is None:
            state = load_frontier(connection, load_end(connection))
            if seen is None:
                self._expect_own_end(connection, state)
            else:
                expect_continued(connection, state, size=seen.size, root=seen.root, what="what this process saw before")
        if file is not None and not same_file:
            self._expect_checkpoint(connection, state, file, "the published checkpoint")
        if seen is None or publishing:
            self._expect_others(connection, state, file=file, publishing=publishing)
        return state, file

    def _expect_others(self, connection: Connection, state: State, *, file: bytes | None, publishing: bool) -> None:
        copies = self._published.read_copies()
        for path, data in copies:
            self._expect_checkpoint(connection, state, data, f"the copy of the checkpoint '{path}'")
        latest = connection.execute(LATEST_CHECKPOINT).first()
        if latest is None:
            return
        self._expect_checkpoint(connection, state, latest.text.encode(), "the stored checkpoint")
        if file is None and not copies and not publishing:
            kind = LedgerError if latest.number else FirstFilePendingError
            raise kind(
                "The file of the published checkpoint is missing, so a rollback would go unnoticed.",
                hint="Put it back, or publish again with: ireu ledger checkpoint",
            )

    def _expect_checkpoint(self, connection: Connection, state: State, data: bytes, what: str) -> None:
        try:
            known = verified_checkpoint(data.decode("utf-8"), self._key_file)
        except (InputError, VerificationError, UnicodeDecodeError) as error:
            reason = "It is not text." if isinstance(error, UnicodeDecodeError) else error.message
            raise LedgerRefusedError(
                f"What stands as {what} is none of this log: {reason}", hint="Run an audit."
            ) from error
        expect_continued(connection, state, size=known.size, root=known.root, what=what)

    def _expect_own_end(self, connection: Connection, state: State) -> None:
        expect_origin(connection, self._key_file)
        if state.size == 0:
            return
        row = connection.execute(select(ENTRIES).where(ENTRIES.c.seq == state.size - 1)).one()
        last = Entry(row.seq, row.kind, row.recorded_at, row.prev, row.leaf_hash, row.envelope)
        expect_whole_end(connection, state, last.envelope)
        try:
            verified_statement(last, self._key_file)
        except (InputError, VerificationError) as error:
            raise LedgerRefusedError(
                f"The last entry is none of this log: {error.message}", hint="Run an audit."
            ) from error


def expect_origin(connection: Connection, key_file: KeyFile) -> None:
    """Refuse a database that is the ledger of another log.

    Args:
        connection: In a transaction.
        key_file: Names the log.

    Raises:
        LedgerRefusedError: It is.
    """
    origin = connection.execute(select(META.c.value).where(META.c.key == "origin")).scalar()
    if origin != key_file.origin:
        raise LedgerRefusedError(
            f"This is the ledger of '{str(origin)[:200]}', the keys are of '{key_file.origin}'.",
            hint="Check the setting 'database' and the key file.",
        )
