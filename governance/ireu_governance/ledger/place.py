"""Putting drafts into a ledger: each gets its place, is signed, and goes into the tables with its tree hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python
from sqlalchemy import Connection

from ireu_governance.core import merkle
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import InputError
from ireu_governance.core.keys import Signer
from ireu_governance.core.spelling import spell
from ireu_governance.core.statement import STATEMENT_TYPE, Draft, Statement, predicate_type
from ireu_governance.core.validation import describe
from ireu_governance.ledger.continuity import State
from ireu_governance.ledger.database import insert_entries
from ireu_governance.ledger.records import FIRST_PREV, Entry, case_ids

__all__ = ["Prepared", "prepare", "sign_entries", "store_entries"]


# Where a draft is tried out: any place will do, since no rule of a statement depends on its own.
_ANY_TIME: Final = "2000-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft that is a valid statement wherever it will stand.

    Attributes:
        kind: Kind of the statement.
        subject: Its subjects, as JSON values.
        fields: The fields of its predicate without those that the ledger gives, likewise.
        cases: The cases that it speaks of.
    """

    kind: str
    subject: object
    fields: Mapping[str, object]
    cases: Sequence[str]

    def spell(self, *, origin: str, seq: int, prev: bytes, recorded_at: str) -> bytes:
        """Return the canonical payload that will be signed, with the place that the statement gets."""
        return spell(
            {
                "_type": STATEMENT_TYPE,
                "subject": self.subject,
                "predicateType": predicate_type(self.kind),
                "predicate": {
                    **self.fields,
                    "kind": self.kind,
                    "ledger": {"origin": origin, "seq": seq, "prev": prev.hex()},
                    "recorded_at": recorded_at,
                },
            }
        )


def prepare(drafts: Sequence[Draft], *, origin: str) -> list[Prepared]:
    """Validate drafts before the write lock is taken: nobody waits for that.

    What is validated is the bytes that will be signed but for their place, not the objects that they were made of.

    Args:
        drafts: Statements without a place.
        origin: Name of the log.

    Returns:
        The same statements, ready to be signed.

    Raises:
        InputError: A draft is no valid statement.
    """
    return [_prepare(each, origin) for each in drafts]


def _prepare(draft: Draft, origin: str) -> Prepared:
    try:
        fields = to_jsonable_python(draft.fields, by_alias=True)
        subject = to_jsonable_python(draft.subject, by_alias=True)
    except (PydanticSerializationError, ValueError):
        raise InputError(f"The {draft.kind} holds a value that JSON cannot express.") from None
    prepared = Prepared(draft.kind, subject, fields, ())
    payload = prepared.spell(origin=origin, seq=0, prev=FIRST_PREV, recorded_at=_ANY_TIME)
    try:
        statement = Statement.model_validate_json(payload)
    except ValidationError as error:
        raise InputError(f"The {draft.kind} is malformed {describe(error)}.") from None
    return replace(prepared, cases=tuple(case_ids(statement)))


def sign_entries(
    prepared: Sequence[Prepared], signer: Signer, state: State, *, origin: str, recorded_at: str
) -> list[Entry]:
    """Give statements their places in a ledger, and sign them as its next entries.

    Args:
        prepared: What is to be recorded, in this order.
        signer: Holds a record key.
        state: The ledger's end.
        origin: Name of the log.
        recorded_at: Time of the statements.

    Returns:
        The entries.
    """
    prev = state.last_leaf
    entries: list[Entry] = []
    for seq, each in enumerate(prepared, start=state.size):
        payload = each.spell(origin=origin, seq=seq, prev=prev, recorded_at=recorded_at)
        envelope = Envelope.sign(payload, signer).to_bytes()
        leaf = merkle.leaf_hash(envelope)
        entries.append(Entry(seq, each.kind, recorded_at, prev, leaf, envelope))
        prev = leaf
    return entries


def store_entries(
    connection: Connection, state: State, entries: Sequence[Entry], prepared: Sequence[Prepared]
) -> State:
    """Write entries, their tree hashes, and the look-up of their cases.

    Args:
        connection: In a transaction that holds the write lock.
        state: The ledger's end.
        entries: What comes next, at least one.
        prepared: What they were made of, for the look-up of their cases.

    Returns:
        The new end.
    """
    rows = [(each.seq, each.kind, each.recorded_at, each.prev, each.leaf_hash, each.envelope) for each in entries]
    nodes, frontier = merkle.extend(state.size, state.frontier, [each.leaf_hash for each in entries])
    inner = [(level, index, hash_) for (level, index), hash_ in nodes if level > 0]
    pairs = [(case, each.seq) for each, what in zip(entries, prepared, strict=True) for case in what.cases]
    insert_entries(connection, rows, nodes=inner, cases=pairs)
    last = entries[-1]
    return State(last.seq + 1, last.leaf_hash, last.recorded_at, frontier)
