"""The audit's look at entries that speak of earlier ones, or of the key file.

Each of them is properly signed by then. What is asked here is whether it can be true: whether the changes of keys
lead, one from the other, to the key file that signatures are judged by, and whether what an erasure or a withdrawal
is about, or a removal or a verification builds on, was there before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ireu_governance.core.keys import KeyFile
from ireu_governance.core.statement import Erasure, KeyChange, Revocation, Statement
from ireu_governance.ledger.examine import Reference
from ireu_governance.ledger.findings import FindingKind, FindingList

__all__ = ["ReferenceAudit"]


class ReferenceAudit:
    """Compares what entries refer to with what is there.

    Args:
        key_file: The key file that signatures are judged by.
        findings: Where to report.
        kind_of: Returns the kind of an entry by its number, None when there is none.
        cases_of: Returns the cases that an entry speaks of.
        is_void: Returns whether an earlier entry than those that are looked at counts no more; needed if there are any.
        is_whole: Whether all entries of the ledger are looked at, and not only those after a former audit.

    Attributes:
        checked: Number of references that were compared.
        on_void: Numbers of entries that count no more, by those of entries that count and build on them; see
            `EntryAudit.on_void` for those among the entries that are looked at.
        key_changes: Changes of keys by the entries that say so: those that count, and those that these confirm.
    """

    def __init__(
        self,
        key_file: KeyFile,
        findings: FindingList,
        *,
        kind_of: Callable[[int], str | None],
        cases_of: Callable[[int], set[str]],
        is_void: Callable[[int], bool] = lambda _seq: False,
        is_whole: bool = True,
    ) -> None:
        self._key_file = key_file
        self._findings = findings
        self._kind_of = kind_of
        self._cases_of = cases_of
        self._is_void = is_void
        self._is_whole = is_whole
        self._last: KeyChange | None = None
        self._last_digest = ""
        self._void: dict[str, tuple[int, KeyChange]] = {}
        self.key_changes: dict[int, KeyChange] = {}
        self.on_void: dict[int, int] = {}
        self.checked = 0

    def run(
        self,
        statements: Mapping[int, Statement],
        references: Mapping[int, Reference],
        void_changes: Mapping[int, Statement],
    ) -> None:
        """Compare all references.

        Args:
            statements: What entries say that refer to others, by their numbers in ascending order.
            references: Earlier entries that others build on, by the numbers of these.
            void_changes: Changes of keys in entries that count no more, since the key that signed them is revoked.
        """
        for seq, statement in void_changes.items():
            if isinstance(statement.predicate, KeyChange):
                # The first one: a thief can repeat a digest, and not know it before the key file is there.
                self._void.setdefault(_key_file(statement), (seq, statement.predicate))
        for seq, reference in references.items():
            self.checked += 1
            if self._kind_of(reference.seq) not in (None, reference.kind):
                self._refuse(seq, f"It builds on entry {reference.seq}, which is no {reference.kind}.")
            elif self._is_void(reference.seq):
                self.on_void[seq] = reference.seq
        for seq, statement in statements.items():
            predicate = statement.predicate
            if isinstance(predicate, KeyChange):
                self._take_key_change(seq, statement, predicate)
            elif isinstance(predicate, Erasure):
                self._take_erasure(seq, predicate)
            elif isinstance(predicate, Revocation):
                self.checked += 1
                if predicate.removal_seq >= seq or self._kind_of(predicate.removal_seq) != "removal":
                    self._refuse(seq, f"It withdraws a certificate about entry {predicate.removal_seq}: no removal.")
        self._finish_keys()

    def _take_key_change(self, seq: int, statement: Statement, change: KeyChange) -> None:
        self.checked += 1
        self.key_changes[seq] = change
        first = self._first_of_chain(change)
        if self._last is not None and first.version != self._last.version + 1:
            self._blame(seq, f"It records version {change.version} of the key file after {self._last.version}.")
        elif self._last is not None and first.previous != self._last_digest:
            self._blame(seq, f"The key file before version {change.version} was another one than is recorded.")
        self._last = change
        self._last_digest = _key_file(statement)
        for note in change.changes:
            entry = self._key_file.find(note.key_id)
            if change.version > self._key_file.version:
                continue  # said at the end
            if entry is None or entry.role.value != note.role:
                self._blame(seq, f"It speaks of the {note.role} key {note.key_id[:16]}…, which the log does not have.")
            elif note.revoked_from_size is not None and (
                entry.revoked_from_size is None or entry.revoked_from_size > note.revoked_from_size
            ):
                self._blame(
                    seq,
                    f"It withdraws key {note.key_id[:16]}… from entry {note.revoked_from_size} on;"
                    " in the key file it counts for longer.",
                )

    def _first_of_chain(self, change: KeyChange) -> KeyChange:
        """Go back from a change through those before it that count no more, as far as they lead to the last one.

        A change cannot be recorded again once its entry counts no more. That it was made is said by the digest of its
        key file in the change after it, whoever signed its own entry.
        """
        while self._last is None or change.version > self._last.version + 1:
            seq, before = self._void.get(change.previous, (-1, None))
            if before is None or before.version != change.version - 1:
                break
            self.key_changes[seq] = change = before
        return change

    def _finish_keys(self) -> None:
        used = self._key_file.version
        if self._last is None and not self._is_whole:
            return  # the former audit had this key file, and had compared it
        recorded = self._last.version if self._last else 1  # the first version is made before there is a ledger
        if recorded > used:
            message = f"The ledger records version {recorded} of the key file; this one is version {used}."
            self._blame(None, f"{message} Get the newest one and audit again.")
        elif recorded < used:
            self._blame(None, f"The key file is version {used}; the ledger records no later one than {recorded}.")
        elif self._last is not None and self._last_digest != self._key_file.digest:
            self._blame(None, f"The ledger records another version {used} of the key file than this one.")

    def _take_erasure(self, seq: int, erasure: Erasure) -> None:
        erased = {each.case_id for each in erasure.cases}
        for each in erasure.entries:
            self.checked += 1
            if each >= seq or not erased & self._cases_of(each):
                self._refuse(seq, f"It says that entry {each} was about an erased case; it was not.")

    def _blame(self, seq: int | None, message: str) -> None:
        self._findings.add(FindingKind.KEY_HISTORY, seq, message)

    def _refuse(self, seq: int, message: str) -> None:
        self._findings.add(FindingKind.REFERENCE, seq, message)


def _key_file(statement: Statement) -> str:
    return next((each.digest.sha256 for each in statement.subject if each.name == "key-file"), "")
