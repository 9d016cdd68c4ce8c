"""What an administrator sees of a running service: figures for Prometheus, and one JSON line a request.

Lines and labels hold the template of a route, never its address, query, body, key, client or case.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ireu_governance.core.errors import IreuError
from ireu_governance.core.times import now

__all__ = ["METRICS_TYPE", "Figure", "JsonLines", "Metrics", "Observer", "log_in_json"]

_LOG: Final = logging.getLogger("ireu.service")
_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True)
class Figure:
    """A gauge as it is when somebody looks.

    Attributes:
        name: With its unit at the end, such as ``ireu_queued_job_age_seconds``.
        help: What it is, in a sentence.
        values: By the values of the labels; one with the key ``()`` when there are none.
        labels: Names of the labels.
    """

    name: str
    help: str
    values: Mapping[tuple[str, ...], float]
    labels: tuple[str, ...] = ()


@dataclass
class Metrics:
    """The figures of a service, in this process.

    Attributes:
        registry: Prometheus's, of this service alone.
    """

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self._durations = Histogram(
            "ireu_http_request_duration_seconds",
            "How long requests took, by route, method and class of status.",
            ("route", "method", "status"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._figures = _Figures()
        self.registry.register(self._figures)

    def add_figures(self, source: Callable[[], Iterable[Figure]]) -> None:
        """Have figures asked for whenever somebody looks.

        Args:
            source: Returns them; when it raises an `IreuError`, they are left out that time.
        """
        self._figures.sources.append(source)

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Note a request."""
        method = method if method in _METHODS else "other"
        self._durations.labels(route, method, f"{status // 100}xx").observe(seconds)

    def to_text(self) -> bytes:
        """Return all figures in Prometheus's text format."""
        return generate_latest(self.registry)


class _Figures(Collector):
    def __init__(self) -> None:
        self.sources: list[Callable[[], Iterable[Figure]]] = []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for source in self.sources:
            try:
                figures = list(source())
            except IreuError as error:
                _LOG.warning("figures", extra={"code": error.code.value})
                continue
            for each in figures:
                family = GaugeMetricFamily(each.name, each.help, labels=each.labels)
                for labels, value in each.values.items():
                    family.add_metric(labels, value)
                yield family


class Observer:
    """Numbers, times and notes every request. The outermost layer.

    Args:
        app: What comes after it.
        metrics: The figures.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Always a new number: one that was sent could hold anything.
        request_id = secrets.token_hex(8)
        scope["ireu.request_id"] = request_id
        status = 500
        began = time.perf_counter()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode("ascii"))]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            seconds = time.perf_counter() - began
            route = route_of(scope)
            self._metrics.observe(route, scope["method"], status, seconds)
            if _LOG.isEnabledFor(logging.INFO):
                noted = {
                    "route": route,
                    "method": scope["method"] if scope["method"] in _METHODS else "other",
                    "status": status,
                    "duration_ms": round(1000 * seconds, 1),
                    "request_id": request_id,
                }
                # As `info` would, but for the search through the stack for who calls: it is always this line.
                _LOG.handle(_LOG.makeRecord(_LOG.name, logging.INFO, __file__, 0, "request", (), None, extra=noted))


def route_of(scope: Scope) -> str:
    """Return the template of the route that answered, such as ``/v1/cases/{case_id}``; ``none`` without one."""
    found = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    path = getattr(found, "path", None)
    return path if isinstance(path, str) else "none"


_KEPT: Final = ("route", "method", "status", "duration_ms", "request_id", "code", "fault", "address", "reason")


class JsonLines(logging.Formatter):
    """Log records as JSON, one a line: time, level, event, and the named fields that are known to be harmless."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, Any] = {"time": now(), "level": record.levelname.lower(), "logger": record.name}
        line["event"] = record.getMessage() if record.name.startswith(("ireu", "uvicorn")) else record.msg
        line.update({name: getattr(record, name) for name in _KEPT if hasattr(record, name)})
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__  # its message could hold anything
        return json.dumps(line, ensure_ascii=False, default=str)


_CONFIGURED: Final = threading.Event()


def log_in_json() -> None:
    """Send the log of the service to standard error, one JSON object a line."""
    if _CONFIGURED.is_set():
        return
    _CONFIGURED.set()
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    for name, level in (("ireu", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
