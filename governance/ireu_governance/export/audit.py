"""The audit of an exported folder: everything is computed again from the entries, without a database.

Nothing in the folder is trusted but what the reader's own key file vouches for. Every entry's signature, place and
link to the one before is checked as in the audit of a database (`ireu_governance.ledger.audit`); every tile is
computed from the entries and compared; the root has to be the one under the signed checkpoint; the files beside the
entries have to be those on the signed list. All that is wrong is reported, with the numbers of the entries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import MAX_NOTE_BYTES, Checkpoint, SignedNote
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.policy import Policy
from ireu_governance.core.tiles import TILE_WIDTH, Tile, entry_bundle_path, tiles_of
from ireu_governance.export.audit_documents import DocumentAudit
from ireu_governance.export.audit_tiles import TileAudit
from ireu_governance.export.folder import ExportFolder
from ireu_governance.export.layout import CHECKPOINT, KEYS, LARGE, MANIFEST, TILES, is_document
from ireu_governance.export.stored_log import StoredLog
from ireu_governance.ledger.audit_attestations import AttestationAudit, StampVerifier
from ireu_governance.ledger.audit_entries import EntryAudit
from ireu_governance.ledger.audit_references import ReferenceAudit
from ireu_governance.ledger.audit_tree import NodeAudit
from ireu_governance.ledger.audit_void import judge_void, tell_on_void
from ireu_governance.ledger.findings import AuditReport, FindingKind, FindingList
from ireu_governance.ledger.records import case_ids

__all__ = ["audit_folder"]


def audit_folder(
    folder: Path,
    *,
    key_file: KeyFile,
    processes: int = 1,
    policy: Policy | None = None,
    verify_stamp: StampVerifier | None = None,
) -> AuditReport:
    """Recompute an exported log from its files and report all that is wrong with it. Writes nothing.

    Args:
        folder: A folder that `export_ledger` wrote, or a copy of one.
        key_file: The trusted key file, not the one in the folder. Later versions that are in the folder are
            followed if this one's root keys signed them.
        processes: How many processes verify signatures; with more than one, a script that calls this needs
            the usual ``if __name__ == "__main__"``.
        policy: Whose cosignatures are verified; None to look at their form only.
        verify_stamp: Verifies time stamps; None to look at their form only.

    Returns:
        The report; without findings the folder holds a whole log, as its keys signed it.

    Raises:
        InputError: The folder is absent, cannot be read, or holds no exported log.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder '{folder}'.", code=ErrorCode.INPUT_MISSING)
    # The list of files before the checkpoint: an export writes in the other order, so a file that is on the list
    # and unknown to the checkpoint came from an export that was running or stopped.
    there = dict(ExportFolder(folder).files())
    if not any(path in (KEYS, MANIFEST) or path.startswith(TILES) for path in there):
        raise InputError(
            f"The folder '{folder}' holds no exported log.",
            hint="Name the folder in which 'tile' and 'manifest.json' lie; make one with: ireu ledger export FOLDER",
            code=ErrorCode.INPUT_MISSING,
        )
    return _FolderAudit(ExportFolder(folder), there, key_file).run(processes, policy, verify_stamp)


