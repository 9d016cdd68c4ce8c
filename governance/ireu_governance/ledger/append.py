"""Appending to a ledger; how its head is published stands in `ireu_governance.ledger.heads`.

An append takes the write lock first, then reads the head, and before anything is added the head must
continue everything that is known about this ledger (`ireu_governance.ledger.guard`). A database that was replaced
by an older copy, by another one, or rewritten, is refused; going on from it would fork the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import sleep
from typing import Final, Self

from sqlalchemy import insert

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.core.keys import KeyFile, Role, Signer
from ireu_governance.core.statement import Draft
from ireu_governance.core.times import now, parse_time
from ireu_governance.ledger.database import (
    DEFAULT_TIMEOUT_S,
    discard,
    expect_there,
    is_there,
    open_engine,
    writing,
)
from ireu_governance.ledger.guard import FirstFilePendingError, expect_origin
from ireu_governance.ledger.heads import PublishingLedger
from ireu_governance.ledger.location import Location, show_location
from ireu_governance.ledger.place import Prepared, prepare, sign_entries, store_entries
from ireu_governance.ledger.records import Entry
from ireu_governance.ledger.schema import (
    LedgerThereError,
    expect_empty,
    expect_schema,
    expect_usable,
    migrate,
    stored_version,
)
from ireu_governance.ledger.tables import META, SCHEMA_VERSION

__all__ = ["Ledger"]

# A process that publishes for the first time has its checkpoint in the database a moment before the file.
_FIRST_FILE_S: Final = 2.0
_PAUSE_S: Final = 0.02


class Ledger(PublishingLedger):
    """A ledger that can be appended to. Safe to use from several threads, and beside other processes.

    Args:
        engine: From `ireu_governance.ledger.database.open_engine`.
        location: The database file, or the URL of a PostgreSQL database.
        key_file: Whose keys count.
        checkpoint_path: Where the latest checkpoint is published, outside the database.
        checkpoint_copies: Where else it is.
    """

    @classmethod
    def create(
        cls,
        location: Location,
        *,
        key_file: KeyFile,
        checkpoint_path: Path,
        checkpoint_copies: Sequence[Path] = (),
    ) -> Self:
        """Make a new, empty ledger.

        Args:
            location: Where its database shall be: a file that is not there, or the URL of a PostgreSQL database
                without a ledger.
            key_file: Names the log and its keys.
            checkpoint_path: Where checkpoints will be published, best where whoever can write the database
                cannot.
            checkpoint_copies: Further places for them.

        Returns:
            The ledger, open.

        Raises:
            ConfigError: Something is there already.
            LedgerError: It cannot be made.
        """
        for each in (location, checkpoint_path, *checkpoint_copies):
            if is_there(each):
                shown = each.name if isinstance(each, Path) else show_location(each)
                raise ConfigError(
                    f"'{shown}' is there already; a ledger is never written over.",
                    code=ErrorCode.WORKSPACE_EXISTS,
                )
        engine = open_engine(location, mode="rwc")
        try:
            with writing(engine) as connection:
                expect_empty(connection)
                migrate(connection)
                connection.execute(insert(META).values(key="origin", value=key_file.origin))
        except LedgerThereError:
            engine.dispose()  # another process was faster, and the ledger is its own
            raise
        except BaseException:
            engine.dispose()
            discard(location)  # nobody can have used what was never finished
            raise
        return cls(
            engine=engine,
            location=location,
            key_file=key_file,
            checkpoint_path=checkpoint_path,
            checkpoint_copies=checkpoint_copies,
        )

    @classmethod
    def open(
        cls,
        location: Location,
        *,
        key_file: KeyFile,
        checkpoint_path: Path,
        checkpoint_copies: Sequence[Path] = (),
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Self:
        """Open a ledger that is there. Whether it may be continued is found out by `append` and `publish`.

        Args:
            location: The database file, or the URL of a PostgreSQL database.
            key_file: Names the log and its keys.
            checkpoint_path: Where its checkpoints are published.
            checkpoint_copies: Further places where they are.
            timeout_s: How long to wait for other writers.

        Returns:
            The ledger.

        Raises:
            LedgerError: There is no ledger there, it is of another version, or it cannot be used now.
        """
        expect_there(location)
        engine = open_engine(location, mode="rw", timeout_s=timeout_s)
        expect_usable(engine)
        return cls(
            engine=engine,
            location=location,
            key_file=key_file,
            checkpoint_path=checkpoint_path,
            checkpoint_copies=checkpoint_copies,
        )

    @classmethod
    def migrate(cls, location: Location, *, key_file: KeyFile, timeout_s: float = DEFAULT_TIMEOUT_S) -> str:
        """Bring the tables of an older ledger up to date, all or nothing. Its entries are not touched.

        Args:
            location: The database file, or the URL of a PostgreSQL database.
            key_file: Names the log; another log's database is left alone.
            timeout_s: How long to wait for other writers.

        Returns:
            The version that the tables had; this ireu's own when there was nothing to do.

        Raises:
            LedgerRefusedError: It is the ledger of another log.
            LedgerError: There is no ledger, it is newer than this ireu, or it cannot be written.
        """
        expect_there(location)
        engine = open_engine(location, mode="rw", timeout_s=timeout_s)
        try:
            with writing(engine) as connection:
                version = stored_version(connection)
                expect_origin(connection, key_file)
                if version < SCHEMA_VERSION:
                    migrate(connection)
                expect_schema(connection)
        finally:
            engine.dispose()
        return version

    def append(self, drafts: Sequence[Draft], signer: Signer, *, recorded_at: str | None = None) -> list[Entry]:
        """Append statements, all or none. When this returns, they are on the disk.

        Args:
            drafts: What is to be recorded, in this order.
            signer: Holds a record key of the key file.
            recorded_at: Time of the statements; None for now. Time never runs backwards in a ledger: when the
                clock was set back, the last entry's time stands until the clock has caught up.

        Returns:
            The new entries.

        Raises:
            InputError: A draft is no valid statement, or the given time is before the last entry's.
            ConfigError: The signer's key may not sign entries of this ledger.
            LedgerRefusedError: The ledger contradicts what was published or seen before.
            LedgerError: The ledger is locked or cannot be written. Nothing was appended.
        """
        if not drafts:
            return []
        if recorded_at is not None:
            parse_time(recorded_at)
        prepared = prepare(drafts, origin=self.key_file.origin)
        waited = 0.0
        while True:
            try:
                return self._append(prepared, signer, recorded_at)
            except FirstFilePendingError:
                if waited >= _FIRST_FILE_S:
                    raise
                sleep(_PAUSE_S)
                waited += _PAUSE_S

    def _append(self, prepared: Sequence[Prepared], signer: Signer, recorded_at: str | None) -> list[Entry]:
        with self._mutex:
            with writing(self._engine) as connection:
                state, file = self._guard.expect_continued(connection)
                self._expect_key(signer, Role.RECORD, at_size=state.size + len(prepared) - 1)
                added = self.key_file.valid_from(signer.public_key.key_id)
                time = recorded_at or max(now(), state.last_time, added)
                if time < state.last_time:
                    raise InputError(f"The time {time} is before the last entry's, {state.last_time}.")
                if time < added:
                    raise InputError(f"The time {time} is before that of the record key, {added}.")
                entries = sign_entries(prepared, signer, state, origin=self.key_file.origin, recorded_at=time)
                state = store_entries(connection, state, entries, prepared)
            # Only now, after the commit: a state that was rolled back must not be remembered as seen.
            self._guard.remember(state, file)
        return entries
