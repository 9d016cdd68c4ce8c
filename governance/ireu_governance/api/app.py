"""The application: what stands before all routes, the routes, and the portal where it is installed.

From outside to inside: every request is numbered and noted, its answer gets its headers, its body is counted, its
caller is recognised and counted, and then a route answers. Each layer answers problems in the same form.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool

from ireu_governance.__about__ import __version__
from ireu_governance.api import docs
from ireu_governance.api.context import Context
from ireu_governance.api.gate import BodyLimits, Gate
from ireu_governance.api.head_requests import HeadRequests
from ireu_governance.api.headers import SecurityHeaders
from ireu_governance.api.observability import Metrics, Observer
from ireu_governance.api.oidc import KeySource, TokenVerifier
from ireu_governance.api.problems import add_problem_handlers, type_base
from ireu_governance.api.routes.alerts import watching_figures
from ireu_governance.api.routes.health import job_figures, standard_figures
from ireu_governance.core.errors import IreuError
from ireu_governance.jobs.queue import JobQueue
from ireu_governance.service.settings import ServiceSettings
from ireu_governance.workspace import Workspace

__all__ = ["create_app"]

_ROUTES: Final = (
    "ledger",
    "health",
    "certificates",
    "cases",
    "verifications",
    "deployments",
    "alerts",
    "hooks",
    "access",
)
"""Modules of `ireu_governance.api.routes`, in the order in which their paths are tried."""

# Not imported: the portal stands above the API, and a service can be run without it.
_PORTAL: Final = "ireu_governance.portal.app"
_DESCRIPTION: Final = (
    "The record of removals: a public log, certificates, re-tests of encoders that are in use. "
    "The log's routes need no key. Every answer that is no success is an application/problem+json (RFC 9457)."
)


def create_app(
    workspace: Workspace,
    *,
    settings: ServiceSettings | None = None,
    queue: JobQueue | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> FastAPI:
    """Return the web application of a workspace.

    Args:
        workspace: Whose record is served.
        settings: How; read from the workspace if not given.
        queue: The queue of jobs; without one, routes that need it answer 503.
        clock: Returns the time, in UTC.

    Returns:
        The application; `app.state.context` is its `Context`, closed when the server stops.

    Raises:
        ConfigError: A setting is wrong.
        LedgerError: There is no ledger.
        ServiceError: The service's own database cannot be used.
    """
    settings = settings or ServiceSettings.load(workspace.root)
    tokens = None
    if settings.oidc_issuer is not None and settings.oidc_jwks is not None:
        tokens = TokenVerifier(settings, KeySource(settings.oidc_jwks, folder=workspace.root), clock=clock)
    context = Context.open(
        workspace,
        settings=settings,
        metrics=Metrics(),
        queue=queue,
        tokens=tokens,
        clock=clock,
        base=type_base(settings.docs_url, settings.public_url),
    )
    context.metrics.add_figures(standard_figures(context))
    context.metrics.add_figures(job_figures(context))
    context.metrics.add_figures(watching_figures(context))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with suppress(IreuError):  # what is wrong with the record is for /readyz to say
            # Otherwise the first search of a long log would wait for the look-up of all its entries.
            await run_in_threadpool(context.record.index.catch_up, seconds=0)
        try:
            yield
        finally:
            context.close()

    app = FastAPI(
        title="ireu",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # one address for each thing
        lifespan=lifespan,
    )
    app.state.context = context
    add_problem_handlers(app, context)
    _include_routes(app)
    app.include_router(docs.root_router)
    if find_spec(_PORTAL.rpartition(".")[0]) is not None and find_spec(_PORTAL) is not None:
        app.include_router(import_module(_PORTAL).create_portal(context))
    docs.add_openapi(app)
    # The last one added is the outermost.
    app.add_middleware(Gate, context=context)
    app.add_middleware(BodyLimits, context=context)
    app.add_middleware(SecurityHeaders, context=context)
    app.add_middleware(HeadRequests)
    app.add_middleware(Observer, metrics=context.metrics)
    return app


def _include_routes(app: FastAPI) -> None:
    package = "ireu_governance.api.routes"
    for name in _ROUTES:
        module = import_module(f"{package}.{name}")
        router, root_router = getattr(module, "router", None), getattr(module, "root_router", None)
        if isinstance(router, APIRouter):
            app.include_router(router, prefix="/v1")
        if isinstance(root_router, APIRouter):
            app.include_router(root_router)
