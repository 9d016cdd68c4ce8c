"""Pages of lists: a cursor, a limit, and a Link to what follows.

A cursor is the number of a ledger's entry where there is one: entries never move, so a page stays the same for ever.
Elsewhere it is the key of the last item, wrapped so that nobody builds on what is inside.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from ireu_governance.core.errors import InputError

__all__ = ["DEFAULT_LIMIT", "MAX_LIMIT", "AfterSeq", "Cursor", "Limit", "link_next", "open_cursor", "seal_cursor"]

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500
_MAX_SEQ: Final = 2**53 - 1
_MAX_CURSOR: Final = 200

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items in a page.")]
"""Parameter ``limit: Limit = DEFAULT_LIMIT``."""

AfterSeq = Annotated[int, Query(ge=-1, le=_MAX_SEQ, description="Only entries after this one; -1 for all.")]
"""Parameter ``after: AfterSeq = -1``."""

Cursor = Annotated[
    str | None,
    Query(max_length=_MAX_CURSOR, pattern=r"^[A-Za-z0-9_-]*$", description="From the Link of the page before."),
]
"""Parameter ``after: Cursor = None``, for `open_cursor`."""


def seal_cursor(key: str) -> str:
    """Return the cursor of an item."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def open_cursor(cursor: str | None) -> str:
    """Return the key that a cursor was made of; empty for the first page.

    Args:
        cursor: From a client.

    Raises:
        InputError: It was not made by `seal_cursor`.
    """
    if not cursor:
        return ""
    try:
        key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        key = ""
    if not key.isprintable() or not key or seal_cursor(key) != cursor:
        raise InputError("The cursor is none.", hint="Take it from the Link header of the page before.")
    return key


def link_next(request: Request, response: Response, after: int | str | None) -> None:
    """Say where the following page is, if there is one.

    Args:
        request: For this page; its other parameters stay.
        response: Gets ``Link: <…>; rel="next"``, a reference from this page's address.
        after: Cursor of the following page; None at the end.
    """
    if after is None:
        return
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    query = urlencode([*kept, ("after", str(after))])
    response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
