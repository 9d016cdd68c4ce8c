"""What a queue of jobs promises, whatever it is made of.

A job is a kind and a JSON object, which names things by id and holds nothing personal and no secret. Its state
stands in a database; a job is begun again, from its last finished step, when its worker dies.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.times import Timestamp
from ireu_governance.core.vocabulary import Count, Token

__all__ = [
    "FINISHED",
    "MAX_LISTED",
    "Handler",
    "JobFailure",
    "JobId",
    "JobPage",
    "JobProgress",
    "JobQueue",
    "JobState",
    "JobStatus",
    "Steps",
    "unknown_job",
]

MAX_LISTED: Final = 200
"""Jobs in one page of a list."""

JobId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""Random 128-bit number in hex; tells nothing about who asked."""


class JobStatus(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINISHED: Final = frozenset({JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED})
"""A job in one of these states changes no more."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobProgress(_Document):
    """How many parts of a job are done.

    Attributes:
        done: Finished parts.
        total: All parts; 0 before they were counted.
        stage: What is being done, by code.
    """

    done: Count = 0
    total: Count = 0
    stage: Token = "queued"


class JobFailure(_Document):
    """Why a job failed.

    Attributes:
        code: Stable name (`ireu_governance.core.errors.ErrorCode`), or ``internal-fault``.
        detail: One sentence; nothing of a stack trace.
        hint: What to do next; empty when there is nothing to advise.
    """

    code: str
    detail: str
    hint: str = ""


class JobState(_Document):
    """A job as the queue knows it.

    Attributes:
        id: Its number.
        kind: What kind of work, such as ``verification``.
        status: How far it is.
        payload: What was submitted.
        created_at: When it was submitted.
        started_at: When a worker first took it; None while it waits.
        finished_at: When it ended; None before.
        attempts: How often a worker began it.
        progress: Which part of the work is done.
        result: What came out of it (done).
        failure: Why it failed (failed).
    """

    id: JobId
    kind: Token
    status: JobStatus
    payload: dict[str, JsonValue]
    created_at: Timestamp
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    attempts: Count = 0
    progress: JobProgress = Field(default_factory=JobProgress)
    result: dict[str, JsonValue] | None = None
    failure: JobFailure | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the job changes no more."""
        return self.status in FINISHED


class JobPage(_Document):
    """Some jobs, newest first.

    Attributes:
        jobs: The jobs.
        next: Cursor of the following page, for `after`; None at the end.
    """

    jobs: tuple[JobState, ...]
    next: str | None = None


class Steps(Protocol):
    """What a handler works with: each step runs once, or again when its worker died before it was stored."""

    @property
    def job_id(self) -> str:
        """Number of the job."""
        ...

    @property
    def submitted_at(self) -> str:
        """When the job was submitted."""
        ...

    def run(self, name: str, work: Callable[[], dict[str, Any]], *, attempts: int = 1) -> dict[str, Any]:
        """Return what a step returned, from the queue's database if it was finished before.

        Args:
            name: Of the step; the steps of a job come in the same order each time.
            work: The step: idempotent, returns a JSON object.
            attempts: How often it is tried when it fails by something that can pass: a busy ledger, a network, or
                what is no `IreuError`.
        """
        ...

    def report(self, done: int, total: int, stage: str) -> None:
        """Say how far the job is."""
        ...

    def attach(self, name: str, text: str) -> None:
        """Keep a document beside the job, too large for its result; `JobQueue.attachment` returns it."""
        ...

    def is_cancelled(self) -> bool:
        """Return whether somebody cancelled the job, so that a long step can end early."""
        ...


Handler = Callable[[Mapping[str, Any], Steps], dict[str, Any]]
"""Does the work of one kind of job: the payload and the steps in, the result out. Same order of steps each time."""


class JobQueue(Protocol):
    """A queue of jobs. All methods but `run_worker` are safe to call from several threads.

    Every method raises `QueueError` (HTTP 503) when the queue's database cannot be reached.
    """

    def submit(
        self,
        kind: str,
        payload: Mapping[str, JsonValue],
        *,
        job_id: str | None = None,
        delay_s: float = 0.0,
        timeout_s: float | None = None,
    ) -> str:
        """Put a job into the queue.

        Args:
            kind: What kind of work.
            payload: What to work on.
            job_id: Its number; random if not given. A number that is there already is not submitted again, which
                makes a repeated call harmless.
            delay_s: It is not begun before.
            timeout_s: It fails when it has not ended this long after it was first begun.

        Returns:
            The job's number.
        """
        ...

    def get(self, job_id: str) -> JobState:
        """Return a job; `InputError` (code ``job-unknown``) if there is none of this number."""
        ...

    def cancel(self, job_id: str) -> JobState:
        """Cancel a job that is not finished; what it has recorded stays. `InputError` if it is unknown."""
        ...

    def attachment(self, job_id: str, name: str) -> str | None:
        """Return a document that a job has kept, or None; `InputError` if there is no such job."""
        ...

    def list(self, *, kind: str | None = None, after: str | None = None, limit: int = 50) -> JobPage:
        """Return jobs, newest first.

        Args:
            kind: Only of this kind.
            after: Cursor from the page before; `InputError` if it is none.
            limit: At most this many, 1 to `MAX_LISTED`.
        """
        ...

    def remove_finished(self, before: datetime, *, keep: Collection[str] = ()) -> int:
        """Remove finished jobs with all that is kept beside them; what they recorded elsewhere stays.

        Args:
            before: Only those that ended before this time.
            keep: Numbers of jobs that stay nonetheless.

        Returns:
            How many were removed.
        """
        ...

    def counts(self) -> dict[JobStatus, int]:
        """Return how many jobs are in each state, for metrics."""
        ...

    def oldest_queued_age_s(self) -> float:
        """Return for how many seconds the oldest job has been waiting; 0 when none waits."""
        ...

    def run_worker(
        self, handlers: Mapping[str, Handler], *, concurrency: int = 1, stop: threading.Event | None = None
    ) -> None:
        """Work on jobs until `stop` is set; what is being worked on then is handed back to the queue.

        Args:
            handlers: By kind of job.
            concurrency: How many jobs at once.
            stop: Set by whoever wants it to end; without one it works for ever.
        """
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


def unknown_job(job_id: str) -> InputError:
    """Return the error for a number that no job has."""
    return InputError(
        f"There is no job '{job_id[:40]}'.",
        hint="The answer to the request that submitted it names it. One that ended long ago is removed (setting"
        " 'job_days'); what it recorded stays in the ledger.",
        code=ErrorCode.JOB_UNKNOWN,
    )
