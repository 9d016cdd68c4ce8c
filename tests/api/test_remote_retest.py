"""`ireu verify --server`: the same table and exit codes as on this machine, and nothing believed without its receipt."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from fixtures.command import Ireu, Outcome
from fixtures.retests import FakeTester, MemoryQueue, RetestDesk
from fixtures.service import Service, open_service

from ireu_cli.remote_retest import source_of
from ireu_governance.jobs.leases import FileLeases
from ireu_governance.jobs.orders import KIND
from ireu_governance.jobs.verification import verification_handler


@contextlib.contextmanager
def listening(app: Any) -> Iterator[str]:
    """Serve an application on the loopback address."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{opened.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)


class Eager(MemoryQueue):
    """Works on a job as soon as it is there."""

    def submit(self, *arguments: Any, **options: Any) -> str:
        number = super().submit(*arguments, **options)
        self.work(self.all_handlers)
        return number


@dataclass(frozen=True)
class House:
    desk: RetestDesk
    service: Service
    url: str


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    desk = RetestDesk.open(tmp_path / "desk", sizes=(1,))
    leases = FileLeases(desk.workspace.root / "jobs.locks")
    queue = Eager()
    queue.all_handlers = {KIND: verification_handler(desk.workspace, lambda: FakeTester(desk.workspace), leases=leases)}
    recorded = SimpleNamespace(workspace=desk.workspace, case_id=desk.cases[0][0])
    with open_service(recorded, queue=queue) as service, listening(service.app) as url:
        yield House(desk, service, url)


Verify = Callable[..., Outcome]


@pytest.fixture
def verify(house: House, ireu: Ireu, monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Run `ireu verify --server` as somebody of a role."""

    def run(*arguments: str | Path, key: Path | None = None, role: str = "tester") -> Outcome:
        monkeypatch.setenv("IREU_API_KEY", house.service.key(role))
        key = key or house.desk.workspace.key_file_path
        return ireu("verify", "--server", house.url, "--key", key, *arguments)

    return run


FOLDER = ("--encoder", "encoders/in-use")


def test_a_retest_that_holds_ends_with_0_and_leaves_its_receipt(
    house: House, verify: Verify, ireu: Ireu, tmp_path: Path
) -> None:
    kept = tmp_path / "receipt.json"
    done = verify(*FOLDER, "--json", "--receipt", kept)
    assert (done.code, done.err) == (0, "")
    found = done.document
    assert (found["verdict"], found["retests"][0]["white_box"]) == ("holds", "known")
    assert found["retests"][0]["cases"]
    assert ireu("receipt", "verify", kept, "--key", house.desk.workspace.key_file_path).code == 0
    shown = verify(*FOLDER)
    assert (shown.code, "recorded as entry" in shown.out, ": done" in shown.err) == (0, True, True)


def test_a_changed_encoder_ends_with_1(house: House, verify: Verify) -> None:
    house.desk.tell(encoder="other")
    assert verify(*FOLDER).code == 1


def test_a_retest_that_fails_ends_with_2_and_its_reason(house: House, verify: Verify) -> None:
    house.desk.tell(fail="identify")
    done = verify(*FOLDER, "--json")
    assert (done.code, done.error["message"]) == (2, "There is no encoder in this folder.")


def test_another_organisations_key_file_proves_nothing(verify: Verify, tmp_path: Path) -> None:
    other = RetestDesk.open(tmp_path / "other", sizes=(1,))
    done = verify(*FOLDER, key=other.workspace.key_file_path)
    assert (done.code, "does not hold" in done.err) == (1, True)


def test_a_role_that_may_not_test_ends_with_2(verify: Verify) -> None:
    done = verify(*FOLDER, "--json", role="viewer")
    assert (done.code, done.error["code"]) == (2, "not-allowed")


@pytest.mark.parametrize(
    "arguments", [(), (*FOLDER, "--deployment", "0" * 32), (*FOLDER, "--judge", "x"), (*FOLDER, "--case", "0", "--all")]
)
def test_what_does_not_go_together_is_refused(verify: Verify, arguments: tuple[str, ...]) -> None:
    assert verify(*arguments).code == 2


def test_options_of_the_server_need_it(ireu: Ireu) -> None:
    assert ireu("verify", "--encoder", "x", "--deployment", "0" * 32).code == 2


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("https://e.example/v1", {"kind": "http", "url": "https://e.example/v1"}),
        ("testbed", {"kind": "named", "name": "testbed"}),
        ("pipeline:pipes/a", {"kind": "pipeline", "path": "pipes/a"}),
        ("models:/faces/3", {"kind": "mlflow", "model": "faces", "version": 3}),
        ("models:/faces@champion", {"kind": "mlflow", "model": "faces", "alias": "champion"}),
        ("encoders/x", {"kind": "folder", "path": "encoders/x"}),
    ],
)
def test_encoders_are_named_as_on_the_command_line(text: str, source: dict[str, object]) -> None:
    assert source_of(text) == source
