"""A worker process: the queue, the engine, and whatever else works on jobs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from ireu_governance.core.errors import IreuError
from ireu_governance.jobs.dbos_queue import DbosQueue
from ireu_governance.jobs.orders import KIND, VerificationResult
from ireu_governance.jobs.queue import Handler
from ireu_governance.jobs.tester import DEFAULT_TESTER, EncoderTester, load_tester
from ireu_governance.jobs.verification import Notify, verification_handler
from ireu_governance.workspace import Workspace

__all__ = ["Extension", "run_worker"]

_EXTENSIONS: Final = ("ireu_governance.jobs.watching",)
"""Modules with a function ``extension(workspace, queue) -> Extension``; those that are absent are passed over."""

_TICK_S: Final = 5.0
_LOG: Final = logging.getLogger("ireu.jobs")


@dataclass(frozen=True)
class Extension:
    """What else a worker does.

    Attributes:
        handlers: Further kinds of jobs.
        notify: Told of the result of each re-test; may be told twice.
        tick: Called every few seconds, by each worker: what is to be done once has to be claimed in a database.
    """

    handlers: Mapping[str, Handler] = field(default_factory=dict)
    notify: Notify | None = None
    tick: Callable[[], None] | None = None


def run_worker(
    workspace: Workspace,
    *,
    concurrency: int = 1,
    stop: threading.Event,
    tester: str = DEFAULT_TESTER,
    grace_s: float = 30.0,
    polling_s: float = 1.0,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Work on the jobs of a workspace until `stop` is set.

    Args:
        workspace: Whose.
        concurrency: How many jobs of a kind at once.
        stop: Set by whoever wants it to end; what is being worked on is then finished or handed back.
        tester: The engine, as ``module:function``.
        grace_s: How long a step may go on after `stop`.
        polling_s: How often it looks for jobs.
        ready: Called when the engine is loaded.

    Raises:
        MissingExtraError: The engine or the queue is not installed.
        LedgerError: The ledger cannot be used.
        QueueError: The queue's database cannot be reached.
    """
    workspace.open_ledger().close()  # a ledger that cannot be used is said now, not by each job
    queue = DbosQueue.open(workspace, polling_s=polling_s)
    loaded: list[EncoderTester] = [load_tester(workspace, tester)]  # now, so that what is missing is said at once

    def create() -> EncoderTester:
        try:
            return loaded.pop()
        except IndexError:
            return load_tester(workspace, tester)

    extensions = [import_module(name).extension(workspace, queue) for name in _EXTENSIONS if find_spec(name)]
    listeners = [each.notify for each in extensions if each.notify is not None]

    def notify(job: str, result: VerificationResult) -> None:
        for tell in listeners:
            tell(job, result)

    handlers: dict[str, Handler] = {
        KIND: verification_handler(workspace, create, leases=queue.leases, notify=notify),
    }
    for extension in extensions:
        handlers.update(extension.handlers)
    ticks = [each.tick for each in extensions if each.tick is not None]
    clock = threading.Thread(target=_tick, args=(ticks, stop), name="ireu-tick", daemon=True)
    ready()
    clock.start()
    try:
        queue.run_worker(handlers, concurrency=concurrency, stop=stop, grace_s=grace_s)
    finally:
        stop.set()
        clock.join(timeout=grace_s)
        queue.close()


def _tick(ticks: list[Callable[[], None]], stop: threading.Event) -> None:
    while ticks and not stop.wait(_TICK_S):
        for tick in ticks:
            try:
                tick()
            except IreuError as error:
                _LOG.warning("What is due could not be looked at: %s", error.message)
            except Exception:  # noqa: BLE001 - one failed look must not end all later ones
                _LOG.exception("What is due could not be looked at.")
