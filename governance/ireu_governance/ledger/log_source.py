"""Where a log can be read: as a folder of static files, the same over HTTP, or as a workspace's own ledger.

Nothing that is read here is believed. A source says whether something is there and has the form that it should
have; whoever asked compares it with a signed checkpoint. What a source ought to have and has not, or has in another
form, is a `VerificationError`: its log promised it. A source that does not answer is a `LedgerError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from ireu_governance.core.checkpoint import MAX_NOTE_BYTES
from ireu_governance.core.errors import ErrorCode, InputError, LedgerError, LedgerRefusedError, VerificationError
from ireu_governance.core.keys import MAX_KEY_FILE_BYTES, KeyFile
from ireu_governance.core.merkle import NodeId, NodeReader
from ireu_governance.core.tiles import (
    MAX_BUNDLE_BYTES,
    TILE_WIDTH,
    Tile,
    entry_bundle_path,
    large_entry_path,
    parse_entry_bundle,
    parse_tile,
    tile_reader,
)
from ireu_governance.ledger.read import LedgerReader
from ireu_governance.web import WebClient

__all__ = ["LedgerSource", "LogSource", "StaticSource", "folder_fetcher", "web_fetcher"]

MAX_ENTRY_BYTES: Final = 16 * 2**20  # an envelope is JSON, and none larger is read (canonical.MAX_JSON_BYTES)
KEY_FILE_NAME: Final = "keys.json"

Fetch = Callable[[str, int], bytes | None]
"""Returns the file at a path below the log, at most so many bytes; None when there is none."""


class LogSource(Protocol):
    """A log that can be read from the outside."""

    @property
    def where(self) -> str:
        """Where it is, for messages."""
        ...

    def checkpoint(self) -> str:
        """Return the latest signed checkpoint; `InputError` when there is none."""
        ...

    def key_file(self) -> KeyFile | None:
        """Return the key file that lies beside the log, unverified; None without one."""
        ...

    def older_key_file(self, version: int) -> KeyFile:
        """Return an earlier version of the key file, unverified; `InputError` when it is not there."""
        ...

    def bundle(self, index: int, width: int) -> list[bytes]:
        """Return so many entries from number 256 × index on.

        Raises:
            VerificationError: They are not all there.
        """
        ...

    def tree(self, size: int) -> NodeReader:
        """Return a reader of the tree's hashes, of the log at a size.

        The reader raises VerificationError when one is not there.
        """
        ...


class StaticSource:
    """A log of static files (C2SP tlog-tiles), in a folder or on a server.

    Args:
        fetch: Reads its files.
        where: Where it is, for messages.
    """

    def __init__(self, fetch: Fetch, *, where: str) -> None:
        self._fetch = fetch
        self.where = where

    def checkpoint(self) -> str:
        """Return the latest signed checkpoint."""
        data = self._fetch("checkpoint", MAX_NOTE_BYTES)
        if data is None:
            raise InputError(
                f"There is no log at {self.where}: it has no checkpoint.",
                hint="Name a workspace, a folder that 'ireu ledger export' wrote, or the address of one.",
                code=ErrorCode.INPUT_MISSING,
            )
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise VerificationError("What stands as the log's checkpoint is no text.", check="checkpoint") from None

    def key_file(self) -> KeyFile | None:
        """Return the key file that lies beside the log."""
        data = self._fetch(KEY_FILE_NAME, MAX_KEY_FILE_BYTES)
        return None if data is None else KeyFile.from_bytes(data)

    def older_key_file(self, version: int) -> KeyFile:
        """Return an earlier version of the key file."""
        data = self._fetch(f"history/keys.v{version}.json", MAX_KEY_FILE_BYTES)
        if data is None:
            raise _no_key_file(version)
        return KeyFile.from_bytes(data)

    def bundle(self, index: int, width: int) -> list[bytes]:
        """Return entries, those that are too long for a bundle from their own files."""
        found, data = self._promised({width: entry_bundle_path(index, width), TILE_WIDTH: entry_bundle_path(index)})
        with _damage("bundle of entries"):
            entries = parse_entry_bundle(data, found)[:width]
        for offset, entry in enumerate(entries):
            if not entry:
                path = large_entry_path(index * TILE_WIDTH + offset)
                entries[offset] = self._promised({1: path}, max_bytes=MAX_ENTRY_BYTES)[1]
        return entries

    def tree(self, size: int) -> NodeReader:
        """Return a reader of the tree's hashes over its tiles."""

        def fetch(tile: Tile) -> list[bytes]:
            width, data = self._promised({tile.width: tile.path, TILE_WIDTH: Tile(tile.level, tile.index).path})
            with _damage("tile"):
                return parse_tile(data, width)[: tile.width]

        return tile_reader(fetch, size)

    def _promised(self, paths: Mapping[int, str], *, max_bytes: int = MAX_BUNDLE_BYTES) -> tuple[int, bytes]:
        """Return the first file that is there, with its width: a partial one may go once the full one is there."""
        for width, path in paths.items():
            data = self._fetch(path, max_bytes)
            if data is not None:
                return width, data
        raise VerificationError(
            f"The log does not have {next(iter(paths.values()))}, which its checkpoint covers.", check="missing"
        )


