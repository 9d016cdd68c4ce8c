"""Encoders and cases as a person types them for a service, and what is said when they are none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ireu_governance.core.errors import InputError

__all__ = ["expect_case_ids", "source_of"]

_MLFLOW: Final = re.compile(r"models:/([^/@]+)(?:/([1-9][0-9]{0,9})|@(.+))")
_CASE_ID: Final = re.compile(r"[0-9a-f]{32}")


def source_of(text: str) -> dict[str, object]:
    """Return where an encoder is, as a service takes it.

    Args:
        text: An address, ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``, ``testbed``, ``hf:ORGANISATION/NAME``,
            ``pipeline:FOLDER``, or a folder below the service's workspace.

    Raises:
        InputError: It is none of these.
    """
    from ireu_governance.jobs.tester import parse_source

    source = _read(text)
    try:
        parse_source(source)
    except InputError:
        raise InputError(_problem(text, source["kind"]), hint=_HINT) from None
    return source


def expect_case_ids(cases: Iterable[str]) -> None:
    """Refuse what cannot be a case id; `InputError` says which."""
    for case in cases:
        if _CASE_ID.fullmatch(case) is None:
            raise InputError(
                f"'{case}' is no case id, which has 32 hex digits.",
                hint="List removals with their cases: ireu ledger log --kind removal",
            )


_HINT: Final = (
    "Give the path of a folder below the workspace, such as encoders/RUN, pipeline:FOLDER, models:/NAME@ALIAS,"
    " models:/NAME/VERSION, an address, testbed or hf:ORGANISATION/NAME."
)


def _read(text: str) -> dict[str, object]:
    if text.startswith(("http://", "https://")):
        return {"kind": "http", "url": text}
    if text == "testbed" or text.startswith("hf:"):
        return {"kind": "named", "name": text}
    if text.startswith("pipeline:"):
        return {"kind": "pipeline", "path": _path(text.removeprefix("pipeline:"))}
    found = _MLFLOW.fullmatch(text)
    if found is not None:
        model, version, alias = found.groups()
        return {"kind": "mlflow", "model": model, **({"version": int(version)} if version else {"alias": alias})}
    return {"kind": "folder", "path": _path(text)}


def _path(text: str) -> str:
    """Return a path as a shell completes it, without what says nothing: ``./encoders/x/`` is ``encoders/x``."""
    return text.removeprefix("./").rstrip("/")


def _problem(text: str, kind: object) -> str:
    if kind in ("folder", "pipeline") and not text.startswith("models:"):
        return f"'{text}' is no folder below the workspace, which is all that a worker looks into."
    return f"'{text}' does not name an encoder."
