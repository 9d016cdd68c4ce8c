"""`ireu access` and `ireu serve`: what is shown once, and a service that starts, answers and stops."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fixtures.command import Ireu
from fixtures.records import RecordedRemoval

KEY = re.compile(r"ireu_[0-9a-f]{12}_[0-9a-f]{64}")


def test_key_is_printed_once_and_alone_on_standard_output(ireu: Ireu, recorded: RecordedRemoval) -> None:
    w = ("-w", recorded.workspace.root)
    made = ireu(*w, "access", "create", "--role", "officer", "--name", "ci-retest", "--expires", "30")
    assert made.code == 0
    assert KEY.fullmatch(made.out.strip())
    assert "shown this once" in made.err
    listed = ireu(*w, "access", "list")
    assert "ci-retest" in listed.out
    assert not KEY.search(listed.out)
    as_json = ireu(*w, "access", "list", "--json").document["keys"]
    assert [(each["role"], each["state"]) for each in as_json] == [("officer", "valid")]


def test_key_is_rotated_and_revoked_by_its_prefix_or_as_a_whole(ireu: Ireu, recorded: RecordedRemoval) -> None:
    w = ("-w", recorded.workspace.root)
    made = ireu(*w, "access", "create", "--role", "viewer", "--json").document
    rotated = ireu(*w, "access", "rotate", made["prefix"], "--grace", "1", "--json").document
    assert rotated["prefix"] == made["prefix"]
    assert rotated["key"] != made["key"]
    assert "counts until" in ireu(*w, "access", "list").out
    done = ireu(*w, "access", "revoke", made["key"])
    assert (done.code, made["key"] in done.out) == (0, False)
    assert "revoked" in ireu(*w, "access", "list").out
    refused = ireu(*w, "access", "rotate", made["prefix"], "--json")
    assert (refused.code, refused.error["code"]) == (2, "input-malformed")


def test_unknown_key_is_not_shown_whole(ireu: Ireu, recorded: RecordedRemoval) -> None:
    text = f"ireu_{'0' * 12}_{'7' * 64}"
    done = ireu("-w", recorded.workspace.root, "access", "revoke", text, "--json")
    assert (done.code, done.error["code"]) == (2, "access-key-unknown")
    assert "7777" not in done.err


def test_list_without_keys_says_how_to_make_one(ireu: Ireu, recorded: RecordedRemoval) -> None:
    assert "ireu access create" in ireu("-w", recorded.workspace.root, "access", "list").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--deployment", "studio"), "'studio' is no number of a deployment"),
        (("--encoder", "/etc"), "no folder below the workspace"),
        (("--encoder", "testbed", "--case", "eba305db"), "'eba305db' is no case id"),
        (("--encoder", "testbed", "--receipt", "absent/receipt.json"), "There is no folder 'absent'"),
    ],
)
def test_order_that_a_service_would_refuse_is_not_sent(
    ireu: Ireu, recorded: RecordedRemoval, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    pytest.importorskip("httpx2", reason="the part 'server' is not installed")
    monkeypatch.delenv("IREU_API_KEY", raising=False)
    nobody = ("--server", "http://127.0.0.1:1", "--key", recorded.key_file)
    refused = ireu("verify", *nobody, *words, "--json")
    assert (refused.code, said in refused.error["message"]) == (2, True), refused.err


def test_name_of_a_person_is_refused(ireu: Ireu, recorded: RecordedRemoval) -> None:
    done = ireu("-w", recorded.workspace.root, "access", "create", "--role", "viewer", "--name", "Jane Doe", "--json")
    assert (done.code, done.error["code"]) == (2, "input-malformed")
    assert "Jane" not in done.err


@contextmanager
def serving(
    workspace: Path, *arguments: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run `ireu serve` in a process of its own; hand over it and what it printed."""
    pytest.importorskip("fastapi")
    process = subprocess.Popen(
        [sys.executable, "-m", "ireu_cli", "-w", str(workspace), "serve", "--port", "0", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            text += line
        document = json.loads(text)
        wait_for(document["url"], process)
        yield process, document
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    import httpx2

    for _ in range(200):
        try:
            if httpx2.get(f"{url}/healthz", timeout=2).status_code == 200:
                return
        except httpx2.HTTPError:
            time.sleep(0.1)
    process.kill()
    raise AssertionError(f"the service did not begin to answer: {process.communicate()[1][-2000:]}")


@pytest.mark.parametrize("how", [signal.SIGINT])
def test_service_answers_and_stops_when_it_is_told_to(recorded: RecordedRemoval, how: signal.Signals) -> None:
    import httpx2

    with serving(recorded.workspace.root) as (process, document):
        assert document["warnings"] == []
        ready = httpx2.get(f"{document['url']}/readyz", timeout=10)
        assert (ready.status_code, [each["name"] for each in ready.json()["checks"]]) == (
            200,
            ["ledger", "store", "queue"],
        )
        assert "server" not in ready.headers
        process.send_signal(how)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert out == ""
        lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
        assert {"route", "status", "duration_ms"} <= set(lines[-1])
        assert "Traceback" not in err
        assert "127.0.0.1" not in err


@pytest.mark.slow
def test_several_workers_answer_on_one_address(recorded: RecordedRemoval) -> None:
    import httpx2

    with serving(recorded.workspace.root, "--workers", "2") as (process, document):
        assert document["workers"] == 2
        assert {httpx2.get(f"{document['url']}/readyz", timeout=10).status_code for _ in range(5)} == {200}
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 130


def test_address_that_is_taken_is_said_to_be(ireu: Ireu, recorded: RecordedRemoval) -> None:
    pytest.importorskip("fastapi")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = ireu("-w", recorded.workspace.root, "serve", "--port", port, "--json")
    assert (done.code, done.error["code"]) == (2, "config-invalid")
    assert "--port" in done.error["hint"]


def test_address_for_others_without_tls_is_warned_about(
    recorded: RecordedRemoval, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fastapi")
    from ireu_governance.api.server import prepare

    for host, warned in (("0.0.0.0", True), ("127.0.0.1", False), ("::1", False), ("localhost", False)):
        served = prepare(recorded.workspace, host=host, port=0)
        served.socket.close()
        assert bool(served.warnings) == warned, host
    assert served.url.startswith("http://localhost:")
    monkeypatch.setenv("IREU_SERVICE_PUBLIC_URL", "https://log.example")
    served = prepare(recorded.workspace, host="0.0.0.0", port=0)
    served.socket.close()
    assert served.warnings == ()


def test_service_without_its_part_says_which_line_installs_it(
    ireu: Ireu, recorded: RecordedRemoval, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    done = ireu("-w", recorded.workspace.root, "serve", "--json")
    assert (done.code, done.error["code"]) == (2, "extra-missing")
    assert "pip install 'ireu-sdk[server]'" in done.error["hint"]
