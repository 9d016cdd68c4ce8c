"""Notes of an audit about what builds on entries that count no more: few, and short, however many there are."""

from __future__ import annotations

from ireu_governance.ledger.audit_void import tell_on_void


def test_nothing_is_told_of_nothing() -> None:
    assert tell_on_void({}) == []


def test_entries_are_named_with_what_they_build_on() -> None:
    assert tell_on_void({9: 4, 7: 4, 8: 2}) == [
        "Entry 8 builds on entry 2, which counts no more.",
        "Entries 7 and 9 build on entry 4, which counts no more.",
    ]


def test_very_many_are_told_in_few_notes() -> None:
    notes = tell_on_void({1000 + number: number for number in range(50)})
    assert len(notes) == 21
    assert notes[-1] == "Entries build on 30 further entries that count no more."
