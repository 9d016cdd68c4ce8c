"""The first tables, and the triggers that keep them append-only.

Revision: 0001. The triggers are written out here and not taken from the package: a revision must do the same
in ten years. A later revision that rebuilds a table must make its triggers anew, since SQLite drops them.
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


def upgrade() -> None:
    """Make the tables and triggers."""
    op.create_table(
        "entries",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
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
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "index", name=op.f("pk_nodes")),
        sa.CheckConstraint("level > 0", name=op.f("ck_nodes_level")),
        sa.CheckConstraint("length(hash) = 32", name=op.f("ck_nodes_hash")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
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
        sa.Column("seq", sa.Integer(), nullable=False),
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


def downgrade() -> None:
    """Refuse: an append-only ledger does not go back."""
    raise NotImplementedError
