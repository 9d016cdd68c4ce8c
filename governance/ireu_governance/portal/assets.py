"""Files that pages need: everything comes from this package, nothing from elsewhere."""

from __future__ import annotations

import hashlib
import mimetypes
from functools import lru_cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from ireu_governance.api.caching import FOREVER, cacheable
from ireu_governance.api.problems import problem
from ireu_governance.core.errors import ErrorCode

__all__ = ["STATIC", "VENDOR", "address_of_asset", "router"]

STATIC: Final = Path(__file__).parent / "static"
VENDOR: Final = STATIC / "vendor"

_REVALIDATED: Final = "public, no-cache"  # modules of JavaScript import each other by names without a version
_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}

router = APIRouter(include_in_schema=False)


def address_of_asset(name: str) -> str:
    """Return the address of a file below `STATIC`, which changes when the file does."""
    path = STATIC / name
    return f"/static/{name}?v={_version(name, path.stat().st_mtime_ns)}"


@lru_cache(maxsize=256)
def _version(name: str, _changed: int) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    # What is there when the service starts: no name from outside becomes a path.
    return frozenset(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())


@router.get("/static/{name:path}")
def show_asset(request: Request, name: str, v: str = "") -> Response:
    """Return a file that pages need."""
    if name not in _names():
        raise problem(404, ErrorCode.NOT_FOUND, "There is nothing at this address.")
    path = STATIC / name
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    is_version = v == _version(name, path.stat().st_mtime_ns)
    return cacheable(
        request, path.read_bytes(), media_type=media_type, cache_control=FOREVER if is_version else _REVALIDATED
    )
