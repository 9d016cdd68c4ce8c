"""What only a server has: roles, schemas, lost connections, and administrators with more ways to change things.

Everything else about a ledger is tested on both databases by the same tests (`fixtures.postgres`).
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fixtures.postgres import VARIABLE, Schemas
from ledger_simulator import LedgerSimulator, make_draft
from sqlalchemy.exc import DBAPIError

from ireu_governance.core.errors import ConfigError, ErrorCode, LedgerError, LedgerRefusedError
from ireu_governance.ledger import postgres as dialect
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.database import open_engine, reading, stored_triggers, writing
from ireu_governance.ledger.findings import FindingKind

if not os.environ.get(VARIABLE):
    pytest.skip(f"{VARIABLE} names no PostgreSQL server", allow_module_level=True)
psycopg = pytest.importorskip("psycopg")

pytestmark = pytest.mark.postgres

NUMBERS = (-1, 2**62)
TEXTS = ("", "text")
BYTES = (b"", b"\x00" * 31)
TABLES = ("entries", "nodes", "checkpoints", "cosignatures", "stamps", "entry_cases", "meta")


@pytest.fixture(scope="module")
def each_database() -> Iterator[str]:
    """Only here: no run on SQLite."""
    import ledger_simulator
    from fixtures.postgres import open_schemas

    with open_schemas() as schemas:
        ledger_simulator.SCHEMAS = schemas
        try:
            yield "postgres"
        finally:
            ledger_simulator.SCHEMAS = None


@pytest.fixture
def schemas(each_database: str) -> Schemas:
    import ledger_simulator

    assert ledger_simulator.SCHEMAS is not None
    return ledger_simulator.SCHEMAS


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, each_database: str) -> LedgerSimulator:
    return LedgerSimulator.build(tmp_path_factory.mktemp("template") / "ledger", 3, published=(3,))


@pytest.fixture
def stored(template: LedgerSimulator, tmp_path: Path) -> LedgerSimulator:
    """A ledger of three entries, published."""
    return template.copy(tmp_path / "copy")


@contextmanager
def raw(simulator: LedgerSimulator, extra: str = "") -> Iterator[Any]:
    with psycopg.connect(f"{simulator.location}{extra}", autocommit=True) as connection:
        yield connection


def with_options(simulator: LedgerSimulator, option: str) -> str:
    """Return the simulator's URL with one more setting of the session."""
    return f"{simulator.location}%20-c{option.replace('=', '%3D')}"


def open_at(simulator: LedgerSimulator, location: str) -> Ledger:
    return Ledger.open(
        location, key_file=simulator.keys.key_file, checkpoint_path=simulator.checkpoint_path, timeout_s=5.0
    )


