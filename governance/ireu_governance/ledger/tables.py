"""The tables of a ledger.

`entries` is the ledger: one signed envelope a row, chained by `prev`. `nodes` holds the interior hashes of
the Merkle tree over the entries, so that appending and proving cost O(log n); its leaves are
`entries.leaf_hash`. `checkpoints` are the heads that were published, `cosignatures` and `stamps` what witnesses
and time-stamping authorities say about them. `entry_cases` says which entries speak of which case; it is
derived from the envelopes and kept for look-up only. `meta` names the ledger. Nothing is ever changed or
removed in any of them: triggers in the database see to it (`ireu_governance.ledger.database`), and the audit
trusts neither them nor anything else that is not signed.
"""

from __future__ import annotations

from typing import ClassVar, cast

from sqlalchemy import BigInteger, CheckConstraint, Dialect, LargeBinary, MetaData, Table, Text
from sqlalchemy.ext.compiler import compiles
from sqlmodel import Field, SQLModel

__all__ = [
    "CHECKPOINTS",
    "COSIGNATURES",
    "ENTRIES",
    "ENTRY_CASES",
    "META",
    "NODES",
    "SCHEMA_VERSION",
    "STAMPS",
    "Blob",
    "CheckpointRow",
    "CosignatureRow",
    "EntryCaseRow",
    "EntryRow",
    "LedgerTable",
    "MetaRow",
    "NodeRow",
    "Number",
    "StampRow",
]

SCHEMA_VERSION = "0002"
"""The newest revision in `migrations/versions`; a test keeps the two together."""

# Fixed names, so that a migration can name a constraint that it alters.
_NAMING = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
}

# STRICT: SQLite then refuses values of another type than the column's instead of storing them as they are.
_STRICT = {"sqlite_strict": True}
_CLUSTERED = {"sqlite_strict": True, "sqlite_with_rowid": False}


class Blob(LargeBinary):
    """Bytes that go to the driver as they are; SQLAlchemy's own type wraps each value, at a cost."""

    def bind_processor(self, dialect: Dialect) -> None:
        """Return nothing: drivers take bytes."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Return nothing: drivers give bytes."""


class Number(BigInteger):
    """A number of 64 bits, which SQLite calls INTEGER and nothing else in a strict table."""


@compiles(Number, "sqlite")
def _spell_number(element: Number, compiler: object, **options: object) -> str:  # noqa: ARG001 - SQLAlchemy's form
    return "INTEGER"


