"""What somebody does next about a case, so that nobody has to look into the manual for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.portal.rendering import day
from ireu_governance.portal.wording import what_to_do
from ireu_governance.service.case_files import CaseFile

__all__ = ["NextStep", "next_step"]

_UNLEARN: Final = "ireu unlearn --case {} --encoder … --forget … --retain …"


@dataclass(frozen=True)
class NextStep:
    """What is to be done about a case.

    Attributes:
        text: In a sentence or two.
        command: What an engineer types for it; empty if there is nothing to type.
    """

    text: str
    command: str = ""


def next_step(file: CaseFile, alerts: Collection[str] = ()) -> NextStep | None:
    """Return what somebody does next about a case; None if nothing has to be done.

    Args:
        file: What is recorded of it.
        alerts: Kinds of alerts that are shown beside it, which say themselves what to do.
    """
    request, latest = file.request, file.verifications[-1] if file.verifications else None
    state = request.state if request else None
    if request is not None and state == "received":
        return NextStep(f"Accept or refuse the request. The person must have an answer by {day(request.due)}.")
    if state == "accepted" and not file.removals:
        return NextStep(
            "Have an engineer remove the person from the encoder: the number of this case is all that they need from"
            " here. If the tests hold, that records the request as done, and stops the clock.",
            command=_UNLEARN.format(file.case_id),
        )
    if latest is not None and latest.verdict != RetestVerdict.HOLDS:
        if state == "accepted" and latest.occasion == "removal":
            return NextStep(
                "The tests of the removal do not hold, so the request stays open. Have an engineer carry it out again"
                " with other settings, under the number of this case.",
                command=_UNLEARN.format(file.case_id),
            )
        if latest.verdict not in alerts and (text := what_to_do(latest.verdict)):
            return NextStep(text)
    elif latest is not None and state == "accepted":
        return NextStep("The tests of a removal hold. Record the request as done, which stops the clock.")
    if state == "done":
        return NextStep(
            "Tell the person what was done, and everybody to whom their data were given (GDPR Art. 19). Then record"
            " how many recipients were told."
        )
    return None
