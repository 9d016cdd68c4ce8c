"""The queue of jobs on DBOS: in the workspace's ``jobs.db``, or beside the ledger in PostgreSQL.

DBOS stores what each step of a job returned, so that a job goes on where it was. What it leaves open is decided
here: who is dead is found out by leases (`leases`), not by clocks; what is stored is JSON, never pickled; an
error of a step is stored as its code and sentence; and whoever only submits needs no worker to have run before.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from pydantic import JsonValue

from ireu_governance.core.errors import InputError, IreuError, MissingExtraError, QueueError
from ireu_governance.jobs.dbos_database import postgres_engine, schema_of, sqlite_engine
from ireu_governance.jobs.dbos_states import ENDED, STATUS, read_cursor, state_of, write_cursor
from ireu_governance.jobs.dbos_worker import APPLICATION, VERSION, Worker, queue_name
from ireu_governance.jobs.leases import FileLeases, Leases, PostgresLeases
from ireu_governance.jobs.queue import (
    MAX_LISTED,
    Handler,
    JobPage,
    JobProgress,
    JobState,
    JobStatus,
    unknown_job,
)
from ireu_governance.ledger.postgres import connector

if TYPE_CHECKING:
    from dbos import DBOSClient

    from ireu_governance.workspace import Workspace

__all__ = ["DbosQueue"]

_CONNECT_S: Final = 10.0

_BATCH: Final = 200  # jobs that are removed in one transaction


class DbosQueue:
    """A `JobQueue` on DBOS; see there for what the methods promise.

    Args:
        engine: Opens the queue's database; called once, when it is first needed.
        schema: Where its tables are, in PostgreSQL.
        leases: By which workers know of one another.
        polling_s: How often a worker looks for jobs and for dead workers.
    """

    def __init__(self, engine: Callable[[], sa.Engine], *, schema: str, leases: Leases, polling_s: float = 1.0) -> None:
        self._open_engine = engine
        self.schema = schema
        self._polling_s = polling_s
        self._mutex = threading.Lock()
        self._client: DBOSClient | None = None
        self.leases = leases

    @classmethod
    def open(cls, workspace: Workspace, *, polling_s: float = 1.0) -> DbosQueue:
        """Return the queue of a workspace; nothing is connected to yet.

        Args:
            workspace: Whose.
            polling_s: How often a worker looks for jobs and for dead workers.

        Raises:
            MissingExtraError: The `server` part of ireu is not installed.
            ConfigError: The setting `database` cannot be read.
        """
        try:
            import dbos  # noqa: F401
        except ImportError:
            raise MissingExtraError("server", "The queue of jobs") from None
        location = workspace.ledger_location
        if isinstance(location, Path):
            file = workspace.root / "jobs.db"
            leases = FileLeases(workspace.root / "jobs.locks")
            return cls(lambda: sqlite_engine(file), schema="dbos", leases=leases, polling_s=polling_s)
        origin = workspace.key_file().origin
        connecting = partial(connector, location, what="A queue in PostgreSQL", name="ireu-jobs", timeout_s=_CONNECT_S)
        connect = connecting()
        return cls(
            lambda: postgres_engine(connect),
            schema=schema_of(origin),
            leases=PostgresLeases(connecting(autocommit=True), scope=origin),
            polling_s=polling_s,
        )

    def submit(
        self,
        kind: str,
        payload: Mapping[str, JsonValue],
        *,
        job_id: str | None = None,
        delay_s: float = 0.0,
        timeout_s: float | None = None,
    ) -> str:
        """Put a job into the queue."""
        number = job_id or secrets.token_hex(16)
        options: dict[str, Any] = {
            "workflow_name": kind,
            "queue_name": queue_name(kind),
            "workflow_id": number,
            "app_version": VERSION,
            "attributes": {"progress": JobProgress().model_dump(mode="json")},
        }
        if delay_s > 0:
            options["delay_seconds"] = delay_s
        if timeout_s is not None:
            options["workflow_timeout"] = timeout_s
        with self._using() as client:
            client.enqueue(options, json.loads(json.dumps(payload)))  # type: ignore[arg-type]
        return number

    def get(self, job_id: str) -> JobState:
        """Return a job."""
        with self._using() as client:
            found = client.list_workflows(workflow_ids=[job_id], limit=1)
        if not found:
            raise unknown_job(job_id)
        return state_of(found[0])

    def cancel(self, job_id: str) -> JobState:
        """Cancel a job that is not finished."""
        state = self.get(job_id)
        if state.is_finished:
            return state
        with self._using() as client:
            # First: a job that has run into its time limit is told from one that somebody cancelled.
            client.update_workflow_attributes(job_id, {"cancelled": True}, merge=True)
            client.cancel_workflow(job_id)
        return self.get(job_id)

    def attachment(self, job_id: str, name: str) -> str | None:
        """Return a document that a job has kept, or None."""
        self.get(job_id)
        with self._using() as client:
            found = client.get_event(job_id, name, timeout_seconds=0)
        return found if isinstance(found, str) else None

    def list(self, *, kind: str | None = None, after: str | None = None, limit: int = 50) -> JobPage:
        """Return jobs, newest first."""
        if not 1 <= limit <= MAX_LISTED:
            raise InputError(f"A page holds 1 to {MAX_LISTED} jobs.")
        with self._using() as client:
            table = self._table(client)
            query = sa.select(table.c.created_at, table.c.workflow_uuid)
            query = query.order_by(table.c.created_at.desc(), table.c.workflow_uuid.desc()).limit(limit + 1)
            if kind is not None:
                query = query.where(table.c.name == kind)
            if after is not None:
                time, number = read_cursor(after)
                older = sa.and_(table.c.created_at == time, table.c.workflow_uuid < number)
                query = query.where(sa.or_(table.c.created_at < time, older))
            rows = [(int(row[0]), str(row[1])) for row in self._rows(client, query)]
            wanted = [number for _, number in rows[:limit]]
            found = client.list_workflows(workflow_ids=wanted) if wanted else []
        states = {each.workflow_id: state_of(each) for each in found}
        following = write_cursor(*rows[limit - 1]) if len(rows) > limit else None
        return JobPage(jobs=tuple(states[number] for number in wanted if number in states), next=following)

    def remove_finished(self, before: datetime, *, keep: Collection[str] = ()) -> int:
        """Remove finished jobs."""
        kept, removed, after = frozenset(keep), 0, ""
        with self._using() as client:
            table = self._table(client)
            number = table.c.workflow_uuid
            ended = sa.func.coalesce(table.c.completed_at, table.c.updated_at)
            query = sa.select(number).where(table.c.status.in_(ENDED), ended < int(before.timestamp() * 1000))
            query = query.order_by(number).limit(_BATCH)
            # In batches: whoever submits a job meanwhile waits for one of them and not for all.
            while found := [str(row[0]) for row in self._rows(client, query.where(number > after))]:
                after = found[-1]
                if gone := [each for each in found if each not in kept]:
                    client.delete_workflows(gone)
                    removed += len(gone)
        return removed

    def counts(self) -> dict[JobStatus, int]:
        """Return how many jobs are in each state."""
        found = dict.fromkeys(JobStatus, 0)
        with self._using() as client:
            table = self._table(client)
            query = sa.select(table.c.status, sa.func.count()).group_by(table.c.status)
            for status, count in self._rows(client, query):
                found[STATUS[status]] += count
        return found

    def oldest_queued_age_s(self) -> float:
        """Return for how many seconds the oldest job has been waiting; one that is delayed does not wait yet."""
        with self._using() as client:
            table = self._table(client)
            query = sa.select(sa.func.min(table.c.created_at)).where(table.c.status == "ENQUEUED")
            oldest = self._rows(client, query)[0][0]
        return 0.0 if oldest is None else max(0.0, datetime.now(UTC).timestamp() - oldest / 1000)

    def run_worker(
        self,
        handlers: Mapping[str, Handler],
        *,
        concurrency: int = 1,
        stop: threading.Event | None = None,
        grace_s: float = 30.0,
    ) -> None:
        """Work on jobs until `stop` is set; one worker at a time in a process.

        Args:
            handlers: By kind of job.
            concurrency: How many jobs of a kind at once, in each worker: what the last one that began says.
            stop: Set by whoever wants it to end.
            grace_s: How long a step may go on after that before its job is handed back.
        """
        with self._using():
            pass  # the tables are there, and a database that cannot be reached is told in plain words
        worker = Worker(
            engine=self._open_engine(),
            schema=self.schema,
            leases=self.leases,
            handlers=handlers,
            concurrency=concurrency,
            polling_s=self._polling_s,
            grace_s=grace_s,
        )
        worker.run(stop or threading.Event())

    def close(self) -> None:
        """Let go of the database."""
        with self._mutex:
            if self._client is not None:
                self._client._sys_db.engine.dispose()  # noqa: SLF001 - the client leaves a given engine open
                self._client = None
        self.leases.close()

    @contextmanager
    def _using(self) -> Iterator[DBOSClient]:
        try:
            yield self._connect()
        except IreuError:
            raise
        except Exception as error:
            if not isinstance(error, sa.exc.SQLAlchemyError | OSError):
                raise
            raise QueueError(
                "The queue of jobs cannot be reached.",
                hint="Check the workspace's jobs.db, or the server of the setting 'database', and try again.",
            ) from error

    def _connect(self) -> DBOSClient:
        with self._mutex:
            if self._client is None:
                from dbos import DBOSClient
                from dbos._serialization import DBOSPortableJSON

                logging.getLogger("dbos").setLevel(logging.ERROR)  # it tells of every step of its own migrations
                client = DBOSClient(
                    system_database_engine=self._open_engine(),
                    dbos_system_schema=self.schema,
                    serializer=DBOSPortableJSON,
                    application_name=APPLICATION,
                    lazy=True,
                    retry_connection_errors=False,
                )
                client._sys_db.run_migrations()  # noqa: SLF001 - the client alone would wait for a worker to make them
                self._client = client
            return self._client

    def _table(self, client: DBOSClient) -> sa.Table:
        table: sa.Table = client._sys_db.tables.workflow_status  # noqa: SLF001 - DBOS pages by time only, and may skip
        return table

    def _rows(self, client: DBOSClient, query: sa.Select[Any]) -> Sequence[Any]:
        with client._sys_db.engine.connect() as connection:  # noqa: SLF001
            return connection.execute(query).all()
