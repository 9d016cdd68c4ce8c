"""The static audit's look at what lies beside the entries: keys, the signed list, stamps, the status list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

from ireu_governance.core.checkpoint import Checkpoint
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.statement import Revocation, Statement
from ireu_governance.core.status import StatusEntry, StatusList
from ireu_governance.export.folder import ExportFolder
from ireu_governance.export.key_versions import follow_versions
from ireu_governance.export.layout import CHECKPOINT, KEYS, MANIFEST, MAX_DOCUMENT_BYTES, STAMPS, STATUS, history_path
from ireu_governance.export.manifest import MAX_MANIFEST_BYTES, open_manifest
from ireu_governance.ledger.findings import FindingKind, FindingList

__all__ = ["DocumentAudit"]

_CHECK: Final = "manifest"
_STAMPED: Final = re.compile(rf"{STAMPS}([0-9]+)/{CHECKPOINT}")
_TOKEN: Final = re.compile(rf"{STAMPS}([0-9]+)/([0-9a-f]{{16}})\.tst")


class DocumentAudit:
    """Judges the documents of an exported folder.

    Args:
        folder: The folder.
        findings: Where to report.

    Attributes:
        checked: Number of documents that were compared with the signed list.
    """

    def __init__(self, folder: ExportFolder, findings: FindingList) -> None:
        self._folder = folder
        self._findings = findings
        self._documents: dict[str, bytes] = {}
        self.checked = 0

    def follow_keys(self, trusted: KeyFile) -> tuple[KeyFile, KeyFile]:
        """Return which key file counts, and which one the folder was exported with.

        Args:
            trusted: The reader's own key file.

        Returns:
            The newest of the trusted one and those that it leads to in the folder; and the folder's own, if it is
            one of the trusted log, be it an earlier one.
        """
        data = self._read(KEYS)
        if data is None:
            self._findings.add(FindingKind.MISSING, None, f"The key file {KEYS} is missing.")
            return trusted, trusted
        try:
            found = KeyFile.from_bytes(data)
            return follow_versions(trusted, found, self._earlier_version), found
        except (InputError, VerificationError) as error:
            self._wrong(f"The key file {KEYS} is not the trusted one, nor one that follows it: {error.message}")
            return trusted, trusted

    def run(self, key_file: KeyFile, paths: Iterable[str], size: int | None) -> None:
        """Compare all documents with the signed list.

        Args:
            key_file: Whose keys count.
            paths: The documents that are there.
            size: The checkpoint's size, if there is a checkpoint.
        """
        self._documents = {path: data for path in paths if (data := self._read(path)) is not None}
        data = self._read(MANIFEST, max_bytes=MAX_MANIFEST_BYTES)
        if data is None:
            self._findings.add(FindingKind.MISSING, None, f"The signed list of documents {MANIFEST} is missing.")
            return
        try:
            manifest = open_manifest(data, key_file=key_file, check=_CHECK)
        except (InputError, VerificationError) as error:
            self._wrong(f"The signed list of documents {MANIFEST} is none of this log: {error.message}")
            return
        if manifest.about != "export":
            self._wrong(f"{MANIFEST} is a list of something else than an export.")
            return
        if size is not None and manifest.log_size < size:
            self._wrong(f"The signed list of documents is older (size {manifest.log_size}) than the checkpoint.")
        self.checked = len(self._documents)
        for name, what in sorted(manifest.compare(self._documents).items()):
            kind = FindingKind.MISSING if what == "missing" else FindingKind.DOCUMENT
            words = {"missing": "is missing", "changed": "was changed", "not listed": "is not on the signed list"}
            self._findings.add(kind, None, f"The document {name} {words[what]}.")

    def stamped_checkpoints(self, key_file: KeyFile, size: int) -> dict[int, tuple[Checkpoint, str]]:
        """Return the checkpoints that carry time stamps, for comparison with the entries.

        Args:
            key_file: Whose keys count.
            size: Number of entries.

        Returns:
            Checkpoint and signed note by size, of each that is this log's and not larger.
        """
        found = {}
        for path, data in self._documents.items():
            match = _STAMPED.fullmatch(path)
            if not match:
                continue
            text = data.decode("utf-8", "backslashreplace")
            try:
                checkpoint = verified_checkpoint(text, key_file)
                if checkpoint.size != int(match[1]) or checkpoint.size > size:
                    raise InputError(f"it is of the size {checkpoint.size}.")
            except (InputError, VerificationError) as error:
                message = f"The stamped {path} is none of this log: {error.message}"
                self._findings.add(FindingKind.CHECKPOINT_INVALID, None, message)
            else:
                found[checkpoint.size] = checkpoint, text
        return found

    def stamp_rows(self) -> list[tuple[int, bytes, bytes]]:
        """Return the time stamps as a database would: size, digest and token."""
        rows = []
        for path, data in self._documents.items():
            match = _TOKEN.fullmatch(path)
            if match:
                digest = sha256(data)
                rows.append((int(match[1]), digest.digest() if digest.hexdigest().startswith(match[2]) else b"", data))
        return rows

    def compare_status(self, key_file: KeyFile, statements: Mapping[int, Statement], size: int) -> None:
        """Compare the status list with the entries by which certificates count no more.

        Args:
            key_file: Whose keys count.
            size: Number of entries; the list may take account of later ones too.
            statements: What entries say that refer to others, by their numbers.
        """
        data = self._documents.get(STATUS)
        if data is None:
            return
        try:
            status = StatusList.from_bytes(data)
            status.verify(key_file)
        except (InputError, VerificationError) as error:
            self._wrong(f"The status list is none of this log: {error.message}")
            return
        revoked = {
            seq: StatusEntry.of(each.predicate)
            for seq, each in statements.items()
            if isinstance(each.predicate, Revocation) and seq < status.size
        }
        # The whole of what is said is compared: dated ahead, or without its reason, it would not count in time.
        listed = {each.seq: each for each in status.status_list.entries if each.seq < size}
        for seq in sorted(revoked.keys() | listed.keys()):
            if revoked.get(seq) != listed.get(seq):
                what = "leaves this entry out" if seq not in listed else "says something else than this entry"
                self._findings.add(FindingKind.DOCUMENT, seq, f"The status list {what}.")

    def _earlier_version(self, version: int) -> KeyFile:
        data = self._read(history_path(version))
        if data is None:
            raise InputError(f"{history_path(version)} is missing.")
        return KeyFile.from_bytes(data)

    def _read(self, path: str, *, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes | None:
        try:
            return self._folder.read(path, max_bytes=max_bytes)
        except InputError as error:
            self._findings.add(FindingKind.UNREADABLE, None, error.message)
            return None

    def _wrong(self, message: str) -> None:
        self._findings.add(FindingKind.DOCUMENT, None, message)