class _FolderAudit:
    def __init__(self, folder: ExportFolder, there: dict[str, bool], key_file: KeyFile) -> None:
        self._folder = folder
        self._there = there
        self._findings = FindingList()
        self._documents = DocumentAudit(folder, self._findings)
        self._key_file, self._own_keys = self._documents.follow_keys(key_file)
        self._checkpoint = self._read_checkpoint()
        size = self._checkpoint[0].size if self._checkpoint else self._size_of_bundles()
        self._log = StoredLog(folder, size)
        self._rows = self._read_tiles()
        self._absent: set[int] = set()  # entries without bytes

    def run(self, processes: int, policy: Policy | None, verify_stamp: StampVerifier | None) -> AuditReport:
        size = self._log.size
        self._documents.run(
            self._key_file,
            [path for path in self._there if is_document(path)],
            size if self._checkpoint else None,
        )
        signed = self._documents.stamped_checkpoints(self._key_file, size)
        if self._checkpoint:
            signed[size] = self._checkpoint
        entries = EntryAudit(self._key_file, self._findings, sizes=signed.keys())
        entries.run(self._entry_rows(), None, limit=size, processes=processes)
        entries.finish()
        if entries.size < size:
            self._findings.add(FindingKind.MISSING, entries.size, "The entry is missing.", until=size - 1)
        leaves = self._known_leaves(entries.leaves)
        tiles = TileAudit(self._folder, leaves, self._findings)
        for level, row in enumerate(self._rows):
            tiles.compare(level, row)
        self._judge_other_files(tiles)
        references = ReferenceAudit(self._own_keys, self._findings, kind_of=self._kind_of, cases_of=self._cases_of)
        references.run(entries.statements, entries.references, entries.void_changes)
        notes = judge_void(entries.void, references.key_changes, self._key_file, self._findings)
        notes += tell_on_void(entries.on_void)
        self._documents.compare_status(self._key_file, entries.statements, size)
        roots = NodeAudit(leaves, FindingList(), sizes={size, *signed}).roots()
        compared = self._compare_roots({each: checkpoint.root for each, (checkpoint, _) in signed.items()}, roots)
        attestations = AttestationAudit(
            self._findings,
            checkpoints={each: text for each, (_, text) in signed.items()},
            times=entries.times,
            policy=policy,
            verify_stamp=verify_stamp,
        )
        attestations.read_cosignatures(self._cosignature_rows())
        attestations.read_stamps(self._documents.stamp_rows())
        root = roots[size]
        unverified = " and ".join(sorted(attestations.unverified))
        if unverified:
            notes.append(f"There are {unverified} that were not verified: nobody was named whose count.")
        return AuditReport(
            size=size,
            root=None if root is None else root.hex(),
            findings=self._findings.sorted(),
            checked={
                "entries": entries.checked,
                "tiles": tiles.checked,
                "checkpoints": compared,
                "documents": self._documents.checked,
                "references": references.checked + entries.compared,
                "cosignatures": attestations.cosignatures,
                "stamps": attestations.stamps,
            },
            not_compared=tuple(sorted(each for each in signed if roots[each] is None)),
            notes=tuple(notes),
        )

    def _read_checkpoint(self) -> tuple[Checkpoint, str] | None:
        try:
            data = self._folder.read(CHECKPOINT, max_bytes=MAX_NOTE_BYTES)
            if data is not None:
                text = data.decode("utf-8", "backslashreplace")
                return verified_checkpoint(text, self._key_file), text
        except (InputError, VerificationError) as error:
            self._findings.add(
                FindingKind.CHECKPOINT_INVALID, None, f"The checkpoint is none of this log: {error.message}"
            )
            return None
        self._findings.add(FindingKind.MISSING, None, "The checkpoint is missing, so nothing says where the log ends.")
        return None

    def _size_of_bundles(self) -> int:
        """Return how many entries the bundles' names promise, for want of a checkpoint."""
        index = 0
        while entry_bundle_path(index) in self._there:
            index += 1
        widths = [width for width in range(1, TILE_WIDTH) if entry_bundle_path(index, width) in self._there]
        return index * TILE_WIDTH + max(widths, default=0)

    def _read_tiles(self) -> list[list[Sequence[bytes] | None]]:
        rows: list[list[Sequence[bytes] | None]] = []
        for tile in tiles_of(self._log.size):
            if tile.level == len(rows):
                rows.append([])
            rows[tile.level].append(self._read_tile(tile))
        return rows

    def _read_tile(self, tile: Tile) -> list[bytes] | None:
        span = TILE_WIDTH**tile.level
        first = tile.index * TILE_WIDTH * span
        last = first + tile.width * span - 1
        try:
            hashes = self._log.read_tile(tile)
        except InputError as error:
            message = f"The tile {tile.path} cannot be read: {error.message}"
            self._findings.add(FindingKind.UNREADABLE, first, message, until=last)
            return None
        if hashes is None:
            self._findings.add(FindingKind.MISSING, first, f"The tile {tile.path} is missing.", until=last)
        return hashes

    def _entry_rows(self) -> Iterator[tuple[object, ...]]:
        """Yield the entries as rows of a database would be, so that both audits judge alike."""
        for number in range(self._log.bundles):
            start = number * TILE_WIDTH
            entries = self._read_bundle(number)
            if entries is None:  # which the numbers that are left out then report
                self._absent.update(range(start, start + self._log.width(number)))
                continue
            stored = self._rows[0][number]
            for seq, entry in enumerate(entries, start):
                if entry is None:
                    self._absent.add(seq)
                    yield seq, None, None, None, None, None
                else:
                    leaf = merkle.leaf_hash(entry) if stored is None else stored[seq - start]
                    yield seq, *_columns(entry), leaf, entry

    def _read_bundle(self, number: int) -> list[bytes | None] | None:
        try:
            return self._log.read_bundle(number)
        except InputError as error:
            start, width = number * TILE_WIDTH, self._log.width(number)
            message = f"The bundle {self._log.bundle_path(number)} cannot be read: {error.message}"
            self._findings.add(FindingKind.UNREADABLE, start, message, until=start + width - 1)
            return [None] * width

    def _known_leaves(self, leaves: Sequence[bytes | None]) -> list[bytes | None]:
        """Return the leaf hashes; of entries without bytes as the tree has them, which the root then judges."""
        known = [*leaves, *[None] * (self._log.size - len(leaves))]
        for seq in self._absent:
            row = self._rows[0][seq // TILE_WIDTH]
            if known[seq] is None and row is not None:
                known[seq] = row[seq % TILE_WIDTH]
        return known

    def _cosignature_rows(self) -> Iterator[tuple[int, bytes, str, str]]:
        """Yield the checkpoint's foreign signature lines as rows of a database: size, digest, name and line."""
        if self._checkpoint:
            checkpoint, text = self._checkpoint
            for each in SignedNote.from_text(text).signatures:
                if each.name != checkpoint.origin:
                    line = each.to_line().removesuffix("\n")
                    yield checkpoint.size, sha256(line.encode("utf-8")).digest(), each.name, line

    def _judge_other_files(self, tiles: TileAudit) -> None:
        expected = {CHECKPOINT, MANIFEST} | self._log.paths
        for path, is_file in self._there.items():
            if path in expected or (is_file and is_document(path)):
                continue
            if is_file and path.startswith((TILES, LARGE)) and tiles.is_earlier_part(path):
                continue
            what = "does not belong to the log at the size of its checkpoint" if is_file else "is no file of an export"
            self._findings.add(FindingKind.EXTRA, None, f"{path[:200]!a} {what}.")

    def _kind_of(self, seq: int) -> str | None:
        statement = self._log.statement(seq)
        return statement.predicate.kind if statement else None

    def _cases_of(self, seq: int) -> set[str]:
        statement = self._log.statement(seq)
        return set(case_ids(statement)) if statement else set()

    def _compare_roots(self, claims: Mapping[int, bytes], roots: Mapping[int, bytes | None]) -> int:
        """Compare signed roots with those of the entries; return how many could be compared."""
        known = sorted(size for size in claims if roots[size] is not None)
        wrong = next((size for size in known if roots[size] != claims[size]), None)
        if wrong is not None:
            agreed = max((size for size in known if size < wrong), default=0)
            self._findings.add(
                FindingKind.FORKED,
                min(agreed, max(wrong - 1, 0)),
                f"Not all of these entries are those that checkpoint {wrong} was signed over.",
                until=max(wrong - 1, 0),
            )
        return len(known)


def _columns(entry: bytes) -> tuple[str | None, str | None, bytes | None]:
    """Return what a database would hold beside an entry; an export has nothing beside it that could differ."""
    with suppress(InputError, ValueError, KeyError, TypeError, RecursionError):
        predicate = json.loads(Envelope.from_bytes(entry).payload)["predicate"]
        return predicate["kind"], predicate["recorded_at"], bytes.fromhex(predicate["ledger"]["prev"])
    return None, None, None
