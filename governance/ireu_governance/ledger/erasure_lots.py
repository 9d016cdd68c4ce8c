"""Erasures in the vault's own books: what is to be erased is written down first, then destroyed, then closed.

A *lot* is what is erased together: cases, and the evidence that only they needed. It is begun in the vault before
anything is touched, and closed when the ledger has its entry. Whatever stops the process in between, the lot says
what remains to be done.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.statement import CaseReference
from ireu_governance.core.times import now
from ireu_governance.ledger.database import reading, writing
from ireu_governance.ledger.destruction import destroying
from ireu_governance.ledger.evidence import Vault
from ireu_governance.ledger.vault_tables import CASES, ERASURES, NEEDS, PARTS

__all__ = ["Lot", "begin_lot", "close_lot", "destroy_lot", "find_lot", "unfinished_lots"]


@dataclass(frozen=True)
class Lot:
    """Cases that are erased together.

    Attributes:
        lot_id: A random number.
        reason: Why, by code.
        begun_at: When it was written down.
        cases: What is destroyed, by case and commitment; a case stands here once for each of its parts.
        entry: The ledger's entry about it; None while it is not finished.
    """

    lot_id: str
    reason: str
    begun_at: str
    cases: tuple[CaseReference, ...]
    entry: int | None

    @property
    def case_ids(self) -> tuple[str, ...]:
        """The cases, each once, sorted."""
        return tuple(sorted({case.case_id for case in self.cases}))


def begin_lot(vault: Vault, case_ids: Sequence[str], *, reason: str) -> Lot:
    """Write down that cases are to be erased, together with the evidence that nobody needs after them.

    Args:
        vault: The vault.
        case_ids: The cases.
        reason: Why, by code.

    Returns:
        The lot. From here on the vault opens none of its cases any more.

    Raises:
        InputError: The vault does not know one of them, or it is in another lot.
    """
    lot_id = secrets.token_hex(16)
    with writing(vault.engine) as connection:
        wanted = list(dict.fromkeys(case_ids))
        for case_id in wanted:
            if not connection.execute(select(CASES.c.case_id).where(CASES.c.case_id == case_id)).first():
                raise InputError(
                    f"The vault holds no evidence of case '{case_id[:40]}'.",
                    hint="Give the whole number of the case; list what the vault holds with: ireu evidence list",
                    code=ErrorCode.CASE_UNKNOWN,
                )
            if connection.execute(select(ERASURES.c.lot).where(ERASURES.c.case_id == case_id)).first():
                raise InputError(
                    f"Case {case_id} was erased already, or is being erased.", code=ErrorCode.EVIDENCE_ERASED
                )
        for case_id in (*wanted, *_orphans(connection, wanted)):
            row = {"case_id": case_id, "lot": lot_id, "reason": reason, "begun_at": now()}
            connection.execute(insert(ERASURES), row)
        return _load(connection, lot_id)


def _orphans(connection: Connection, case_ids: Sequence[str]) -> list[str]:
    """Return the shared evidence that is needed by none but these cases and what was erased before."""
    gone = {*case_ids, *connection.execute(select(ERASURES.c.case_id)).scalars()}
    needs: dict[str, set[str]] = {}
    for case_id, needed_id in connection.execute(select(NEEDS.c.case_id, NEEDS.c.needed_id)):
        needs.setdefault(needed_id, set()).add(case_id)
    return sorted(needed for needed, by in needs.items() if needed not in gone and by <= gone)


def destroy_lot(vault: Vault, lot: Lot) -> None:
    """Destroy keys, salts, payloads and blobs of a lot; done again, it only cleans up.

    Args:
        vault: The vault.
        lot: From `begin_lot`.

    Raises:
        LedgerError: The vault is locked or cannot be written.
    """
    with destroying(vault.path) as connection:
        for case_id in lot.case_ids:
            connection.execute("DELETE FROM blobs WHERE case_id = ?", (case_id,))
            connection.execute("UPDATE parts SET record = NULL WHERE case_id = ?", (case_id,))
            connection.execute(
                "UPDATE cases SET wrapped_key = NULL, erased_at = coalesce(erased_at, ?) WHERE case_id = ?",
                (now(), case_id),
            )


def close_lot(vault: Vault, lot: Lot, record: Callable[[], int], *, counts: Callable[[int], bool]) -> int:
    """Have a destroyed lot recorded, once, and remember by which entry.

    Args:
        vault: The vault.
        lot: From `destroy_lot`.
        record: Finds or appends the ledger's entry and returns its number. No other process closes the lot
            meanwhile.
        counts: Says whether the entry by which it was recorded before still counts; if not, it is recorded again.

    Returns:
        The number of the entry.
    """
    with writing(vault.engine) as connection:
        known = connection.execute(select(ERASURES.c.entry).where(ERASURES.c.lot == lot.lot_id)).scalar()
        if known is not None and counts(int(known)):
            return int(known)
        keys = select(CASES.c.case_id).where(CASES.c.case_id.in_(lot.case_ids), CASES.c.wrapped_key.is_not(None))
        if connection.execute(keys).first():
            raise RuntimeError("a lot is closed only after its keys are destroyed")
        entry = record()
        connection.execute(update(ERASURES).where(ERASURES.c.lot == lot.lot_id).values(entry=entry))
    return entry


def find_lot(vault: Vault, case_id: str) -> Lot | None:
    """Return the lot that a case is in; None if its erasure was never begun."""
    with reading(vault.engine) as connection:
        lot_id = connection.execute(select(ERASURES.c.lot).where(ERASURES.c.case_id == case_id)).scalar()
        return None if lot_id is None else _load(connection, lot_id)


def unfinished_lots(vault: Vault) -> list[Lot]:
    """Return the lots that the ledger has no entry of yet, the oldest first."""
    query = select(ERASURES.c.lot).where(ERASURES.c.entry.is_(None)).distinct()
    with reading(vault.engine) as connection:
        found = [_load(connection, lot_id) for lot_id in connection.execute(query).scalars()]
    return sorted(found, key=lambda lot: (lot.begun_at, lot.lot_id))


def _load(connection: Connection, lot_id: str) -> Lot:
    first = connection.execute(select(ERASURES).where(ERASURES.c.lot == lot_id).limit(1)).one()
    query = (
        select(PARTS.c.case_id, PARTS.c.commitment)
        .join(ERASURES, ERASURES.c.case_id == PARTS.c.case_id)
        .where(ERASURES.c.lot == lot_id)
        .order_by(PARTS.c.case_id, PARTS.c.part)
    )
    return Lot(
        lot_id=lot_id,
        reason=first.reason,
        begun_at=first.begun_at,
        cases=tuple(CaseReference(case_id=id_, commitment=value) for id_, value in connection.execute(query)),
        entry=first.entry,
    )
