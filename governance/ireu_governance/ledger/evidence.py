"""The evidence vault: what must be erasable, encrypted beside the ledger.

The ledger holds a salted commitment for each case. What it commits to (the payload, such as a list of
portraits, and the portraits themselves as blobs) lies here, each case under its own key, which in turn is
wrapped by a master key in a file elsewhere. In clear are only case ids, random blob ids, sizes and times.
Every ciphertext is bound to the case and blob that it belongs to, so that none can be shown for another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Engine, delete, func, insert, select

from ireu_governance.core.canonical import canonicalize, parse_json
from ireu_governance.core.commitment import commit, new_salt, verify_opening
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, LedgerError, VerificationError
from ireu_governance.core.times import now
from ireu_governance.ledger.database import open_engine, reading, writing
from ireu_governance.ledger.sealing import binding, new_key, read_master_key, seal, unseal, write_new
from ireu_governance.ledger.vault_tables import BLOBS, CASES, METADATA, PRAGMAS, VAULT

__all__ = ["MAXBLOBS", "MAX_BLOB_BYTES", "Evidence", "Vault", "VaultCase"]

MAXBLOBS: Final = 10_000  # portraits of one person; a folder with more is not one person's
MAX_BLOB_BYTES: Final = 64 * 2**20  # one portrait; also far below what one AES-GCM message may have

_ID = re.compile(r"[0-9a-f]{32}")
_CHECK: Final = "evidence"
_FILE: Final = "vault.db"


@dataclass(frozen=True)
class VaultCase:
    """What the vault says about a case without opening it.

    Attributes:
        case_id: The case.
        created_at: When its evidence was put in.
        erased_at: When it was erased, or None.
        blobs: Number of its blobs.
        size: Bytes of its blobs.
    """

    case_id: str
    created_at: str
    erased_at: str | None
    blobs: int
    size: int


@dataclass(frozen=True)
class Evidence:
    """The opened evidence of one case. Prints as its case id only.

    Attributes:
        case_id: The case.
        commitment: The commitment that the ledger holds for it; verified against payload and salt.
        payload: What was committed to; its member ``blobs`` maps blob ids to SHA-256.
        salt: What makes the commitment unguessable.
    """

    case_id: str
    commitment: str
    payload: Mapping[str, object] = field(repr=False)
    salt: bytes = field(repr=False)
    _vault: Vault = field(repr=False)
    _key: bytes = field(repr=False)

    def blob_ids(self) -> list[str]:
        """Return the ids of the case's blobs, sorted."""
        return sorted(self._digests())

    def blob(self, blob_id: str) -> bytes:
        """Decrypt one blob and check it against the committed digest.

        Args:
            blob_id: One of `blob_ids`.

        Returns:
            Its bytes as they were put in.

        Raises:
            InputError: The case has no such blob.
            VerificationError: What is stored is not what was committed to.
        """
        expected = self._digests().get(blob_id)
        if expected is None:
            raise InputError("The case has no blob of this id.")
        data = self._vault.open_blob(self.case_id, blob_id, self._key)
        if sha256(data).hexdigest() != expected:
            raise VerificationError(f"A blob of case {self.case_id} is not the committed one.", check=_CHECK)
        return data

    def _digests(self) -> dict[str, str]:
        blobs = self.payload["blobs"]
        return blobs if isinstance(blobs, dict) else {}


