"""Jobs as DBOS has them: what its rows say, in the terms of the queue."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ireu_governance.core.errors import InputError
from ireu_governance.core.times import format_time
from ireu_governance.jobs.queue import FINISHED, JobFailure, JobProgress, JobState, JobStatus

if TYPE_CHECKING:
    from dbos import WorkflowStatus

__all__ = ["ENDED", "STATUS", "read_cursor", "state_of", "write_cursor"]

STATUS: Final = {
    "DELAYED": JobStatus.QUEUED,
    "ENQUEUED": JobStatus.QUEUED,
    "PENDING": JobStatus.RUNNING,
    "SUCCESS": JobStatus.DONE,
    "ERROR": JobStatus.FAILED,
    "CANCELLED": JobStatus.CANCELLED,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": JobStatus.FAILED,
}
"""What DBOS's words for a workflow mean for a job."""

ENDED: Final = tuple(name for name, status in STATUS.items() if status in FINISHED)


def state_of(found: WorkflowStatus) -> JobState:
    """Return a job as its row says it is."""
    attributes = found.attributes or {}
    status = STATUS[found.status]
    failure = _failure(found)
    if status is JobStatus.CANCELLED and not attributes.get("cancelled"):
        status = JobStatus.FAILED
        failure = JobFailure(
            code="job-timed-out",
            detail="The job did not end within its time limit.",
            hint="Look at the worker's log; test fewer cases at once, or with more workers.",
        )
    given = found.input["args"] if found.input else ({},)
    return JobState(
        id=found.workflow_id,
        kind=found.name,
        status=status,
        payload=dict(given[0]),
        created_at=_time(found.created_at) or "1970-01-01T00:00:00Z",
        started_at=_time(found.dequeued_at),
        finished_at=_time(found.completed_at),
        attempts=found.recovery_attempts or 0,
        progress=JobProgress.model_validate(attributes.get("progress") or {}),
        result=found.output if status is JobStatus.DONE else None,
        failure=failure if status is JobStatus.FAILED else None,
    )


def _failure(found: WorkflowStatus) -> JobFailure:
    if found.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return JobFailure(
            code="job-poisoned",
            detail=f"Its worker died {(found.recovery_attempts or 1) - 1} times while it worked on this job.",
            hint="Look at the worker's log and its memory; then submit the job anew.",
        )
    data = getattr(found.error, "data", None)
    if isinstance(data, dict) and {"code", "detail"} <= data.keys():
        return JobFailure.model_validate(data)
    return JobFailure(code="internal-fault", detail="A fault in ireu; the worker's log says more.")


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else format_time(datetime.fromtimestamp(milliseconds // 1000, UTC))


def write_cursor(time: int, number: str) -> str:
    """Return where a page of jobs ends: the time and the number of its last job."""
    return base64.urlsafe_b64encode(f"{time}.{number}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[int, str]:
    """Return what `write_cursor` wrote; `InputError` if it did not."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        time, _, number = text.partition(".")
        if not (time.isdigit() and len(time) < 16 and number):
            raise ValueError
        return int(time), number
    except (ValueError, binascii.Error):
        raise InputError("The cursor is not one that a list of jobs gave.", hint="Start without a cursor.") from None
