"""Commands about where the ledger is: `init --database`, `ledger migrate`, and what `doctor` says of it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from fixtures.command import Ireu
from fixtures.postgres import Schemas
from fixtures.records import RecordedRemoval

from ireu_governance.ledger.tables import SCHEMA_VERSION


def test_ledger_that_is_up_to_date_is_left_alone(ireu: Ireu, recorded: RecordedRemoval) -> None:
    done = ireu("-w", recorded.workspace.root, "ledger", "migrate", "--json")
    assert (done.code, done.document) == (0, {"before": SCHEMA_VERSION, "after": SCHEMA_VERSION})
    assert "already" in ireu("-w", recorded.workspace.root, "ledger", "migrate").out


def test_older_ledger_says_which_command_brings_it_up_to_date(ireu: Ireu, recorded: RecordedRemoval) -> None:
    w = ("-w", recorded.workspace.root)
    with sqlite3.connect(recorded.workspace.ledger_path) as connection:
        for table in ("cosignatures", "stamps"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    refused = ireu(*w, "ledger", "log")
    assert refused.code == 2
    assert "ireu ledger migrate" in refused.err
    assert f"0001 to {SCHEMA_VERSION}" in ireu(*w, "ledger", "migrate").out
    assert ireu(*w, "ledger", "audit").code == 0


def test_doctor_looks_at_the_copies_of_the_checkpoint(
    ireu: Ireu, recorded: RecordedRemoval, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    w = ("-w", recorded.workspace.root)
    copy = tmp_path / "usb" / "checkpoint"
    monkeypatch.setenv("IREU_CHECKPOINT_COPIES", f'["{copy}"]')
    missing = ireu(*w, "doctor", "--json")
    (found,) = [each for each in missing.document["diagnoses"] if each["name"] == "checkpoint copy"]
    assert (missing.code, found["state"]) == (1, "problem")
    assert f"{copy}: missing" in found["detail"]
    copy.parent.mkdir()
    assert ireu(*w, "ledger", "checkpoint").code == 0
    healthy = ireu(*w, "doctor", "--json")
    (found,) = [each for each in healthy.document["diagnoses"] if each["name"] == "checkpoint copy"]
    assert (healthy.code, found["state"]) == (0, "ok")


def test_password_on_the_command_line_is_refused(ireu: Ireu, tmp_path: Path) -> None:
    done = ireu("init", tmp_path / "work", "--database", "postgresql://me:hush@host/db", "--json")
    assert (done.code, done.error["code"]) == (2, "config-invalid")
    assert "hush" not in done.out + done.err
    assert not (tmp_path / "work").exists()


@pytest.mark.postgres
@pytest.mark.skipif("IREU_TEST_POSTGRES" not in os.environ, reason="IREU_TEST_POSTGRES names no PostgreSQL server")
def test_workspace_with_its_ledger_in_postgres(ireu: Ireu, tmp_path: Path, postgres: Schemas) -> None:
    url = postgres.new()
    w = ("-w", tmp_path / "work")
    assert ireu("init", tmp_path / "work", "--database", url).code == 0
    assert not (tmp_path / "work" / "ledger.db").exists()
    assert f'database = "{url}"' in (tmp_path / "work" / "ireu.toml").read_text()
    for command in (("log",), ("checkpoint",), ("audit",), ("migrate",)):
        assert ireu(*w, "ledger", *command).code == 0
    doctor = ireu(*w, "doctor", "--json").document
    (ledger,) = [each for each in doctor["diagnoses"] if each["name"] == "ledger"]
    assert url in ledger["detail"]
    assert ireu("init", tmp_path / "other", "--database", url).code == 2  # never over another ledger
    assert not (tmp_path / "other").exists()