class Vault:
    """An open evidence vault. Use it as a context manager, or close it.

    Args:
        engine: Over the vault's database.
        folder: Where it lies.
        master_key: 32 bytes that wrap the keys of all cases.
    """

    def __init__(self, *, engine: Engine, folder: Path, master_key: bytes) -> None:
        self._engine = engine
        self.folder = folder
        self._master_key = master_key

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @classmethod
    def create(cls, folder: Path, key_path: Path) -> Self:
        """Make a new, empty vault and its master key.

        Args:
            folder: Where the vault shall be.
            key_path: Where its master key shall be; not in the same folder, whose copies would hold both.

        Returns:
            The vault, open.

        Raises:
            ConfigError: Something is there already, or the key would lie in the vault's folder.
            LedgerError: It cannot be made.
        """
        path = folder / _FILE
        if key_path.absolute().parent == folder.absolute():
            raise ConfigError("The vault's key must not lie in the vault: copies would hold both.")
        if path.exists() or key_path.exists():
            raise ConfigError("There is a vault, or a key of one, already.", code=ErrorCode.WORKSPACE_EXISTS)
        master_key = new_key()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_new(key_path, master_key)
            write_new(path, b"")
        except OSError as error:
            raise LedgerError(f"The vault cannot be made: {error.strerror}.") from error
        engine = open_engine(path, mode="rw", pragmas=PRAGMAS)
        try:
            with writing(engine) as connection:
                METADATA.create_all(connection)
                proof = seal(master_key, b"", binding("vault"))
                connection.execute(insert(VAULT).values(key="key-check", value=proof))
        except BaseException:
            engine.dispose()
            path.unlink()
            key_path.unlink()
            raise
        return cls(engine=engine, folder=folder, master_key=master_key)

    @classmethod
    def open(cls, folder: Path, key_path: Path) -> Self:
        """Open a vault that is there.

        Args:
            folder: Where the vault is.
            key_path: Its master key.

        Returns:
            The vault.

        Raises:
            LedgerError: There is no vault in the folder, or it cannot be used now.
            ConfigError: The key is missing, readable for others, or another vault's.
        """
        path = folder / _FILE
        if not path.is_file():
            raise LedgerError(f"There is no evidence vault in '{folder}'.", hint="Make one with: ireu init")
        master_key = read_master_key(key_path)
        engine = open_engine(path, mode="rw", pragmas=PRAGMAS)
        try:
            with reading(engine) as connection:
                query = select(VAULT.c.value).where(VAULT.c.key == "key-check")
                proof = connection.execute(query).scalar() or b""
            unseal(master_key, proof, binding("vault"))
        except VerificationError as error:
            engine.dispose()
            raise ConfigError(
                "The key does not open this vault.",
                hint="Use the key file that was made together with it.",
                code=ErrorCode.KEY_UNUSABLE,
            ) from error
        except BaseException:
            engine.dispose()
            raise
        return cls(engine=engine, folder=folder, master_key=master_key)

    def put(self, case_id: str, payload: Mapping[str, object], blobs: Mapping[str, bytes]) -> str:
        """Put the evidence of a case into the vault, once.

        Args:
            case_id: Random 128-bit number in hex.
            payload: JSON object that is committed to; the member ``blobs`` is added here.
            blobs: Bytes by random 128-bit id in hex; never a file name, which can name a person.

        Returns:
            The commitment, in hex, for the ledger.

        Raises:
            InputError: An id is not of this form, the payload is no JSON object, the case has evidence
                already, or there is too much of it.
        """
        _expect_ids(case_id, *blobs)
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
        key = new_key()
        with writing(self._engine) as connection:
            if connection.execute(select(CASES.c.case_id).where(CASES.c.case_id == case_id)).first():
                raise InputError(f"Case {case_id} has evidence in the vault already.")
            row = {
                "case_id": case_id,
                "wrapped_key": seal(self._master_key, key, binding("key", case_id)),
                "record": seal(key, record, binding("record", case_id)),
                "created_at": now(),
            }
            connection.execute(insert(CASES), row)
            for blob_id, data in blobs.items():
                sealed = seal(key, data, binding("blob", case_id, blob_id))
                blob = {"case_id": case_id, "blob_id": blob_id, "size": len(data), "ciphertext": sealed}
                connection.execute(insert(BLOBS), blob)
        return commitment

    def get(self, case_id: str) -> Evidence:
        """Open the evidence of a case.

        Args:
            case_id: The case.

        Returns:
            Its payload and salt, checked against the commitment; blobs are decrypted when they are asked for.

        Raises:
            InputError: The vault does not know the case, or its evidence was erased.
            VerificationError: What is stored was changed, or belongs to another case.
        """
        with reading(self._engine) as connection:
            row = connection.execute(select(CASES).where(CASES.c.case_id == case_id)).first()
        if row is None:
            raise InputError("The vault holds no evidence of this case.", code=ErrorCode.CASE_UNKNOWN)
        if row.erased_at is not None:
            raise InputError(
                f"The evidence of case {case_id} was erased at {row.erased_at}.",
                code=ErrorCode.EVIDENCE_ERASED,
            )
        key = unseal(self._master_key, row.wrapped_key or b"", binding("key", case_id))
        record = parse_json(unseal(key, row.record or b"", binding("record", case_id)), what="evidence", canonical=True)
        match record:
            case {"commitment": str(commitment), "payload": {"blobs": dict()} as payload, "salt": str(salt)}:
                verify_opening(commitment, payload, bytes.fromhex(salt))
                return Evidence(case_id, commitment, payload, bytes.fromhex(salt), self, key)
        raise VerificationError(f"The evidence of case {case_id} has another form.", check=_CHECK)

    def open_blob(self, case_id: str, blob_id: str, key: bytes) -> bytes:
        """Decrypt one blob with its case's key; use `Evidence.blob`, which also checks its digest.

        Raises:
            VerificationError: It is missing, was changed, or belongs elsewhere.
        """
        query = select(BLOBS.c.ciphertext).where(BLOBS.c.case_id == case_id, BLOBS.c.blob_id == blob_id)
        with reading(self._engine) as connection:
            sealed = connection.execute(query).scalar()
        return unseal(key, sealed or b"", binding("blob", case_id, blob_id))

    def discard(self, case_ids: Sequence[str]) -> None:
        """Take back evidence that was put in for a request which the ledger then did not accept.

        Not an erasure: no ledger entry names these cases, so nothing is left to remember.

        Args:
            case_ids: The cases; unknown ones are ignored.
        """
        with writing(self._engine) as connection:
            for case_id in case_ids:
                connection.execute(delete(BLOBS).where(BLOBS.c.case_id == case_id))
                connection.execute(delete(CASES).where(CASES.c.case_id == case_id))

    def cases(self) -> list[VaultCase]:
        """Return what the vault holds, by case id, without opening anything."""
        query = (
            select(
                CASES.c.case_id,
                CASES.c.created_at,
                CASES.c.erased_at,
                func.count(BLOBS.c.blob_id),
                func.coalesce(func.sum(BLOBS.c.size), 0),
            )
            .join(BLOBS, BLOBS.c.case_id == CASES.c.case_id, isouter=True)
            .group_by(CASES.c.case_id)
            .order_by(CASES.c.case_id)
        )
        with reading(self._engine) as connection:
            return [VaultCase(*row) for row in connection.execute(query)]


def _expect_ids(*ids: str) -> None:
    for each in ids:
        if not _ID.fullmatch(each):
            raise InputError("Case and blob ids are random 128-bit numbers in hex, never names.")
