"""The published log in the form of an export (C2SP tlog-tiles), made of the database when it is asked for.

The same bytes as `ireu ledger export` writes, at the same paths, so that a monitor or a mirror can follow a running
service as it follows a folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ireu_governance.core import merkle
from ireu_governance.core.errors import ErrorCode, InputError, LedgerRefusedError
from ireu_governance.core.tiles import (
    MAX_BUNDLED_ENTRY,
    TILE_WIDTH,
    entry_bundle_path,
    large_entry_path,
    pack_entry_bundle,
    pack_tile,
    tile_path,
)
from ireu_governance.export.layout import LARGE, STAMPS
from ireu_governance.export.published import stamps_of
from ireu_governance.service.point_reads import fetch_rows
from ireu_governance.service.published_log import PublishedLog

__all__ = ["LogFile", "LogFiles"]

_LEVEL_BITS: Final = 8
_TILE: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<number>(?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)
_LARGE: Final = re.compile(r"large/((?:x[0-9]{3}/){0,5}[0-9]{3})")
_STAMP: Final = re.compile(r"stamps/(0|[1-9][0-9]{0,15})/[a-z0-9.-]{1,40}")

_LEAVES: Final = "SELECT leaf_hash FROM entries WHERE seq >= :start AND seq < :stop ORDER BY seq"
_NODES: Final = 'SELECT hash FROM nodes WHERE level = :level AND "index" >= :start AND "index" < :stop ORDER BY "index"'


@dataclass(frozen=True)
class LogFile:
    """A file of the log.

    Attributes:
        data: Its bytes.
        lasts: Whether it stays as long as the log; a partial tile goes when the full one is there.
    """

    data: bytes
    lasts: bool


class LogFiles:
    """Makes files.

    Args:
        log: The log.
    """

    def __init__(self, log: PublishedLog) -> None:
        self._log = log

    def read(self, path: str) -> LogFile:
        """Return a file.

        Args:
            path: Below the log's address, such as ``tile/0/x001/234/067``.

        Raises:
            InputError: The published log has no such file.
            LedgerRefusedError: The ledger lacks something that its checkpoint covers.
        """
        if match := _TILE.fullmatch(path):
            index, width = _number(match["number"]), int(match["width"] or TILE_WIDTH)
            if match["level"] == "entries":
                return self._bundle(path, index, width)
            return self._tile(path, int(match["level"]), index, width)
        if match := _LARGE.fullmatch(path):
            return self._large(path, _number(match[1]))
        if match := _STAMP.fullmatch(path):
            return self._stamp(path, int(match[1]))
        raise _no_file(path)

    def _tile(self, path: str, level: int, index: int, width: int) -> LogFile:
        self._expect(path, level, index, width)
        if path != tile_path(level, index, width):
            raise _no_file(path)
        start = index * TILE_WIDTH
        values = {"start": start, "stop": start + width}
        if level:
            values["level"] = level * _LEVEL_BITS
        rows = fetch_rows(self._log.engine, _NODES if level else _LEAVES, values)
        if len(rows) != width:
            raise _lacking(path)
        return LogFile(pack_tile([row[0] for row in rows]), width == TILE_WIDTH)

    def _bundle(self, path: str, index: int, width: int) -> LogFile:
        self._expect(path, 0, index, width)
        if path != entry_bundle_path(index, width):
            raise _no_file(path)
        entries = self._log.entries(index * TILE_WIDTH, index * TILE_WIDTH + width)
        if len(entries) != width:
            raise _lacking(path)
        return LogFile(pack_entry_bundle([each.envelope for each in entries]), width == TILE_WIDTH)

    def _large(self, path: str, seq: int) -> LogFile:
        try:
            entry = self._log.entry(seq)
        except InputError:
            raise _no_file(path) from None
        if path != large_entry_path(seq) or len(entry.envelope) <= MAX_BUNDLED_ENTRY:
            raise _no_file(path)
        return LogFile(entry.envelope, lasts=True)

    def _stamp(self, path: str, size: int) -> LogFile:
        try:
            head = self._log.head_of(size)
        except InputError:
            raise _no_file(path) from None
        data = stamps_of(self._log.reader, head.text, size).get(path)
        if data is None:
            raise _no_file(path)
        return LogFile(data, lasts=True)

    def _expect(self, path: str, level: int, index: int, width: int) -> None:
        head = self._log.find_head()
        hashes = 0 if head is None else head.size >> _LEVEL_BITS * level
        if width > TILE_WIDTH or index * TILE_WIDTH + width > hashes:
            raise _no_file(path)


def _number(text: str) -> int:
    number = int(text.replace("x", "").replace("/", ""))
    return min(number, merkle.MAX_TREE_SIZE)


def _no_file(path: str) -> InputError:
    where = next((each for each in ("tile/", LARGE, STAMPS) if path.startswith(each)), "")
    return InputError(
        f"The published log has no such file{' below ' + where if where else ''}.",
        hint="The checkpoint says how many entries there are; https://c2sp.org/tlog-tiles says what lies where.",
        code=ErrorCode.ENTRY_UNKNOWN,
    )


def _lacking(path: str) -> LedgerRefusedError:
    return LedgerRefusedError(f"The ledger lacks a part of {path}, which its checkpoint covers.", hint="Run an audit.")
