"""Tables of the service's own database. Names begin with `service_`, so that they can lie beside a ledger's."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Table, Text

__all__ = ["ACCESS_KEYS", "ANSWERS", "INFO", "METADATA", "PUBLICATIONS", "VERSION"]

VERSION: Final = 1
"""Of the tables together: raised when a column changes. Further tables are made when they are missing."""

METADATA = MetaData()

INFO = Table(
    "service_info",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# A key is stored as a salted hash: whoever reads the table cannot use what is in it.
ACCESS_KEYS = Table(
    "service_access_keys",
    METADATA,
    Column("prefix", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text),
    Column("revoked_at", Text),
    Column("last_used_on", Text),  # a day: enough to find keys that nobody uses, too little to follow anybody
    Column("former_salt", LargeBinary),
    Column("former_hash", LargeBinary),
    Column("former_until", Text),
)

PUBLICATIONS = Table(
    "service_publications",
    METADATA,
    Column("case_id", Text, primary_key=True),
    Column("published_at", Text, nullable=False),
)

# Answers to requests with an Idempotency-Key. The key itself is not kept, only what it hashes to with its caller.
ANSWERS = Table(
    "service_answers",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("begun_at", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
    Column("attempt", Text, nullable=False),
    Column("status", Integer),  # absent while the request is being worked on
    Column("headers", Text),
    Column("body", LargeBinary),
    Index("service_answers_expiry", "expires_at"),
)
