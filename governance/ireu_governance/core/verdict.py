"""What a verification found: a report of named checks, and a verdict that is never a bare bool."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, computed_field

from ireu_governance.core.errors import IreuError

__all__ = ["Check", "Outcome", "Report", "ReportBuilder", "RetestVerdict", "Verdict"]


class Outcome(StrEnum):
    """How one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not-checked"


class Verdict(StrEnum):
    """What follows from all checks of a report together."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does-not-hold"
    UNDECIDED = "undecided"


class RetestVerdict(StrEnum):
    """What a re-test of an encoder found for one case; worst first when several apply."""

    RESURFACED = "resurfaced"
    ENCODER_CHANGED = "encoder-changed"
    UTILITY_LOST = "utility-lost"
    INCONCLUSIVE = "inconclusive"
    EVIDENCE_ERASED = "evidence-erased"
    HOLDS = "holds"


class Check(BaseModel):
    """One named check with its outcome and the reason for it.

    Attributes:
        name: Stable name, such as ``record-signature``.
        outcome: ``passed``, ``failed`` or ``not-checked``.
        reason: One sentence for a reader who has only this report.
        required: Whether the verdict needs this check; an optional one that was not made leaves it as it is.
        hint: What to do next; empty when there is nothing to advise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    outcome: Outcome
    reason: str
    required: bool = True
    hint: str = ""


class Report(BaseModel):
    """All checks of one verification, in the order in which they were made."""

    model_config = ConfigDict(frozen=True)

    checks: tuple[Check, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> Verdict:
        """`does-not-hold` if any check failed, `undecided` if a required one was not made, else `holds`."""
        if any(c.outcome is Outcome.FAILED for c in self.checks):
            return Verdict.DOES_NOT_HOLD
        if not self.checks or any(c.required and c.outcome is Outcome.NOT_CHECKED for c in self.checks):
            return Verdict.UNDECIDED
        return Verdict.HOLDS

    def failed(self) -> tuple[Check, ...]:
        """Return the checks that failed."""
        return tuple(c for c in self.checks if c.outcome is Outcome.FAILED)


class ReportBuilder:
    """Collects checks in order; turns an error into a failed check."""

    def __init__(self) -> None:
        self._checks: list[Check] = []

    def passed(self, name: str, reason: str) -> None:
        """Record that a check was made and passed."""
        self._checks.append(Check(name=name, outcome=Outcome.PASSED, reason=reason))

    def failed(self, name: str, error: IreuError | str) -> None:
        """Record that a check was made and failed."""
        reason, hint = (error, "") if isinstance(error, str) else (error.message, error.hint)
        self._checks.append(Check(name=name, outcome=Outcome.FAILED, reason=reason, hint=hint))

    def not_checked(self, name: str, reason: str, *, required: bool = True, hint: str = "") -> None:
        """Record that a check was not made, and why."""
        self._checks.append(Check(name=name, outcome=Outcome.NOT_CHECKED, reason=reason, required=required, hint=hint))

    def build(self) -> Report:
        """Return the report of all checks so far."""
        return Report(checks=tuple(self._checks))
