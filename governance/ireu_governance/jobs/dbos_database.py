"""Where the queue of jobs stands: a file of the workspace, or a schema beside the ledger in PostgreSQL."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

__all__ = ["postgres_engine", "schema_of", "sqlite_engine"]


def schema_of(origin: str) -> str:
    """Return the schema in which the queue of a log stands, beside the ledger in PostgreSQL."""
    return f"ireu_jobs_{hashlib.sha256(origin.encode()).hexdigest()[:12]}"


def sqlite_engine(file: Path) -> sa.Engine:
    """Open or make a file for the queue."""
    # The file names cases and addresses of encoders, so it is for the workspace's owner only.
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    engine = sa.create_engine(f"sqlite:///{file}", pool_size=5, max_overflow=0, pool_timeout=30)

    def prepare(connection: Any, _: object) -> None:
        # As DBOS sets up an engine of its own: writers take turns, and wait for one another.
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")

    sa.event.listen(engine, "connect", prepare)
    return engine


def postgres_engine(connect: Callable[..., Any]) -> sa.Engine:
    """Return an engine over what `connect` opens."""
    return sa.create_engine(
        "postgresql+psycopg://", creator=connect, pool_size=5, max_overflow=5, pool_timeout=30, pool_pre_ping=True
    )
