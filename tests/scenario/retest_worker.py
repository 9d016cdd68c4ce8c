"""A worker as a process of its own, which kills itself where IREU_TEST_KILL says: ``before:append``, ``inside:…``.

``before`` a step begins; ``inside``, when its work is done but not yet stored; ``after`` it was stored. A name that
ends with ``-`` stands for every step that begins so.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fixtures.retests import FakeTester

from ireu_governance.jobs.dbos_queue import DbosQueue
from ireu_governance.jobs.orders import KIND, VerificationResult
from ireu_governance.jobs.queue import Handler, Steps
from ireu_governance.jobs.verification import verification_handler
from ireu_governance.workspace import Workspace

POLLING_S = 0.1


class KillingSteps:
    """The steps of a job, of which one is the last thing that this process does."""

    def __init__(self, steps: Steps, kill: str) -> None:
        self._steps = steps
        self._when, _, self._which = kill.partition(":")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._steps, name)

    def run(self, name: str, work: Callable[[], dict[str, Any]], *, attempts: int = 1) -> dict[str, Any]:
        is_it = name == self._which or (self._which.endswith("-") and name.startswith(self._which))

        def do() -> dict[str, Any]:
            result = work()
            if is_it and self._when == "inside":
                die()
            return result

        if is_it and self._when == "before":
            die()
        result = self._steps.run(name, do, attempts=attempts)
        if is_it and self._when == "after":
            die()
        return result


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killing(handler: Handler, kill: str) -> Handler:
    def handle(payload: Mapping[str, Any], steps: Steps) -> dict[str, Any]:
        return handler(payload, KillingSteps(steps, kill))  # type: ignore[arg-type]

    return handle


def main(root: Path) -> None:
    workspace = Workspace(root)
    queue = DbosQueue.open(workspace, polling_s=POLLING_S)

    def notify(job: str, result: VerificationResult) -> None:
        with (root / "told.txt").open("a") as file:
            file.write(f"{job} {result.verdict.value}\n")

    handler = verification_handler(workspace, lambda: FakeTester(workspace), leases=queue.leases, notify=notify)
    if kill := os.environ.get("IREU_TEST_KILL"):
        handler = killing(handler, kill)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    queue.run_worker({KIND: handler}, stop=stop, grace_s=5)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
