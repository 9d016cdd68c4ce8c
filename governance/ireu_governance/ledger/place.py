"""Putting drafts into a ledger: each gets its place, is signed, and goes into the tables with its tree hashes."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python
from sqlalchemy import Connection, insert

from ireu_governance.core import merkle
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import InputError
from ireu_governance.core.keys import Signer
from ireu_governance.core.statement import STATEMENT_TYPE, Draft, Statement, predicate_type
from ireu_governance.core.validation import describe
from ireu_governance.ledger.continuity import State
from ireu_governance.ledger.records import Entry, case_ids
from ireu_governance.ledger.spelling import spell
from ireu_governance.ledger.tables import ENTRIES, ENTRY_CASES, NODES

__all__ = ["place", "sign_entries", "store_entries"]


def place(draft: Draft, *, origin: str, seq: int, prev: bytes, recorded_at: str) -> tuple[bytes, Statement]:
    """Give a draft its place in a ledger.

    What is validated is the bytes that will be signed, not the objects that they were made of.

    Args:
        draft: The statement without a place.
        origin: Name of the log.
        seq: Number of the entry.
        prev: Leaf hash of the entry before.
        recorded_at: Time of the statement.

    Returns:
        The canonical payload, and the statement read back from it.

    Raises:
        InputError: The draft is no valid statement.
    """
    try:
        fields = to_jsonable_python(draft.fields, by_alias=True)
        subject = to_jsonable_python(draft.subject, by_alias=True)
    except (PydanticSerializationError, ValueError):
        raise InputError(f"The {draft.kind} holds a value that JSON cannot express.") from None
    payload = spell(
        {
            "_type": STATEMENT_TYPE,
            "subject": subject,
            "predicateType": predicate_type(draft.kind),
            "predicate": {
                **fields,
                "kind": draft.kind,
                "ledger": {"origin": origin, "seq": seq, "prev": prev.hex()},
                "recorded_at": recorded_at,
            },
        }
    )
    try:
        return payload, Statement.model_validate_json(payload)
    except ValidationError as error:
        raise InputError(f"The {draft.kind} is malformed {describe(error)}.") from None


def sign_entries(
    drafts: Sequence[Draft], signer: Signer, state: State, *, origin: str, recorded_at: str
) -> tuple[list[Entry], list[list[str]]]:
    """Sign drafts as the next entries of a ledger.

    Args:
        drafts: What is to be recorded, in this order.
        signer: Holds a record key.
        state: The ledger's end.
        origin: Name of the log.
        recorded_at: Time of the statements.

    Returns:
        The entries, and the cases that each speaks of.

    Raises:
        InputError: A draft is no valid statement.
    """
    prev = state.last_leaf
    entries: list[Entry] = []
    cases: list[list[str]] = []
    for seq, draft in enumerate(drafts, start=state.size):
        payload, statement = place(draft, origin=origin, seq=seq, prev=prev, recorded_at=recorded_at)
        envelope = Envelope.sign(payload, signer).to_bytes()
        leaf = merkle.leaf_hash(envelope)
        entries.append(Entry(seq, draft.kind, recorded_at, prev, leaf, envelope))
        cases.append(case_ids(statement))
        prev = leaf
    return entries, cases


def store_entries(
    connection: Connection, state: State, entries: Sequence[Entry], cases: Sequence[Sequence[str]]
) -> State:
    """Write entries, their tree hashes, and the look-up of their cases.

    Args:
        connection: In a transaction that holds the write lock.
        state: The ledger's end.
        entries: What comes next, at least one.
        cases: The cases that each entry speaks of.

    Returns:
        The new end.
    """
    rows = [
        {
            "seq": each.seq,
            "kind": each.kind,
            "recorded_at": each.recorded_at,
            "prev": each.prev,
            "leaf_hash": each.leaf_hash,
            "envelope": each.envelope,
        }
        for each in entries
    ]
    connection.execute(insert(ENTRIES), rows)
    nodes, frontier = merkle.extend(state.size, state.frontier, [each.leaf_hash for each in entries])
    inner = [{"level": level, "index": index, "hash": hash_} for (level, index), hash_ in nodes if level > 0]
    if inner:
        connection.execute(insert(NODES), inner)
    pairs = [{"case_id": case, "seq": each.seq} for each, ids in zip(entries, cases, strict=True) for case in ids]
    if pairs:
        connection.execute(insert(ENTRY_CASES), pairs)
    last = entries[-1]
    return State(last.seq + 1, last.leaf_hash, last.recorded_at, frontier)
