"""Reading single rows of a ledger for very many readers.

A transaction of SQLAlchemy's costs several times what SQLite needs to find a row. One statement is a transaction by
itself, so here it goes to the driver directly; PostgreSQL, where the way to the server costs more, is asked as usual.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, text

from ireu_governance.ledger.database import database_errors, reading

__all__ = ["fetch_rows", "state_of"]


def fetch_rows(engine: Engine, query: str, values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
    """Run one query, which sees one state of the ledger.

    Args:
        engine: The ledger's, which only reads.
        query: SQL with named parameters such as ``:seq``.
        values: The parameters.

    Returns:
        The rows.

    Raises:
        LedgerError: The ledger cannot be read now.
    """
    if engine.dialect.name != "sqlite":
        with reading(engine) as connection:
            return connection.execute(text(query), values).all()
    with database_errors():
        raw = engine.raw_connection()
        try:
            cursor = raw.cursor()
            cursor.execute(query, values)
            return cursor.fetchall()
        finally:
            raw.close()


def state_of(path: str) -> tuple[int, int, int] | None:
    """Return what changes when a file is written anew; None when it cannot be looked at.

    Args:
        path: The file, as text: making a path of it would take longer than looking.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - see above
    except OSError:
        return None  # reading it says what is wrong
    return found.st_mtime_ns, found.st_size, found.st_ino
