"""What most such ledgers are: a signed hash chain in raw sqlite3, as one writes it in an afternoon."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from ireu_governance.core.errors import VerificationError
from ireu_governance.core.keys import PrivateKey, PublicKey
from ireu_governance.core.statement import Draft, predicate_type
from ireu_governance.core.times import now

__all__ = ["Baseline"]


class Baseline:
    """A signed hash chain as one writes it in an afternoon: JSON, SHA-256, Ed25519, one table."""

    def __init__(self, path: Path, key: PrivateKey) -> None:
        self._key = key
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=60)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS chain (seq INTEGER PRIMARY KEY, prev BLOB UNIQUE, hash BLOB UNIQUE,"
            " body BLOB NOT NULL, sig BLOB NOT NULL)"
        )

    def append(self, drafts: Sequence[Draft]) -> list[tuple[int, bytes]]:
        """Append, durably; return numbers and hashes."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        seq, prev = run("SELECT seq, hash FROM chain ORDER BY seq DESC LIMIT 1").fetchone() or (-1, bytes(32))
        rows = []
        for draft in drafts:
            seq += 1
            record = {
                "subject": [each.model_dump() for each in draft.subject],
                "predicateType": predicate_type(draft.kind),
                "predicate": {**draft.fields, "seq": seq, "prev": prev.hex(), "recorded_at": now()},
            }
            body = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
            digest = sha256(prev + body).digest()
            rows.append((seq, prev, digest, body, self._key.sign(digest)))
            prev = digest
        self._connection.executemany("INSERT INTO chain VALUES (?, ?, ?, ?, ?)", rows)
        run("COMMIT")
        return [(row[0], row[2]) for row in rows]

    def audit(self, key: PublicKey) -> int:
        """Verify the whole chain; return the number of entries."""
        prev, count = bytes(32), 0
        for seq, stored_prev, digest, body, signature in self._connection.execute("SELECT * FROM chain ORDER BY seq"):
            if seq != count or stored_prev != prev or sha256(prev + body).digest() != digest:
                raise VerificationError("The chain is broken.", check="baseline")
            json.loads(body)
            key.verify(signature, digest, check="baseline")
            prev, count = digest, count + 1
        return count

    def stored(self) -> dict[int, bytes]:
        """Return all hashes by number."""
        return dict(self._connection.execute("SELECT seq, hash FROM chain").fetchall())
