"""What can be done about a case, and by whom: each step has a page that says what it does before it does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.portal.visitors import Visitor
from ireu_governance.service.access import Scope
from ireu_governance.service.case_files import CaseFile

__all__ = ["STEPS", "Step", "find_step", "possible_steps"]


@dataclass(frozen=True)
class Step:
    """Something that can be done about a case.

    Attributes:
        name: In addresses.
        label: On its button.
        explanation: What happens, and for whom.
        scope: Who may do it.
        is_final: Whether it is recorded for ever, so that it has to be confirmed.
        message: Code of what is said once it was done.
    """

    name: str
    label: str
    explanation: str
    scope: Scope
    is_final: bool
    message: str


STEPS: Final = {
    step.name: step
    for step in (
        Step(
            "retest",
            "Re-test now",
            "A worker tests an encoder with the evidence of this case, by the plan that was recorded before the"
            " removal. What it finds is recorded in the log, whatever it is.",
            Scope.TEST,
            is_final=False,
            message="retest-ordered",
        ),
        Step(
            "accept",
            "Accept the request",
            "The request is justified and will be carried out. The clock runs on until the removal is done.",
            Scope.WRITE,
            is_final=True,
            message="request-accepted",
        ),
        Step(
            "refuse",
            "Refuse the request",
            "The request is refused. Before you record it, the person must have been told why, and that they can"
            " complain to a supervisory authority and go to court (GDPR Art. 12(4)).",
            Scope.WRITE,
            is_final=True,
            message="request-refused",
        ),
        Step(
            "extend",
            "Extend the time",
            "Two further months are needed. Before you record it, the person must have been told so, with the"
            " reason, within one month of receipt (GDPR Art. 12(3)). It can be done once.",
            Scope.WRITE,
            is_final=True,
            message="request-extended",
        ),
        Step(
            "done",
            "Record as done",
            "A removal answered the request; its clock stops. A removal that was made with this case recorded this"
            " by itself.",
            Scope.WRITE,
            is_final=True,
            message="request-done",
        ),
        Step(
            "inform",
            "Record that recipients were told",
            "Everybody to whom the person's data were given was told of the erasure (GDPR Art. 19).",
            Scope.WRITE,
            is_final=True,
            message="request-informed",
        ),
        Step(
            "certificate",
            "Issue a certificate",
            "A certificate is made of the latest removal and the latest test of the encoder that it made, signed, and"
            " kept here. An older one of the same case is recorded as superseded. Only tests that hold are"
            " certified.",
            Scope.WRITE,
            is_final=True,
            message="certificate-issued",
        ),
        Step(
            "publish",
            "Publish the case",
            "Everybody can see this page without signing in: its history, its scores, and its certificates if all of"
            " their cases are published. Nothing of the evidence is on it. Who has seen it may keep a copy.",
            Scope.WRITE,
            is_final=True,
            message="published",
        ),
        Step(
            "withdraw",
            "Unpublish the case",
            "This page is shown only to people who are signed in again. The entries in the log stay public, as they"
            " always were.",
            Scope.WRITE,
            is_final=False,
            message="withdrawn",
        ),
    )
}


def possible_steps(file: CaseFile, visitor: Visitor) -> list[Step]:
    """Return what a visitor can do about a case as it stands.

    Args:
        file: What is recorded of it.
        visitor: Who asks.
    """
    return [step for name, step in STEPS.items() if visitor.may(step.scope) and _fits(name, file)]


def find_step(name: str, file: CaseFile, visitor: Visitor) -> Step:
    """Return a step that can be made now.

    Args:
        name: Of the step.
        file: What is recorded of the case.
        visitor: Who asks.

    Raises:
        InputError: There is none of this name, or the case does not stand so that it could be made.
        Problem: The visitor may not make it.
    """
    step = STEPS.get(name)
    if step is None:
        raise InputError("There is no such step.", code=ErrorCode.INPUT_MISSING)
    visitor.expect(step.scope)
    if not _fits(name, file):
        raise InputError(
            f"“{step.label}” is not possible as the case stands now.",
            hint="Somebody may have done it already: look at the case's history.",
            code=ErrorCode.REQUEST_OUT_OF_ORDER,
        )
    return step


def _fits(name: str, file: CaseFile) -> bool:
    state = file.request.state if file.request else None
    if name == "retest":
        return bool(file.removals) and not file.erasures
    if name in ("accept", "refuse"):
        return state == "received"
    if name == "extend":
        if file.request is None or file.request.overdue:  # the person had to be told within the first month
            return False
        was_extended = any(each.event == "extended" for each in file.request.events)
        return state in ("received", "accepted") and not was_extended
    if name == "done":
        return state == "accepted" and bool(file.removals)
    if name == "inform":
        return state == "done"
    if name == "certificate":
        return bool(file.removals)
    return file.published == (name == "withdraw")
