"""Signing and publishing a ledger's head, and what others sign under it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import RLock

from sqlalchemy import Engine, insert

from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint
from ireu_governance.core.errors import ConfigError, ErrorCode
from ireu_governance.core.keys import KeyFile, Role, Signer
from ireu_governance.core.times import now
from ireu_governance.ledger.database import writing
from ireu_governance.ledger.guard import LATEST_CHECKPOINT, Guard
from ireu_governance.ledger.location import Location
from ireu_governance.ledger.publication import add_cosignatures, add_stamp, expect_checkpoint
from ireu_governance.ledger.published import PublishedCheckpoint
from ireu_governance.ledger.read import LedgerReader
from ireu_governance.ledger.tables import CHECKPOINTS

__all__ = ["PublishingLedger"]


class PublishingLedger(LedgerReader):
    """The part of `Ledger` that signs heads and publishes them.

    Args:
        engine: From `ireu_governance.ledger.database.open_engine`.
        location: The database file, or the URL of a PostgreSQL database.
        key_file: Whose keys count.
        checkpoint_path: Where the latest checkpoint is published, outside the database.
        checkpoint_copies: Where else it is.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        location: Location,
        key_file: KeyFile,
        checkpoint_path: Path,
        checkpoint_copies: Sequence[Path] = (),
    ) -> None:
        super().__init__(engine=engine, location=location, key_file=key_file, checkpoint_path=checkpoint_path)
        self._mutex = RLock()
        self._published = PublishedCheckpoint(checkpoint_path, checkpoint_copies, key_file)
        self._guard = Guard(key_file=key_file, published=self._published)
        # How a workspace publishes: it may have witnesses, of which the ledger knows nothing.
        self.publisher: Callable[[Signer], str] | None = None

    def sign_head(self, signer: Signer) -> str:
        """Sign the head of the ledger and store it, without publishing it yet: a witness may cosign it first.

        Args:
            signer: Holds a log key of the key file.

        Returns:
            The signed checkpoint without cosignatures; the one that is there when nothing was appended since.

        Raises:
            ConfigError: The signer's key may not sign checkpoints of this ledger.
            LedgerRefusedError: The ledger contradicts what was published or seen before.
            LedgerError: The ledger is locked or cannot be written.
        """
        with self._mutex:
            with writing(self._engine) as connection:
                state, file = self._guard.expect_continued(connection, publishing=True)
                self._expect_key(signer, Role.LOG, at_size=state.size)
                latest = connection.execute(LATEST_CHECKPOINT).first()
                if latest is not None and latest.size == state.size:
                    text = str(latest.text)
                else:
                    head = Checkpoint(origin=self.key_file.origin, size=state.size, root=state.root)
                    text = sign_checkpoint(head, signer)
                    number = 0 if latest is None else latest.number + 1
                    row = {"size": state.size, "number": number, "text": text, "published_at": now()}
                    connection.execute(insert(CHECKPOINTS), row)
            self._guard.remember(state, file)
        return text

    def add_cosignatures(self, size: int, lines: Sequence[str]) -> None:
        """Store what witnesses signed under a checkpoint; `write_checkpoint_file` then publishes it.

        The lines are not verified here, since the ledger knows no witnesses: the caller does so. Of each key the
        first line counts; asking a witness twice does not make a checkpoint longer.

        Args:
            size: The checkpoint's size.
            lines: Signature lines of the note, with or without newlines.

        Raises:
            InputError: There is no such checkpoint, a line is no cosignature, or the note would become too long.
            LedgerError: The ledger is locked or cannot be written.
        """
        with writing(self._engine) as connection:
            add_cosignatures(connection, size, lines, origin=self.key_file.origin)

    def add_stamp(self, size: int, authority: str, token: bytes) -> None:
        """Store a time stamp of a checkpoint; one that is there already is passed over.

        Args:
            size: The checkpoint's size.
            authority: Whom the token is from.
            token: The RFC 3161 token, verified by the caller.

        Raises:
            InputError: There is no such checkpoint, or the token is empty or too large.
            LedgerError: The ledger is locked or cannot be written.
        """
        with writing(self._engine) as connection:
            add_stamp(connection, size, authority, token)

    def write_checkpoint_file(self, size: int | None = None) -> str:
        """Publish a signed checkpoint in its file, with the cosignatures that it has by now.

        The file only ever moves forward: to a larger size, or to more cosignatures.

        Args:
            size: The size of a signed checkpoint; None for the newest one.

        Returns:
            What stands in the file now.

        Raises:
            InputError: There is no such checkpoint.
            LedgerRefusedError: The ledger contradicts what was published or seen before.
            LedgerError: The ledger is locked or cannot be written.
        """
        # Under the write lock: of two publishers the slower one cannot put back the older checkpoint.
        with self._mutex, writing(self._engine) as connection:
            self._guard.expect_continued(connection, publishing=True)
            text = expect_checkpoint(connection, size)
            return self._published.write(text, self._open_checkpoint(text).size)

    def publish(self, signer: Signer) -> str:
        """Sign the head of the ledger and publish it: in the database first, then in the checkpoint's file.

        The ledger of a workspace asks the workspace's witnesses in between, if its settings name any.

        Several processes may publish at once: the file only ever moves forward. A process that is stopped
        between the two steps leaves an older file, which the next call brings up to date.

        Args:
            signer: Holds a log key of the key file.

        Returns:
            The signed checkpoint with its cosignatures; the one that is there when nothing was appended since.

        Raises:
            ConfigError: The signer's key may not sign checkpoints of this ledger.
            LedgerRefusedError: The ledger contradicts what was published or seen before.
            LedgerError: The ledger is locked or cannot be written.
        """
        if self.publisher is not None:
            return self.publisher(signer)
        with self._mutex:
            text = self.sign_head(signer)
            self.write_checkpoint_file()
            return self.checkpoint(self._open_checkpoint(text).size) or text

    def _expect_key(self, signer: Signer, role: Role, *, at_size: int) -> None:
        if signer.public_key not in self.key_file.keys(role, at_size=at_size):
            raise ConfigError(
                f"Key {signer.public_key.key_id[:16]}… is no valid {role} key of '{self.key_file.origin}'.",
                hint="Use the key that the key file lists for this role.",
                code=ErrorCode.KEY_UNUSABLE,
            )
