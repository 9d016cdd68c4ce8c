"""Alembic runs this; the connection comes from `ireu_governance.ledger.schema`."""

from __future__ import annotations

from alembic import context

from ireu_governance.ledger.tables import LedgerTable

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=LedgerTable.metadata,
    render_as_batch=True,
    compare_type=True,
    compare_server_default=True,
    # SQLite can undo DDL; a migration that fails half-way leaves the ledger as it was.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
