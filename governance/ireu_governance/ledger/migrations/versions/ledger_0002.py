"""What witnesses and time-stamping authorities say about checkpoints.

Revision: 0002. The primary keys hold a digest: a post-quantum cosignature and a time stamp are longer than what
PostgreSQL takes into an index.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = ("cosignatures", "stamps")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables and triggers."""
    op.create_table(
        "cosignatures",
        sa.Column("size", _NUMBER, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", "digest", name=op.f("pk_cosignatures")),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_cosignatures_digest")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stamps",
        sa.Column("size", _NUMBER, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", "digest", name=op.f("pk_stamps")),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_stamps_digest")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        _protect_postgres()
    else:
        _protect_sqlite()


def _protect_sqlite() -> None:
    for table in _TABLES:
        for action in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action} BEFORE {action.upper()} ON {table} WHEN 1"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        op.execute(
            f"CREATE TRIGGER {table}_of_checkpoint BEFORE INSERT ON {table} WHEN"  # noqa: S608 (fixed names)
            " NOT EXISTS (SELECT 1 FROM checkpoints WHERE size = NEW.size)"
            f" OR EXISTS (SELECT 1 FROM {table} WHERE size = NEW.size AND digest = NEW.digest)"
            f" BEGIN SELECT RAISE(ABORT, '{table} are about a checkpoint that is there, each once'); END"
        )


def _protect_postgres() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for table in _TABLES:
        for action in ("update", "delete", "truncate"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action} BEFORE {action.upper()} ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_{action}")
        name = f"{table}_of_checkpoint"
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"  # noqa: S608 (fixed names)
            f" SET search_path = {schema}, pg_temp"
            " AS $ireu$BEGIN IF NOT EXISTS (SELECT 1 FROM checkpoints WHERE size = NEW.size)"
            f" THEN RAISE EXCEPTION '{table} are about a checkpoint that is there'"
            " USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END$ireu$"
        )
        op.execute(f"CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def downgrade() -> None:
    """Refuse: an append-only ledger does not go back."""
    raise NotImplementedError
