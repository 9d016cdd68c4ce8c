"""The evidence vault: what must be erasable, encrypted beside the ledger.

The ledger holds salted commitments of each case. What they commit to lies here, in parts that are sealed one by
one: who asked (``request``), the photos for re-tests (``portraits``). All parts of a case, and the blobs of each,
are encrypted under the case's own key, which in turn is wrapped by a master key in a file elsewhere. In clear are
only case ids, names of parts, commitments, random blob ids, sizes and times. Every ciphertext is bound to the
case, part and blob that it belongs to, so that none can be shown for another.

`ireu_governance.ledger.erasure` destroys a case; `ireu_governance.ledger.vault_keys` exchanges the master key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Engine, insert, select

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.commitment import commit, new_salt
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, LedgerError, VerificationError
from ireu_governance.core.times import now
from ireu_governance.ledger.database import open_engine, reading, writing
from ireu_governance.ledger.destruction import file_errors
from ireu_governance.ledger.sealing import binding, new_key, seal, unseal, write_new
from ireu_governance.ledger.vault_case import PORTRAITS, Evidence, Part, VaultCase
from ireu_governance.ledger.vault_keys import (
    exchange_master_key,
    expect_master_key,
    open_master_key,
    settle_master_key,
    unsettled,
)
from ireu_governance.ledger.vault_listing import list_cases
from ireu_governance.ledger.vault_parts import discard_part, expect_kept, key_for_part, open_record
from ireu_governance.ledger.vault_tables import BLOBS, CASES, METADATA, NEEDS, PARTS, PRAGMAS, VAULT, VERSION

__all__ = ["MAXBLOBS", "MAX_BLOB_BYTES", "Vault"]

MAXBLOBS: Final = 10_000  # portraits of one person; a folder with more is not one person's
MAX_BLOB_BYTES: Final = 64 * 2**20  # one portrait; also far below what one AES-GCM message may have

_ID = re.compile(r"[0-9a-f]{32}")
_FILE: Final = "vault.db"


class Vault:
    """An open evidence vault. Use it as a context manager, or close it.

    Args:
        engine: Over the vault's database.
        folder: Where it lies.
        master_key: 32 bytes that wrap the keys of all cases.
        retention_days: How long new evidence is kept; None until it is erased.
    """

    def __init__(self, *, engine: Engine, folder: Path, master_key: bytes, retention_days: int | None = None) -> None:
        self.engine = engine
        self.folder = folder
        self._master_key = master_key
        self._retention_days = retention_days

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The database file."""
        return self.folder / _FILE

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    @classmethod
    def create(cls, folder: Path, key_path: Path) -> Self:
        """Make a new, empty vault and its master key.

        Args:
            folder: Where the vault shall be.
            key_path: Where its master key shall be; not below the same folder, whose copies would hold both.

        Returns:
            The vault, open.

        Raises:
            ConfigError: Something is there already, or the key would lie in the vault's folder.
            LedgerError: It cannot be made.
        """
        path = folder / _FILE
        if folder.resolve() in key_path.resolve().parents:
            raise ConfigError("The vault's key must not lie in the vault: copies would hold both.")
        if path.exists() or key_path.exists():
            raise ConfigError("There is a vault, or a key of one, already.", code=ErrorCode.WORKSPACE_EXISTS)
        master_key = new_key()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_new(path, b"")
            try:
                write_new(key_path, master_key)
            except OSError:
                path.unlink()
                raise
        except OSError as error:
            raise LedgerError(f"The vault cannot be made: {error.strerror}.") from error
        engine = open_engine(path, mode="rw", pragmas=PRAGMAS)
        try:
            with writing(engine) as connection:
                METADATA.create_all(connection)
                proof = seal(master_key, b"", binding("vault"))
                connection.execute(insert(VAULT).values(key="key-check", value=proof))
                connection.execute(insert(VAULT).values(key="version", value=VERSION))
        except BaseException:
            engine.dispose()
            path.unlink()
            key_path.unlink()
            raise
        return cls(engine=engine, folder=folder, master_key=master_key)

    @classmethod
    def open(cls, folder: Path, key_path: Path, *, retention_days: int | None = None) -> Self:
        """Open a vault that is there.

        Args:
            folder: Where the vault is.
            key_path: Its master key.
            retention_days: How long new evidence is kept; None until it is erased.

        Returns:
            The vault.

        Raises:
            LedgerError: There is no vault in the folder, it is of another version, or it cannot be used now.
            ConfigError: The key is missing, readable for others, or another vault's.
        """
        path = folder / _FILE
        if not path.is_file():
            raise LedgerError(f"There is no evidence vault in '{folder}'.", hint="Make one with: ireu init")
        engine = open_engine(path, mode="rw", pragmas=PRAGMAS)
        try:
            with reading(engine) as connection:
                stored = {row.key: row.value for row in connection.execute(select(VAULT))}
            if stored.get("version") != VERSION:
                raise LedgerError(
                    "The evidence vault is of another version of ireu.", hint="Use the version that made it."
                )
            master_key = open_master_key(key_path, stored.get("key-check", b""))
            if unsettled(key_path):
                with writing(engine), file_errors():
                    settle_master_key(key_path, master_key)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine=engine, folder=folder, master_key=master_key, retention_days=retention_days)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep all other writers of this vault waiting: who records what follows from a case looks and acts alone."""
        with writing(self.engine):
            yield

    def put(
        self,
        case_id: str,
        payload: Mapping[str, object],
        blobs: Mapping[str, bytes],
        *,
        part: Part = PORTRAITS,
        needs: Sequence[str] = (),
    ) -> str:
        """Put one part of a case into the vault, once.

        Args:
            case_id: Random 128-bit number in hex.
            payload: JSON object that is committed to; the member ``blobs`` is added here.
            blobs: Bytes by random 128-bit id in hex; never a file name, which can name a person.
            part: Which part it is.
            needs: Evidence in the vault that this case shares with others, and that goes with the last of them.

        Returns:
            The commitment, in hex, for the ledger.

        Raises:
            InputError: An id is not of this form, the payload is no JSON object, the case has such a part
                already or was erased, or there is too much of it.
        """
        _expect_ids(case_id, *blobs, *needs)
        if "blobs" in payload:
            raise InputError("The payload has a member 'blobs' already, which the vault adds itself.")
        if len(blobs) > MAXBLOBS or any(len(data) > MAX_BLOB_BYTES for data in blobs.values()):
            raise InputError(
                f"The evidence has more than {MAXBLOBS} blobs, or one of more than {MAX_BLOB_BYTES} bytes.",
                code=ErrorCode.INPUT_TOO_LARGE,
            )
        whole = {**payload, "blobs": {each: sha256(data).hexdigest() for each, data in blobs.items()}}
        salt = new_salt()
        commitment = commit(whole, salt)
        record = canonicalize({"commitment": commitment, "payload": whole, "salt": salt.hex()})
        with writing(self.engine) as connection:
            expect_master_key(connection, self._master_key)
            key = key_for_part(
                connection, case_id, part, master_key=self._master_key, retention_days=self._retention_days
            )
            row = {
                "case_id": case_id,
                "part": part,
                "commitment": commitment,
                "record": seal(key, record, binding("record", case_id, part)),
                "created_at": now(),
            }
            connection.execute(insert(PARTS), row)
            for blob_id, data in blobs.items():
                sealed = seal(key, data, binding("blob", case_id, part, blob_id))
                blob = {"case_id": case_id, "part": part, "blob_id": blob_id, "size": len(data), "ciphertext": sealed}
                connection.execute(insert(BLOBS), blob)
            for needed_id in needs:
                connection.execute(insert(NEEDS).values(case_id=case_id, needed_id=needed_id))
        return commitment

    def get(self, case_id: str, part: Part = PORTRAITS) -> Evidence:
        """Open one part of a case.

        Args:
            case_id: The case.
            part: Which part of it.

        Returns:
            Its payload and salt, checked against the commitment; blobs are decrypted when they are asked for.

        Raises:
            InputError: The vault does not know the case or has no such part of it, or it was erased.
            VerificationError: What is stored was changed, or belongs to another case.
        """
        with reading(self.engine) as connection:
            expect_master_key(connection, self._master_key)
            row = connection.execute(select(CASES).where(CASES.c.case_id == case_id)).first()
            if row is not None:
                expect_kept(connection, case_id, row.erased_at)
            query = select(PARTS).where(PARTS.c.case_id == case_id, PARTS.c.part == part)
            found = connection.execute(query).first()
        if row is None or found is None:
            raise InputError(f"The vault holds no evidence of this case ({part}).", code=ErrorCode.CASE_UNKNOWN)
        key = unseal(self._master_key, row.wrapped_key or b"", binding("key", case_id))
        payload, salt = open_record(case_id, part, key=key, record=found.record or b"", commitment=found.commitment)
        return Evidence(
            case_id,
            part,
            found.commitment,
            payload,
            salt,
            lambda blob_id: self._open_blob(case_id, part, blob_id, key),
        )

    def _open_blob(self, case_id: str, part: str, blob_id: str, key: bytes) -> bytes:
        query = select(BLOBS.c.ciphertext).where(
            BLOBS.c.case_id == case_id, BLOBS.c.part == part, BLOBS.c.blob_id == blob_id
        )
        with reading(self.engine) as connection:
            sealed = connection.execute(query).scalar()
        return unseal(key, sealed or b"", binding("blob", case_id, part, blob_id))

    def discard(self, case_ids: Sequence[str], *, part: Part | None = None) -> None:
        """Take back evidence that was put in for something which the ledger then did not accept.

        Not an erasure: no ledger entry has these commitments, so nothing is left to remember.

        Args:
            case_ids: The cases; unknown and erased ones are passed over.
            part: Only this part of them; a case that has no other part goes as a whole.
        """
        with writing(self.engine) as connection:
            for case_id in case_ids:
                discard_part(connection, case_id, part)

    def cases(self) -> list[VaultCase]:
        """Return what the vault holds, by case id, without opening anything."""
        with reading(self.engine) as connection:
            return list_cases(connection)

    def find(self, case_id: str) -> VaultCase | None:
        """Return what the vault says about one case; None if it does not know it."""
        with reading(self.engine) as connection:
            return next(iter(list_cases(connection, case_id)), None)

    def rekey(self, key_path: Path) -> None:
        """Exchange the master key, so that copies of the vault that were made before can be opened no more.

        Args:
            key_path: The file of the present key; the new one takes its place, and the old one is destroyed.

        Raises:
            LedgerError: The vault or the key file cannot be written. Opening the vault again goes on with it, or
                finds everything as it was.
            VerificationError: The key of a case does not open, so that it was changed; nothing was exchanged.
        """
        with file_errors():
            self._master_key = exchange_master_key(self.path, key_path, self._master_key)
            with writing(self.engine):
                settle_master_key(key_path, self._master_key)

    def opens(self, case_id: str, wrapped_key: bytes) -> bool:
        """Return whether the present master key opens a case's key that was found in a copy of the vault."""
        try:
            unseal(self._master_key, wrapped_key, binding("key", case_id))
        except VerificationError:
            return False
        return True


def _expect_ids(*ids: str) -> None:
    for each in ids:
        if not _ID.fullmatch(each):
            raise InputError("Case and blob ids are random 128-bit numbers in hex, never names.")
