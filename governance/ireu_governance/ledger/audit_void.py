"""The audit's look at entries that count no more: given up by the organisation itself, or signed by a thief since.

After the theft of a record key, the organisation gives up all that the key signed from an entry on, and says so in
an entry that a key signs which counts. What the key signed before that entry is told as a note: everybody may know
it, and nobody did anything to the log. What it signed afterwards is a finding, since only a thief still used it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ireu_governance.core.keys import KeyFile
from ireu_governance.core.statement import KeyChange
from ireu_governance.ledger.findings import FindingKind, FindingList

__all__ = ["judge_void"]


@dataclass(frozen=True)
class _Reason:
    key_id: str
    from_size: int
    change: int


def judge_void(
    void: Mapping[int, str], changes: Mapping[int, KeyChange], key_file: KeyFile, findings: FindingList
) -> list[str]:
    """Tell entries that were given up from those that nobody should have signed any more.

    Args:
        void: Keys by the numbers of the entries that they signed and that count no more, in ascending order.
        changes: The changes of keys that the log records, by the numbers of their entries.
        key_file: Whose keys count.
        findings: Where to report the latter.

    Returns:
        A sentence for each stretch of the former.
    """
    if not void:
        return []
    stretches: list[tuple[_Reason, int, int]] = []
    for seq, key_id in void.items():
        reason = _given_up(seq, key_id, changes)
        if reason is None:
            entry = key_file.find(key_id)
            from_size = None if entry is None else entry.revoked_from_size
            message = (
                "The entry was signed when its key did not count:"
                f" its key {key_id[:16]}… counts no more from entry {from_size} on."
            )
            findings.add(FindingKind.SIGNER_NOT_VALID, seq, message)
        elif stretches and stretches[-1][0] == reason and stretches[-1][2] == seq - 1:
            stretches[-1] = reason, stretches[-1][1], seq
        else:
            stretches.append((reason, seq, seq))
    return [_tell(*each) for each in stretches]


def _given_up(seq: int, key_id: str, changes: Mapping[int, KeyChange]) -> _Reason | None:
    """Return by which later entry this one was given up; None if its key was revoked here already, or nothing says so.

    The first entry that revokes the key here decides: from then on nobody but a thief signs with it.
    """
    for place, change in sorted(changes.items()):
        for note in change.changes:
            if note.key_id == key_id and note.revoked_from_size is not None and note.revoked_from_size <= seq:
                return _Reason(key_id, note.revoked_from_size, place) if place > seq else None
    return None


def _tell(reason: _Reason, first: int, last: int) -> str:
    what = f"Entry {first} counts" if first == last else f"Entries {first} to {last} count"
    return (
        f"{what} no more: entry {reason.change} revokes the key {reason.key_id[:16]}… that signed"
        f" {'it' if first == last else 'them'} from entry {reason.from_size} on."
    )
