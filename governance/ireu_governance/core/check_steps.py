"""Making the checks of a document one after the other: none is made whose ground did not hold, and all are told of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Generic, TypeVar

from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.verdict import Report, ReportBuilder

__all__ = ["Finding", "Step", "make_checks"]

S = TypeVar("S")


@dataclass(frozen=True)
class Finding:
    """How a check ended that did not fail.

    Attributes:
        reason: One sentence.
        decided: False if the check could not come to an end.
        required: Whether the verdict needs it.
        hint: What to do next.
    """

    reason: str
    decided: bool = True
    required: bool = True
    hint: str = ""


@dataclass(frozen=True)
class Step(Generic[S]):
    """One check.

    Attributes:
        name: Its stable name.
        run: Makes it, on the state of the verification; fails by raising `InputError` or `VerificationError`.
        needs: The checks that have to have passed before.
    """

    name: str
    run: Callable[[S], Finding]
    needs: tuple[str, ...] = ("form",)


def make_checks(steps: Sequence[Step[S]], state: S, *, optional: AbstractSet[str]) -> tuple[Report, set[str]]:
    """Make checks in their order.

    Args:
        steps: The checks.
        state: The state of the verification; later checks read what earlier ones verified.
        optional: Names of the checks that the verdict can do without.

    Returns:
        The report on all of them, and the names of those that passed.
    """
    builder = ReportBuilder()
    passed: set[str] = set()
    for step in steps:
        missing = [name for name in step.needs if name not in passed]
        if missing:
            reason = f"It rests on '{missing[0]}', which did not pass."
            builder.not_checked(step.name, reason, required=step.name not in optional)
            continue
        try:
            finding = step.run(state)
        except (InputError, VerificationError) as error:
            builder.failed(step.name, error)
            continue
        if finding.decided:
            passed.add(step.name)
            builder.passed(step.name, finding.reason)
        else:
            builder.not_checked(step.name, finding.reason, required=finding.required, hint=finding.hint)
    return builder.build(), passed
