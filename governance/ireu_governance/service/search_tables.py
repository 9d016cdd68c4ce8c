"""Tables of the look-up of entries by what they name. They are made from the ledger, and can be made again."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from ireu_governance.service.tables import METADATA

__all__ = ["SEARCH_STATE", "SEARCH_TERMS", "TERM"]

# Compared byte by byte in PostgreSQL too, so that a prefix is a range of terms.
TERM: Final = Text().with_variant(Text(collation="C"), "postgresql")

SEARCH_TERMS = Table(
    "service_search_terms",
    METADATA,
    Column("what", TERM, primary_key=True),
    Column("term", TERM, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Index("service_search_terms_seq", "seq"),
    sqlite_with_rowid=False,
)

SEARCH_STATE = Table(
    "service_search_state",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("last_leaf", Text, nullable=False),  # of the entry before `size`: another ledger has another one
)
