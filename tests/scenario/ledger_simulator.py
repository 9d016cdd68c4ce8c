"""A ledger on disk, and an attacker who may write to its database and does as programmed.

The attacker drops the triggers, does one thing, and puts them back, so that an audit sees the deed and not the
tools. What the attacker does not have, unless a test hands it over, is a private key and the checkpoint's file.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import builders
from builders import KeySet, make_key, make_keys

from ireu_governance.core import merkle
from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.keys import PrivateKey
from ireu_governance.core.statement import Draft
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.audit import AuditReport, audit
from ireu_governance.ledger.location import Location

if TYPE_CHECKING:
    from fixtures.postgres import Attacker, Schemas

    Raw = sqlite3.Connection | Attacker

SCHEMAS: Schemas | None = None
"""Where ledgers are made in PostgreSQL while the fixture `each_database` says so."""

STRANGER = make_key("stranger")
RECORDED_AT = "2026-11-20T09:00:00Z"  # after the keys were made, whatever the clock of the machine says


def make_draft(kind: str = "removal-request", seq: int = 0, case_id: str | None = None) -> Draft:
    """Return a draft of a kind; `seq` is the entry that it refers to, where it refers to one."""
    cases = (case_id or secrets.token_hex(16),)
    fields = {
        "removal-request": lambda: builders.make_request(cases),
        "removal": lambda: builders.make_removal(seq, cases),
        "verification": lambda: builders.make_verification(seq, cases),
    }[kind]()
    del fields["recorded_at"]
    artifact = builders.BEFORE if kind == "removal-request" else builders.AFTER
    return Draft(subject=artifact.subjects(), kind=kind, fields=fields)


def make_story(size: int) -> list[Draft]:
    """Return drafts for the first entries of a ledger: request, removal, verification, and again."""
    kinds = ("removal-request", "removal", "verification")
    drafts: list[Draft] = []
    for seq in range(size):
        case_id = f"{seq // 3:032x}"
        drafts.append(make_draft(kinds[seq % 3], max(seq - 1, 0), case_id))
    return drafts


@dataclass
class LedgerSimulator:
    """A real ledger in a folder of its own.

    Attributes:
        folder: Where it lies.
        keys: Its keys.
    """

    folder: Path
    keys: KeySet = field(default_factory=make_keys)

    @property
    def path(self) -> Path:
        """The database file, where it is one."""
        assert not self._url.exists(), "this ledger is in PostgreSQL"
        return self.folder / "ledger.db"

    @property
    def location(self) -> Location:
        """The database file, or the URL of a schema; it is kept in the folder, so that other processes find it."""
        return self._url.read_text() if self._url.exists() else self.path

    @property
    def _url(self) -> Path:
        return self.folder / "url"

    def prepare(self) -> None:
        """Make the folders, and the schema if there is to be one."""
        self.checkpoint_path.parent.mkdir(parents=True)
        if SCHEMAS is not None:
            self._url.write_text(SCHEMAS.new())

    @property
    def checkpoint_path(self) -> Path:
        return self.folder / "published" / "checkpoint"

    @classmethod
    def build(cls, folder: Path, size: int, *, published: tuple[int, ...] = ()) -> LedgerSimulator:
        """Make a ledger of `size` entries, with checkpoints at the given sizes."""
        simulator = cls(folder)
        simulator.prepare()
        story = make_story(size)
        with Ledger.create(
            simulator.location, key_file=simulator.keys.key_file, checkpoint_path=simulator.checkpoint_path
        ) as ledger:
            done = 0
            for stop in (*published, size):
                ledger.append(story[done:stop], simulator.keys.record, recorded_at=RECORDED_AT)
                done = stop
                if stop in published:
                    ledger.publish(simulator.keys.log)
        return simulator

    def copy(self, folder: Path) -> LedgerSimulator:
        """Return an independent copy of the ledger, checkpoint file included."""
        self.settle()
        shutil.copytree(self.folder, folder)
        copy = LedgerSimulator(folder, self.keys)
        if SCHEMAS is not None:
            copy._url.write_text(SCHEMAS.clone(copy._url.read_text()))
        return copy

    def open(self, *, timeout_s: float = 10.0) -> Ledger:
        return Ledger.open(
            self.location,
            key_file=self.keys.key_file,
            checkpoint_path=self.checkpoint_path,
            timeout_s=timeout_s,
        )

    def append(self, *drafts: Draft) -> None:
        with self.open() as ledger:
            ledger.append(drafts or [make_draft()], self.keys.record)

    def publish(self) -> str:
        with self.open() as ledger:
            return ledger.publish(self.keys.log)

    def audit(self, **options: Any) -> AuditReport:
        """Audit the ledger; options are those of `audit`."""
        return audit(
            self.location,
            **{"key_file": self.keys.key_file, "checkpoint_path": self.checkpoint_path, **options},
        )

    def found(self) -> list[tuple[str, int | None]]:
        """Return kind and entry of all findings of an audit."""
        return [(str(each.kind), each.entry) for each in self.audit().findings]

    def settle(self) -> None:
        """Bring everything that is still in the write-ahead log into the database file."""
        if SCHEMAS is not None:
            return
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    def vacuum(self) -> None:
        """Have the database tidy up, as administrators do."""
        if SCHEMAS is None:
            connection = sqlite3.connect(self.path)
            connection.execute("VACUUM")
            connection.close()
        else:
            with SCHEMAS.connect(str(self.location)) as raw:
                raw.execute(b"VACUUM FULL entries, nodes, checkpoints")

    def contents(self) -> object:
        """Return all that is stored, to compare: the file's bytes, or all rows."""
        if SCHEMAS is None:
            self.settle()
            return self.path.read_bytes()
        with SCHEMAS.connect(str(self.location)) as connection:
            tables = [
                row[0]
                for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
            ]
            return {each: sorted(connection.execute(f"SELECT * FROM {each}".encode()), key=repr) for each in tables}

    # What the attacker can do -------------------------------------------------------------------------------

    @contextmanager
    def attacker(self, *, keep_triggers: bool = True) -> Iterator[Raw]:
        """Hand over the raw database with its triggers dropped; put them back unless told otherwise."""
        if SCHEMAS is not None:
            with SCHEMAS.attacker(str(self.location), keep_triggers=keep_triggers) as attacker:
                yield attacker
            return
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("PRAGMA synchronous = OFF")
        try:
            schema = "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = "
            triggers = connection.execute(f"{schema} 'trigger'").fetchall()
            for name, _, _ in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            yield connection
            tables = {row[0] for row in connection.execute(f"{schema} 'table'")}
            for _, table, sql in triggers:
                if keep_triggers and table in tables:
                    connection.execute(sql)
        finally:
            connection.close()

    def run(self, sql: str, *values: Any) -> None:
        """Run one statement as the attacker."""
        with self.attacker() as connection:
            connection.execute(sql, values)

    def drop_constraints(self, table: str = "entries") -> None:
        """Make a table anew without keys, uniqueness, or (in SQLite) types."""
        if SCHEMAS is not None:
            SCHEMAS.loosen(str(self.location), table)
            return
        with self.attacker() as connection:
            connection.execute(f"CREATE TABLE loose AS SELECT * FROM {table}")
            connection.execute(f"DROP TABLE {table}")
            connection.execute(f"ALTER TABLE loose RENAME TO {table}")

    def row(self, seq: int) -> tuple[Any, ...]:
        query = "SELECT seq, kind, recorded_at, prev, leaf_hash, envelope FROM entries WHERE seq = "
        if SCHEMAS is not None:
            with SCHEMAS.connect(str(self.location)) as raw:
                return tuple(raw.execute(f"{query} %s".encode(), (seq,)).fetchone())
        connection = sqlite3.connect(self.path)
        try:
            return tuple(connection.execute(f"{query} ?", (seq,)).fetchone())
        finally:
            connection.close()

    def body(self, seq: int) -> bytes:
        return bytes(self.row(seq)[5])

    def statement(self, seq: int) -> Any:
        return json.loads(Envelope.from_bytes(self.body(seq)).payload)

    def put_body(self, seq: int, body: bytes, *, fix_leaf: bool = False) -> None:
        self.run("UPDATE entries SET envelope = ? WHERE seq = ?", body, seq)
        if fix_leaf:
            self.run("UPDATE entries SET leaf_hash = ? WHERE seq = ?", merkle.leaf_hash(body), seq)

    def edited_body(self, seq: int, edit: Callable[[Any], None], *, signer: PrivateKey | None = None) -> bytes:
        """Return an entry's body with a changed statement; with the old signature, or a signer's."""
        envelope = Envelope.from_bytes(self.body(seq))
        statement = json.loads(envelope.payload)
        edit(statement)
        payload = canonicalize(statement)
        if signer is not None:
            return Envelope.sign(payload, signer).to_bytes()
        return Envelope(payload, envelope.payload_type, envelope.signatures).to_bytes()

    def rebuild_tree(self) -> None:
        """Recompute all interior nodes from the stored leaf hashes, as a careful forger would."""
        with self.attacker() as connection:
            leaves = [row[0] for row in connection.execute("SELECT leaf_hash FROM entries ORDER BY seq")]
            nodes, _ = merkle.extend(0, [], leaves)
            connection.execute("DELETE FROM nodes")
            rows = [(level, index, hash_) for (level, index), hash_ in nodes if level]
            connection.executemany("INSERT INTO nodes VALUES (?, ?, ?)", rows)

    def rewrite_tail(
        self, start: int, edit: Callable[[Any], None], *, signer: PrivateKey, rebuild_tree: bool = True
    ) -> None:
        """Change the entry `start` and sign it and all later ones anew: chain, hashes and tree are right."""
        with self.attacker() as connection:
            rows = connection.execute("SELECT seq, envelope FROM entries ORDER BY seq").fetchall()
            prev = merkle.leaf_hash(rows[start - 1][1]) if start else bytes(32)
            connection.execute("DELETE FROM entries WHERE seq >= ?", (start,))
            for seq, body in rows[start:]:
                statement = json.loads(Envelope.from_bytes(body).payload)
                if seq == start:
                    edit(statement)
                predicate = statement["predicate"]
                predicate["ledger"]["prev"] = prev.hex()
                envelope = Envelope.sign(canonicalize(statement), signer).to_bytes()
                leaf = merkle.leaf_hash(envelope)
                connection.execute(
                    "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)",
                    (seq, predicate["kind"], predicate["recorded_at"], prev, leaf, envelope),
                )
                prev = leaf
        if rebuild_tree:
            self.rebuild_tree()

    def forge_entry(self, seq: int, *, signer: PrivateKey, prev: bytes) -> tuple[Any, ...]:
        """Return the row of a made-up entry."""
        statement = self.statement(0)
        statement["predicate"]["ledger"].update(seq=seq, prev=prev.hex())
        envelope = Envelope.sign(canonicalize(statement), signer).to_bytes()
        predicate = statement["predicate"]
        leaf = merkle.leaf_hash(envelope)
        return (seq, predicate["kind"], predicate["recorded_at"], prev, leaf, envelope)

    def insert(self, row: tuple[Any, ...]) -> None:
        self.run("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", *row)

    def swap_rows(self, first: int, second: int) -> None:
        with self.attacker() as connection:
            for old, new in ((first, 10**6), (second, first), (10**6, second)):
                connection.execute("UPDATE entries SET seq = ? WHERE seq = ?", (new, old))

    def swap_bodies(self, first: int, second: int) -> None:
        one, other = self.body(first), self.body(second)
        self.put_body(first, other)
        self.put_body(second, one)

    def forge_checkpoint(self, size: int, root: bytes, *, signer: PrivateKey | None = None) -> str:
        return sign_checkpoint(Checkpoint(self.keys.key_file.origin, size, root), signer or self.keys.log)

    def replace_database(self, older: LedgerSimulator) -> None:
        """Put the database of a copy in the place of this one; the checkpoint's file stays."""
        if SCHEMAS is not None:
            SCHEMAS.copy(str(older.location), str(self.location))
            return
        older.settle()
        for suffix in ("-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        shutil.copyfile(older.path, self.path)
