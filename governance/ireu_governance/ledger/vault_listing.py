"""Listing what the vault holds, from what is in clear."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Connection, func, select

from ireu_governance.ledger.vault_case import Part, VaultCase, VaultPart
from ireu_governance.ledger.vault_tables import BLOBS, CASES, ERASURES, NEEDS, PARTS

__all__ = ["list_cases"]


def list_cases(connection: Connection, case_id: str | None = None) -> list[VaultCase]:
    """Return what the vault says about its cases, by case id.

    Args:
        connection: In a transaction.
        case_id: Only this case.
    """
    cases = select(CASES).order_by(CASES.c.case_id)
    parts = select(PARTS, func.coalesce(func.length(PARTS.c.record), 0).label("bytes")).order_by(PARTS.c.part)
    blobs = select(BLOBS.c.case_id, func.count(), func.sum(func.length(BLOBS.c.ciphertext))).group_by(BLOBS.c.case_id)
    needs = select(NEEDS.c.needed_id, NEEDS.c.case_id).order_by(NEEDS.c.case_id)
    begun = select(ERASURES.c.case_id, ERASURES.c.begun_at).where(ERASURES.c.entry.is_(None))
    if case_id is not None:
        cases, parts, blobs, needs, begun = (
            cases.where(CASES.c.case_id == case_id),
            parts.where(PARTS.c.case_id == case_id),
            blobs.where(BLOBS.c.case_id == case_id),
            needs.where(NEEDS.c.needed_id == case_id),
            begun.where(ERASURES.c.case_id == case_id),
        )
    parts_of: dict[str, list[VaultPart]] = {}
    size_of: dict[str, int] = {}
    for row in connection.execute(parts):
        parts_of.setdefault(row.case_id, []).append(VaultPart(cast(Part, row.part), row.commitment, row.created_at))
        size_of[row.case_id] = size_of.get(row.case_id, 0) + row.bytes
    blobs_of = {id_: (int(count), int(size)) for id_, count, size in connection.execute(blobs)}
    needed_by: dict[str, list[str]] = {}
    for needed_id, by in connection.execute(needs):
        needed_by.setdefault(needed_id, []).append(by)
    begun_at = {id_: str(at) for id_, at in connection.execute(begun)}
    found = []
    for row in connection.execute(cases):
        count, size = blobs_of.get(row.case_id, (0, 0))
        found.append(
            VaultCase(
                case_id=row.case_id,
                parts=tuple(parts_of.get(row.case_id, ())),
                blobs=count,
                size=size + size_of.get(row.case_id, 0),
                created_at=row.created_at,
                expires_at=row.expires_at,
                erasing_since=begun_at.get(row.case_id),
                erased_at=row.erased_at,
                needed_by=tuple(needed_by.get(row.case_id, ())),
            )
        )
    return found
