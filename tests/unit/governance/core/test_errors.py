"""Errors keep what they say when they come back from another process."""

from __future__ import annotations

import copy

import pytest

from ireu_governance.core.errors import (
    ErrorCode,
    InputError,
    IreuError,
    LedgerRefusedError,
    MissingExtraError,
    VerificationError,
)


@pytest.mark.parametrize(
    "error",
    [
        InputError("It is none.", hint="Look.", code=ErrorCode.INPUT_TOO_LARGE),
        VerificationError("It does not fit.", check="inclusion", hint="Ask."),
        MissingExtraError("pdf", "A page"),
        LedgerRefusedError("It is older."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_survives_the_way_between_processes(error: IreuError) -> None:
    back = copy.copy(error)  # by the protocol that processes use
    assert type(back) is type(error)
    assert (back.__dict__, back.args, str(back)) == (error.__dict__, error.args, str(error))
