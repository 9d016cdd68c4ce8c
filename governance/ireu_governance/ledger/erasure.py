"""Erasing the evidence of cases for good, and recording that it was done.

In this order, so that a process that is stopped anywhere leaves either an untouched case or one whose erasure the
next call finishes:

1. *begun*: the vault notes what is to be erased and why, and opens it no more;
2. *traces*: what runs keep of the cases is destroyed;
3. *destroyed*: keys, salts, payloads and blobs are destroyed in the vault, journal included;
4. *recorded*: the ledger gets an `erasure` entry, and its head is published.

The ledger never says erased while a key is there, and no key goes without an entry. The entry names only case
ids, commitments and numbers of entries; every proof and certificate that was made before verifies as it did.
Backups, snapshots, and what a disk keeps of overwritten blocks are out of reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.grounds import ERASURES, RETENTION_ENDED, expect_known
from ireu_governance.core.keys import Signer
from ireu_governance.core.statement import CaseReference, Digest, Draft, Erasure, Statement, Subject
from ireu_governance.core.times import format_time, now
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.destruction import file_errors
from ireu_governance.ledger.erasure_lots import Lot, begin_lot, close_lot, destroy_lot, find_lot, unfinished_lots
from ireu_governance.ledger.evidence import Vault
from ireu_governance.ledger.records import Entry, signed_statement
from ireu_governance.ledger.request_log import open_cases
from ireu_governance.ledger.traces import Traces, remove_traces
from ireu_governance.ledger.vault_case import PANEL, PORTRAITS, VaultCase

__all__ = ["Eraser", "Expired", "LotErased"]

_LOT: Final = 200  # cases of one entry; with all their parts and entries far below what a statement may hold
# Evidence is put in a moment before the ledger names it. What the ledger does not name after this long never was.
_UNRECORDED_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True)
class LotErased:
    """Cases that were erased together.

    Attributes:
        case_ids: All of them, evidence that only they needed included.
        entry: Number of the ledger's entry.
        reason: Why, by code.
        before: Whether they had been erased before, so that only leftovers outside of the vault were looked for.
        traces: What was removed outside of the vault.
    """

    case_ids: tuple[str, ...]
    entry: int
    reason: str
    before: bool
    traces: Traces


@dataclass(frozen=True)
class Expired:
    """What was done about evidence whose time has ended.

    Attributes:
        erased: What was erased: what is past its time, what an erasure that was stopped had left, and what came back
            with an older copy of the vault although the ledger says that it was erased.
        waiting: Cases past their time whose requests are still open; they are kept until those are answered.
        discarded: Cases of which evidence was taken out that the ledger never named: a process was stopped
            between the vault and the ledger.
    """

    erased: tuple[LotErased, ...]
    waiting: tuple[str, ...]
    discarded: tuple[str, ...]


class Eraser:
    """Erases evidence of one workspace.

    Args:
        vault: Where the evidence is.
        ledger: Where erasures are recorded.
        record_signer: Holds a record key.
        log_signer: Holds a log key.
        root: The workspace's folder, for what runs keep of a case.
    """

    def __init__(self, *, vault: Vault, ledger: Ledger, record_signer: Signer, log_signer: Signer, root: Path) -> None:
        self._vault = vault
        self._ledger = ledger
        self._record_signer = record_signer
        self._log_signer = log_signer
        self._root = root

    def erase(self, case_ids: Sequence[str], *, reason: str) -> list[LotErased]:
        """Erase cases; what another call had begun is finished, what was erased before is left as it is.

        Args:
            case_ids: Cases of the vault, or shared evidence such as a panel of other people.
            reason: Why; one of `ireu_governance.core.grounds.ERASURES`. An erasure that was begun before keeps
                the reason that it was begun with.

        Returns:
            What was erased, lot by lot.

        Raises:
            InputError: The reason is unknown, or the vault does not know a case; nothing was erased.
            LedgerError: The vault or the ledger cannot be written; call again to finish.
        """
        expect_known([reason], ERASURES, what="erasure")
        unknown = [each for each in case_ids if self._vault.find(each) is None]
        if unknown:
            raise InputError(
                f"The vault holds no evidence of case '{unknown[0][:40]}'.",
                hint="Give the whole number of the case; list what the vault holds with: ireu evidence list",
                code=ErrorCode.CASE_UNKNOWN,
            )
        lots: dict[str, Lot] = {}
        fresh: list[str] = []
        for case_id in dict.fromkeys(case_ids):
            lot = find_lot(self._vault, case_id)
            if lot is None:
                fresh.append(case_id)
            else:
                lots[lot.lot_id] = lot
        for start in range(0, len(fresh), _LOT):
            lot = begin_lot(self._vault, fresh[start : start + _LOT], reason=reason)
            lots[lot.lot_id] = lot
            _reached("begun")
        return [self._finish(lot) for lot in lots.values()]

    def expire(self, *, at: str | None = None) -> Expired:
        """Erase all evidence past its time, finish what was stopped or came back, discard what was never recorded.

        Args:
            at: The time to judge by; None for now.

        Returns:
            What was done.

        Raises:
            LedgerError: The vault or the ledger cannot be written; call again to finish.
        """
        moment = at or now()
        past, waiting = self.past_retention(at=moment)
        stopped = [case_id for lot in unfinished_lots(self._vault) for case_id in lot.case_ids[:1]]
        discarded = self._discard_unrecorded()
        wanted = [*stopped, *self._revived(), *past]
        erased = self.erase(wanted, reason=RETENTION_ENDED) if wanted else []
        return Expired(tuple(erased), tuple(waiting), tuple(discarded))

    def past_retention(self, *, at: str) -> tuple[list[str], list[str]]:
        """Return the cases whose time has ended: those that can go, and those whose requests are still open.

        Args:
            at: The time to judge by.
        """
        past = [
            case.case_id
            for case in self._vault.cases()
            if case.expires_at is not None and case.expires_at <= at and not (case.erased_at or case.erasing_since)
        ]
        waiting = open_cases(self._ledger, past)
        return [each for each in past if each not in waiting], [each for each in past if each in waiting]

    def _finish(self, lot: Lot) -> LotErased:
        with file_errors():
            traces = remove_traces(self._root, lot.case_ids)
        _reached("traces")
        if lot.entry is None:
            destroy_lot(self._vault, lot)
            _reached("destroyed")
        entry = close_lot(self._vault, lot, lambda: self._record(lot), counts=self._counts)
        return LotErased(lot.case_ids, entry, lot.reason, lot.entry is not None, traces)

    def _counts(self, seq: int) -> bool:
        entries = list(self._ledger.entries(seq, seq + 1))
        return not entries or any(self._ledger.statements(entries))

    def _record(self, lot: Lot) -> int:
        """Return the number of the lot's entry, which is appended unless a call that was stopped had done so."""
        wanted = set(lot.cases)
        entries: set[int] = set()
        known: int | None = None
        for case_id in lot.case_ids:
            for entry, statement in self._ledger.statements(self._ledger.find_case(case_id)):
                predicate = statement.predicate
                if isinstance(predicate, Erasure):
                    known = entry.seq if wanted <= set(predicate.cases) else known
                elif wanted & set(_references(getattr(predicate, "cases", ()))):
                    entries.add(entry.seq)
        if known is None:
            draft = Draft(
                subject=tuple(Subject(name="case", digest=Digest(sha256=case.commitment)) for case in lot.cases),
                kind="erasure",
                fields={
                    "cases": [case.model_dump(mode="json") for case in lot.cases],
                    "entries": sorted(entries),
                    "reason": lot.reason,
                },
            )
            known = self._ledger.append([draft], self._record_signer)[0].seq
            _reached("appended")
        self._ledger.publish(self._log_signer)
        _reached("published")
        return known

    def _revived(self) -> list[str]:
        """Return the cases that the vault holds although the ledger says that they were erased."""
        kept = [case for case in self._vault.cases() if not (case.erased_at or case.erasing_since)]
        return [
            case.case_id
            for case in kept
            if any(
                isinstance(statement.predicate, Erasure)
                for _, statement in self._ledger.statements(
                    entry for entry in self._ledger.find_case(case.case_id) if entry.kind == "erasure"
                )
            )
        ]

    def _said(self, entry: Entry) -> Statement:
        return signed_statement(entry, self._ledger.key_file)[0]

    def _discard_unrecorded(self) -> list[str]:
        """Take out parts that the ledger never named, and are too old to be just on their way.

        What an entry names that counts no more stays: it is needed to record the same again.
        """
        before = format_time(datetime.now(UTC) - _UNRECORDED_AFTER)
        discarded = []
        recorded: dict[str, set[str]] = {}
        cases = [case for case in self._vault.cases() if not (case.erased_at or case.erasing_since)]
        for case in cases:
            named = {
                reference.commitment
                for entry in self._ledger.find_case(case.case_id)
                for reference in _references(getattr(self._said(entry).predicate, "cases", ()))
            }
            recorded[case.case_id] = {part.name for part in case.parts if part.commitment in named}
        for case in cases:
            for part in case.parts:
                if part.name in recorded[case.case_id] or part.created_at >= before:
                    continue
                if part.name == PANEL and _is_needed(case, recorded):
                    continue
                self._vault.discard([case.case_id], part=part.name)
                discarded.append(case.case_id)
        return sorted(set(discarded))


def _references(cases: Iterable[object]) -> list[CaseReference]:
    return [case for case in cases if isinstance(case, CaseReference)]


def _is_needed(panel: VaultCase, recorded: dict[str, set[str]]) -> bool:
    """Return whether a panel belongs to portraits that are recorded, so that it is no leftover."""
    return any(PORTRAITS in recorded.get(case_id, ()) for case_id in panel.needed_by)


def _reached(step: str) -> None:
    """Do nothing: a place at which tests stop the process."""
