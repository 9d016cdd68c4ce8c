"""What is kept beside a signed checkpoint: the cosignatures of witnesses and the stamps of time authorities."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from sqlalchemy import Connection, Table, insert, select

from ireu_governance.core.checkpoint import NoteSignature, SignedNote
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.times import now
from ireu_governance.ledger.read import cosignature_lines, cosigned_checkpoint
from ireu_governance.ledger.tables import COSIGNATURES, STAMPS

__all__ = ["MAX_STAMP_BYTES", "add_cosignatures", "add_stamp", "expect_checkpoint"]

MAX_STAMP_BYTES: Final = 64 * 1024  # a token with its certificates has 3 to 8 kB
MAX_AUTHORITY: Final = 500


def expect_checkpoint(connection: Connection, size: int | None) -> str:
    """Return a stored checkpoint with its cosignatures.

    Args:
        connection: In a transaction.
        size: Of this size; None for the newest one.

    Returns:
        The signed note.

    Raises:
        InputError: There is none.
    """
    text = cosigned_checkpoint(connection, size)
    if text is None:
        which = "" if size is None else f" of size {size}"
        raise InputError(
            f"The ledger has no checkpoint{which}.", hint="Sign the head first.", code=ErrorCode.ENTRY_UNKNOWN
        )
    return text


def add_cosignatures(connection: Connection, size: int, lines: Sequence[str], *, origin: str) -> None:
    """Store the signature lines of witnesses, unless a line of the same key is there.

    Args:
        connection: In a transaction that holds the write lock.
        size: The checkpoint's size.
        lines: Signature lines, with or without newlines.
        origin: Name of the log, which does not cosign for itself.

    Raises:
        InputError: There is no such checkpoint, a line is none, or the note would become too long.
    """
    expect_checkpoint(connection, size)
    known = {_key(NoteSignature.from_line(line)) for line in cosignature_lines(connection, size)}
    for each in lines:
        line = each.removesuffix("\n")
        signature = NoteSignature.from_line(line)
        if signature.name == origin:
            raise InputError("The log does not cosign for itself: the line bears its own name.")
        if _key(signature) in known:
            continue
        known.add(_key(signature))
        row = {
            "size": size,
            "digest": sha256(line.encode()).digest(),
            "name": signature.name,
            "line": line,
            "received_at": now(),
        }
        connection.execute(insert(COSIGNATURES), row)
    SignedNote.from_text(expect_checkpoint(connection, size))  # a note that nobody could read is not published


def add_stamp(connection: Connection, size: int, authority: str, token: bytes) -> None:
    """Store a time stamp, unless it is there.

    Args:
        connection: In a transaction that holds the write lock.
        size: The checkpoint's size.
        authority: Whom it is from.
        token: The RFC 3161 token.

    Raises:
        InputError: There is no such checkpoint, or the token is empty or too large.
    """
    expect_checkpoint(connection, size)
    if not 0 < len(token) <= MAX_STAMP_BYTES or not 0 < len(authority) <= MAX_AUTHORITY:
        raise InputError("The time stamp, or the name of its authority, is empty or too large.")
    digest = sha256(token).digest()
    if _has(connection, STAMPS, size, digest):
        return
    row = {"size": size, "digest": digest, "authority": authority, "token": token, "received_at": now()}
    connection.execute(insert(STAMPS), row)


def _key(signature: NoteSignature) -> tuple[str, bytes]:
    return signature.name, signature.key_hash


def _has(connection: Connection, table: Table, size: int, digest: bytes) -> bool:
    query = select(table.c.size).where(table.c.size == size, table.c.digest == digest)
    return connection.execute(query).first() is not None
