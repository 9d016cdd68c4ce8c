"""`ireu worker`: makes the re-tests that a service was asked for."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from types import FrameType

import click

from ireu_cli.context import Shared
from ireu_cli.exits import HOLDS, INTERRUPTED
from ireu_cli.numbers import Number, Whole

__all__ = ["worker"]


@click.command()
@click.option(
    "--concurrency",
    type=Whole(1, 64),
    default=1,
    show_default=True,
    help="Jobs at once; each keeps an encoder in memory.",
)
@click.option(
    "--grace",
    "grace_s",
    type=Number(0, 3600),
    default=30.0,
    show_default=True,
    help="Seconds that a step may go on after SIGTERM before its job is handed back.",
)
@click.pass_obj
def worker(shared: Shared, concurrency: int, grace_s: float) -> None:
    """Work on the jobs of the workspace until stopped: re-tests of encoders, and what follows from them.

    Any number of workers can run beside each other. A job whose worker dies goes on at another one, from its last
    finished step. Ctrl-C or SIGTERM lets the present step end, or hands the job back.
    """
    from ireu_governance.jobs.worker import run_worker

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    workspace = shared.open_workspace()
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(INTERRUPTED)  # asked twice: the leases end with the process, so that nothing is lost
        stop.set()
        click.echo("Stopping; once more to stop at once.", err=True)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        run_worker(
            workspace,
            concurrency=concurrency,
            stop=stop,
            grace_s=grace_s,
            ready=lambda: click.echo("Waiting for jobs. Ctrl-C stops.", err=True),
        )
        sys.stdout.flush()
        sys.stderr.flush()
        # A step that would not end is still running in its thread, which Python would wait for.
        os._exit(HOLDS)
    finally:  # it could not work at all
        for number, handler in before.items():
            signal.signal(number, handler)
