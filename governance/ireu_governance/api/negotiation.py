"""Which of several forms of one thing a client wants (RFC 9110, section 12.5.1), and whether that is a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import Scope

__all__ = ["choose_type", "wants_page"]

_FOR_PROGRAMS: Final = (
    "/v1/",
    "/docs",
    "/static/",
    "/tile/",
    "/large/",
    "/stamps/",
    "/history/",
    "/checkpoint",
    "/metrics",
    "/healthz",
    "/readyz",
)
"""Paths that answer no pages but those that a route makes itself."""


def wants_page(scope: Scope) -> bool:
    """Return whether a request is a browser's that shows its answer to a person: one for a page of the portal.

    Args:
        scope: The request's.
    """
    path = scope["path"]
    # The twin of a page is a document, and so is what is wrong with it.
    if path.startswith(_FOR_PROGRAMS) or path.endswith(".json"):
        return False
    return "text/html" in Headers(scope=scope).get("accept", "")


def choose_type(request: Request, offered: Sequence[str]) -> str:
    """Return the media type that a client likes best.

    Args:
        request: Its Accept header counts.
        offered: What there is, the usual one first.

    Returns:
        One of what there is; the usual one for a client that does not say, or wants nothing of it.
    """
    header = ",".join(request.headers.getlist("accept"))
    if not header:
        return offered[0]
    wanted = [_read_range(each) for each in header[:1000].split(",")]
    best, best_quality = offered[0], 0.0
    for kind in offered:
        fits = [(rank, quality) for name, quality in wanted if (rank := _fit(name, kind))]
        quality = max(fits)[1] if fits else 0.0
        if quality > best_quality:
            best, best_quality = kind, quality
    return best


def _read_range(text: str) -> tuple[str, float]:
    name, *parameters = (each.strip().lower() for each in text.split(";"))
    quality = next((each[2:].strip() for each in parameters if each.startswith("q=")), "1")
    try:
        return name, min(max(float(quality), 0.0), 1.0)
    except ValueError:
        return name, 0.0


def _fit(name: str, kind: str) -> int:
    """Return how exactly a range names a type; 0 if not at all."""
    if name == kind:
        return 3
    if name == kind.partition("/")[0] + "/*":
        return 2
    return 1 if name == "*/*" else 0
