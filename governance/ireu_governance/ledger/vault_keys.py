"""The vault's master key: finding the one that opens the vault, and exchanging it.

An exchange writes the new key beside the old one (``vault.key.new``), wraps all keys of cases anew in one
transaction, and then destroys the old key and puts the new one in its place. Stopped at any point, there is a key
file that opens the vault, and opening it brings the exchange to its end.
"""

from __future__ import annotations

from pathlib import Path
from time import sleep
from typing import Final

from sqlalchemy import Connection, select

from ireu_governance.core.errors import ConfigError, ErrorCode, LedgerError, VerificationError
from ireu_governance.files import sync_folder
from ireu_governance.ledger.destruction import destroy_file, destroying
from ireu_governance.ledger.sealing import binding, new_key, read_master_key, seal, unseal, write_new
from ireu_governance.ledger.vault_tables import VAULT

__all__ = ["exchange_master_key", "expect_master_key", "open_master_key", "settle_master_key", "unsettled"]

_ATTEMPTS: Final = 3
_PAUSE_S: Final = 0.05


def open_master_key(path: Path, proof: bytes) -> bytes:
    """Return the master key that opens a vault.

    Args:
        path: Its file; beside it may lie the key of an exchange that was stopped.
        proof: What the vault keeps to tell its key.

    Returns:
        32 bytes.

    Raises:
        ConfigError: The key is missing, readable for others, or another vault's.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            sleep(_PAUSE_S)  # another process may be putting a new key into its place just now
        if path.exists() or not _new(path).is_file():
            key = read_master_key(path)
            if _fits(key, proof):
                return key
        if _new(path).is_file():
            key = read_master_key(_new(path))
            if _fits(key, proof):
                return key
    raise ConfigError(
        "The key does not open this vault.",
        hint="Use the key file that was made together with it.",
        code=ErrorCode.KEY_UNUSABLE,
    )


def settle_master_key(path: Path, master_key: bytes) -> None:
    """Bring an exchange to its end: destroy the old key and put the new one in its place.

    Args:
        path: The key's file.
        master_key: The key that opens the vault. The caller holds the vault's write lock, so that of two
            processes that do this the second finds nothing to do.

    Raises:
        OSError: A file cannot be written.
    """
    new = _new(path)
    if new.is_file() and read_master_key(new) == master_key:
        destroy_file(path)
        new.replace(path)
        sync_folder(path.parent)


def expect_master_key(connection: Connection, master_key: bytes) -> None:
    """Refuse to go on with a master key that was exchanged since the vault was opened.

    Args:
        connection: In a transaction; the key cannot be exchanged before its end.
        master_key: As it was when the vault was opened.

    Raises:
        LedgerError: Another process has exchanged it. What is sealed with the old one could never be opened.
    """
    proof = connection.execute(select(VAULT.c.value).where(VAULT.c.key == "key-check")).scalar()
    if not _fits(master_key, proof or b""):
        raise _exchanged()


def exchange_master_key(vault_path: Path, key_path: Path, master_key: bytes) -> bytes:
    """Wrap the keys of all cases with a new master key, which lies beside the old one until `settle_master_key`.

    Args:
        vault_path: The vault's database.
        key_path: The file of its key.
        master_key: The present key.

    Returns:
        The new key.

    Raises:
        LedgerError: The vault or the key file cannot be written.
        VerificationError: The key of a case does not open, so that it was changed; nothing was exchanged.
    """
    fresh = new_key()
    with destroying(vault_path) as connection:
        (proof,) = connection.execute("SELECT value FROM vault WHERE key = 'key-check'").fetchone()
        if not _fits(master_key, proof):
            raise _exchanged()
        # Under the lock, so that no other exchange writes, or takes away, the same file.
        settle_master_key(key_path, master_key)
        destroy_file(_new(key_path))  # of an exchange that was stopped before it had an effect
        write_new(_new(key_path), fresh)
        sync_folder(key_path.parent)
        rows = connection.execute("SELECT case_id, wrapped_key FROM cases WHERE wrapped_key IS NOT NULL").fetchall()
        for case_id, wrapped in rows:
            bound = binding("key", case_id)
            again = seal(fresh, unseal(master_key, wrapped, bound), bound)
            connection.execute("UPDATE cases SET wrapped_key = ? WHERE case_id = ?", (again, case_id))
        proof = seal(fresh, b"", binding("vault"))
        connection.execute("UPDATE vault SET value = ? WHERE key = 'key-check'", (proof,))
    return fresh


def unsettled(path: Path) -> bool:
    """Return whether an exchange was stopped, so that two keys lie beside each other."""
    return _new(path).is_file()


def _new(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _exchanged() -> LedgerError:
    return LedgerError("The vault's key was exchanged in the meantime; nothing was done.", hint="Try again.")


def _fits(key: bytes, proof: bytes) -> bool:
    try:
        unseal(key, proof, binding("vault"))
    except VerificationError:
        return False
    return True