class TestAppendOnly:
    """Even a superuser has to switch the triggers off first, which the audit sees."""

    @pytest.mark.parametrize("table", TABLES)
    @pytest.mark.parametrize("mode", ["origin", "replica"])
    def test_rows_are_neither_changed_nor_removed(self, stored: LedgerSimulator, table: str, mode: str) -> None:
        with raw(stored) as connection:
            connection.execute(f"SET session_replication_role = {mode}")
            column = connection.execute(f"SELECT * FROM {table} LIMIT 0").description[0].name
            for sql in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table}"):
                with pytest.raises(psycopg.errors.IntegrityError, match="append-only"):
                    connection.execute(sql)

    def test_rows_are_not_replaced(self, stored: LedgerSimulator) -> None:
        with raw(stored) as connection:
            for sql in (
                "INSERT INTO nodes SELECT * FROM nodes LIMIT 1 ON CONFLICT (level, index) DO UPDATE SET hash = ''",
                "INSERT INTO meta VALUES ('origin', 'x') ON CONFLICT (key) DO UPDATE SET value = 'x'",
                "INSERT INTO nodes SELECT * FROM nodes LIMIT 1",
            ):
                with pytest.raises(psycopg.errors.IntegrityError):
                    connection.execute(sql)

    @pytest.mark.parametrize(
        "values",
        [
            "max(seq) + 2, kind, recorded_at, {last}, sha256('new'), envelope",  # a gap
            "max(seq) + 1, kind, recorded_at, sha256('other'), sha256('new'), envelope",  # no heir of the last
            "max(seq) + 1, kind, recorded_at, {last}, {last}, envelope",  # a copy
            "max(seq) + 1, kind, recorded_at, {last}, 'short', envelope",
            "max(seq) + 1, NULL, recorded_at, {last}, sha256('new'), envelope",
        ],
    )
    def test_entry_that_does_not_continue_the_last_is_refused(self, stored: LedgerSimulator, values: str) -> None:
        last = "(SELECT leaf_hash FROM entries ORDER BY seq DESC LIMIT 1)"
        select = values.format(last=last).replace("max(seq)", "(SELECT max(seq) FROM entries)")
        with raw(stored) as connection, pytest.raises(psycopg.errors.IntegrityError):
            connection.execute(f"INSERT INTO entries SELECT {select} FROM entries WHERE seq = 2")

    @pytest.mark.parametrize(
        "sql",
        [
            "INSERT INTO checkpoints VALUES (9, 1, 'ahead of the entries', 'now')",
            "INSERT INTO checkpoints VALUES (2, 1, 'backwards', 'now')",
            "INSERT INTO cosignatures VALUES (2, sha256('x'), 'w', 'of no checkpoint', 'now')",
            "INSERT INTO stamps VALUES (2, sha256('x'), 'w', 'of no checkpoint', 'now')",
        ],
    )
    def test_row_about_nothing_is_refused(self, stored: LedgerSimulator, sql: str) -> None:
        with raw(stored) as connection, pytest.raises(psycopg.errors.IntegrityError):
            connection.execute(sql)

    def test_temporary_table_does_not_mislead_a_trigger(self, stored: LedgerSimulator) -> None:
        # Temporary tables come first in the search path, unless a function says otherwise.
        with raw(stored) as connection:
            schema = connection.execute("SELECT current_schema()").fetchone()[0]
            connection.execute("CREATE TEMPORARY TABLE entries (seq bigint, leaf_hash bytea)")
            with pytest.raises(psycopg.errors.IntegrityError, match="continue the last"):
                connection.execute(
                    f"INSERT INTO {schema}.entries VALUES (0, 'k', 't', decode(repeat('00', 32), 'hex'),"
                    " sha256('fork'), 'e')"
                )


class TestAdministrator:
    @pytest.mark.parametrize(
        ("deed", "said"),
        [
            ("ALTER TABLE entries DISABLE TRIGGER entries_no_update", "entries_no_update was changed"),
            ("ALTER TABLE entries ENABLE TRIGGER entries_no_update", "entries_no_update was changed"),
            ("DROP TRIGGER nodes_no_truncate ON nodes", "nodes_no_truncate is missing"),
            (
                "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
                "entries_no_delete was changed",
            ),
            ("ALTER FUNCTION entries_in_order() SET search_path = public", "entries_in_order was changed"),
            ("CREATE RULE mine AS ON INSERT TO entries DO INSTEAD NOTHING", "mine is foreign"),
            ("ALTER TABLE entries ENABLE ROW LEVEL SECURITY", "row security of entries is foreign"),
            (
                "CREATE TRIGGER mine AFTER INSERT ON nodes EXECUTE FUNCTION refuse_change()",
                "mine is foreign",
            ),
        ],
    )
    def test_weakened_protection_is_found(self, stored: LedgerSimulator, deed: str, said: str) -> None:
        with raw(stored) as connection:
            connection.execute(deed)
        (finding,) = stored.audit().findings
        assert finding.kind is FindingKind.TRIGGER_MISSING
        assert said in finding.message

    @pytest.mark.parametrize(
        ("table", "column", "values"),
        [
            *(("entries", each, NUMBERS) for each in ("seq",)),
            *(("entries", each, TEXTS) for each in ("kind", "recorded_at")),
            *(("entries", each, BYTES) for each in ("prev", "leaf_hash", "envelope")),
            ("nodes", "index", NUMBERS),
            ("nodes", "hash", BYTES),
            *(("checkpoints", each, NUMBERS) for each in ("size", "number")),
            *(("checkpoints", each, TEXTS) for each in ("text", "published_at")),
            ("entry_cases", "seq", NUMBERS),
            *((table, each, TEXTS) for table, each in (("entry_cases", "case_id"), ("meta", "value"))),
        ],
    )
    def test_garbage_is_a_finding_and_no_crash(
        self, stored: LedgerSimulator, table: str, column: str, values: tuple[object, ...]
    ) -> None:
        stored.drop_constraints(table)
        for value in (None, *values):
            self.put(stored, table, column, value)
            assert stored.audit().findings != ()

    def put(self, stored: LedgerSimulator, table: str, column: str, value: object) -> None:
        with stored.attacker() as connection:
            connection.execute(
                f'UPDATE {table} SET "{column}" = ? WHERE ctid = (SELECT max(ctid) FROM {table})', (value,)
            )

    def test_column_of_another_type_is_a_finding(self, stored: LedgerSimulator) -> None:
        stored.drop_constraints()
        with raw(stored) as connection:
            connection.execute("ALTER TABLE entries ALTER seq TYPE text")
        assert stored.audit().findings != ()

    def test_restored_dump_that_is_older_is_not_continued(self, stored: LedgerSimulator, schemas: Schemas) -> None:
        dump = schemas.clone(str(stored.location))
        stored.append()
        stored.publish()
        with open_at(stored, dump) as restored, pytest.raises(LedgerRefusedError, match="older copy"):
            restored.append([make_draft()], stored.keys.record)

    def test_restored_dump_of_the_newest_state_is_continued(self, stored: LedgerSimulator, schemas: Schemas) -> None:
        # Another cluster, the same ledger: that is what a backup is for.
        with open_at(stored, schemas.clone(str(stored.location))) as restored:
            restored.append([make_draft()], stored.keys.record)


