"""Words for what pydantic found wrong in a document, without repeating the document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["describe"]

MAX_DEPTH = 6  # parts of a location that help a reader to find it


def describe(error: ValidationError) -> str:
    """Return where and how a document breaks its model, for the end of a sentence.

    Args:
        error: What pydantic raised; only its first finding is told.

    Returns:
        Text such as ``at signed.keys.0: Field required``, with anything but plain characters masked, since
        member names can come from whoever wrote the document.
    """
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(re.sub(r"[^\w-]", "?", str(part))[:40] for part in first["loc"][:MAX_DEPTH])
    return f"at {where or 'its top'}: {re.sub('[^ -~]', '?', first['msg'])[:200]}"
