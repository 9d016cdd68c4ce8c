"""The tables of the evidence vault. Erasing a case empties its row, which stays as a tombstone."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text

__all__ = ["BLOBS", "CASES", "METADATA", "PRAGMAS", "VAULT"]

# secure_delete overwrites what is deleted. No WAL: after an erasure, no second file may hold older pages.
PRAGMAS: Final = ("secure_delete = ON", "journal_mode = DELETE", "synchronous = FULL")

METADATA = MetaData()
VAULT = Table(
    "vault",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    sqlite_strict=True,
)
CASES = Table(
    "cases",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("wrapped_key", LargeBinary),  # absent once the case is erased, like the record
    Column("record", LargeBinary),
    Column("created_at", Text, nullable=False),
    Column("erased_at", Text),
    sqlite_strict=True,
)
BLOBS = Table(
    "blobs",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("blob_id", Text, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    sqlite_strict=True,
)
