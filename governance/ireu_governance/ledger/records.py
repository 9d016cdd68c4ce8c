"""What a ledger hands out, and how its rows are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sqlalchemy import Connection, TextClause, text

from ireu_governance.core import merkle
from ireu_governance.core.envelope import PAYLOAD_TYPE, Envelope
from ireu_governance.core.errors import EntryVoidError, InputError, LedgerRefusedError, VerificationError
from ireu_governance.core.keys import KeyEntry, KeyFile, PublicKey, Role
from ireu_governance.core.statement import Statement

__all__ = [
    "FIRST_PREV",
    "Entry",
    "Head",
    "case_ids",
    "node_query",
    "node_reader",
    "read_statement",
    "revoked_signer",
    "signed_statement",
    "signing_keys",
    "verified_statement",
]

FIRST_PREV: Final = bytes(merkle.HASH_SIZE)
"""What stands as the hash of the entry before the first one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a ledger, as it is stored; only `envelope` is signed.

    Attributes:
        seq: Number of the entry, from 0.
        kind: Kind of its statement.
        recorded_at: Time of its statement.
        prev: Leaf hash of the entry before.
        leaf_hash: Its own leaf hash.
        envelope: The DSSE envelope, which is the data of the leaf.
    """

    seq: int
    kind: str
    recorded_at: str
    prev: bytes
    leaf_hash: bytes
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """How many entries a ledger has, and the Merkle root over them."""

    size: int
    root: bytes


def read_statement(envelope: Envelope, keys: Sequence[PublicKey]) -> Statement:
    """Return what an entry's envelope says, once its signature is verified.

    Args:
        envelope: The entry.
        keys: The record keys that were valid where it stands.

    Returns:
        The statement.

    Raises:
        VerificationError: None of the keys signed it.
        InputError: What is signed is no statement.
    """
    payload = envelope.verify(keys, check="record-signature")
    if envelope.payload_type != PAYLOAD_TYPE:
        raise InputError("The entry's envelope holds something else than a statement.")
    return Statement.from_bytes(payload)


def verified_statement(entry: Entry, key_file: KeyFile) -> Statement:
    """Return what an entry says, after checking who signed it and where it stands.

    Args:
        entry: As it is stored.
        key_file: Whose keys count.

    Returns:
        The statement.

    Raises:
        EntryVoidError: It is whole and in its place, and the key that signed it is revoked there.
        VerificationError: No record key of that time signed it, or it stands elsewhere than it was signed.
        InputError: The entry's bytes are no statement.
    """
    statement, revoked = signed_statement(entry, key_file)
    if revoked is not None:
        raise EntryVoidError(entry.seq, key_id=revoked.key_id, from_size=revoked.revoked_from_size or 0)
    return statement


def signed_statement(entry: Entry, key_file: KeyFile) -> tuple[Statement, KeyEntry | None]:
    """Return what an entry says, also when it counts no more; only for those who may not lose what it names.

    Args:
        entry: As it is stored.
        key_file: Whose keys count.

    Returns:
        The statement, and the key that signed it where that is revoked there; None of an entry that counts.

    Raises:
        VerificationError: No record key signed it that counted there once, or it stands elsewhere than it was signed.
        InputError: The entry's bytes are no statement.
    """
    envelope = Envelope.from_bytes(entry.envelope)
    keys, revoked = signing_keys(envelope, key_file, seq=entry.seq)
    statement = read_statement(envelope, keys)
    place = statement.predicate.ledger
    if place.origin != key_file.origin or place.seq != entry.seq:
        raise VerificationError(
            f"Entry {entry.seq} was signed as entry {place.seq} of '{place.origin}'.", check="position"
        )
    return statement, revoked


def signing_keys(envelope: Envelope, key_file: KeyFile, *, seq: int) -> tuple[tuple[PublicKey, ...], KeyEntry | None]:
    """Return the keys that an entry's signature is to be verified with.

    Args:
        envelope: The entry.
        key_file: Whose keys they are.
        seq: Where it stands.

    Returns:
        The record keys that count there; or the one that the entry claims and that was revoked there, and what the
        key file says of it.
    """
    keys = key_file.keys(Role.RECORD, at_size=seq)
    revoked = revoked_signer(envelope, keys, key_file, seq=seq)
    if revoked is None:
        return keys, None
    return tuple(key for key in key_file.keys(Role.RECORD) if key.key_id == revoked.key_id), revoked


def revoked_signer(envelope: Envelope, keys: Sequence[PublicKey], key_file: KeyFile, *, seq: int) -> KeyEntry | None:
    """Return the revoked record key that an entry claims to be signed with, if it names none that counts.

    Args:
        envelope: The entry; its signature is not verified here.
        keys: The record keys that count where it stands.
        key_file: Whose keys they are.
        seq: Where it stands.

    Returns:
        The key, which counted there before it was revoked; None when the entry is not of this kind.
    """
    signers = [each.keyid for each in envelope.signatures]
    if any(key.key_id in signers for key in keys):
        return None
    for key_id in signers:
        entry = key_file.find(key_id)
        if entry is None or entry.role is not Role.RECORD or entry.revoked_from_size is None:
            continue
        if entry.first_size <= seq and entry.revoked_from_size <= seq:
            return entry
    return None


def case_ids(statement: Statement) -> list[str]:
    """Return the cases that a statement speaks of, each once, sorted."""
    return sorted({case.case_id for case in getattr(statement.predicate, "cases", ())})


def node_reader(connection: Connection) -> merkle.NodeReader:
    """Return a reader of tree hashes that asks the database once a call.

    Args:
        connection: In a transaction.

    Returns:
        The reader. It raises LedgerRefusedError when a hash is not there.
    """

    def read(wanted: Sequence[merkle.NodeId]) -> Mapping[merkle.NodeId, bytes]:
        if not wanted:
            return {}
        query, values = node_query(connection.dialect.name, wanted)
        rows = connection.execute(_clause(query), values)
        found = {(level, index): hash_ for level, index, hash_ in rows}
        for node in wanted:
            if len(found.get(node, b"")) != merkle.HASH_SIZE:
                raise LedgerRefusedError(
                    f"The ledger lacks the hash of entries {node[1] << node[0]} to {(node[1] + 1 << node[0]) - 1}.",
                    hint="Run an audit.",
                )
        return found

    return read


def node_query(dialect: str, wanted: Sequence[merkle.NodeId]) -> tuple[str, dict[str, object]]:
    """Return the query for tree hashes, which answers rows of level, index and hash, and its values.

    Args:
        dialect: Name of the database: ``sqlite`` or ``postgresql``.
        wanted: The nodes; at level 0 are the leaves.
    """
    leaves = [index for level, index in wanted if level == 0]
    inner = [node for node in wanted if node[0] > 0]
    if dialect == "postgresql":
        levels, indices = [level for level, _ in inner], [index for _, index in inner]
        return _ARRAY_SQL, {"levels": levels, "indices": indices, "seqs": leaves}
    values: dict[str, object] = {f"seq{number}": index for number, index in enumerate(leaves)}
    for number, (level, index) in enumerate(inner):
        values[f"level{number}"], values[f"index{number}"] = level, index
    return _values_sql(len(inner), len(leaves)), values


# One text for any number of nodes: a server plans it once. SQLite has no arrays, and plans in no time.
_ARRAY_SQL: Final = (
    'SELECT n.level, n."index", n.hash'
    ' FROM unnest(CAST(:levels AS integer[]), CAST(:indices AS bigint[])) AS wanted (level, "index")'
    ' JOIN nodes AS n ON n.level = wanted.level AND n."index" = wanted."index"'
    " UNION ALL SELECT 0, seq, leaf_hash FROM entries WHERE seq = ANY(CAST(:seqs AS bigint[]))"
)


@lru_cache(maxsize=1024)
def _clause(query: str) -> TextClause:
    return text(query)


@lru_cache(maxsize=1024)
def _values_sql(inner: int, leaves: int) -> str:
    # A join, since SQLite walks through the whole table for `(level, "index") IN (VALUES …)`; and text, since
    # SQLAlchemy takes longer to build an expression of thirty parameters than the database to answer it.
    parts = []
    if inner:
        pairs = ", ".join(f"(:level{number}, :index{number})" for number in range(inner))
        parts.append(
            f'SELECT n.level, n."index", n.hash FROM (VALUES {pairs}) AS wanted'  # noqa: S608 (only numbers)
            ' JOIN nodes AS n ON n.level = wanted.column1 AND n."index" = wanted.column2'
        )
    if leaves:
        numbers = ", ".join(f":seq{number}" for number in range(leaves))
        parts.append(f"SELECT 0, seq, leaf_hash FROM entries WHERE seq IN ({numbers})")  # noqa: S608 (the same)
    return " UNION ALL ".join(parts)
