"""Files that are sent to be looked at and not kept: in a form or as the whole body, and in memory only."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from ireu_governance.api.problems import problem
from ireu_governance.core.errors import ErrorCode

__all__ = ["read_upload"]

_FORM: Final = "multipart/form-data"
_IN_MEMORY: Final = 64 * 2**20  # more than any body that is let in: no part goes to a disk


class _MemoryParser(MultiPartParser):
    spool_max_size = _IN_MEMORY


async def read_upload(request: Request, names: Collection[str], *, main: str) -> dict[str, bytes]:
    """Return the files of a request.

    Args:
        request: With a form of files, or one file as its body.
        names: Parts that a form may have.
        main: The part that it has to have, and what a bare body is.

    Returns:
        The files by their parts.

    Raises:
        Problem: The form cannot be read (422), or has something else than files of these names.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        body = await request.body()
        if not body:
            raise problem(422, ErrorCode.INPUT_MISSING, "The request has no body.", hint="Send the file as the body.")
        return {main: body}
    try:
        form = await _MemoryParser(request.headers, request.stream(), max_files=len(names), max_fields=0).parse()
    except (MultiPartException, ValueError, KeyError, UnicodeDecodeError) as error:
        raise problem(
            422,
            ErrorCode.INPUT_MALFORMED,
            "The form cannot be read, or has other parts than files.",
            hint=f"Send files only, in parts named: {', '.join(names)}.",
        ) from error
    found: dict[str, bytes] = {}
    try:
        for name, part in form.multi_items():
            if name not in names or name in found or not isinstance(part, UploadFile):
                raise problem(
                    422,
                    ErrorCode.INPUT_MALFORMED,
                    "The form has a part that is unknown, comes twice, or is no file.",
                    hint=f"Send files only, in parts named: {', '.join(names)}.",
                )
            found[name] = await part.read()
    finally:
        await form.close()
    if not found.get(main):
        raise problem(422, ErrorCode.INPUT_MISSING, f"The form has no file in the part '{main}'.")
    return found
