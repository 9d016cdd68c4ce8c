"""Times as they are written down: RFC 3339, UTC, whole seconds, always ending in Z."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

from ireu_governance.core.errors import InputError

__all__ = ["Timestamp", "format_time", "now", "parse_time"]

_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}Z")


def format_time(moment: datetime) -> str:
    """Return an aware moment as RFC 3339 text in UTC.

    Args:
        moment: A moment with a time zone; fractions of a second are dropped.

    Returns:
        Text such as ``2026-11-23T06:00:00Z``.
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> str:
    """Return the present moment as RFC 3339 text in UTC."""
    return format_time(datetime.now(UTC))


def parse_time(text: str) -> datetime:
    """Read RFC 3339 text in the one form that ireu writes.

    Args:
        text: Text such as ``2026-11-23T06:00:00Z``.

    Returns:
        The moment, in UTC.

    Raises:
        InputError: The text has another form or names no moment.
    """
    if not _FORM.fullmatch(text):
        raise InputError(f"'{text[:40]}' is no time of the form 2026-11-23T06:00:00Z.")
    try:
        return datetime.fromisoformat(text)  # the form above leaves it nothing to guess, and it reads Z as UTC
    except ValueError as error:
        raise InputError(f"'{text}' names no moment.") from error


def _validated(text: str) -> str:
    try:
        parse_time(text)
    except InputError as error:
        raise ValueError(error.message) from error
    return text


Timestamp = Annotated[str, AfterValidator(_validated)]
