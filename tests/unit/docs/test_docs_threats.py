"""Every threat on the page is found by a test that exists, and has a test beside it that raises no false alarm."""

from __future__ import annotations

import re

import pytest
from pages import ROOT, read, sections

OPEN = "**"
"""What nothing finds is written in bold type, and needs no test."""


def rows() -> list[tuple[str, list[str]]]:
    """Return the heading and cells of each row in a table of attacks or faults."""
    found = []
    for title, text in sections(read("threats.md")).items():
        lines = [line.strip() for line in text.splitlines() if line.startswith("|")]
        if lines and lines[0].startswith(("| attack |", "| fault |")):
            found += [(title, [cell.strip() for cell in line.strip("|").split("|")]) for line in lines[2:]]
    return found


def names_of_tests() -> set[str]:
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def named_in(cell: str) -> set[str]:
    return set(re.findall(r"`(test_\w+)`", cell))


ROWS = rows()
THERE = names_of_tests()


def test_page_has_its_tables() -> None:
    assert len({title for title, _ in ROWS}) >= 8
    assert len(ROWS) > 70


@pytest.mark.parametrize(("title", "cells"), ROWS, ids=lambda value: value[0][:60] if isinstance(value, list) else None)
def test_row_ends_with_tests_that_exist_unless_nothing_finds_it(title: str, cells: list[str]) -> None:
    assert len(cells) == 4, f"{title}: a row has attack, found by, test and no false alarm"
    attack, found_by, attacks, controls = cells
    assert found_by
    if attack.startswith(OPEN):
        assert not attacks and not controls
        return
    for what, cell in (("test", attacks), ("test without the attack", controls)):
        assert named_in(cell), f"{attack}: no {what} is named"
        assert named_in(cell) <= THERE, f"{attack}: {sorted(named_in(cell) - THERE)} do not exist"
    assert not named_in(controls) <= named_in(attacks), f"{attack}: the attack is no control of itself"


def test_every_finding_of_an_audit_stands_in_a_row() -> None:
    from ireu_governance.ledger.findings import FindingKind

    found_by = " ".join(cells[1] for _, cells in ROWS)
    assert {each.value for each in FindingKind if f"`{each.value}`" not in found_by} <= {"document", "extra"}
