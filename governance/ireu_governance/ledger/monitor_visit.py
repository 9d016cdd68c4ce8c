"""One look of a monitor at a log: keys, checkpoint, heads, and every new entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.fork import Relation, compare
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.policy import Policy
from ireu_governance.core.statement import KeyChange
from ireu_governance.core.tiles import TILE_WIDTH
from ireu_governance.ledger.audit_void import judge_void
from ireu_governance.ledger.findings import FindingList
from ireu_governance.ledger.log_source import LogSource
from ireu_governance.ledger.monitor_report import Alarm, AlarmKind, MonitorReport
from ireu_governance.ledger.monitor_state import MonitorState
from ireu_governance.ledger.records import read_statement, signing_keys

__all__ = ["MAX_ALARMS", "StopVisitError", "Visit"]

MAX_ALARMS: Final = 100  # one changed entry makes all after it wrong; the first ones tell where


class StopVisitError(Exception):
    """Going on would tell nothing more."""


@dataclass
class Visit:
    """One look at a log, step by step. Each step notes what is wrong, and ends the visit where more would tell nothing.

    Attributes:
        source: Where the log is.
        before: What was believed before; None the first time.
        key_file: The log's keys; from `follow_keys` on the newest that they accept.
        is_given: Whether these are from somewhere that is trusted, and not from the log itself.
        everything: Whether to read again what was verified before.
        alarms: What is wrong.
        notes: What should be known besides.
        void: Keys by the numbers of the entries that they signed and that count no more.
        changes: Changes of keys that count, by the numbers of their entries.
        void_changes: Those that count no more, with their numbers, by the digests of the key files that they make.
        kinds: How many new entries of each kind there are.
        read_again: How many entries were read that were verified before.
        witnesses: Names of witnesses that cosigned.
        text: The log's checkpoint.
        head: What it says.
        fork_proof: Shows others that the log is forked, where it is.
        grown: What may be believed, once every new entry was verified.
    """

    source: LogSource
    before: MonitorState | None
    key_file: KeyFile
    is_given: bool
    everything: bool = False
    alarms: list[Alarm] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    void: dict[int, str] = field(default_factory=dict)
    changes: dict[int, KeyChange] = field(default_factory=dict)
    void_changes: dict[str, tuple[int, KeyChange]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    read_again: int = 0
    witnesses: tuple[str, ...] = ()
    text: str | None = None
    head: Checkpoint | None = None
    fork_proof: str | None = None
    grown: MonitorState | None = None

    def alarm(self, kind: AlarmKind, message: str, entry: int | None = None) -> None:
        """Note that something is wrong, unless very much is already."""
        if len(self.alarms) < MAX_ALARMS:
            self.alarms.append(Alarm(kind=kind, entry=entry, message=message))

    def follow_keys(self) -> None:
        """Take the newer keys beside the log, if the root keys of each version signed the next."""
        try:
            beside = self.source.key_file()
            if beside is None or beside.digest == self.key_file.digest or beside.version < self.key_file.version:
                return  # an old key file beside the log only makes the log look worse than it is
            # One by one: a version that does not follow ends it, however many the log has in store.
            between = map(self.source.older_key_file, range(self.key_file.version + 1, beside.version))
            self.key_file = self.key_file.follow(chain(between, [beside]))
        except (InputError, VerificationError) as error:
            if self.is_given and error.code is ErrorCode.INPUT_MISSING:
                self.notes.append(f"Newer keys beside the log were not followed: {error.message}")
                return
            self.alarm(AlarmKind.KEYS, f"The keys beside the log do not follow from those known: {error.message}")
            raise StopVisitError from error

    def open_checkpoint(self, policy: Policy | None) -> None:
        """Fetch and verify the checkpoint, and the cosignatures that a policy demands."""
        try:
            self.text = self.source.checkpoint()
            self.head = verified_checkpoint(self.text, self.key_file)
        except VerificationError as error:
            self.alarm(AlarmKind.CHECKPOINT, f"The log's checkpoint does not hold: {error.message}")
            raise StopVisitError from error
        except InputError as error:
            if self.text is None:
                raise
            self.alarm(AlarmKind.CHECKPOINT, f"What the log shows as its checkpoint is none: {error.message}")
            raise StopVisitError from error
        if policy is not None:
            try:
                self.witnesses = policy.require(self.text)
            except VerificationError as error:
                self.alarm(AlarmKind.WITNESS, error.message)

    def compare_heads(self) -> None:
        """Look whether the log is shorter than it was, or forked."""
        if self.before is None or self.head is None or self.text is None:
            return
        known = self.before.head
        if self.head.size < known.size:
            self.alarm(
                AlarmKind.ROLLBACK,
                f"The log had {known.size} entries and signed for them; now it shows {self.head.size}.",
            )
            raise StopVisitError
        try:
            found = compare(
                self.before.checkpoint, self.text, key_file=self.key_file, read=self.source.tree(self.head.size)
            )
        except VerificationError:
            # Its key has been revoked since, so it proves nothing to others any more. It was believed, and the own
            # tree, which it is the root of, is what the log has to continue in any case.
            return
        if found.relation is Relation.FORK and found.fork is not None:
            self.fork_proof = found.fork.to_bytes().decode("utf-8")
            self.alarm(AlarmKind.FORK, f"The log is forked. {found.reason}")
            raise StopVisitError

    def walk(self) -> None:
        """Fetch and verify every new entry, or every one, and extend the own tree by it."""
        if self.head is None or self.text is None:
            return
        position = MonitorState.empty(self.key_file.origin)
        if self.before is not None and not self.everything:
            position = self.before
        size, frontier = position.size, list(position.frontier)
        last_leaf, last_time = position.last_leaf, position.last_time
        whole = True
        for index, width in _bundles(size, self.head.size):
            if len(self.alarms) >= MAX_ALARMS:
                return  # a false head can claim any number of entries
            first = index * TILE_WIDTH
            try:
                entries = self.source.bundle(index, width)[max(size - first, 0) :]
            except VerificationError as error:
                kind = AlarmKind.MISSING if error.check == "missing" else AlarmKind.TREE
                self.alarm(kind, error.message, max(size, first))
                whole = False
                continue
            if not whole:
                continue  # what follows a gap can be fetched, and not placed
            leaves = []
            for seq, entry in enumerate(entries, start=size):
                last_time = self._verify(seq, entry, last_leaf, last_time)
                last_leaf = merkle.leaf_hash(entry)
                leaves.append(last_leaf)
            frontier = self._extend(size, frontier, leaves)
            size += len(leaves)
        self._judge_void()
        if not whole:
            return
        if merkle.root_of_frontier(frontier) != self.head.root:
            self.alarm(
                AlarmKind.TREE,
                f"The entries that the log shows do not lead to the root that it signed for size {self.head.size}.",
            )
            return
        self.grown = MonitorState.build(self.text, self.key_file, frontier, last_leaf, last_time)

    def _extend(self, size: int, frontier: list[bytes], leaves: list[bytes]) -> list[bytes]:
        """Add leaves to the own tree, and compare what comes of it with what is known and with what the log shows."""
        known = 0 if self.before is None else self.before.size
        if self.before is not None and size < known <= size + len(leaves):
            _, then = merkle.extend(size, frontier, leaves[: known - size])
            if tuple(then) != self.before.frontier:
                what = "entries that the log shows are not those that were verified before"
                self.alarm(AlarmKind.TREE, f"The first {known} {what}.")
        self.read_again += max(0, min(known, size + len(leaves)) - size)
        nodes, grown = merkle.extend(size, frontier, leaves)
        self._compare_tree(size, dict(nodes))
        return grown

    def _verify(self, seq: int, entry: bytes, last_leaf: bytes, last_time: str) -> str:
        try:
            envelope = Envelope.from_bytes(entry)
            keys, revoked = signing_keys(envelope, self.key_file, seq=seq)
            statement = read_statement(envelope, keys)
            for signature in () if revoked else envelope.signatures:
                self.key_file.expect_valid(
                    signature.keyid, size=seq, time=statement.predicate.recorded_at, check="record-signature"
                )
        except (InputError, VerificationError) as error:
            self.alarm(AlarmKind.ENTRY, f"The entry does not hold: {error.message}", seq)
            return last_time
        predicate = statement.predicate
        place = predicate.ledger
        if (place.origin, place.seq) != (self.key_file.origin, seq):
            self.alarm(AlarmKind.ENTRY, f"It was signed as entry {place.seq} of {place.origin[:200]!a}.", seq)
        elif place.prev != last_leaf.hex():
            self.alarm(AlarmKind.ENTRY, "It was signed to follow another entry than the one before it.", seq)
        elif revoked is not None:
            self.void[seq] = revoked.key_id
            if isinstance(predicate, KeyChange):
                # The first one: a thief can repeat a digest, and not know it before the key file is there.
                self.void_changes.setdefault(statement.subject[0].digest.sha256, (seq, predicate))
            return last_time
        elif predicate.recorded_at < last_time:  # both in the one form that sorts by time
            self.alarm(AlarmKind.ENTRY, f"It is dated {predicate.recorded_at}, before the entry that it follows.", seq)
        if isinstance(predicate, KeyChange):
            self.changes[seq] = predicate
        if self.before is None or seq >= self.before.size:
            self.kinds[predicate.kind] += 1
        return max(last_time, predicate.recorded_at)

    def _judge_void(self) -> None:
        # What the organisation gave up after a theft, in the log itself, is no reason never to follow it any more.
        # A second theft can take with it the entry that told of the first one: the next change of keys confirms that.
        waiting = list(self.changes.values())
        while waiting:
            after = waiting.pop()
            seq, before = self.void_changes.get(after.previous, (-1, None))
            if before is not None and before.version == after.version - 1:
                self.changes[seq] = before
                waiting.append(before)
        findings = FindingList()
        self.notes += judge_void(self.void, self.changes, self.key_file, findings)
        for each in findings.sorted():
            self.alarm(AlarmKind.ENTRY, each.message, each.entry)

    def _compare_tree(self, first: int, nodes: dict[merkle.NodeId, bytes]) -> None:
        """Compare hashes with those of the log, of which others make proofs: those of the rows above entries too."""
        if self.head is None or not nodes:
            return
        try:
            stored = self.source.tree(self.head.size)(list(nodes))
        except VerificationError as error:
            self.alarm(AlarmKind.MISSING if error.check == "missing" else AlarmKind.TREE, error.message, first)
            return
        for (level, index), own in sorted(nodes.items()):
            if stored.get((level, index)) != own:
                start, count = index << level, 1 << level
                what = "this entry" if count == 1 else f"entries {start} to {start + count - 1}"
                self.alarm(AlarmKind.TREE, f"The tree that the log shows has another hash for {what}.", start)
                return

    def report(self) -> MonitorReport:
        """Return what was found."""
        return MonitorReport(
            origin=self.key_file.origin,
            previous_size=None if self.before is None else self.before.size,
            size=None if self.head is None else self.head.size,
            root=None if self.head is None else self.head.root.hex(),
            checkpoint=self.text,
            believed=None if self.before is None else self.before.checkpoint,
            entries=dict(sorted(self.kinds.items())),
            read_again=self.read_again,
            witnesses=self.witnesses,
            alarms=tuple(self.alarms),
            notes=tuple(self.notes),
            fork_proof=self.fork_proof,
        )

    def after(self) -> MonitorState | None:
        """Return what may be believed from now on; None when something is wrong."""
        return None if self.alarms else self.grown


def _bundles(start: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield number and width of the bundles that hold the entries from `start` on."""
    for index in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
        if index * TILE_WIDTH + TILE_WIDTH > start and start < size:
            yield index, min(TILE_WIDTH, size - index * TILE_WIDTH)
