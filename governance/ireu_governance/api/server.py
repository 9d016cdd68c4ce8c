"""Running the service: an address, worker processes, and a stop that lets answers finish."""

from __future__ import annotations

import gc
import ipaddress
import logging
import os
import socket
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ireu_governance.core.errors import ConfigError, MissingExtraError
from ireu_governance.jobs.queue import JobQueue
from ireu_governance.listening import listen, stopping_on_sigterm, url_of
from ireu_governance.service.settings import ServiceSettings
from ireu_governance.workspace import Workspace

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["Served", "build", "open_queue", "prepare", "serve"]

# How worker processes learn what to serve: by the variables of the options.
_VARIABLE: Final = "IREU_WORKSPACE"
_VERBOSE: Final = "IREU_SERVE_DEV"
_STOP_S: Final = 30
_NOT_STARTED: Final = 3  # how uvicorn's worker processes leave then
_IDLE_S: Final = 20
_LOOP: Final = "ireu_governance.api.loop:SharingLoop"


@dataclass
class Served:
    """A service that has its address and is about to answer.

    Attributes:
        workspace: Whose record is served.
        settings: How.
        host: Address that it listens on.
        port: Port that it listens on.
        socket: The same, open.
        warnings: What its administrator should know, in sentences.
    """

    workspace: Workspace
    settings: ServiceSettings
    host: str
    port: int
    socket: socket.socket
    warnings: tuple[str, ...]

    @property
    def url(self) -> str:
        """Where it answers."""
        return url_of(self.host, self.port)


def prepare(workspace: Workspace, *, host: str | None = None, port: int | None = None) -> Served:
    """Take the address, so that what is wrong with it is said before anything is started.

    Args:
        workspace: Whose record is served.
        host: Address to listen on; the setting `host` if not given.
        port: Port to listen on, 0 for any; the setting `port` if not given.

    Raises:
        MissingExtraError: The `server` part is not installed.
        ConfigError: A setting is wrong, or the address cannot be taken.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError("server", "The verification service") from None
    settings = ServiceSettings.load(workspace.root)
    host = host if host is not None else settings.host
    port = port if port is not None else settings.port
    opened = listen(host, port)
    told = []
    if not _is_loopback(host) and not (settings.public_url or "").startswith("https://"):
        told.append(
            "Others can reach this address without TLS: access keys would travel in clear, and browsers verify nothing"
            " on such pages (WebCrypto needs https). Put a proxy with TLS before it, and set 'public_url'."
        )
    return Served(workspace, settings, host, opened.getsockname()[1], opened, tuple(told))


def serve(served: Served, *, workers: int = 1, dev: bool = False) -> None:
    """Answer requests until stopped (Ctrl-C, SIGTERM); answers that are under way are finished first.

    Args:
        served: From `prepare`.
        workers: Processes that answer; each counts its requests for itself.
        dev: Log in plain words, and start again when the code changes.

    Raises:
        KeyboardInterrupt: It was stopped.
    """
    import uvicorn
    from uvicorn.supervisors import ChangeReload, Multiprocess

    os.environ[_VARIABLE] = str(served.workspace.root)
    os.environ[_VERBOSE] = "1" if dev else "0"
    config = uvicorn.Config(
        "ireu_governance.api.server:build",
        factory=True,
        workers=workers,
        reload=dev,
        loop=_LOOP if workers > 1 else "asyncio",
        log_config=None,
        access_log=False,  # addresses of whoever asks are nobody's business; the service has a log of its own
        server_header=False,
        proxy_headers=False,  # `trusted_proxies` says which of them count
        timeout_graceful_shutdown=_STOP_S,
        timeout_keep_alive=_IDLE_S,
    )
    server = uvicorn.Server(config)
    try:
        with stopping_on_sigterm():
            if dev:
                ChangeReload(config, target=server.run, sockets=[served.socket]).run()
            elif workers > 1:
                group = Multiprocess(config, sockets=[served.socket])
                group.run()
                if any(each.exitcode == _NOT_STARTED for each in group.processes):
                    raise _not_started()
                raise KeyboardInterrupt
            else:
                with _metrics_port(served.settings):
                    server.run(sockets=[served.socket])
    finally:
        served.socket.close()
    if not server.started and not dev and workers == 1:
        raise _not_started()


def _not_started() -> ConfigError:
    return ConfigError(
        "The service could not be started.", hint="Its log says why; 'ireu doctor' looks at the workspace."
    )


def build() -> FastAPI:
    """Return the application in a worker process; `serve` says of which workspace."""
    from ireu_governance.api.app import create_app
    from ireu_governance.api.observability import log_in_json

    if os.environ.get(_VERBOSE) == "1":
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    else:
        log_in_json()
    # Which algorithms count is a matter of the settings; 'EdDSA' is what issuers write today.
    warnings.filterwarnings("ignore", message="EdDSA is deprecated")
    workspace = Workspace(Path(os.environ[_VARIABLE]))
    app = create_app(workspace, queue=open_queue(workspace))
    _METRICS.append(app.state.context.metrics)
    # What was loaded stays as long as the process does. Looking through it again and again for garbage would hold up
    # answers for a tenth of a second each time.
    gc.collect()
    gc.freeze()
    return app


def open_queue(workspace: Workspace) -> JobQueue:
    """Return the queue of jobs of a workspace; nothing is connected to yet.

    Args:
        workspace: Whose.
    """
    from ireu_governance.jobs.dbos_queue import DbosQueue

    return DbosQueue.open(workspace)


_METRICS: Final[list[Any]] = []


class _metrics_port:  # noqa: N801 - used as a function
    # A port of its own, for a collector that has no key. Only with one process: of several, each has its figures.
    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._server: Any = None

    def __enter__(self) -> None:
        if self._settings.metrics_port is None:
            return
        from prometheus_client import start_http_server
        from prometheus_client.registry import Collector

        class Later(Collector):
            def collect(self) -> Any:  # the application is made when the server starts
                return _METRICS[-1].registry.collect() if _METRICS else ()

        from prometheus_client import CollectorRegistry

        registry = CollectorRegistry()
        registry.register(Later())
        try:
            self._server, _ = start_http_server(
                self._settings.metrics_port, addr=self._settings.metrics_host, registry=registry
            )
        except OSError as error:
            raise ConfigError(
                f"The port {self._settings.metrics_port} for figures cannot be taken: {error.strerror}.",
                hint="Choose another 'metrics_port' in the table [service] of ireu.toml.",
            ) from error

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
