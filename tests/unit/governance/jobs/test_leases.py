"""Leases: held by one at a time, free when their holder has gone."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fixtures.postgres import open_schemas

from ireu_governance.core.errors import QueueError
from ireu_governance.jobs.leases import FileLeases, Leases, PostgresLeases

HOLD = """
import sys, time
from pathlib import Path
from ireu_governance.jobs.leases import FileLeases
with FileLeases(Path(sys.argv[1])).hold("worker-a"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["files", pytest.param("postgres", marks=pytest.mark.postgres)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Leases]]:
    if request.param == "files":
        yield lambda: FileLeases(tmp_path / "locks")
        return
    import psycopg

    with open_schemas() as schemas:
        yield lambda: PostgresLeases(lambda: psycopg.connect(schemas.url, autocommit=True), scope=str(tmp_path))


def test_a_held_lease_is_not_free_and_a_given_back_one_is(make: Callable[[], Leases]) -> None:
    mine, theirs = make(), make()
    with mine.hold("worker-a") as check:
        assert check()
        with theirs.if_free("worker-a") as free:
            assert not free
        with theirs.if_free("worker-b") as free:
            assert free
    with theirs.if_free("worker-a") as free:
        assert free
    mine.close()
    theirs.close()


def test_waiters_take_turns(make: Callable[[], Leases]) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        leases = make()
        for _ in range(10):
            with leases.hold("append"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 40


def test_the_lease_of_a_killed_process_is_free(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    leases = FileLeases(tmp_path)
    with leases.if_free("worker-a") as free:
        assert not free
    process.kill()
    process.wait()
    with leases.if_free("worker-a") as free:
        assert free
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QueueError, match="locks cannot be written"), FileLeases(tmp_path / "file").hold("x"):
        pass


@pytest.mark.postgres
def test_a_lost_connection_is_noticed_and_made_again(tmp_path: Path) -> None:
    import psycopg

    with open_schemas() as schemas:
        made: list[psycopg.Connection] = []

        def connect() -> psycopg.Connection:
            made.append(psycopg.connect(schemas.url, autocommit=True))
            return made[-1]

        leases = PostgresLeases(connect, scope=str(tmp_path))
        with leases.hold("worker-a") as check:
            made[-1].close()
            assert not check()
            assert check()


def test_a_server_that_does_not_answer_is_told() -> None:
    def connect() -> None:
        raise OSError("nobody is there")

    leases = PostgresLeases(connect, scope="x")  # type: ignore[arg-type, return-value]
    with pytest.raises(QueueError, match="cannot be reached"), leases.hold("a"):
        pass
    with pytest.raises(QueueError, match="cannot be reached"), leases.if_free("a"):
        pass
