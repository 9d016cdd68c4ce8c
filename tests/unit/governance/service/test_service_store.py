"""The service's own database: made once whoever comes first, in a file or beside a ledger in PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from fixtures.postgres import open_schemas
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from ireu_governance.core.errors import ErrorCode, ServiceError
from ireu_governance.core.keys import Role as KeyRole
from ireu_governance.service.access import AccessKeys, Role
from ireu_governance.service.idempotency import AnswerStore, Attempt
from ireu_governance.service.publications import PublicationStore
from ireu_governance.service.settings import ServiceSettings
from ireu_governance.service.store import SERVICE_FILE, ServiceStore
from ireu_governance.service.tables import INFO, METADATA
from ireu_governance.workspace import Workspace


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "workspace"
    if request.param == "sqlite":
        yield Workspace.create(folder, organisation="Example")
        return
    with open_schemas() as schemas:
        yield Workspace.create(folder, organisation="Example", database=schemas.new())


@pytest.fixture
def local(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "local", organisation="Example")


def test_many_who_come_first_make_one_database(workspace: Workspace) -> None:
    barrier = threading.Barrier(6)

    def come(number: int) -> str:
        barrier.wait()
        with ServiceStore.open(workspace) as store:
            return AccessKeys(store).create(role=Role.VIEWER, name=f"n{number}").text

    with ThreadPoolExecutor(6) as pool:
        texts = list(pool.map(come, range(6)))
    with ServiceStore.open(workspace) as store:
        keys = AccessKeys(store)
        assert all(keys.authenticate(each) for each in texts)
        with store.reading() as connection:
            assert connection.execute(select(INFO)).fetchall() == [("version", "1")]


def test_writing_is_all_or_nothing(workspace: Workspace) -> None:
    with ServiceStore.open(workspace) as store:
        with suppress(RuntimeError), store.writing() as connection:
            connection.execute(insert(INFO), {"key": "a", "value": "b"})
            raise RuntimeError
        with store.reading() as connection:
            assert connection.execute(select(INFO).where(INFO.c.key == "a")).first() is None
        with store.writing() as connection:
            connection.execute(insert(INFO), {"key": "a", "value": "b"})
        with pytest.raises(IntegrityError), store.writing() as connection:
            connection.execute(insert(INFO), {"key": "a", "value": "c"})


def test_service_writes_while_the_ledger_is_being_written(workspace: Workspace) -> None:
    from ireu_governance.ledger.database import writing

    with ServiceStore.open(workspace) as store, workspace.open_ledger() as ledger:
        with writing(ledger._engine):
            store.expect_writable()
        ledger.publish(workspace.signer(KeyRole.LOG))


def test_one_of_many_attempts_with_the_same_key_begins(workspace: Workspace) -> None:
    with ServiceStore.open(workspace) as store:
        answers = AnswerStore(store)
        barrier = threading.Barrier(6)

        def begin(_: int) -> bool:
            barrier.wait()
            try:
                return isinstance(answers.begin(key="k", caller="c", fingerprint="f"), Attempt)
            except ServiceError as error:
                return error.code is not ErrorCode.IDEMPOTENCY_KEY_BUSY

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(begin, range(6))) == 1


def test_keys_are_rotated_and_revoked_in_every_database(workspace: Workspace) -> None:
    with ServiceStore.open(workspace) as store:
        keys = AccessKeys(store)
        made = keys.create(role=Role.OFFICER, days=2)
        again = keys.rotate(made.key.prefix, grace_hours=1)
        assert keys.authenticate(made.text) is not None
        assert keys.authenticate(again.text) is not None
        keys.revoke(made.key.prefix)
        assert keys.authenticate(again.text) is None
        assert [each.prefix for each in keys.list()] == [made.key.prefix]


def test_published_cases_are_listed_in_pages(workspace: Workspace) -> None:
    cases = [f"{n:032x}" for n in range(5)]
    with ServiceStore.open(workspace) as store:
        publications = PublicationStore(store)
        assert all(publications.publish(case) for case in reversed(cases))
        assert not publications.publish(cases[0])
        assert publications.list(limit=2) == cases[:2]
        assert publications.list(after=cases[1]) == cases[2:]
        assert publications.is_published(cases[3])
        assert publications.published_at(cases[3]) is not None
        assert publications.withdraw(cases[3])
        assert not publications.withdraw(cases[3])
        assert not publications.is_published(cases[3])
        assert publications.published_at(cases[3]) is None
        assert publications.published_among([cases[3], cases[4], "f" * 32]) == {cases[4]}
        assert publications.published_among([]) == frozenset()


def test_tables_of_a_later_release_are_left_alone(workspace: Workspace) -> None:
    with ServiceStore.open(workspace) as store, store.writing() as connection:
        connection.execute(INFO.update().values(value="99"))
    with pytest.raises(ServiceError, match="version 99"):
        ServiceStore.open(workspace)


def test_table_that_a_later_part_brings_is_made(workspace: Workspace) -> None:
    with ServiceStore.open(workspace) as store, store.writing() as connection:
        connection.execute(text("DROP TABLE service_publications"))
    with ServiceStore.open(workspace) as store:
        assert PublicationStore(store).publish("0" * 32)


def test_every_table_bears_the_services_name() -> None:
    assert all(name.startswith("service_") for name in METADATA.tables)


def test_database_can_be_elsewhere(local: Workspace, tmp_path: Path) -> None:
    settings = ServiceSettings(database=str(tmp_path / "other.db"))
    ServiceStore.open(local, settings).close()
    assert (tmp_path / "other.db").is_file()
    assert not (local.root / SERVICE_FILE).exists()


def test_file_is_its_owners_alone(local: Workspace) -> None:
    ServiceStore.open(local).close()
    assert (local.root / SERVICE_FILE).stat().st_mode & 0o777 == 0o600


def test_what_is_no_database_is_refused_without_its_path(local: Workspace) -> None:
    (local.root / SERVICE_FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(ServiceError) as caught:
        ServiceStore.open(local)
    assert caught.value.code is ErrorCode.SERVICE_UNAVAILABLE
    assert str(local.root) not in caught.value.message


def test_folder_that_is_absent_is_refused(local: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ServiceError):
        ServiceStore.open(local, ServiceSettings(database=str(tmp_path / "no" / "where.db")))


def test_locked_database_is_said_to_be_one(local: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ireu_governance.service.store._TIMEOUT_S", 0.05)
    with ServiceStore.open(local) as store:
        other = sqlite3.connect(local.root / SERVICE_FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceError):
            store.expect_writable()
        other.execute("ROLLBACK")
        other.close()
        store.expect_writable()
