"""What the tests of the manual share: where the pages are, and how a page is taken apart."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read(name: str) -> str:
    """Return a page of the manual."""
    return (DOCS / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """Return a page without its code blocks, where nothing is a link, a heading or a table."""
    return _FENCE.sub("", text)


def sections(text: str) -> dict[str, str]:
    """Return the text under each heading, up to the next one of any level, by the heading's words."""
    parts = re.split(r"^#+ +(.+)$", prose(text), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def table_rows(text: str) -> dict[str, list[str]]:
    """Return the cells of all table rows whose first cell begins with code, by that code."""
    rows: dict[str, list[str]] = {}
    for line in prose(text).splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        first = re.match(r"`([^`]+)`", cells[0])
        if line.startswith("|") and first:
            rows.setdefault(first[1], cells)
    return rows


def shell_lines(text: str) -> Iterator[list[str]]:
    """Yield the words of every command in the shell blocks of a page, without comments."""
    for kind, block in _FENCE.findall(text):
        if kind == "sh":
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    yield words


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, spelt as both MkDocs and code hosts spell those used here, and its own."""
    found = set(re.findall(r'<a id="([\w-]+)"></a>', text))
    for title in re.findall(r"^#+ +(.+)$", prose(text), flags=re.MULTILINE):
        plain = re.sub(
            r"[^\w\s-]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).encode("ascii", "ignore").decode()
        )
        found.add(re.sub(r"[-\s]+", "-", plain.strip().lower()))
    return found
