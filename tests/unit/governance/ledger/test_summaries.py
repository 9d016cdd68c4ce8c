"""Entries in a few words: what a change of keys says."""

from __future__ import annotations

from typing import Any

import pytest

from ireu_governance.core.statement import KeyChange
from ireu_governance.ledger.summaries import summarise


def change(reason: str, *changes: dict[str, Any]) -> KeyChange:
    ids = [f"{number:064x}" for number in range(len(changes))]
    return KeyChange.model_validate(
        {
            "kind": "key-change",
            "ledger": {"origin": "log.example/ireu", "seq": 3, "prev": "0" * 64},
            "recorded_at": "2026-11-20T08:00:00Z",
            "version": 2,
            "previous": "c" * 64,
            "reason": reason,
            "changes": tuple({"key_id": key_id, **each} for key_id, each in zip(ids, changes, strict=True)),
        }
    )


def note(role: str, fate: str, size: int | None = None) -> dict[str, Any]:
    return {"role": role, "change": fate, **({} if size is None else {"revoked_from_size": size})}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            change("scheduled", note("log", "retired", 4), note("log", "added")),
            "version 2 (scheduled): log key revoked from entry 4 on, log key added",
        ),
        (
            change("compromised", note("record", "compromised", 0), note("record", "added")),
            "version 2 (compromised): record key revoked from entry 0 on, record key added",
        ),
        (
            change("new-officers", note("root", "retired", 4), note("root", "added"), note("root", "added")),
            "version 2 (new-officers): root key revoked, 2 root keys added",
        ),
        (
            change("compromised", note("record", "compromised", 2), note("record", "retired", 5)),
            "version 2 (compromised): record key revoked from entry 2 on, record key revoked from entry 5 on",
        ),
    ],
    ids=["exchange", "theft-from-the-first", "several-root-keys", "two-sizes"],
)
def test_change_of_keys_says_which_version_and_from_where_on_keys_are_revoked(changed: KeyChange, words: str) -> None:
    assert summarise(changed) == words


def test_change_of_keys_names_no_key() -> None:
    assert "0" * 16 not in summarise(change("scheduled", note("log", "retired", 4), note("log", "added")))
