"""One sealed part of a case in the vault's tables: its key, its record, taking it out again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from ireu_governance.core.canonical import parse_json
from ireu_governance.core.commitment import verify_opening
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.times import format_time, now
from ireu_governance.ledger.sealing import binding, new_key, seal, unseal
from ireu_governance.ledger.vault_case import PANEL, PORTRAITS
from ireu_governance.ledger.vault_tables import BLOBS, CASES, ERASURES, NEEDS, PARTS

__all__ = ["discard_part", "expect_kept", "key_for_part", "open_record"]


def key_for_part(
    connection: Connection, case_id: str, part: str, *, master_key: bytes, retention_days: int | None
) -> bytes:
    """Return the key of a case that gets one more part; a new one if it is the first.

    Args:
        connection: In a transaction that holds the write lock.
        case_id: The case.
        part: What is to be added.
        master_key: Wraps the key.
        retention_days: How long the case is to be kept from now on; None until it is erased.

    Raises:
        InputError: The case has such a part already, or was erased.
    """
    # Shared evidence has no end of its own: it goes with the last case that needs it.
    limit = None if part == PANEL else retention_days
    expires_at = None if limit is None else format_time(datetime.now(UTC) + timedelta(days=limit))
    row = connection.execute(select(CASES).where(CASES.c.case_id == case_id)).first()
    if row is None:
        key = new_key()
        values = {
            "case_id": case_id,
            "wrapped_key": seal(master_key, key, binding("key", case_id)),
            "created_at": now(),
            "expires_at": expires_at,
        }
        connection.execute(insert(CASES), values)
        return key
    expect_kept(connection, case_id, row.erased_at)
    known = select(PARTS.c.part).where(PARTS.c.case_id == case_id, PARTS.c.part == part)
    if connection.execute(known).first():
        raise InputError(f"Case {case_id} has evidence in the vault already ({part}).")
    # What is newly put in begins its time now, and the whole case is kept as long.
    connection.execute(update(CASES).where(CASES.c.case_id == case_id).values(expires_at=expires_at))
    return unseal(master_key, row.wrapped_key or b"", binding("key", case_id))


def expect_kept(connection: Connection, case_id: str, erased_at: str | None) -> None:
    """Refuse a case that was erased, or whose erasure has begun.

    Raises:
        InputError: It was.
    """
    if erased_at is not None:
        raise InputError(f"The evidence of case {case_id} was erased at {erased_at}.", code=ErrorCode.EVIDENCE_ERASED)
    begun = connection.execute(select(ERASURES.c.begun_at).where(ERASURES.c.case_id == case_id)).scalar()
    if begun is not None:
        raise InputError(
            f"The evidence of case {case_id} is being erased since {begun}.",
            hint=f"If that was stopped, finish it with: ireu evidence erase {case_id}",
            code=ErrorCode.EVIDENCE_ERASED,
        )


def open_record(
    case_id: str, part: str, *, key: bytes, record: bytes, commitment: str
) -> tuple[dict[str, object], bytes]:
    """Decrypt the record of a part.

    Args:
        case_id: The case.
        part: Which part of it.
        key: The case's key.
        record: As stored.
        commitment: As stored beside it.

    Returns:
        Payload and salt, which open the commitment.

    Raises:
        VerificationError: The record was changed, belongs elsewhere, or opens another commitment.
    """
    data = unseal(key, record, binding("record", case_id, part))
    match parse_json(data, what="evidence", canonical=True):
        case {"commitment": str(committed), "payload": {"blobs": dict()} as payload, "salt": str(salt)}:
            verify_opening(committed, payload, bytes.fromhex(salt))
            if committed == commitment:
                return payload, bytes.fromhex(salt)
            raise VerificationError(
                f"The commitment that stands beside case {case_id} is not its own.", check="evidence"
            )
    raise VerificationError(f"The evidence of case {case_id} has another form.", check="evidence")


def discard_part(connection: Connection, case_id: str, part: str | None) -> None:
    """Take a part out of the vault, or all parts; a case without parts goes as a whole.

    Args:
        connection: In a transaction that holds the write lock.
        case_id: The case; an unknown or erased one is passed over.
        part: Which part; None for all.
    """
    kept = select(CASES.c.case_id).where(CASES.c.case_id == case_id, CASES.c.erased_at.is_(None))
    if not connection.execute(kept).first():
        return
    for table in (BLOBS, PARTS):
        rows = delete(table).where(table.c.case_id == case_id)
        connection.execute(rows if part is None else rows.where(table.c.part == part))
    if part in (None, PORTRAITS):
        connection.execute(delete(NEEDS).where(NEEDS.c.case_id == case_id))
    if not connection.execute(select(PARTS.c.part).where(PARTS.c.case_id == case_id)).first():
        connection.execute(delete(CASES).where(CASES.c.case_id == case_id))