class TestLock:
    def test_head_is_read_after_the_wait_and_not_before(self, stored: LedgerSimulator) -> None:
        with stored.open() as one, stored.open() as other:
            thread = threading.Thread(target=lambda: other.append([make_draft()], stored.keys.record))
            with writing(one._engine) as connection:
                thread.start()
                thread.join(0.3)
                assert thread.is_alive()
                assert one.head().size == 3
                connection.exec_driver_sql("SELECT 1")
            thread.join()
            one.append([make_draft()], stored.keys.record)
        assert (stored.audit().size, stored.audit().findings) == (5, ())

    def test_two_ledgers_in_one_database_do_not_wait_for_each_other(
        self, stored: LedgerSimulator, schemas: Schemas
    ) -> None:
        with (
            open_at(stored, schemas.clone(str(stored.location))) as other,
            stored.open(timeout_s=0.2) as ledger,
            writing(other._engine),
        ):
            ledger.append([make_draft()], stored.keys.record)

    def test_lock_is_the_same_by_whatever_search_path_the_table_is_found(self, stored: LedgerSimulator) -> None:
        longer = str(stored.location).replace("search_path%3D", "search_path%3Dpublic%2C")
        with stored.open() as one, open_at(stored, longer) as other, writing(one._engine):
            engine = open_engine(longer, mode="rw", timeout_s=0.2)
            with pytest.raises(LedgerError) as caught, writing(engine):
                pass
            engine.dispose()
            assert caught.value.code is ErrorCode.LEDGER_LOCKED
            assert other.head().size == 3

    def test_readers_see_one_state(self, stored: LedgerSimulator) -> None:
        with stored.open() as ledger, reading(ledger._engine) as connection:
            count = "SELECT count(*) FROM entries"
            assert connection.exec_driver_sql(count).scalar_one() == 3
            stored.append()
            assert connection.exec_driver_sql(count).scalar_one() == 3
            with pytest.raises(DBAPIError, match="read-only"):
                connection.exec_driver_sql("INSERT INTO meta VALUES ('a', 'b')")
            connection.rollback()


