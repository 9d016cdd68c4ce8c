"""The audit's look at entries that count no more: given up by the organisation itself, or signed by a thief since.

After the theft of a record key, the organisation gives up all that the key signed from an entry on, and says so in
an entry that a key signs which counts. What the key signed before that entry is told as a note: everybody may know
it, and nobody did anything to the log. What it signed afterwards is a finding, since only a thief still used it. An
entry that counts and builds on one that was given up, such as a test of a removal, is told as a note too: nothing is
wrong with it, and it proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import InputError
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.statement import KeyChange
from ireu_governance.ledger.findings import FindingKind, FindingList
from ireu_governance.ledger.records import revoked_signer

__all__ = ["is_void", "judge_void", "tell_on_void"]

_NAMED: Final = 5  # entries in one note
_NOTES: Final = 20  # a log that gave up a year of removals has as many tests of them; nobody reads a note for each


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


def tell_on_void(on_void: Mapping[int, int]) -> list[str]:
    """Name entries that count and build on entries that do not.

    Args:
        on_void: The latter by the former's numbers.

    Returns:
        A sentence for each of the latter, in their order; of very many, one for the rest.
    """
    builders: dict[int, list[int]] = {}
    for seq, void in sorted(on_void.items()):
        builders.setdefault(void, []).append(seq)
    notes = [
        f"{_name(found)} on entry {void}, which counts no more." for void, found in sorted(builders.items())[:_NOTES]
    ]
    if len(builders) > _NOTES:
        notes.append(f"Entries build on {len(builders) - _NOTES} further entries that count no more.")
    return notes


def is_void(envelope: bytes | None, seq: int, key_file: KeyFile) -> bool:
    """Return whether an entry counts no more, by the key that it claims; its signature was verified by an audit before.

    Args:
        envelope: The entry; None when there is none.
        seq: Its number.
        key_file: Whose keys count.
    """
    try:
        parsed = Envelope.from_bytes(envelope or b"")
    except InputError:
        return False
    return revoked_signer(parsed, key_file.keys(Role.RECORD, at_size=seq), key_file, seq=seq) is not None


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


def _name(seqs: list[int]) -> str:
    named = [str(seq) for seq in seqs[:_NAMED]]
    if len(seqs) > _NAMED:
        named.append(f"{len(seqs) - _NAMED} more")
    if len(named) == 1:
        return f"Entry {named[0]} builds"
    return f"Entries {', '.join(named[:-1])} and {named[-1]} build"
