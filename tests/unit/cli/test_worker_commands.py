"""`ireu worker` and `ireu receipt verify`, as their users run them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import builders
import pytest
from fixtures.command import Ireu
from fixtures.retests import FOLDER, RetestDesk

pytest.importorskip("dbos", reason="the part 'server' is not installed")

from ireu_governance.files import write_atomically
from ireu_governance.jobs.dbos_queue import DbosQueue
from ireu_governance.jobs.orders import RECEIPT, parse_order, submit_verification

# The engine of the tests in place of the real one, which needs torch.
WORKER = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import ireu_governance.jobs.worker as worker
from fixtures.retests import create_tester
worker.load_tester = lambda workspace, name: create_tester(workspace)
from ireu_cli.main import main
main()
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> RetestDesk:
    return RetestDesk.open(tmp_path_factory.mktemp("worker") / "desk", sizes=(1, 2))


@pytest.fixture(scope="module")
def receipts(desk: RetestDesk) -> tuple[Path, Path]:
    """Receipts of two re-tests that a worker made: of the right encoder, and of one in which somebody resurfaced."""
    queue = DbosQueue.open(desk.workspace)
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(Path(__file__).parents[2]), "-w", str(desk.workspace.root), "worker"],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    assert b"Waiting for jobs" in process.stderr.readline()
    files = []
    for told in ({}, {"matches": {desk.cases[0][0]: 60}}):
        desk.tell(**told)
        job = submit_verification(queue, parse_order({"encoder": FOLDER}))
        end = time.monotonic() + 60
        while not queue.get(job).is_finished:
            assert time.monotonic() < end
            time.sleep(0.05)
        text = queue.attachment(job, RECEIPT)
        assert text is not None
        file = desk.workspace.root / f"receipt-{len(files)}.json"
        write_atomically(file, text.encode())
        files.append(file)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert b"Stopping" in process.stderr.read()
    queue.close()
    return files[0], files[1]


def test_a_receipt_verifies_with_the_key_file_alone(ireu: Ireu, desk: RetestDesk, receipts: tuple[Path, Path]) -> None:
    found = ireu("receipt", "verify", receipts[0], "--key", desk.workspace.key_file_path)
    assert found.code == 0
    assert "The receipt: ✓ holds" in found.out
    assert "The re-test: ✓ holds" in found.out
    assert builders.AFTER.digest in found.out
    assert desk.cases[1][1] in found.out


def test_a_genuine_receipt_of_a_bad_result_is_no_success(
    ireu: Ireu, desk: RetestDesk, receipts: tuple[Path, Path]
) -> None:
    found = ireu("receipt", "verify", receipts[1], "--key", desk.workspace.key_file_path, "--json")
    assert found.code == 1
    assert (found.document["verdict"], found.document["retest"]) == ("holds", "resurfaced")


def test_a_changed_receipt_is_refused(
    ireu: Ireu, desk: RetestDesk, receipts: tuple[Path, Path], tmp_path: Path
) -> None:
    forged = tmp_path / "forged.json"
    forged.write_bytes(receipts[1].read_bytes().replace(b'"origin":"example', b'"origin":"exemple'))
    found = ireu("receipt", "verify", forged, "--key", desk.workspace.key_file_path)
    assert found.code == 1
    assert "✗" in found.out
    assert "The re-test" not in found.out


def test_what_is_no_receipt_is_undecided(ireu: Ireu, desk: RetestDesk, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(builders.make_certificate()[0])
    found = ireu("receipt", "verify", other, "--key", desk.workspace.key_file_path, "--json")
    assert (found.code, found.error["code"]) == (2, "input-not-a-receipt")
    absent = ireu("receipt", "verify", tmp_path / "none.json", "--key", desk.workspace.key_file_path, "--json")
    assert (absent.code, absent.error["code"]) == (2, "input-missing")


def test_a_worker_without_the_engine_says_what_to_install(
    ireu: Ireu, desk: RetestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ireu_governance.jobs.tester.DEFAULT_TESTER", "no_such_engine:create")
    monkeypatch.setitem(sys.modules, "ireu_sdk.tester", None)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    found = ireu("-w", desk.workspace.root, "worker")
    assert found.code == 2
    assert "pip install 'ireu-sdk[ml]'" in found.err
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
