"""A ledger as a folder of static files, which anyone can copy, serve and check without its database.

What is exported is what was published: the log at the size of its checkpoint. First the tree is computed from the
entries' hashes and compared with the checkpoint; then whatever is missing in the folder is written; the checkpoint
comes last, so a reader never holds one whose tiles are not there. A tile never changes: where the folder has one
that differs, nothing is put right, since either the folder was damaged or there are two logs under one name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from ireu_governance.core import merkle
from ireu_governance.core.canonical import MAX_JSON_BYTES
from ireu_governance.core.checkpoint import MAX_NOTE_BYTES
from ireu_governance.core.errors import InputError, LedgerRefusedError, VerificationError
from ireu_governance.core.keys import KeyFile, Signer
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.tiles import (
    MAX_BUNDLE_BYTES,
    TILE_WIDTH,
    Tile,
    entry_bundle_path,
    large_entry_path,
    pack_entry_bundle,
    pack_tile,
    parse_entry_bundle,
    tile_path,
    tiles_of,
)
from ireu_governance.export.folder import ExportFolder
from ireu_governance.export.layout import (
    CHECKPOINT,
    KEYS,
    MANIFEST,
    MAX_DOCUMENT_BYTES,
    README,
    STAMPS,
    explain_export,
    is_document,
)
from ireu_governance.export.manifest import MAX_MANIFEST_BYTES, Manifest, list_files, open_manifest, sign_manifest
from ireu_governance.export.published import PublishedTree, expect_published_keys, published_checkpoint, stamps_of
from ireu_governance.ledger.read import LedgerReader

__all__ = ["ExportResult", "export_ledger"]

_CHECK = "export"
_AGAIN = "Audit the folder, keep it as evidence, and export into a new one."


class ExportResult(BaseModel):
    """What an export did.

    Attributes:
        folder: The folder.
        origin: Name of the log.
        size: Number of entries that it holds now.
        root: Root over them in hex.
        previous_size: Number of entries that it held before; None when it was new.
        written: Number of files that were written.
        kept: Number of tiles and bundles that were there, and right.
        large_entries: Number of entries among the new ones that are too long for a bundle.
    """

    folder: Path
    origin: str
    size: int
    root: str
    previous_size: int | None
    written: int
    kept: int
    large_entries: int


def export_ledger(
    ledger: LedgerReader,
    folder: Path,
    *,
    signer: Signer,
    documents: Mapping[str, bytes] | None = None,
    since_size: int = 0,
) -> ExportResult:
    """Write the published state of a ledger into a folder, or bring the folder up to date.

    Args:
        ledger: The ledger.
        folder: The folder; made if it is not there.
        signer: Holds a record key, and signs the list of the documents beside the entries.
        documents: Further documents by path, such as earlier key files; see `ireu_governance.export.documents`.
        since_size: Leave out full tiles and bundles that hold only entries before this number, for somebody who
            has them already.

    Returns:
        What was done.

    Raises:
        InputError: Nothing was published yet or a change of keys was not, a document has no place in an export, or
            the folder is the ledger's.
        LedgerRefusedError: The ledger does not lead to its checkpoint, or continues another log than the folder.
        VerificationError: A file in the folder is not what was exported.
        ConfigError: The folder cannot be written.
    """
    if (folder / CHECKPOINT).resolve() == ledger.checkpoint_path.resolve():
        raise InputError(
            f"'{folder}' is the ledger's own folder; an export would mix with it.",
            hint="Export into another folder.",
        )
    text, checkpoint = published_checkpoint(ledger)
    expect_published_keys(ledger, checkpoint.size)
    tree = PublishedTree.read(ledger, checkpoint)
    target = ExportFolder.create(folder)
    with target.locked():
        target.sweep()
        export = _Export(ledger, target, tree)
        previous = export.expect_continuation()
        export.write_entries(since_size)
        export.write_tiles(since_size)
        export.write_documents(
            {**(documents or {}), **stamps_of(ledger, text, checkpoint.size)}, signer=signer, size=checkpoint.size
        )
        export.write_changed(CHECKPOINT, text.encode(), MAX_NOTE_BYTES)
        export.remove_superseded()
    return ExportResult(
        folder=folder,
        origin=ledger.key_file.origin,
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        previous_size=previous,
        written=export.written,
        kept=export.kept,
        large_entries=export.large,
    )


class _Export:
    """Puts what is missing into a folder, and refuses to change what is there."""

    def __init__(self, ledger: LedgerReader, folder: ExportFolder, tree: PublishedTree) -> None:
        self._ledger = ledger
        self._key_file: KeyFile = ledger.key_file
        self._folder = folder
        self._tree = tree
        self.written = self.kept = self.large = 0

    def expect_continuation(self) -> int | None:
        """Return the size of the log in the folder, once it is certain that the ledger continues it."""
        data = self._folder.read(CHECKPOINT, max_bytes=MAX_NOTE_BYTES)
        if data is None:
            return None
        try:
            there = verified_checkpoint(data.decode("utf-8", "backslashreplace"), self._key_file)
        except (InputError, VerificationError) as error:
            raise LedgerRefusedError(
                f"The checkpoint in '{self._folder.root}' is none of this log: {error.message}",
                hint="Export into another folder.",
            ) from None
        if there.size > self._tree.size:
            raise LedgerRefusedError(
                f"The folder holds {there.size} entries of this log, but only {self._tree.size} are published here.",
                hint="The ledger may be an older copy. Run: ireu ledger audit",
            )
        if self._tree.root(there.size) != there.root:
            raise LedgerRefusedError(
                f"The folder holds another log of the same name: their first {there.size} entries differ.",
                hint="Keep both: with the two checkpoints they prove a fork.",
            )
        return there.size

    def write_entries(self, since_size: int) -> None:
        for tile in self._level_0(since_size):
            path = entry_bundle_path(tile.index, tile.width)
            data = self._folder.read(path, max_bytes=MAX_BUNDLE_BYTES)
            if data is None:
                self._write_bundle(path, tile)
            else:
                self._expect_bundle(path, data, tile)
                self.kept += 1

    def write_tiles(self, since_size: int) -> None:
        for tile in tiles_of(self._tree.size):
            if not _is_before(tile, since_size):
                self._put(tile.path, pack_tile(self._tree.hashes(tile)))

    def write_documents(self, documents: Mapping[str, bytes], *, signer: Signer, size: int) -> None:
        key_file = self._key_file
        readme = explain_export(organisation=key_file.organisation, origin=key_file.origin)
        all_documents = {
            **self._earlier_stamps(),
            **documents,
            KEYS: key_file.to_bytes(),
            README: readme.encode("utf-8"),
        }
        misplaced = [path for path in all_documents if not is_document(path)]
        if misplaced:
            raise InputError(f"{misplaced[0]!a} is no document of an export.")
        for path, data in sorted(all_documents.items()):
            self.write_changed(path, data, MAX_DOCUMENT_BYTES)
        manifest = Manifest(about="export", origin=key_file.origin, log_size=size, files=list_files(all_documents))
        self.write_changed(MANIFEST, sign_manifest(manifest, signer), MAX_MANIFEST_BYTES)

    def write_changed(self, path: str, data: bytes, max_bytes: int) -> None:
        try:
            same = self._folder.read(path, max_bytes=max_bytes) == data
        except InputError:
            same = False
        if not same:
            self._folder.write(path, data)
            self.written += 1

    def remove_superseded(self) -> None:
        """Remove partial tiles whose full tile is there now, as the format allows."""
        for tile in tiles_of(self._tree.size):
            if tile.width < TILE_WIDTH:
                continue
            names = [tile_path(tile.level, tile.index)]
            if tile.level == 0:
                names.append(entry_bundle_path(tile.index))
            for name in names:
                if (self._folder.root / f"{name}.p").is_dir():
                    for width in range(1, TILE_WIDTH):
                        self._folder.remove(f"{name}.p/{width}")

    def _level_0(self, since_size: int) -> Iterator[Tile]:
        for tile in tiles_of(self._tree.size):
            if tile.level > 0:
                return
            if not _is_before(tile, since_size):
                yield tile

    def _write_bundle(self, path: str, tile: Tile) -> None:
        start = tile.index * TILE_WIDTH
        entries = [each.envelope for each in self._ledger.entries(start, start + tile.width)]
        if [merkle.leaf_hash(each) for each in entries] != self._tree.hashes(tile):
            raise LedgerRefusedError(
                f"Entries {start} to {start + tile.width - 1} of the ledger are not those that were published.",
                hint="Run: ireu ledger audit",
            )
        data = pack_entry_bundle(entries)
        for seq, packed in enumerate(parse_entry_bundle(data), start):
            if not packed:
                self._put(large_entry_path(seq), entries[seq - start])
                self.large += 1
        self._put(path, data)

    def _expect_bundle(self, path: str, data: bytes, tile: Tile) -> None:
        start = tile.index * TILE_WIDTH
        try:
            entries = parse_entry_bundle(data, tile.width)
        except InputError as error:
            raise VerificationError(
                f"'{path}' in the folder is damaged: {error.message}", check=_CHECK, hint=_AGAIN
            ) from None
        for seq, (entry, leaf) in enumerate(zip(entries, self._tree.hashes(tile), strict=True), start):
            if not entry:
                self._put(large_entry_path(seq), self._ledger.entry(seq).envelope)
            elif merkle.leaf_hash(entry) != leaf:
                raise VerificationError(
                    f"Entry {seq} in '{path}' of the folder is not the ledger's.", check=_CHECK, hint=_AGAIN
                )

    def _put(self, path: str, data: bytes) -> None:
        there = self._folder.read(path, max_bytes=MAX_JSON_BYTES)
        if there is None:
            self._folder.write(path, data)
            self.written += 1
        elif there == data:
            self.kept += 1
        else:
            raise VerificationError(f"'{path}' in the folder is not what was exported.", check=_CHECK, hint=_AGAIN)

    def _earlier_stamps(self) -> dict[str, bytes]:
        """Return the stamps of earlier checkpoints that are in the folder, as its own signed list has them.

        A list that counts no more, because its key was stolen, says nothing: then as the ledger has them.
        """
        data = self._folder.read(MANIFEST, max_bytes=MAX_MANIFEST_BYTES)
        if data is None:
            return {}
        try:
            listed = open_manifest(data, key_file=self._key_file, check=_CHECK)
        except (InputError, VerificationError):
            return self._own_stamps()
        there = {
            each.name: self._folder.read(each.name, max_bytes=MAX_DOCUMENT_BYTES)
            for each in listed.files
            if each.name.startswith(STAMPS)
        }
        kept = {name: data for name, data in there.items() if data is not None}
        wrong = listed.compare(kept)
        return {name: data for name, data in kept.items() if name not in wrong}

    def _own_stamps(self) -> dict[str, bytes]:
        numbers = {path.split("/")[1] for path, _ in self._folder.files() if path.startswith(STAMPS)}
        kept: dict[str, bytes] = {}
        for size in sorted(int(each) for each in numbers if each.isdecimal()):
            text = self._ledger.checkpoint(size)
            own = {} if text is None else stamps_of(self._ledger, text, size)
            there = {path: self._folder.read(path, max_bytes=MAX_DOCUMENT_BYTES) for path in own}
            kept |= {path: data for path, data in own.items() if there[path] == data}
        return kept


def _is_before(tile: Tile, size: int) -> bool:
    return tile.width == TILE_WIDTH and (tile.index + 1) * TILE_WIDTH ** (tile.level + 1) <= size
