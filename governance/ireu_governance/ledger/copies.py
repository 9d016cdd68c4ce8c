"""Finding copies of the vault that an erasure cannot reach: to be destroyed by whoever keeps them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ireu_governance.core.times import format_time
from ireu_governance.ledger.evidence import Vault

__all__ = ["VaultCopy", "find_copies"]

_MAGIC: Final = b"SQLite format 3\x00"
_BESIDE: Final = ("-journal", "-wal")
_CHUNK: Final = 2**20


@dataclass(frozen=True)
class VaultCopy:
    """A file that still holds something of cases.

    Attributes:
        path: Where.
        modified_at: When it was last written.
        case_ids: The cases whose keys are in it; empty for a journal, where that cannot be told.
        opens: Whether the present master key opens these keys, so that whoever has both has the evidence.
    """

    path: Path
    modified_at: str
    case_ids: tuple[str, ...]
    opens: bool


def find_copies(vault: Vault, case_ids: Collection[str], folders: Sequence[Path]) -> list[VaultCopy]:
    """Look through folders for databases that hold keys of cases, and journals that name them.

    Archives and compressed or encrypted files are not looked into, links not followed.

    Args:
        vault: The vault, which is not counted itself.
        case_ids: The cases.
        folders: Where to look, with everything below.

    Returns:
        What was found, by path.
    """
    own = {vault.path.resolve()}
    found = {}
    for path in (each for folder in folders for each in _files(folder)):
        if path.resolve() in own or path in found:
            continue
        copy = _look(vault, path, case_ids)
        if copy is not None:
            found[path] = copy
    return [found[path] for path in sorted(found)]


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
        if path.is_file() and not path.is_symlink():
            yield path


def _look(vault: Vault, path: Path, case_ids: Collection[str]) -> VaultCopy | None:
    try:
        modified = format_time(datetime.fromtimestamp(path.stat().st_mtime, UTC))
        with path.open("rb") as file:
            is_database = file.read(len(_MAGIC)) == _MAGIC
        if is_database:
            keys = _keys(path, case_ids)
            opens = any(vault.opens(case_id, key) for case_id, key in keys.items())
            return VaultCopy(path, modified, tuple(sorted(keys)), opens) if keys else None
        if path.name.endswith(_BESIDE) and _may_be_of_a_vault(path) and _names(path, case_ids):
            return VaultCopy(path, modified, (), opens=False)
    except OSError:
        return None  # not readable for whoever runs this
    return None


def _may_be_of_a_vault(journal: Path) -> bool:
    """Return whether a journal may belong to a vault: a ledger's own names cases too, and holds no evidence."""
    database = journal.with_name(journal.name[: journal.name.rindex("-")])
    return not database.is_file() or _has_cases(database)


def _has_cases(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True)) as connection:
            connection.execute("SELECT wrapped_key FROM cases LIMIT 1")
    except sqlite3.Error:
        return False
    return True


def _read_only(path: Path) -> str:
    return f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"


def _keys(path: Path, case_ids: Collection[str]) -> dict[str, bytes]:
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            rows = connection.execute("SELECT case_id, wrapped_key FROM cases WHERE wrapped_key IS NOT NULL")
            return {id_: key for id_, key in rows if id_ in case_ids and isinstance(key, bytes)}
    except sqlite3.Error:
        return {}  # another database


def _names(path: Path, case_ids: Collection[str]) -> bool:
    needles = [case_id.encode() for case_id in case_ids]
    end = b""
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            if any(needle in end + block for needle in needles):
                return True
            end = block[-64:]
    return False
