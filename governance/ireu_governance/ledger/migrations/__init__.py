"""Alembic's environment for the ledger's tables; it travels inside the package."""