class TestDurability:
    @pytest.mark.parametrize(
        ("setting", "expected"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")]
    )
    def test_commits_are_durable_whatever_the_session_says(
        self, stored: LedgerSimulator, setting: str, expected: str
    ) -> None:
        engine = open_engine(with_options(stored, f"synchronous_commit={setting}"), mode="rw")
        with writing(engine) as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == expected
            assert connection.exec_driver_sql("SHOW transaction_isolation").scalar_one() == "read committed"
        engine.dispose()

    def test_server_without_fsync_is_refused(self) -> None:
        class Server:
            def execute(self, _: str) -> Server:
                return self

            def fetchone(self) -> tuple[str]:
                return ("off",)

        with pytest.raises(LedgerError, match="fsync"):
            dialect._expect_durable(Server())  # type: ignore[arg-type]

    def test_server_without_fsync_is_not_written_to(
        self, stored: LedgerSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: object) -> None:
            raise LedgerError("fsync is off")

        monkeypatch.setattr(dialect, "_expect_durable", refuse)
        with pytest.raises(LedgerError, match="fsync"):
            stored.open()
        assert stored.audit().findings == ()  # reading needs no durability


class TestConnection:
    def test_lost_connection_is_reported_and_the_next_call_makes_a_new_one(self, stored: LedgerSimulator) -> None:
        with stored.open() as ledger:
            ledger.append([make_draft()], stored.keys.record)
            with pytest.raises(LedgerError, match="lost") as caught:
                self.write_and_be_cut_off(stored, ledger)
            assert "ireu ledger log" in caught.value.hint
            ledger.append([make_draft()], stored.keys.record)
        assert stored.audit().size == 5

    def write_and_be_cut_off(self, stored: LedgerSimulator, ledger: Ledger) -> None:
        with writing(ledger._engine) as connection:
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with raw(stored) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (pid,))
            connection.exec_driver_sql("SELECT 1")

    def test_idle_connection_that_was_cut_is_replaced_unnoticed(self, stored: LedgerSimulator) -> None:
        with stored.open() as ledger:
            with reading(ledger._engine) as connection:
                pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with raw(stored) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (pid,))
            ledger.append([make_draft()], stored.keys.record)

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("postgresql://nobody:hush@127.0.0.1:1/none", "cannot be reached"),
            ("postgresql://nobody:hush@host.invalid/none", "cannot be reached"),
        ],
    )
    def test_server_that_is_not_there_is_reported_without_the_password(
        self, stored: LedgerSimulator, url: str, said: str
    ) -> None:
        with pytest.raises(LedgerError, match=said) as caught:
            open_at(stored, url)
        assert "hush" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
        assert "PGPASSWORD" in caught.value.hint

    def test_url_that_libpq_does_not_take_is_refused_without_repeating_it(self, stored: LedgerSimulator) -> None:
        with pytest.raises(ConfigError) as caught:
            open_at(stored, "postgresql://user:hush@host/db?nonsense=hush")
        assert "hush" not in f"{caught.value} {caught.value.hint}"
        assert caught.value.__cause__ is None

    def test_database_without_a_ledger_is_refused(self, stored: LedgerSimulator, schemas: Schemas) -> None:
        empty = schemas.new()
        with pytest.raises(LedgerError, match="no ledger"):
            open_at(stored, empty)
        with pytest.raises(LedgerError, match="no ledger"):
            Ledger.migrate(empty, key_file=stored.keys.key_file)

    def test_database_without_a_schema_is_refused(self, stored: LedgerSimulator, schemas: Schemas) -> None:
        with pytest.raises(LedgerError, match="schema"):
            Ledger.create(
                schemas.url_of(f"absent_{secrets.token_hex(4)}"),
                key_file=stored.keys.key_file,
                checkpoint_path=stored.folder / "new checkpoint",
            )

    def test_server_that_only_reads_is_reported(self, stored: LedgerSimulator) -> None:
        # `writing` asks for a transaction that writes; a standby refuses that with the same code.
        state = psycopg.errors.ReadOnlySqlTransaction("cannot set transaction read-write mode during recovery")
        meaning = dialect.meaning_of(state)
        assert meaning is not None
        assert "read-only" in meaning.message


