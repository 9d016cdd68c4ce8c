"""From the button “Re-test now” to the verdict on the page, through the real queue and a real worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fixtures.browser import listening
from fixtures.portal import CASES, RUN, Scene, Visit, copy_scene
from fixtures.retests import MemoryQueue
from fixtures.service import GENEROUS

pytest.importorskip("dbos", reason="the part 'server' is not installed")

from ireu_governance.api.app import create_app
from ireu_governance.core.receipt_verification import verify_receipt
from ireu_governance.core.verdict import Verdict
from ireu_governance.jobs.dbos_queue import DbosQueue
from ireu_governance.jobs.worker import run_worker
from ireu_governance.service.deployments import Deployments
from ireu_governance.service.settings import ServiceSettings
from ireu_governance.workspace import Workspace

PATIENCE_S = 60.0


@contextmanager
def working(workspace: Workspace) -> Iterator[None]:
    """Run a worker beside the service, as `ireu worker` does; only its engine measures nothing."""
    stop = threading.Event()
    options = {"stop": stop, "tester": "fixtures.retests:create_tester", "polling_s": 0.05, "grace_s": 2}
    worker = threading.Thread(target=run_worker, args=(workspace,), kwargs=options)
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join(PATIENCE_S)
        assert not worker.is_alive()


@pytest.fixture
def portal(tmp_path: Path, template: Path) -> Iterator[Scene]:
    copy_scene(template, tmp_path / "workspace")
    workspace = Workspace(tmp_path / "workspace")
    settings = ServiceSettings(**GENEROUS)
    app = create_app(workspace, settings=settings, queue=DbosQueue.open(workspace, polling_s=0.05))
    with listening(app) as url:
        yield Scene(url, app, MemoryQueue())  # that queue is not the application's, and stays empty


def see(visit: Visit, path: str, words: str) -> str:
    end = time.monotonic() + PATIENCE_S
    while words not in (text := visit.get(path).text):
        assert time.monotonic() < end, text
        time.sleep(0.1)
    return str(text)


def test_button_leads_to_a_verdict_that_a_worker_found_and_the_ledger_holds(portal: Scene) -> None:
    case, context = CASES[2], portal.context
    live = Deployments(context.store).add(name="live", source={"kind": "folder", "path": f"encoders/{RUN}"})
    Deployments(context.store).change(live.id, paused=True)  # its own first check would be one more test
    before = context.record.cases.open(case, today=context.clock().date(), everything=True)
    with Visit.of(portal, "tester") as tester:
        ordered = tester.make_step(case, "retest", encoder=f"deployment:{live.id}")
        assert ordered.status_code == 303, ordered.text
        where = ordered.headers["location"].partition("?")[0]
        assert "It waits for a worker" in tester.get(where).text
        with working(context.workspace):
            text = see(tester, where, "Receipt (.json)")
            assert "Nobody who was removed was recognised more often" in text
            see(tester, f"/deployments/{live.id}", "Holds")
        receipt = tester.get(f"{where}/receipt").content
        assert verify_receipt(receipt, key_file=context.workspace.key_file()).verdict is Verdict.HOLDS
        page = tester.get(f"/cases/{case}.json").json()
    tests = page["case"]["verifications"]
    assert len(tests) == len(before.verifications) + 1
    assert tests[-1]["job"] == where.rpartition("/")[2]
    assert [(each["deployment"]["name"], each["entry"]) for each in page["places"]] == [("live", tests[-1]["entry"])]
