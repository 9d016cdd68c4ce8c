"""Fixtures shared by the tests that run commands or networks."""

from fixtures.postgres import each_database, postgres, sqlite_only
from fixtures.published_ledger import ledger, template
from fixtures.shared import drawn_removal, ireu, recorded, small_removal

__all__ = [
    "drawn_removal",
    "each_database",
    "ireu",
    "ledger",
    "postgres",
    "recorded",
    "small_removal",
    "sqlite_only",
    "template",
]