class LedgerTable(SQLModel):
    """Base of the ledger's tables; keeps them apart from other tables in the same process."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=_NAMING)


class EntryRow(LedgerTable, table=True):
    """One entry: a DSSE envelope and where it stands.

    Attributes:
        seq: Number of the entry, from 0 without gaps.
        kind: Kind of the statement, as signed inside the envelope.
        recorded_at: Time of the statement, as signed inside the envelope.
        prev: Leaf hash of the entry before, 32 zero bytes for the first; unique, so that
            no entry has two heirs.
        leaf_hash: RFC 6962 leaf hash of the envelope.
        envelope: The canonical bytes of the envelope, which are the leaf's data.
    """

    __tablename__: ClassVar[str] = "entries"
    __table_args__ = (
        CheckConstraint("seq >= 0", name="seq"),
        CheckConstraint("length(prev) = 32", name="prev"),
        CheckConstraint("length(leaf_hash) = 32", name="leaf_hash"),
        _STRICT,
    )

    seq: int = Field(primary_key=True, sa_type=Number, sa_column_kwargs={"autoincrement": False})
    kind: str = Field(sa_type=Text)
    recorded_at: str = Field(sa_type=Text)
    prev: bytes = Field(sa_type=Blob, unique=True)
    leaf_hash: bytes = Field(sa_type=Blob, unique=True)
    envelope: bytes = Field(sa_type=Blob)


class NodeRow(LedgerTable, table=True):
    """The hash of one complete subtree with more than one leaf.

    Attributes:
        level: Height of the subtree: it has 2^level leaves; from 1.
        index: Position among the subtrees of its height: it begins at leaf index × 2^level.
        hash: RFC 6962 hash of the subtree.
    """

    __tablename__: ClassVar[str] = "nodes"
    __table_args__ = (
        CheckConstraint("level > 0", name="level"),
        CheckConstraint("length(hash) = 32", name="hash"),
        _CLUSTERED,
    )

    level: int = Field(primary_key=True)
    index: int = Field(primary_key=True, sa_type=Number)
    hash: bytes = Field(sa_type=Blob)


class CheckpointRow(LedgerTable, table=True):
    """One published head of the ledger.

    Attributes:
        size: Number of entries that it covers.
        number: Number of the checkpoint, from 0 without gaps, so that a row that was taken out is missed.
        text: The signed note (C2SP tlog-checkpoint).
        published_at: When it was published; not signed, for people to read.
    """

    __tablename__: ClassVar[str] = "checkpoints"
    __table_args__ = (
        CheckConstraint("size >= 0", name="size"),
        _STRICT,
    )

    size: int = Field(primary_key=True, sa_type=Number, sa_column_kwargs={"autoincrement": False})
    number: int = Field(unique=True, sa_type=Number)
    text: str = Field(sa_type=Text)
    published_at: str = Field(sa_type=Text)


class CosignatureRow(LedgerTable, table=True):
    """What a witness signed under a checkpoint.

    Attributes:
        size: The checkpoint's size.
        digest: SHA-256 of the line; a post-quantum line is too long to be a key itself.
        name: The witness's name, as it stands in the line.
        line: The signature line of the note, without its newline.
        received_at: When it came; not signed, for people to read.
    """

    __tablename__: ClassVar[str] = "cosignatures"
    __table_args__ = (
        CheckConstraint("length(digest) = 32", name="digest"),
        _CLUSTERED,
    )

    size: int = Field(primary_key=True, sa_type=Number)
    digest: bytes = Field(primary_key=True, sa_type=Blob)
    name: str = Field(sa_type=Text)
    line: str = Field(sa_type=Text)
    received_at: str = Field(sa_type=Text)


class StampRow(LedgerTable, table=True):
    """What a time-stamping authority signed over a checkpoint.

    Attributes:
        size: The checkpoint's size.
        digest: SHA-256 of the token.
        authority: Whom the token is from.
        token: The RFC 3161 token.
        received_at: When it came; not signed, for people to read.
    """

    __tablename__: ClassVar[str] = "stamps"
    __table_args__ = (
        CheckConstraint("length(digest) = 32", name="digest"),
        _CLUSTERED,
    )

    size: int = Field(primary_key=True, sa_type=Number)
    digest: bytes = Field(primary_key=True, sa_type=Blob)
    authority: str = Field(sa_type=Text)
    token: bytes = Field(sa_type=Blob)
    received_at: str = Field(sa_type=Text)


class EntryCaseRow(LedgerTable, table=True):
    """An entry that speaks of a case; derived from the entry's envelope."""

    __tablename__: ClassVar[str] = "entry_cases"
    __table_args__ = (_CLUSTERED,)

    case_id: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(primary_key=True, sa_type=Number)


class MetaRow(LedgerTable, table=True):
    """A fact about the ledger as a whole, such as its origin."""

    __tablename__: ClassVar[str] = "meta"
    __table_args__ = (_CLUSTERED,)

    key: str = Field(primary_key=True, sa_type=Text)
    value: str = Field(sa_type=Text)


def _table(model: type[LedgerTable]) -> Table:
    return cast(Table, model.__table__)  # type: ignore[attr-defined]


# The hot path speaks to the tables through SQLAlchemy Core: no object is made for a row that is only hashed.
ENTRIES = _table(EntryRow)
NODES = _table(NodeRow)
CHECKPOINTS = _table(CheckpointRow)
COSIGNATURES = _table(CosignatureRow)
STAMPS = _table(StampRow)
ENTRY_CASES = _table(EntryCaseRow)
META = _table(MetaRow)
