"""Forms that are sent twice do their work once: a double click, or a page that is sent again after a lost answer."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Final

from ireu_governance.api.context import Context
from ireu_governance.core.errors import InputError, LedgerError
from ireu_governance.portal.visitors import Visitor
from ireu_governance.service.idempotency import KeptAnswer

__all__ = ["do_once", "new_number"]

_NUMBER: Final = re.compile(r"[0-9a-f]{32}")


def new_number() -> str:
    """Return the number of a form that is shown."""
    return secrets.token_hex(16)


def do_once(context: Context, visitor: Visitor, number: str, what: str, work: Callable[[], str]) -> str:
    """Do what a form asks for, unless it was done already.

    Args:
        context: The service.
        visitor: Who sends it.
        number: Of the form, from `new_number`.
        what: What it asks for; the same number cannot ask for something else.
        work: Does it, and returns where its result is seen.

    Returns:
        Where the result is seen.

    Raises:
        InputError: The number is none.
        ServiceError: It is being done at this moment.
    """
    if not _NUMBER.fullmatch(number):
        raise InputError("The form has no number.", hint="Open the page again, and repeat what you did.")
    begun = context.answers.begin(key=f"form:{number}", caller=visitor.caller.id, fingerprint=what)
    if isinstance(begun, KeptAnswer):
        return begun.headers["location"]
    try:
        where = work()
    except LedgerError:
        # It may have been recorded and not be published: the number stays taken, so that it is not recorded twice.
        raise
    except BaseException:
        context.answers.abandon(begun)
        raise
    context.answers.finish(begun, KeptAnswer(303, {"location": where}, b""))
    return where