class TestRole:
    """The role that `docs/configuration.md` describes: it may add and look, and nothing else."""

    @pytest.fixture
    def location(self, stored: LedgerSimulator, schemas: Schemas) -> Iterator[str]:
        role = f"ireu_test_{secrets.token_hex(4)}"
        with raw(stored) as connection:
            schema = connection.execute("SELECT current_schema()").fetchone()[0]
            connection.execute(f"CREATE ROLE {role}")
            for grant in grants_of_the_manual():
                connection.execute(re.sub(r"\bledger\b", schema, grant.replace("ledger_writer", role)))
            yield with_options(stored, f"role={role}")
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")

    def test_it_appends_publishes_and_audits(self, stored: LedgerSimulator, location: str) -> None:
        from ireu_governance.ledger.audit import audit

        with open_at(stored, location) as ledger:
            ledger.append([make_draft()], stored.keys.record)
            ledger.publish(stored.keys.log)
            ledger.prove_inclusion(3)
        report = audit(location, key_file=stored.keys.key_file, checkpoint_path=stored.checkpoint_path)
        assert (report.size, report.findings) == (4, ())

    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE entries SET kind = kind",
            "DELETE FROM entries",
            "TRUNCATE entries",
            "DROP TABLE entries",
            "ALTER TABLE entries DISABLE TRIGGER USER",
            "INSERT INTO alembic_version VALUES ('0')",
            "UPDATE alembic_version SET version_num = '0'",
            "CREATE TABLE mine (a int)",
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        ],
    )
    def test_it_may_do_nothing_else(self, stored: LedgerSimulator, location: str, sql: str) -> None:
        engine = open_engine(location, mode="rw")
        with pytest.raises(LedgerError, match="role may not") as caught, writing(engine) as connection:
            connection.exec_driver_sql(sql)
        engine.dispose()
        assert "docs/configuration.md" in caught.value.hint


def grants_of_the_manual() -> list[str]:
    """Return the GRANT statements for a writer as they stand in the manual; what a service needs stands apart."""
    page = (Path(__file__).parents[4] / "docs" / "configuration.md").read_text()
    (block,) = [each for each in page.split("```") if "\nGRANT SELECT " in each]
    grants = [line.strip().removesuffix(";") for line in block.splitlines() if line.strip().startswith("GRANT ")]
    assert len(grants) >= 3
    return grants


@pytest.mark.parametrize(
    ("state", "code"),
    [("53100", ErrorCode.DISK_FULL), ("55P03", ErrorCode.LEDGER_LOCKED), ("53300", ErrorCode.LEDGER_UNAVAILABLE)],
)
def test_what_the_server_says_is_said_in_the_words_of_the_ledger(state: str, code: ErrorCode) -> None:
    meaning = dialect.meaning_of(psycopg.errors.lookup(state)("x"))
    assert meaning is not None
    assert (meaning.code, bool(meaning.hint)) == (code, True)


def test_tables_of_an_unfinished_ledger_are_taken_back(schemas: Schemas, simulator: LedgerSimulator) -> None:
    from ireu_governance.ledger import append

    location = schemas.new()

    def fail(_: object) -> None:
        raise RuntimeError("power")

    original, append.migrate = append.migrate, lambda connection: (original(connection), fail(None))  # type: ignore[assignment]
    try:
        with pytest.raises(RuntimeError):
            Ledger.create(location, key_file=simulator.keys.key_file, checkpoint_path=simulator.folder / "new")
    finally:
        append.migrate = original
    made = Ledger.create(location, key_file=simulator.keys.key_file, checkpoint_path=simulator.folder / "new")
    with made as ledger, reading(ledger._engine) as connection:
        assert stored_triggers(connection) == dialect.TRIGGERS


def test_older_tables_are_migrated(schemas: Schemas, simulator: LedgerSimulator) -> None:
    from alembic import command

    from ireu_governance.ledger.schema import _config

    location = schemas.new()
    engine = open_engine(location, mode="rwc")
    with writing(engine) as connection:
        command.upgrade(_config(connection), "0001")
        connection.exec_driver_sql(f"INSERT INTO meta VALUES ('origin', '{simulator.keys.key_file.origin}')")
    engine.dispose()
    with pytest.raises(LedgerError, match="version"):
        open_at(simulator, location)
    assert Ledger.migrate(location, key_file=simulator.keys.key_file) == "0001"
    with open_at(simulator, location) as ledger:
        ledger.append([make_draft()], simulator.keys.record)
        with reading(ledger._engine) as connection:
            assert stored_triggers(connection) == dialect.TRIGGERS
