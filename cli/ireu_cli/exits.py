"""Exit codes: the one place where errors and verdicts become numbers.

0    it holds, or it was done
1    it was proven not to hold: tampered, resurfaced, does not fit
2    it could not be decided: bad usage, bad or missing input, too few probes, a missing part of ireu
3    a fault in ireu itself
130  stopped by Ctrl-C or SIGTERM
141  whoever read the output has gone (head, less); what was not delivered is neither 0 nor 1
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ireu_governance.core.errors import (
    IreuError,
    LedgerRefusedError,
    RunInterruptedError,
    VerificationError,
)

if TYPE_CHECKING:
    from ireu_governance.core.verdict import RetestVerdict, Verdict

__all__ = ["ABSENT", "FAULT", "HOLDS", "INTERRUPTED", "NOT", "UNREAD", "exit_code_of", "exit_code_of_verdict"]

HOLDS = 0
NOT = 1
ABSENT = 2
FAULT = 3
INTERRUPTED = 130
UNREAD = 141


def exit_code_of(error: IreuError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, (VerificationError, LedgerRefusedError)):
        return NOT
    if isinstance(error, RunInterruptedError):
        return INTERRUPTED
    return ABSENT


def exit_code_of_verdict(verdict: Verdict | RetestVerdict) -> int:
    """Return the exit code of a verdict."""
    # Late, since a mistyped command line has no verdict, and verdicts bring pydantic along.
    from ireu_governance.core.verdict import RetestVerdict, Verdict

    if isinstance(verdict, Verdict):
        return {Verdict.HOLDS: HOLDS, Verdict.DOES_NOT_HOLD: NOT, Verdict.UNDECIDED: ABSENT}[verdict]
    return {
        RetestVerdict.HOLDS: HOLDS,
        RetestVerdict.RESURFACED: NOT,
        RetestVerdict.ENCODER_CHANGED: NOT,
        RetestVerdict.UTILITY_LOST: NOT,
        RetestVerdict.INCONCLUSIVE: ABSENT,
        RetestVerdict.EVIDENCE_ERASED: ABSENT,
    }[verdict]
