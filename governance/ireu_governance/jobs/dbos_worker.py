"""A worker of the queue on DBOS: takes jobs, steps through them, and finds jobs whose worker has died."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from ireu_governance.core.errors import (
    ErrorCode,
    IreuError,
    LedgerError,
    LedgerRefusedError,
    QueueError,
    RunInterruptedError,
)
from ireu_governance.core.times import format_time
from ireu_governance.jobs.leases import Leases
from ireu_governance.jobs.queue import Handler, JobFailure, JobProgress

if TYPE_CHECKING:
    from dbos._sys_db import SystemDatabase

__all__ = ["APPLICATION", "MAX_ATTEMPTS", "VERSION", "Worker", "queue_name"]

APPLICATION: Final = "ireu"
VERSION: Final = "ireu-jobs-1"
"""Of the order of steps: a worker takes only jobs of its own version, since steps are found again by their place."""

MAX_ATTEMPTS: Final = 5
"""A job whose worker died this often is not begun again."""

_FIRST_PAUSE_S: Final = 1.0  # before a step is tried again; twice as long each time
_CANCEL_CHECK_S: Final = 1.0
_LOG: Final = logging.getLogger("ireu.jobs")


def queue_name(kind: str) -> str:
    """Return the queue of a kind of job: each has its own, so that a long test holds up no message."""
    return f"ireu-{kind}"


class _HandedBack(BaseException):
    """The worker is to end: the job stays as it is, for another one."""


class _Failed(Exception):  # noqa: N818 - carries what is stored, in the form that DBOS stores as JSON
    def __init__(self, failure: JobFailure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


class Worker:
    """One worker; there is one DBOS in a process, so one of these at a time.

    Args:
        engine: To the queue's database.
        schema: Where its tables are, in PostgreSQL.
        leases: By which workers know of one another.
        handlers: By kind of job.
        concurrency: How many jobs of a kind at once.
        polling_s: How often it looks for jobs and for dead workers.
        grace_s: How long a step may go on when the worker is to end.
    """

    def __init__(
        self,
        *,
        engine: sa.Engine,
        schema: str,
        leases: Leases,
        handlers: Mapping[str, Handler],
        concurrency: int,
        polling_s: float,
        grace_s: float,
    ) -> None:
        self._engine = engine
        self._schema = schema
        self._leases = leases
        self._handlers = handlers
        self._concurrency = concurrency
        self._polling_s = polling_s
        self._grace_s = grace_s
        self._id = secrets.token_hex(8)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        from dbos import DBOS
        from dbos._serialization import DBOSPortableJSON

        with self._leases.hold(_lease(self._id)) as check_lease:
            DBOS(
                config={
                    "name": APPLICATION,
                    "system_database_engine": self._engine,
                    "dbos_system_schema": self._schema,
                    "application_version": VERSION,
                    "executor_id": self._id,
                    "serializer": DBOSPortableJSON,
                    "use_listen_notify": False,
                    "notification_listener_polling_interval_sec": max(1.0, self._polling_s),
                    "log_level": "CRITICAL",
                }
            )
            for kind, handler in self._handlers.items():
                DBOS.workflow(name=kind, max_recovery_attempts=MAX_ATTEMPTS - 1)(_workflow(kind, handler, stop))
            DBOS.listen_queues([queue_name(kind) for kind in self._handlers])
            try:
                DBOS.launch()
                system = _system()
                for kind in self._handlers:
                    DBOS.register_queue(
                        queue_name(kind),
                        worker_concurrency=self._concurrency,
                        polling_interval_sec=self._polling_s,
                        on_conflict="always_update",
                    )
                while True:
                    self._recover(system, check_lease)
                    if stop.wait(self._polling_s):
                        break
            finally:
                DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=int(self._grace_s))
                self._hand_back()
                self._engine.dispose()

    def _recover(self, system: SystemDatabase, check_lease: Callable[[], bool]) -> None:
        """Hand the jobs of dead workers back to the queue."""
        try:
            if not check_lease():
                _LOG.warning("The connection that tells others of this worker was lost, and made again.")
            for executor in self._others(system):
                with self._leases.if_free(_lease(executor)) as is_dead:
                    if is_dead:
                        numbers = _give_back(system, executor)
                        _LOG.warning("A worker has died; its jobs go on here or elsewhere: %s", ", ".join(numbers))
        except (QueueError, sa.exc.SQLAlchemyError) as error:
            _LOG.warning("The queue cannot be reached now: %s", type(error).__name__)  # tried again at the next turn

    def _others(self, system: SystemDatabase) -> list[str]:
        table = system.tables.workflow_status
        query = sa.select(table.c.executor_id).where(table.c.status == "PENDING").distinct()
        with system.engine.connect() as connection:
            return [str(row[0]) for row in connection.execute(query) if row[0] not in (None, self._id)]

    def _hand_back(self) -> None:
        """Put what this worker leaves unfinished into the queue again; that does not count as an attempt."""
        from dbos._serialization import DBOSPortableJSON
        from dbos._sys_db import SystemDatabase

        name = "sqlite" if self._engine.dialect.name == "sqlite" else "postgresql"
        system = SystemDatabase.create(
            system_database_url=f"{name}://custom/engine",
            engine_kwargs={},
            engine=self._engine,
            schema=self._schema,
            serializer=DBOSPortableJSON,
            executor_id=None,
            app_name=APPLICATION,
            retry_connection_errors=False,
        )
        try:
            numbers = _give_back(system, self._id)
            if numbers:
                table = system.tables.workflow_status
                fewer = sa.update(table).where(table.c.workflow_uuid.in_(numbers))
                with system.engine.begin() as connection:
                    connection.execute(fewer.values(recovery_attempts=table.c.recovery_attempts - 1))
                _LOG.info("Handed back: %s", ", ".join(numbers))
        except sa.exc.SQLAlchemyError:
            _LOG.warning("The queue cannot be reached: another worker will find this one's jobs.")


def _system() -> SystemDatabase:
    from dbos._dbos import _get_dbos_instance

    return _get_dbos_instance()._sys_db  # noqa: SLF001 - what DBOS itself recovers its own jobs with


def _give_back(system: SystemDatabase, executor: str) -> list[str]:
    table = system.tables.workflow_status
    query = sa.select(table.c.workflow_uuid).where(table.c.status == "PENDING", table.c.executor_id == executor)
    with system.engine.connect() as connection:
        numbers = [str(row[0]) for row in connection.execute(query)]
    return [each for each in numbers if system.reenqueue_for_recovery(each, [executor], queue_name("none"))]


def _lease(executor: str) -> str:
    return f"worker-{executor}"


def _workflow(kind: str, handler: Handler, stop: threading.Event) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def work(payload: dict[str, Any]) -> dict[str, Any]:
        from dbos import DBOS
        from dbos._serialization import PortableWorkflowError

        steps = _DbosSteps(str(DBOS.workflow_id), stop)
        try:
            return handler(payload, steps)
        except _Failed as error:
            failure = error.failure
        except IreuError as error:
            failure = _describe(error)
        except Exception:  # noqa: BLE001 - the fault of one job must not end the worker
            _LOG.exception("Job %s (%s) failed by a fault in ireu.", steps.job_id, kind)
            failure = JobFailure(code="internal-fault", detail="A fault in ireu; the worker's log says more.")
        raise PortableWorkflowError(failure.detail, "failure", failure.code, failure.model_dump(mode="json"))

    return work


def _describe(error: IreuError) -> JobFailure:
    return JobFailure(code=error.code.value, detail=error.message, hint=error.hint)


class _DbosSteps:
    # `Steps` of one run of a job. What a step raises is stored as data: DBOS's own way is to pickle it.
    def __init__(self, job_id: str, stop: threading.Event) -> None:
        self._job_id = job_id
        self._stop = stop
        self._cancelled = False
        self._asked_at = 0.0

    @property
    def job_id(self) -> str:
        return self._job_id

    @property
    def submitted_at(self) -> str:
        from datetime import UTC, datetime

        found = _system().get_workflow_status(self._job_id)
        created = 0 if found is None else int(found["created_at"] or 0)
        return format_time(datetime.fromtimestamp(created // 1000, UTC))

    def run(self, name: str, work: Callable[[], dict[str, Any]], *, attempts: int = 1) -> dict[str, Any]:
        from dbos import DBOS

        if self._stop.is_set():
            raise _HandedBack
        outcome: dict[str, Any] = DBOS.run_step({"name": name}, lambda: self._attempt(name, work, attempts))
        if "failure" in outcome:
            raise _Failed(JobFailure.model_validate(outcome["failure"]))
        result: dict[str, Any] = outcome["result"]
        return result

    def report(self, done: int, total: int, stage: str) -> None:
        progress = JobProgress(done=done, total=total, stage=stage).model_dump(mode="json")
        _system().update_workflow_attributes(self._job_id, {"progress": progress}, merge=True)

    def attach(self, name: str, text: str) -> None:
        from dbos import DBOS

        DBOS.set_event(name, text)

    def is_cancelled(self) -> bool:
        if self._stop.is_set():
            return True
        if not self._cancelled and time.monotonic() - self._asked_at >= _CANCEL_CHECK_S:
            self._asked_at = time.monotonic()
            found = _system().get_workflow_status(self._job_id)
            self._cancelled = found is not None and found["status"] == "CANCELLED"
        return self._cancelled

    def _attempt(self, name: str, work: Callable[[], dict[str, Any]], attempts: int) -> dict[str, Any]:
        from dbos._error import DBOSWorkflowCancelledError

        for attempt in range(1, attempts + 1):
            try:
                return {"result": work()}
            except RunInterruptedError as error:
                if self._stop.is_set():
                    raise _HandedBack from error
                if self._cancelled:
                    raise DBOSWorkflowCancelledError(f"Job {self._job_id} was cancelled.") from error
                failure = _describe(error)
                break
            except LedgerRefusedError as error:
                failure = _describe(error)
                break
            except (LedgerError, QueueError) as error:
                failure = _describe(error)
            except IreuError as error:
                failure = _describe(error)
                if error.code is not ErrorCode.NETWORK_UNAVAILABLE:
                    break
            except Exception:  # noqa: BLE001 - stored as a fault, so that the step is not repeated for ever
                _LOG.exception("Step %s of job %s failed, try %d of %d.", name, self._job_id, attempt, attempts)
                failure = JobFailure(code="internal-fault", detail="A fault in ireu; the worker's log says more.")
            if attempt < attempts and self._stop.wait(_FIRST_PAUSE_S * 2 ** (attempt - 1)):
                raise _HandedBack
        return {"failure": failure.model_dump(mode="json")}
