"""Paths that come back from forms and links: only ones of this service are gone to."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["own_path"]

# One slash, no backslash (which browsers read as a slash), nothing that ends a header.
_PATH: Final = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@%?-][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")


def own_path(text: str, default: str = "/") -> str:
    """Return a path of this service, with its query.

    Args:
        text: What was sent.
        default: Where to go when it is no such path: anybody can make a link that names another site.
    """
    return text if _PATH.fullmatch(text) and len(text) <= 2000 else default
