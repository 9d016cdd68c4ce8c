"""Answers that can be kept: strong ETags, and 304 for whoever has it already."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from fastapi import Request
from starlette.responses import Response

__all__ = ["FOREVER", "SHORTLY", "cacheable", "etag_of", "is_fresh"]

FOREVER: Final = "public, max-age=31536000, immutable"
"""For what never changes: entries, full tiles, proofs between fixed sizes."""

SHORTLY: Final = "public, max-age=5"
"""For what the next publication changes: checkpoints, partial tiles."""


def etag_of(body: bytes) -> str:
    """Return the strong validator of a body."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_fresh(request: Request, etag: str) -> bool:
    """Return whether the client has this version already (If-None-Match, compared weakly as RFC 9110 wants)."""
    given = request.headers.get("if-none-match")
    if given is None:
        return False
    if given.strip() == "*":
        return True
    return etag in {each.strip().removeprefix("W/") for each in given.split(",")}


def cacheable(
    request: Request,
    body: bytes,
    *,
    media_type: str,
    cache_control: str = FOREVER,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a body, or 304 when the client has it.

    Args:
        request: Is asked for If-None-Match.
        body: The whole body.
        media_type: Its type, spelt as it is sent.
        cache_control: `FOREVER`, `SHORTLY`, or ``private, no-cache`` for what needs a key.
        headers: Further headers.
    """
    etag = etag_of(body)
    common = {"ETag": etag, "Cache-Control": cache_control, **(headers or {})}
    if is_fresh(request, etag):
        return Response(status_code=304, headers=common)
    # As a header: as a media type, a charset would be added to types that are spelt without one.
    return Response(body, headers={**common, "Content-Type": media_type})
