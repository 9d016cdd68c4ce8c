"""The first tables, and the triggers that keep them append-only.

Revision: 0001. The triggers are written out here and not taken from the package: a revision must do the same
in ten years. A later revision that rebuilds a table must make its triggers anew, since SQLite drops them.

SQLite's INSERT OR REPLACE removes rows without waking a trigger, so that inserts are watched as well there. In
PostgreSQL, TRUNCATE is watched, triggers also fire for replication, and each function looks for its tables in the
schema of the ledger and nowhere else: a temporary table of the same name comes last.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = ("entries", "nodes", "checkpoints", "entry_cases", "meta")
_INSERT_TRIGGERS = (
    (
        "entries_in_order",
        "entries",
        "NEW.seq <> coalesce((SELECT max(seq) + 1 FROM entries), 0)"
        " OR NEW.prev <> coalesce((SELECT leaf_hash FROM entries ORDER BY seq DESC LIMIT 1), zeroblob(32))"
        " OR EXISTS (SELECT 1 FROM entries WHERE leaf_hash = NEW.leaf_hash)",
        "an entry must continue the last one",
    ),
    (
        "nodes_no_replace",
        "nodes",
        'EXISTS (SELECT 1 FROM nodes WHERE level = NEW.level AND "index" = NEW."index")',
        "nodes is append-only",
    ),
    (
        "checkpoints_in_order",
        "checkpoints",
        "NEW.size <= coalesce((SELECT max(size) FROM checkpoints), -1)"
        " OR NEW.number <> coalesce((SELECT max(number) + 1 FROM checkpoints), 0)"
        " OR NEW.size > coalesce((SELECT max(seq) + 1 FROM entries), 0)",
        "a checkpoint must follow the last one and cover what is there",
    ),
    (
        "meta_no_replace",
        "meta",
        "EXISTS (SELECT 1 FROM meta WHERE key = NEW.key)",
        "meta is append-only",
    ),
)

_REFUSE = (
    "BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END"
)
_POSTGRES_TRIGGERS = (
    (
        "entries_in_order",
        "entries",
        "NEW.seq <> coalesce((SELECT max(seq) + 1 FROM entries), 0)"
        " OR NEW.prev <> coalesce((SELECT leaf_hash FROM entries ORDER BY seq DESC LIMIT 1),"
        " decode(repeat('00', 32), 'hex'))",
        "an entry must continue the last one",
    ),
    (
        "checkpoints_in_order",
        "checkpoints",
        "NEW.size <= coalesce((SELECT max(size) FROM checkpoints), -1)"
        " OR NEW.number <> coalesce((SELECT max(number) + 1 FROM checkpoints), 0)"
        " OR NEW.size > coalesce((SELECT max(seq) + 1 FROM entries), 0)",
        "a checkpoint must follow the last one and cover what is there",
    ),
)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables and triggers."""
    _make_tables()
    if op.get_bind().dialect.name == "postgresql":
        _protect_postgres()
    else:
        _protect_sqlite()


def _make_tables() -> None:
    op.create_table(
        "entries",
        sa.Column("seq", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.Text(), nullable=False),
        sa.Column("prev", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_entries")),
        sa.CheckConstraint("seq >= 0", name=op.f("ck_entries_seq")),
        sa.CheckConstraint("length(prev) = 32", name=op.f("ck_entries_prev")),
        sa.CheckConstraint("length(leaf_hash) = 32", name=op.f("ck_entries_leaf_hash")),
        sa.UniqueConstraint("prev", name=op.f("uq_entries_prev")),
        sa.UniqueConstraint("leaf_hash", name=op.f("uq_entries_leaf_hash")),
        sqlite_strict=True,
    )
    op.create_table(
        "nodes",
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("index", _NUMBER, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "index", name=op.f("pk_nodes")),
        sa.CheckConstraint("level > 0", name=op.f("ck_nodes_level")),
        sa.CheckConstraint("length(hash) = 32", name=op.f("ck_nodes_hash")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("published_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_checkpoints")),
        sa.CheckConstraint("size >= 0", name=op.f("ck_checkpoints_size")),
        sa.UniqueConstraint("number", name=op.f("uq_checkpoints_number")),
        sqlite_strict=True,
    )
    op.create_table(
        "entry_cases",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("seq", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("case_id", "seq", name=op.f("pk_entry_cases")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _protect_sqlite() -> None:
    for table in _TABLES:
        for action in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action} BEFORE {action.upper()} ON {table} WHEN 1"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    for name, table, condition, message in _INSERT_TRIGGERS:
        op.execute(
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table} WHEN {condition}"
            f" BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )


def _protect_postgres() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    _make_function("refuse_change", _REFUSE, schema)
    for table in _TABLES:
        for action in ("update", "delete", "truncate"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action} BEFORE {action.upper()} ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_{action}")
    for name, table, condition, message in _POSTGRES_TRIGGERS:
        body = (
            f"BEGIN IF {condition} THEN RAISE EXCEPTION '{message}'"
            " USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END"
        )
        _make_function(name, body, schema)
        op.execute(f"CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def _make_function(name: str, body: str, schema: str) -> None:
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path = {schema}, pg_temp"
        f" AS $ireu${body}$ireu$"
    )


def downgrade() -> None:
    """Refuse: an append-only ledger does not go back."""
    raise NotImplementedError