class LedgerSource:
    """The ledger of a workspace, read as an outsider reads it: by its published checkpoint.

    Args:
        ledger: Open.
        where: Where it is, for messages.
        older_keys: Earlier versions of the key file.
    """

    def __init__(self, ledger: LedgerReader, *, where: str, older_keys: Sequence[KeyFile] = ()) -> None:
        self._ledger = ledger
        self._older_keys = {each.version: each for each in older_keys}
        self.where = where

    def checkpoint(self) -> str:
        """Return the published checkpoint."""
        text = folder_fetcher(self._ledger.checkpoint_path.parent)(self._ledger.checkpoint_path.name, MAX_NOTE_BYTES)
        if text is None:
            raise InputError(
                f"The ledger of {self.where} has no published checkpoint yet.",
                hint="Publish one with: ireu ledger checkpoint",
                code=ErrorCode.ENTRY_UNKNOWN,
            )
        return text.decode("utf-8", "backslashreplace")

    def key_file(self) -> KeyFile | None:
        """Return the workspace's key file."""
        return self._ledger.key_file

    def older_key_file(self, version: int) -> KeyFile:
        """Return an earlier version of the key file."""
        if version not in self._older_keys:
            raise _no_key_file(version)
        return self._older_keys[version]

    def bundle(self, index: int, width: int) -> list[bytes]:
        """Return entries from the database."""
        start = index * TILE_WIDTH
        found = {each.seq: each.envelope for each in self._ledger.entries(start, start + width)}
        missing = [seq for seq in range(start, start + width) if seq not in found]
        if missing:
            raise VerificationError(
                f"The ledger does not have entry {missing[0]}, which its checkpoint covers.", check="missing"
            )
        return [found[seq] for seq in range(start, start + width)]

    def tree(self, size: int) -> NodeReader:  # noqa: ARG002 - the hashes of complete subtrees are the same at any size
        """Return a reader of the stored hashes."""

        def read(wanted: Sequence[NodeId]) -> Mapping[NodeId, bytes]:
            try:
                return self._ledger.nodes(wanted)
            except LedgerRefusedError as error:
                raise VerificationError(error.message, check="missing") from error

        return read


def _no_key_file(version: int) -> InputError:
    return InputError(
        f"Version {version} of the key file is not beside the log.",
        hint="Ask the organisation for it.",
        code=ErrorCode.INPUT_MISSING,
    )


@contextmanager
def _damage(what: str) -> Iterator[None]:
    """Turn what a parser finds wrong with a promised file into a failed check: it can be read, and is not right."""
    try:
        yield
    except InputError as error:
        raise VerificationError(f"A {what} of the log is damaged: {error.message}", check="tile") from error


def folder_fetcher(root: Path) -> Fetch:
    """Return what reads files below a folder; links in it are not followed."""

    def fetch(path: str, max_bytes: int) -> bytes | None:
        file = root
        for part in path.split("/"):
            file = file / part
            if file.is_symlink():
                raise LedgerError(f"{file} is a link, which is not followed.", hint="Name the folder itself.")
        try:
            with file.open("rb") as opened:
                data = opened.read(max_bytes + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise LedgerError(f"{file} cannot be read: {error.strerror or 'unknown reason'}.") from error
        if len(data) > max_bytes:
            raise VerificationError(f"{path} has more than {max_bytes} bytes.", check="tile")
        return data

    return fetch


def web_fetcher(client: WebClient) -> Fetch:
    """Return what reads files from a server.

    Args:
        client: A `ireu_governance.web.WebClient` on the log's address.
    """

    def fetch(path: str, max_bytes: int) -> bytes | None:
        answer = client.get(path, max_bytes=max_bytes)
        if answer.is_absent:
            return None
        if answer.status != 200:
            raise LedgerError(
                f"{client.url}/{path} answers with status {answer.status}.",
                hint="Repeat later; if it stays so, ask whoever runs the log.",
                code=ErrorCode.NETWORK_UNAVAILABLE,
            )
        return answer.body

    return fetch
