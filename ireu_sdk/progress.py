"""Who is told how a removal goes on: a terminal, a notebook, nobody."""

from __future__ import annotations

from typing import Protocol

from ireu_sdk.unlearning.train import StepLog

__all__ = ["Observer", "Silent"]


class Observer(Protocol):
    """Told about progress; must not raise."""

    def stage(self, name: str) -> None:
        """A stage began: ``load``, ``localise``, ``train``, ``measure``, ``log``, ``record`` or ``certify``."""

    def detail(self, text: str) -> None:
        """Something within the stage began."""

    def step(self, log: StepLog, total: int) -> None:
        """A training step of `total` was taken."""


class Silent:
    """Tells nobody."""

    def stage(self, name: str) -> None:
        """Ignore a stage."""

    def detail(self, text: str) -> None:
        """Ignore a detail."""

    def step(self, log: StepLog, total: int) -> None:
        """Ignore a step."""
