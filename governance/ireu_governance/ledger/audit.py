"""The audit: recompute a whole ledger from its rows and report all that is wrong.

Nothing that is stored is trusted. The checkpoint's file says what was published; each entry's signature says
what it is, where it stands and what it follows; everything else (hashes, columns, nodes, look-ups, triggers)
is computed again and compared. One edit makes one finding: when an entry is damaged, the hash that it had is
taken from the signed entry after it, so that whatever only follows from the damage is not reported again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import sleep

from sqlalchemy import Connection

from ireu_governance.core.errors import InputError, LedgerError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.policy import Policy
from ireu_governance.core.times import now
from ireu_governance.ledger.audit_attestations import AttestationAudit, StampVerifier
from ireu_governance.ledger.audit_checkpoints import CheckpointAudit
from ireu_governance.ledger.audit_continuation import ContinuationAudit
from ireu_governance.ledger.audit_entries import EntryAudit
from ireu_governance.ledger.audit_references import ReferenceAudit
from ireu_governance.ledger.audit_rows import AuditRows
from ireu_governance.ledger.audit_state import VerifiedState
from ireu_governance.ledger.audit_tree import NodeAudit
from ireu_governance.ledger.audit_void import is_void, judge_void, tell_on_void
from ireu_governance.ledger.database import expect_there, open_snapshot, reading
from ireu_governance.ledger.findings import AuditReport, Finding, FindingKind, FindingList
from ireu_governance.ledger.location import Location
from ireu_governance.ledger.published import newest_published
from ireu_governance.ledger.read import LedgerReader
from ireu_governance.ledger.records import FIRST_PREV

__all__ = ["AuditReport", "Finding", "FindingKind", "audit"]

_SLACK = 1_000_000  # how far a row's number may be from what is plausible before it is no number of an entry


def audit(
    ledger: LedgerReader | Location,
    *,
    key_file: KeyFile,
    checkpoint_path: Path,
    checkpoint_copies: Sequence[Path] = (),
    processes: int = 1,
    since: VerifiedState | None = None,
    policy: Policy | None = None,
    verify_stamp: StampVerifier | None = None,
) -> AuditReport:
    """Recompute a ledger and report all that is wrong with it. Writes nothing.

    Args:
        ledger: The ledger, or where its database is.
        key_file: The trusted key file.
        checkpoint_path: The file of the latest published checkpoint.
        checkpoint_copies: Where else it is; the newest of them counts.
        processes: How many processes verify signatures; with more than one, a script that calls this needs
            the usual ``if __name__ == "__main__"``.
        since: Where a former audit ended that found nothing: entries before it are not read again, and what
            comes after is shown to continue them. With another key file than that audit had, everything is read
            again, since a key may have been revoked from an earlier entry on.
        policy: Whose cosignatures are verified; None to look at their form only.
        verify_stamp: Verifies time stamps; None to look at their form only.

    Returns:
        The report; without findings the ledger is untouched, and `state` is where the next audit may begin.

    Raises:
        InputError: The former audit was of another ledger.
        LedgerError: There is no ledger, it is of another version, or it is locked: nothing can be said.
    """
    location = ledger.location if isinstance(ledger, LedgerReader) else ledger
    expect_there(location)
    if since is not None and since.origin != key_file.origin:
        raise InputError(
            f"The former audit was of the ledger '{since.origin}', the keys are of '{key_file.origin}'.",
            hint="Give each ledger its own state file.",
        )
    notes = []
    if since is not None and since.key_file != key_file.digest:
        notes.append("The key file is another one than at the former audit, so every entry was read again.")
        since = None
    if since is not None and since.size == 0:
        since = None  # nothing was read, so nothing can be left out
    # The file before the database: publishing goes the other way, so what is found here must be there.
    published = newest_published(checkpoint_path, checkpoint_copies, key_file)
    engine = open_snapshot(location)
    try:
        with reading(engine) as connection:
            task = _Audit(connection, key_file, published, checkpoint_path, since)
            return task.run(processes, policy, verify_stamp, notes)
    finally:
        engine.dispose()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LedgerError(f"The published checkpoint cannot be read: {error.strerror}.") from error


def _read_patiently(path: Path) -> bytes | None:
    for _ in range(20):
        if (data := _read(path)) is not None:
            return data
        sleep(0.05)
    return None


class _Audit:
    def __init__(
        self,
        connection: Connection,
        key_file: KeyFile,
        published: bytes | None,
        checkpoint_path: Path,
        since: VerifiedState | None,
    ) -> None:
        self._connection = connection
        self._key_file = key_file
        self._published = published
        self._checkpoint_path = checkpoint_path
        self._since = since
        self._first = since.size if since else 0
        self._findings = FindingList()
        self._rows = AuditRows(connection, self._findings, first=since.size if since else None)

    def run(
        self, processes: int, policy: Policy | None, verify_stamp: StampVerifier | None, notes: list[str]
    ) -> AuditReport:
        self._rows.expect_ledger(self._key_file.origin)
        checkpoints = CheckpointAudit(self._key_file, self._findings, first=self._first)
        checkpoints.read_file(self._published)
        with self._rows.reading("checkpoints"):
            checkpoints.read_rows(self._rows.checkpoints(), number=self._rows.count_older_checkpoints())
        entries = EntryAudit(self._key_file, self._findings, since=self._since, sizes=checkpoints.sizes)
        complete = self._run_entries(entries, checkpoints, processes)
        nodes = NodeAudit(
            entries.leaves,
            self._findings,
            first=self._first,
            frontier=self._since.subtrees if self._since else {},
            sizes=[entries.size, *checkpoints.sizes],
        )
        with self._rows.reading("nodes"):
            nodes.run(self._rows.nodes(entries.size))
            nodes.finish()
        if complete:
            self._check_end(entries, nodes, checkpoints)
        roots = nodes.roots()
        root = roots[entries.size]
        checkpoints.compare(roots, size=entries.size)
        checkpoints.expect_file(lambda: _read_patiently(self._checkpoint_path))
        if self._since is not None and self._since.size:
            with self._rows.reading("entries"):
                self._look_back(self._since, entries, checkpoints, root)
        self._rows.check_triggers()
        references = self._check_references(entries)
        notes.extend(judge_void(entries.void, references.key_changes, self._key_file, self._findings))
        notes.extend(tell_on_void(references.on_void | entries.on_void))
        attestations = self._check_attestations(entries, checkpoints, policy, verify_stamp)
        if attestations.unverified:
            names = " and ".join(sorted(attestations.unverified))
            notes.append(f"There are {names} that were not verified: nobody was named whose count.")
        if self._since is not None:
            notes.append(
                f"Entries before {self._first} were not read again: the audit of {self._since.audited_at} had read"
                " them, and what follows continues them."
            )
        findings = self._findings.sorted()
        return AuditReport(
            size=entries.size,
            root=None if root is None else root.hex(),
            findings=findings,
            checked={
                "entries": entries.checked,
                "nodes": nodes.checked,
                "checkpoints": checkpoints.checked,
                "references": references.checked + entries.compared,
                "cosignatures": attestations.cosignatures,
                "stamps": attestations.stamps,
            },
            not_compared=tuple(sorted(checkpoints.not_compared)),
            since=None if self._since is None else self._first,
            notes=tuple(notes),
            state=None if findings or root is None else self._end(entries, nodes, root),
        )

    def _run_entries(self, entries: EntryAudit, checkpoints: CheckpointAudit, processes: int) -> bool:
        complete = False
        with self._rows.reading("entries"):
            entries.run(
                self._rows.entries(),
                self._rows.cases(),
                limit=self._rows.count_entries() + max(checkpoints.published, checkpoints.stored) + _SLACK,
                processes=processes,
            )
            complete = True
        entries.finish()
        return complete

    def _check_end(self, entries: EntryAudit, nodes: NodeAudit, checkpoints: CheckpointAudit) -> None:
        size = entries.size
        known = max(checkpoints.published, checkpoints.stored, entries.indexed_beyond)
        if known <= size:
            nodes.report_beyond()
            return
        traces = checkpoints.stored > size or entries.indexed_beyond > size or bool(nodes.beyond)
        kind, message = (
            (FindingKind.TRUNCATED, "These entries were cut off; the database still holds traces of them.")
            if traces
            else (FindingKind.ROLLED_BACK, "These entries were published, but the database ends before them.")
        )
        self._findings.add(kind, size, message, until=known - 1)

    def _look_back(
        self, since: VerifiedState, entries: EntryAudit, checkpoints: CheckpointAudit, root: bytes | None
    ) -> None:
        continuation = ContinuationAudit(self._connection, since, self._findings)
        count = self._rows.count_entries() - entries.checked
        if not continuation.expect_end(size=entries.size, count=count) or root is None:
            return
        if self._findings.has(FindingKind.NODE_MISMATCH):
            return  # a tree that is wrong proves nothing, and was reported
        continuation.expect_proof(size=entries.size, root=root)
        checkpoints.compare_older(continuation.proves_older)

    def _check_references(self, entries: EntryAudit) -> ReferenceAudit:
        references = ReferenceAudit(
            self._key_file,
            self._findings,
            kind_of=self._rows.kind_of,
            cases_of=self._rows.cases_of,
            is_void=lambda seq: is_void(self._rows.envelope_of(seq), seq, self._key_file),
            is_whole=self._since is None,
        )
        with self._rows.reading("entry_cases"):
            references.run(entries.statements, entries.references, entries.void_changes)
        return references

    def _check_attestations(
        self,
        entries: EntryAudit,
        checkpoints: CheckpointAudit,
        policy: Policy | None,
        verify_stamp: StampVerifier | None,
    ) -> AttestationAudit:
        attestations = AttestationAudit(
            self._findings,
            checkpoints=checkpoints.texts,
            times=entries.times,
            times_after=entries.times_after,
            policy=policy,
            verify_stamp=verify_stamp,
        )
        with self._rows.reading("cosignatures"):
            attestations.read_cosignatures(self._rows.cosignatures())
        with self._rows.reading("stamps"):
            attestations.read_stamps(self._rows.stamps())
        return attestations

    def _end(self, entries: EntryAudit, nodes: NodeAudit, root: bytes) -> VerifiedState:
        former = self._since.last_leaf if self._since else FIRST_PREV.hex()
        last = entries.leaves[-1] if entries.leaves else None
        return VerifiedState(
            origin=self._key_file.origin,
            size=entries.size,
            root=root.hex(),
            frontier=tuple(each.hex() for each in nodes.frontier_at(entries.size)),
            last_leaf=former if last is None else last.hex(),
            last_time=entries.last_time or None,
            key_file=self._key_file.digest,
            audited_at=now(),
        )
