"""The tables of the evidence vault. Erasing a case empties its rows, which stay as tombstones."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text

__all__ = ["BLOBS", "CASES", "ERASURES", "METADATA", "NEEDS", "PARTS", "PRAGMAS", "VAULT", "VERSION"]

VERSION: Final = b"2"

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
    Column("wrapped_key", LargeBinary),  # absent once the case is erased
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text),
    Column("erased_at", Text),
    sqlite_strict=True,
)
PARTS = Table(
    "parts",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("commitment", Text, nullable=False),  # the ledger's, and public: stays when the record is destroyed
    Column("record", LargeBinary),
    Column("created_at", Text, nullable=False),
    sqlite_strict=True,
)
BLOBS = Table(
    "blobs",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("blob_id", Text, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    sqlite_strict=True,
)
# Evidence that several cases need, such as the photos of other people, goes with the last of them.
NEEDS = Table(
    "needs",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("needed_id", Text, primary_key=True),
    sqlite_strict=True,
)
# What is decided to be erased is written here before anything is destroyed; `entry` is set when the ledger has it.
ERASURES = Table(
    "erasures",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("lot", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("begun_at", Text, nullable=False),
    Column("entry", Integer),
    sqlite_strict=True,
)
