"""Links lead somewhere, every page can be found, and the manual builds without anything from the network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import DOCS, PAGES, ROOT, anchors, prose

_LINK = re.compile(r"!?\[[^]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_resolve(page: Path) -> None:
    for target in _LINK.findall(prose(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://"), target
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_file(), f"{target} leads nowhere"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{target} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_table_names_a_thing_twice(page: Path) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", prose(page.read_text(encoding="utf-8")), re.MULTILINE):
        named = re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE)
        assert sorted(named) == sorted(set(named))


def test_every_page_is_in_the_navigation() -> None:
    # Read as text: mkdocs.yml may hold tags that only MkDocs knows.
    listed = set(re.findall(r"^\s+- (?:.*: )?([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert listed == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


def test_every_decision_is_numbered_dated_and_listed() -> None:
    index = (DOCS / "adr" / "index.md").read_text(encoding="utf-8")
    decisions = sorted((DOCS / "adr").glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]}: ")
        assert re.search(r"^\d{4}-\d{2}-\d{2}, (accepted|replaced by \d{4})\.$", text, re.MULTILINE)
        assert "## Options" in text
        assert path.name in index


def test_manual_loads_nothing_from_elsewhere() -> None:
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert re.search(r"^  font: false", settings, re.MULTILINE)
    assert "http" not in settings
