"""Appending to a ledger, and publishing its head.

An append takes the write lock first, then reads the head, and before anything is added the head must
continue everything that is known about this ledger: the checkpoint that was published outside the database,
those inside, and what this process itself saw last. A database that was replaced by an older copy, by another
one, or rewritten, is refused; going on from it would fork the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import RLock
from time import sleep
from typing import Final, Self

from sqlalchemy import Connection, Engine, insert, select

from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint
from ireu_governance.core.errors import (
    ConfigError,
    ErrorCode,
    InputError,
    LedgerError,
    LedgerRefusedError,
    VerificationError,
)
from ireu_governance.core.keys import KeyFile, Role, Signer
from ireu_governance.core.statement import Draft
from ireu_governance.core.times import now, parse_time
from ireu_governance.files import write_atomically
from ireu_governance.ledger.continuity import (
    State,
    expect_continued,
    expect_whole_end,
    load_end,
    load_frontier,
)
from ireu_governance.ledger.database import DEFAULT_TIMEOUT_S, open_engine, reading, writing
from ireu_governance.ledger.place import sign_entries, store_entries
from ireu_governance.ledger.read import LedgerReader, verified_checkpoint
from ireu_governance.ledger.records import Entry
from ireu_governance.ledger.schema import expect_schema, migrate
from ireu_governance.ledger.tables import CHECKPOINTS, ENTRIES, META

__all__ = ["Ledger"]

_LATEST = select(CHECKPOINTS).order_by(CHECKPOINTS.c.size.desc()).limit(1)


# A process that publishes for the first time has its checkpoint in the database a moment before the file.
_FIRST_FILE_S: Final = 2.0
_PAUSE_S: Final = 0.02


class _FirstFilePendingError(LedgerError):
    """There is one checkpoint in the database and no file yet."""


class Ledger(LedgerReader):
    """A ledger that can be appended to. Safe to use from several threads, and beside other processes.

    Args:
        engine: From `ireu_governance.ledger.database.open_engine`.
        path: The database file.
        key_file: Whose keys count.
        checkpoint_path: Where the latest checkpoint is published, outside the database.
    """

    def __init__(self, *, engine: Engine, path: Path, key_file: KeyFile, checkpoint_path: Path) -> None:
        super().__init__(engine=engine, path=path, key_file=key_file, checkpoint_path=checkpoint_path)
        self._mutex = RLock()
        # The end of the ledger as this process saw it last, and the published file that it was compared with.
        self._seen: State | None = None
        self._seen_file: bytes | None = None

    @classmethod
    def create(cls, path: Path, *, key_file: KeyFile, checkpoint_path: Path) -> Self:
        """Make a new, empty ledger.

        Args:
            path: Where its database shall be; nothing may be there.
            key_file: Names the log and its keys.
            checkpoint_path: Where checkpoints will be published, best where whoever can write the database
                cannot.

        Returns:
            The ledger, open.

        Raises:
            ConfigError: Something is there already.
            LedgerError: It cannot be made.
        """
        for each in (path, checkpoint_path):
            if each.exists():
                raise ConfigError(
                    f"'{each.name}' is there already; a ledger is never written over.",
                    code=ErrorCode.WORKSPACE_EXISTS,
                )
        engine = open_engine(path, mode="rwc")
        try:
            with writing(engine) as connection:
                migrate(connection)
                connection.execute(insert(META).values(key="origin", value=key_file.origin))
        except BaseException:
            engine.dispose()
            for suffix in ("", "-wal", "-shm"):  # nobody can have used what was never finished
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            raise
        return cls(engine=engine, path=path, key_file=key_file, checkpoint_path=checkpoint_path)

    @classmethod
    def open(
        cls, path: Path, *, key_file: KeyFile, checkpoint_path: Path, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> Self:
        """Open a ledger that is there. Whether it may be continued is found out by `append` and `publish`.

        Args:
            path: The database file.
            key_file: Names the log and its keys.
            checkpoint_path: Where its checkpoints are published.
            timeout_s: How long to wait for other writers.

        Returns:
            The ledger.

        Raises:
            LedgerError: There is no ledger at the path, or it cannot be used now.
        """
        if not path.is_file():
            raise LedgerError(f"There is no ledger at '{path}'.", hint="Make one with: ireu init")
        engine = open_engine(path, mode="rw", timeout_s=timeout_s)
        try:
            with reading(engine) as connection:
                expect_schema(connection)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine=engine, path=path, key_file=key_file, checkpoint_path=checkpoint_path)

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
        waited = 0.0
        while True:
            try:
                return self._append(drafts, signer, recorded_at)
            except _FirstFilePendingError:
                if waited >= _FIRST_FILE_S:
                    raise
                sleep(_PAUSE_S)
                waited += _PAUSE_S

    def _append(self, drafts: Sequence[Draft], signer: Signer, recorded_at: str | None) -> list[Entry]:
        with self._mutex:
            with writing(self._engine) as connection:
                state, file = self._continue(connection)
                self._expect_key(signer, Role.RECORD, at_size=state.size + len(drafts) - 1)
                time = recorded_at or max(now(), state.last_time)
                if time < state.last_time:
                    raise InputError(f"The time {time} is before the last entry's, {state.last_time}.")
                entries, cases = sign_entries(drafts, signer, state, origin=self.key_file.origin, recorded_at=time)
                state = store_entries(connection, state, entries, cases)
            # Only now, after the commit: a state that was rolled back must not be remembered as seen.
            self._seen, self._seen_file = state, file
        return entries

    def publish(self, signer: Signer) -> str:
        """Sign the head of the ledger and publish it: in the database first, then in the checkpoint's file.

        Several processes may publish at once: the file only ever moves forward. A process that is stopped
        between the two steps leaves an older file, which the next call brings up to date.

        Args:
            signer: Holds a log key of the key file.

        Returns:
            The signed checkpoint; the one that is there when nothing was appended since.

        Raises:
            ConfigError: The signer's key may not sign checkpoints of this ledger.
            LedgerRefusedError: The ledger contradicts what was published or seen before.
            LedgerError: The ledger is locked or cannot be written.
        """
        with self._mutex:
            with writing(self._engine) as connection:
                state, file = self._continue(connection, publishing=True)
                self._expect_key(signer, Role.LOG, at_size=state.size)
                latest = connection.execute(_LATEST).first()
                if latest is not None and latest.size == state.size:
                    text = str(latest.text)
                else:
                    head = Checkpoint(origin=self.key_file.origin, size=state.size, root=state.root)
                    text = sign_checkpoint(head, signer)
                    number = 0 if latest is None else latest.number + 1
                    row = {"size": state.size, "number": number, "text": text, "published_at": now()}
                    connection.execute(insert(CHECKPOINTS), row)
            self._seen, self._seen_file = state, file
            self._write_file()
        return text

    def _write_file(self) -> None:
        # Under the write lock, and with the newest row: of two publishers the slower one cannot put back the
        # older checkpoint.
        with writing(self._engine) as connection:
            latest = connection.execute(_LATEST).first()
            if latest is not None and self._read_file() != latest.text.encode():
                write_atomically(self.checkpoint_path, latest.text.encode())

    def _read_file(self) -> bytes | None:
        try:
            return self.checkpoint_path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerError(
                f"The published checkpoint cannot be read: {error.strerror}.",
                hint="Without it an older copy of the ledger could not be told from the real one.",
            ) from error

    def _continue(self, connection: Connection, *, publishing: bool = False) -> tuple[State, bytes | None]:
        """Return the ledger's end, after checking that it continues all that is known of the ledger."""
        file = self._read_file()
        end = load_end(connection)
        seen = self._seen
        same_file = seen is not None and file == self._seen_file
        if (
            seen is not None
            and (seen.size, seen.last_leaf) == (end.size, end.last_leaf)
            and same_file
            and not publishing
        ):
            return seen, file
        state = load_frontier(connection, end)
        if seen is None:
            self._expect_own_end(connection, state)
        else:
            expect_continued(connection, state, size=seen.size, root=seen.root, what="what this process saw before")
        if file is not None and not same_file:
            self._expect_checkpoint(connection, state, file, "the published checkpoint")
        if seen is None or publishing:
            latest = connection.execute(_LATEST).first()
            if latest is not None:
                self._expect_checkpoint(connection, state, latest.text.encode(), "the stored checkpoint")
                if file is None and not publishing:
                    kind = LedgerError if latest.number else _FirstFilePendingError
                    raise kind(
                        "The file of the published checkpoint is missing, so a rollback would go unnoticed.",
                        hint="Put it back, or publish again.",
                    )
        return state, file

    def _expect_checkpoint(self, connection: Connection, state: State, data: bytes, what: str) -> None:
        try:
            known = verified_checkpoint(data.decode("utf-8"), self.key_file)
        except (InputError, VerificationError, UnicodeDecodeError) as error:
            reason = "It is not text." if isinstance(error, UnicodeDecodeError) else error.message
            raise LedgerRefusedError(
                f"What stands as {what} is none of this log: {reason}", hint="Run an audit."
            ) from error
        expect_continued(connection, state, size=known.size, root=known.root, what=what)

    def _expect_own_end(self, connection: Connection, state: State) -> None:
        origin = connection.execute(select(META.c.value).where(META.c.key == "origin")).scalar()
        if origin != self.key_file.origin:
            raise LedgerRefusedError(
                f"This is the ledger of '{str(origin)[:200]}', the keys are of '{self.key_file.origin}'.",
                hint="Check the paths of the ledger and of the key file.",
            )
        if state.size == 0:
            return
        row = connection.execute(select(ENTRIES).where(ENTRIES.c.seq == state.size - 1)).one()
        last = Entry(row.seq, row.kind, row.recorded_at, row.prev, row.leaf_hash, row.envelope)
        expect_whole_end(connection, state, last.envelope)
        try:
            self.statement(last)
        except (InputError, VerificationError) as error:
            raise LedgerRefusedError(
                f"The last entry is none of this log: {error.message}", hint="Run an audit."
            ) from error

    def _expect_key(self, signer: Signer, role: Role, *, at_size: int) -> None:
        if signer.public_key not in self.key_file.keys(role, at_size=at_size):
            raise ConfigError(
                f"Key {signer.public_key.key_id[:16]}… is no valid {role} key of '{self.key_file.origin}'.",
                hint="Use the key that the key file lists for this role.",
                code=ErrorCode.KEY_UNUSABLE,
            )
