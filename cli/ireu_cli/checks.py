"""The checks of a report, as a list for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ireu_cli.output import mark, plain

if TYPE_CHECKING:
    from rich.console import Console

    from ireu_governance.core.verdict import Report

__all__ = ["show_checks"]


def show_checks(console: Console, report: Report) -> None:
    """Print every check of a report with its outcome, its reason, and what to do next where there is advice."""
    width = max(len(check.name) for check in report.checks)
    for check in report.checks:
        padding = " " * (11 - len(check.outcome.value))
        console.print(f"  {mark(check.outcome.value)}{padding} {check.name:<{width}}  {plain(check.reason)}")
        if check.hint:
            console.print(f"  {'':<13} {'':<{width}}  {plain(check.hint)}")
