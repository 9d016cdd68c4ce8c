"""Progress of a removal on stderr: a bar with time left on a terminal, plain lines elsewhere, nothing with --json."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ireu_cli.output import stderr_console

if TYPE_CHECKING:
    from ireu_sdk.unlearning.train import StepLog

__all__ = ["TerminalObserver"]

STAGES = {
    "load": "Reading photos and networks",
    "localise": "Finding where the identity is",
    "train": "Moving the encoder",
    "measure": "Measuring",
    "log": "Logging to MLflow",
    "record": "Recording in the ledger",
    "certify": "Issuing the certificate",
}
PLAIN_EVERY = 50  # steps between lines where there is no terminal


class TerminalObserver:
    """Shows progress on stderr.

    Args:
        quiet: Show nothing, for --json.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = stderr_console()
        self._progress: Any = None
        self._task: Any = None
        self._live = not quiet and sys.stderr.isatty()

    def __enter__(self) -> Self:
        """Begin to show progress."""
        if self._live:
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                TimeRemainingColumn(),
                TextColumn("[dim]{task.fields[note]}"),
                console=self._console,
                transient=True,
            )
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal clean."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def stage(self, name: str) -> None:
        """Show that a stage began."""
        text = STAGES.get(name, name)
        if self._progress is not None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(text, total=None, note="")
        elif not self._quiet:
            self._console.print(f"{text} …")

    def detail(self, text: str) -> None:
        """Show what is being done within the stage."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, note=text)
        elif not self._quiet and not self._live:
            self._console.print(f"  {text}")

    def step(self, log: StepLog, total: int) -> None:
        """Show a training step."""
        note = f"forget {log.forget_loss:.2f}  retain {log.retain_loss:.2f}  norm {log.forget_norm:.1f}"
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=total, completed=log.step + 1, note=note)
        elif not self._quiet and ((log.step + 1) % PLAIN_EVERY == 0 or log.step + 1 == total):
            self._console.print(f"  step {log.step + 1}/{total}  {note}")
