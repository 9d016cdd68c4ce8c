"""What the routes of a service work with: `request.app.state.context`, or the dependency `ContextOf`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Self

from fastapi import Depends, Request
from sqlalchemy import Engine

from ireu_governance.core.bulk_keys import BulkKeyFile
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, ServiceError
from ireu_governance.jobs.queue import JobQueue
from ireu_governance.ledger.database import expect_there, open_engine
from ireu_governance.ledger.read import LedgerReader
from ireu_governance.service.access import AccessKeys
from ireu_governance.service.idempotency import AnswerStore
from ireu_governance.service.point_reads import state_of
from ireu_governance.service.publications import PublicationStore
from ireu_governance.service.record import Record
from ireu_governance.service.settings import ServiceSettings
from ireu_governance.service.store import ServiceStore
from ireu_governance.workspace import Workspace

if TYPE_CHECKING:
    from starlette.responses import Response

    from ireu_governance.api.observability import Metrics
    from ireu_governance.api.oidc import TokenVerifier
    from ireu_governance.api.problems import Problem

__all__ = ["Context", "ContextOf", "context_of"]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Context:
    """A running service. Everything in it is safe to use from several threads.

    Attributes:
        workspace: Whose record is served.
        settings: How.
        store: The service's own database.
        engine: The ledger's database, opened for reading only.
        metrics: Figures for Prometheus.
        jobs: The queue of jobs, if there is one; routes use `queue`.
        tokens: Verifies OpenID Connect tokens, if they are set up.
        clock: Returns the time, in UTC.
        base: What the types of problems begin with.
        keys: Keys of programs.
        publications: Published cases.
        answers: Answers to requests with an Idempotency-Key.
        memory: What routes keep in this process, by a name of their own.
        page_of_problem: Makes a problem a page for people; None without a portal.
    """

    workspace: Workspace
    settings: ServiceSettings
    store: ServiceStore
    engine: Engine
    metrics: Metrics
    jobs: JobQueue | None = None
    tokens: TokenVerifier | None = None
    clock: Callable[[], datetime] = _now
    base: str = "/docs/errors"
    keys: AccessKeys = field(init=False)
    publications: PublicationStore = field(init=False)
    answers: AnswerStore = field(init=False)
    record: Record = field(init=False)
    memory: dict[str, object] = field(init=False, default_factory=dict)
    page_of_problem: Callable[[Request, Problem], Response] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.keys = AccessKeys(self.store, clock=self.clock)
        self.publications = PublicationStore(self.store)
        self.answers = AnswerStore(self.store, clock=self.clock, hours=self.settings.idempotency_hours)
        self.record = Record(
            workspace=self.workspace,
            engine=self.engine,
            open_reader=lambda: self.reader,
            store=self.store,
            publications=self.publications,
        )
        self._lock = threading.Lock()
        self._key_path = str(self.workspace.key_file_path)  # asked for by every request
        self._read: tuple[object, LedgerReader] | None = None

    @classmethod
    def open(
        cls,
        workspace: Workspace,
        *,
        settings: ServiceSettings,
        metrics: Metrics,
        queue: JobQueue | None = None,
        tokens: TokenVerifier | None = None,
        clock: Callable[[], datetime] = _now,
        base: str = "/docs/errors",
    ) -> Self:
        """Open what a service needs.

        Args:
            workspace: Whose record is served.
            settings: How.
            metrics: Figures for Prometheus.
            queue: The queue of jobs.
            tokens: Verifies OpenID Connect tokens.
            clock: Returns the time, in UTC.
            base: What the types of problems begin with.

        Raises:
            LedgerError: There is no ledger.
            ServiceError: The service's own database cannot be used.
        """
        location = workspace.ledger_location
        expect_there(location)
        store = ServiceStore.open(workspace, settings)
        return cls(
            workspace=workspace,
            settings=settings,
            store=store,
            engine=open_engine(location, mode="ro"),
            metrics=metrics,
            jobs=queue,
            tokens=tokens,
            clock=clock,
            base=base,
        )

    @property
    def reader(self) -> LedgerReader:
        """The ledger, with the key file that is in force now; do not close it.

        Raises:
            ConfigError: The key file cannot be read: a fault of this service, and not of what somebody asked for.
        """
        state = state_of(self._key_path)
        known = self._read
        if known is not None and known[0] == state:
            return known[1]
        with self._lock:
            if self._read is None or self._read[0] != state:
                reader = LedgerReader(
                    engine=self.engine,
                    location=self.workspace.ledger_location,
                    key_file=self._read_key_file(),
                    checkpoint_path=self.workspace.checkpoint_path,
                )
                self._read = (state, reader)
            return self._read[1]

    @property
    def queue(self) -> JobQueue:
        """The queue of jobs.

        Raises:
            ServiceError: This service has none (HTTP 503).
        """
        if self.jobs is None:
            raise ServiceError(
                "This service has no queue of jobs.",
                hint="Ask its administrator to install the part 'server' and to run: ireu worker",
                code=ErrorCode.QUEUE_UNAVAILABLE,
            )
        return self.jobs

    def _read_key_file(self) -> BulkKeyFile:
        try:
            return BulkKeyFile.of(self.workspace.key_file())
        except InputError as error:
            raise ConfigError("The service cannot read its key file.", hint=error.message) from error

    def close(self) -> None:
        """Let go of the databases and of the queue."""
        if self.jobs is not None:
            self.jobs.close()
        self.record.close()
        self.store.close()
        self.engine.dispose()


def context_of(request: Request) -> Context:
    """Return the context of the application that answers a request."""
    context = request.app.state.context
    assert isinstance(context, Context)  # noqa: S101 - `create_app` puts it there
    return context


async def _context_of(request: Request) -> Context:
    # A coroutine, since FastAPI hands other dependencies to a thread, which costs more than looking one up.
    return context_of(request)


ContextOf = Annotated[Context, Depends(_context_of)]
"""Parameter type of routes: ``def route(context: ContextOf) -> …``."""
