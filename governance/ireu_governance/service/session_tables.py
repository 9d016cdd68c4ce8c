"""The table of who is signed in to the portal."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, Integer, Table, Text

from ireu_governance.service.tables import METADATA

__all__ = ["SESSIONS", "SIGN_INS"]

# The cookie is not kept, only what it hashes to: who reads the table cannot be somebody else by it.
SESSIONS: Final = Table(
    "service_sessions",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("identity", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("key_prefix", Text),  # of the access key; absent after a sign-in with OpenID Connect
    Column("form_token", Text, nullable=False),
    Column("began_at", Integer, nullable=False),
    Column("seen_at", Integer, nullable=False),
    Column("ends_at", Integer, nullable=False),
    Index("service_sessions_end", "ends_at"),
)

# Sign-ins with OpenID Connect that are under way at the provider.
SIGN_INS: Final = Table(
    "service_sign_ins",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("verifier", Text, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("back", Text, nullable=False),
    Column("ends_at", Integer, nullable=False),
)
