"""Ledgers of released versions must be opened for ever: a dump for each version of the tables, never made again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from builders import make_keys

from ireu_governance.core.errors import LedgerError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.statement import Draft
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.audit import audit
from ireu_governance.ledger.tables import SCHEMA_VERSION

FOLDER = Path(__file__).parent / "ledger"
VERSIONS = sorted(path.stem for path in FOLDER.glob("*.sql"))


@pytest.fixture
def key_file() -> KeyFile:
    return KeyFile.from_bytes((FOLDER / "keys.json").read_bytes())


@pytest.fixture(params=VERSIONS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The database of a version, and its published checkpoint beside it."""
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript((FOLDER / f"{request.param}.sql").read_text())
    connection.close()
    (tmp_path / "checkpoint").write_bytes((FOLDER / f"{request.param}.checkpoint").read_bytes())
    return path


def test_there_is_a_frozen_ledger() -> None:
    assert "0001" in VERSIONS


def test_older_ledger_is_not_opened_before_it_is_migrated(path: Path, key_file: KeyFile) -> None:
    before = path.read_bytes()
    checkpoint = path.with_name("checkpoint")
    with pytest.raises(LedgerError, match="version") as caught:
        Ledger.open(path, key_file=key_file, checkpoint_path=checkpoint)
    assert "ireu ledger migrate" in caught.value.hint
    with pytest.raises(LedgerError, match="version"):
        audit(path, key_file=key_file, checkpoint_path=checkpoint)
    assert path.read_bytes() == before


def test_migrated_ledger_holds_and_goes_on(path: Path, key_file: KeyFile) -> None:
    checkpoint = path.with_name("checkpoint")
    former = _entries(path)
    assert Ledger.migrate(path, key_file=key_file) < SCHEMA_VERSION
    assert Ledger.migrate(path, key_file=key_file) == SCHEMA_VERSION  # there is nothing more to do
    assert _entries(path) == former

    report = audit(path, key_file=key_file, checkpoint_path=checkpoint)
    assert (report.findings, report.size) == ((), len(former))
    keys = make_keys()
    with Ledger.open(path, key_file=key_file, checkpoint_path=checkpoint) as ledger:
        statement = ledger.statement(ledger.entry(0))
        fields = statement.predicate.model_dump(mode="json", by_alias=True, exclude={"kind", "ledger", "recorded_at"})
        draft = Draft(subject=statement.subject, kind=statement.predicate.kind, fields=fields)
        ledger.append([draft], keys.record)
        ledger.publish(keys.log)
        ledger.prove_inclusion(0)
    assert audit(path, key_file=key_file, checkpoint_path=checkpoint).findings == ()


def test_ledger_of_another_log_is_not_migrated(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="This is the ledger of"):
        Ledger.migrate(path, key_file=make_keys("other", origin="log.example/other").key_file)
    assert path.read_bytes() == before


def test_ledger_of_a_newer_version_is_not_migrated(path: Path, key_file: KeyFile) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(LedgerError, match="9999") as caught:
        Ledger.migrate(path, key_file=key_file)
    assert "newer" in caught.value.hint


def test_file_without_a_ledger_is_not_migrated(tmp_path: Path, key_file: KeyFile) -> None:
    with pytest.raises(LedgerError, match="no ledger"):
        Ledger.migrate(tmp_path / "absent.db", key_file=key_file)
    (tmp_path / "empty.db").touch()
    with pytest.raises(LedgerError, match="no ledger"):
        Ledger.migrate(tmp_path / "empty.db", key_file=key_file)


def _entries(path: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT * FROM entries ORDER BY seq").fetchall()
    connection.close()
    return rows
