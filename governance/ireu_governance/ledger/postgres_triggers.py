"""What protects a ledger in PostgreSQL: the triggers that it has, and those that are really there."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

__all__ = ["APPEND_ONLY", "TRIGGERS", "stored_triggers"]

APPEND_ONLY: Final = ("entries", "nodes", "checkpoints", "cosignatures", "stamps", "entry_cases", "meta")
"""The ledger's tables, in none of which a row is ever changed or removed."""

_ROW, _BEFORE, _INSERTED, _DELETE, _UPDATE, _TRUNCATE = 1, 2, 4, 8, 16, 32  # the bits of pg_trigger.tgtype

_REFUSE_BODY: Final = (
    "BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END"
)


def _insert_body(condition: str, message: str) -> str:
    return (
        f"BEGIN IF {condition} THEN RAISE EXCEPTION '{message}'"
        " USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END"
    )


def _of_checkpoint(table: str) -> tuple[str, str, str]:
    body = _insert_body(
        "NOT EXISTS (SELECT 1 FROM checkpoints WHERE size = NEW.size)",
        f"{table} are about a checkpoint that is there",
    )
    return f"{table}_of_checkpoint", table, body


_INSERT_TRIGGERS: Final = (
    (
        "entries_in_order",
        "entries",
        _insert_body(
            "NEW.seq <> coalesce((SELECT max(seq) + 1 FROM entries), 0)"
            " OR NEW.prev <> coalesce((SELECT leaf_hash FROM entries ORDER BY seq DESC LIMIT 1),"
            " decode(repeat('00', 32), 'hex'))",
            "an entry must continue the last one",
        ),
    ),
    (
        "checkpoints_in_order",
        "checkpoints",
        _insert_body(
            "NEW.size <= coalesce((SELECT max(size) FROM checkpoints), -1)"
            " OR NEW.number <> coalesce((SELECT max(number) + 1 FROM checkpoints), 0)"
            " OR NEW.size > coalesce((SELECT max(seq) + 1 FROM entries), 0)",
            "a checkpoint must follow the last one and cover what is there",
        ),
    ),
    _of_checkpoint("cosignatures"),
    _of_checkpoint("stamps"),
)


def _spell(table: str, kind: int, body: str) -> str:
    # As `stored_triggers` spells them: enabled (A) also for replication, search path pinned to the schema.
    return f"{table} {kind} A pinned {body}"


TRIGGERS: Final[dict[str, str]] = {
    **{
        f"{table}_no_{action}": _spell(table, _BEFORE | bit, _REFUSE_BODY)
        for table in APPEND_ONLY
        for action, bit in (("update", _UPDATE), ("delete", _DELETE), ("truncate", _TRUNCATE))
    },
    **{name: _spell(table, _ROW | _BEFORE | _INSERTED, body) for name, table, body in _INSERT_TRIGGERS},
}
"""Every trigger of a ledger, by name, in the words of `stored_triggers`."""

_STORED: Final = """
SELECT t.tgname, concat_ws(' ', c.relname, t.tgtype::text, t.tgenabled::text,
    CASE WHEN p.proconfig = ARRAY['search_path=' || quote_ident(n.nspname) || ', pg_temp']
        AND t.tgqual IS NULL AND NOT p.prosecdef AND l.lanname = 'plpgsql' THEN 'pinned' ELSE 'loose' END,
    p.prosrc)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_language l ON l.oid = p.prolang
WHERE NOT t.tgisinternal AND c.relname::text = ANY(%(tables)s) AND pg_table_is_visible(c.oid)
UNION ALL SELECT r.rulename, 'rule' FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE c.relkind IN ('r', 'p') AND c.relname::text = ANY(%(tables)s) AND pg_table_is_visible(c.oid)
UNION ALL SELECT 'row security of ' || c.relname, 'policy' FROM pg_class c
WHERE c.relrowsecurity AND c.relname::text = ANY(%(tables)s) AND pg_table_is_visible(c.oid)
"""


def stored_triggers(connection: Connection) -> dict[str, str]:
    """Return the triggers that the ledger's tables really have, by name, with what they do.

    Rules and row-level security are listed too: they can change what is written or read, and a ledger has none.
    """
    rows = connection.exec_driver_sql(_STORED, {"tables": list(APPEND_ONLY)})
    return {str(name): str(text) for name, text in rows}
