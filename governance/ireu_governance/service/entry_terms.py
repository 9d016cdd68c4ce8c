"""What an entry can be found by: its kind, digests, runs, models, certificates and keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

from ireu_governance.core.canonical import parse_json
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import InputError

__all__ = ["MAX_TERMS", "What", "terms_of"]

MAX_TERMS: Final = 300  # of one entry: a sharded encoder has tens of files; the first ones are found, whoever writes

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_PASSED_OVER: Final = frozenset({"ledger", "cases", "software"})  # what comes before, and what has a look-up already


class What(StrEnum):
    """What a term is."""

    KIND = "kind"
    DIGEST = "digest"
    RUN = "run"
    MODEL = "model"
    CERTIFICATE = "certificate"
    KEY = "key"
    JOB = "job"


_NAMES: Final = {
    "mlflow_run_id": What.RUN,
    "model": What.MODEL,
    "certificate_id": What.CERTIFICATE,
    "replaced_by": What.CERTIFICATE,
    "key_id": What.KEY,
    "job": What.JOB,
}


def terms_of(envelope: bytes) -> list[tuple[What, str]]:
    """Return what an entry can be found by; nothing is verified, since whoever is led to it verifies it.

    Args:
        envelope: The entry.

    Returns:
        Each term once; none of an entry that cannot be read.
    """
    try:
        statement = parse_json(Envelope.from_bytes(envelope).payload, what="statement")
    except InputError:
        return []
    if not isinstance(statement, dict) or not isinstance(statement.get("predicate"), dict):
        return []
    predicate: dict[str, Any] = statement["predicate"]
    found: dict[tuple[What, str], None] = {}
    if isinstance(kind := predicate.get("kind"), str):
        found[What.KIND, kind] = None
    for term in (*_walk(predicate), *_walk(statement.get("subject"))):
        if len(found) == MAX_TERMS:
            break
        found[term] = None
    return list(found)


def _walk(value: object, name: str = "") -> Iterator[tuple[What, str]]:
    # By name or form rather than by kind of statement: what a later kind names can be found as well.
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in _PASSED_OVER:
                yield from _walk(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each, name)
    elif isinstance(value, str) and 0 < len(value) <= 200:
        if name in _NAMES:
            yield _NAMES[name], value
        elif _DIGEST.fullmatch(value):
            yield What.DIGEST, value
