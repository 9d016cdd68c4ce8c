"""The server in this process: an application is built, answers, and is closed when it is told to stop."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import httpx2
import pytest
from fixtures.records import RecordedRemoval

from ireu_governance import listening
from ireu_governance.api import observability, server
from ireu_governance.api.loop import SharingLoop
from ireu_governance.core.errors import ConfigError
from ireu_governance.jobs.queue import JobQueue


@pytest.fixture(autouse=True)
def logs_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no test change what the tests after it hear of the log."""
    loggers = [logging.getLogger(name) for name in ("ireu", "uvicorn")]
    before = [(each.handlers, each.level, each.propagate) for each in loggers]
    observability._CONFIGURED.clear()
    monkeypatch.setenv("IREU_WORKSPACE", "")
    monkeypatch.setenv("IREU_SERVE_DEV", "")
    yield
    observability._CONFIGURED.clear()
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_server_answers_and_is_closed_when_it_is_told_to_stop(
    removal: RecordedRemoval, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    monkeypatch.setenv("IREU_SERVICE_METRICS_PORT", str(port))
    served = server.prepare(removal.workspace, port=0)
    found: dict[str, httpx2.Response] = {}

    def ask() -> None:
        try:
            for _ in range(300):
                try:
                    found["ready"] = httpx2.get(f"{served.url}/readyz", timeout=10)
                    break
                except httpx2.HTTPError:
                    time.sleep(0.05)
            found["figures"] = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=10)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    asker = threading.Thread(target=ask)
    before = signal.getsignal(signal.SIGTERM)
    # Should the server never come up, the signal would end the tests: the handler is there from the start.
    signal.signal(signal.SIGTERM, listening._stop)
    try:
        asker.start()
        with pytest.raises(KeyboardInterrupt):
            server.serve(served)
    finally:
        asker.join()
        signal.signal(signal.SIGTERM, before)
    assert found["ready"].status_code == 200
    assert "ireu_ledger_entries 3.0" in found["figures"].text
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert ("/readyz", 200) in [(line.get("route"), line.get("status")) for line in lines]
    with pytest.raises(OSError, match=r"."):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_port_for_figures_that_is_taken_is_said_to_be(
    removal: RecordedRemoval, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setenv("IREU_SERVICE_METRICS_PORT", str(other.getsockname()[1]))
        served = server.prepare(removal.workspace, port=0)
        with pytest.raises(ConfigError, match="for figures cannot be taken"):
            server.serve(served)


def test_application_of_a_worker_is_that_of_its_workspace(
    removal: RecordedRemoval, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IREU_WORKSPACE", str(removal.workspace.root))
    for dev in ("0", "1"):
        monkeypatch.setenv("IREU_SERVE_DEV", dev)
        app = server.build()
        context = app.state.context
        assert context.workspace.root == removal.workspace.root
        queue: JobQueue = context.queue
        assert queue is context.jobs
        context.close()


def test_answers_do_not_wait_for_acknowledgements(removal: RecordedRemoval) -> None:
    served = server.prepare(removal.workspace, port=0)

    async def connect() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                opened: socket.socket = transport.get_extra_info("socket")
                accepted.set_result(opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                transport.close()

        listening = await asyncio.get_running_loop().create_server(Protocol, sock=served.socket)
        with socket.create_connection((served.host, served.port)):
            found = await asyncio.wait_for(accepted, 10)
        listening.close()
        return found

    assert asyncio.run(connect()) == 1


def test_worker_leaves_connections_to_others_who_wait_at_the_same_address() -> None:
    loop = SharingLoop()
    accepted: list[asyncio.BaseTransport] = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.append(transport)

    with socket.create_server(("127.0.0.1", 0)) as shared:
        readers = [socket.create_connection(shared.getsockname()) for _ in range(20)]
        listening = loop.run_until_complete(loop.create_server(Protocol, sock=shared.dup(), backlog=2048))
        held: list[int] = [0]

        def look() -> None:  # each turn of the loop
            held.append(len(accepted))
            loop.call_soon(look if len(accepted) < len(readers) else loop.stop)

        loop.call_soon(look)
        loop.run_forever()
        assert max(after - before for before, after in pairwise(held)) == 4
        listening.close()
        for each in [*accepted, *readers]:
            each.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_addresses_are_written_as_browsers_read_them(removal: RecordedRemoval) -> None:
    served = server.prepare(removal.workspace, host="::1", port=0)
    served.socket.close()
    assert served.url == f"http://[::1]:{served.port}"
    with pytest.raises(ConfigError, match="cannot be taken"):
        server.prepare(removal.workspace, host="no.such.host.invalid", port=0)
