"""The head of the log, as it stands at the foot of every page."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import Final

from ireu_governance.api.context import Context
from ireu_governance.core.errors import IreuError
from ireu_governance.service.log_summary import LedgerSummary, summarise_log

__all__ = ["FooterHead", "describe_head", "log_summary"]

_FRESH_S: Final = 3.0
_KEY: Final = "portal-head"


@dataclass(frozen=True)
class FooterHead:
    """The published head, or why there is none to show.

    Attributes:
        summary: What was published last; None when it cannot be shown.
        trouble: What is wrong then.
    """

    summary: LedgerSummary | None
    trouble: str = ""


def describe_head(context: Context) -> FooterHead:
    """Return the head for the foot of a page; a page is shown even when the log cannot be read."""
    known = context.memory.get(_KEY)
    if isinstance(known, tuple) and monotonic() < known[0]:
        found: FooterHead = known[1]
        return found
    try:
        head = FooterHead(summarise_log(context.workspace, context.record.log))
    except IreuError as error:
        head = FooterHead(None, error.message if error.code.value == "ledger-rolled-back" else "It cannot be read now.")
    context.memory[_KEY] = (monotonic() + _FRESH_S, head)
    return head


def log_summary(context: Context) -> LedgerSummary:
    """Return the log in one answer.

    Raises:
        LedgerError: It cannot be read.
    """
    return summarise_log(context.workspace, context.record.log)
