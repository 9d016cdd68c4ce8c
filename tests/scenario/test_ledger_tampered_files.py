"""An attacker who exchanges, rewrites or damages the database as a whole: found, and no input ends in a crash."""

from __future__ import annotations

import base64
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from builders import make_keys
from fixtures.published_ledger import PUBLISHED, SIZE, change_subject
from ledger_simulator import LedgerSimulator, make_draft

from ireu_governance.core import merkle
from ireu_governance.core.errors import ErrorCode, LedgerError
from ireu_governance.ledger import database
from ireu_governance.ledger.audit import audit
from ireu_governance.ledger.findings import FindingKind


class TestDatabase:
    def test_dropped_triggers_are_found(self, ledger: LedgerSimulator) -> None:
        with ledger.attacker(keep_triggers=False):
            pass
        (finding,) = ledger.audit().findings
        assert (finding.kind, finding.entry) == (FindingKind.TRIGGER_MISSING, None)
        assert "entries_no_delete is missing" in finding.message

    @pytest.mark.usefixtures("sqlite_only")
    def test_weakened_and_foreign_triggers_are_found(self, ledger: LedgerSimulator) -> None:
        connection = sqlite3.connect(ledger.path)
        connection.execute("DROP TRIGGER entries_no_update")
        connection.execute(
            "CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries WHEN 0"
            " BEGIN SELECT RAISE(ABORT, 'entries is append-only'); END"
        )
        connection.execute("CREATE TRIGGER mine AFTER INSERT ON entries BEGIN DELETE FROM nodes; END")
        connection.close()
        (finding,) = ledger.audit().findings
        assert finding.kind is FindingKind.TRIGGER_MISSING
        assert "entries_no_update was changed" in finding.message
        assert "mine is foreign" in finding.message

    def test_older_copy_of_the_database_is_found(self, ledger: LedgerSimulator, tmp_path: Path) -> None:
        older = ledger.copy(tmp_path / "older")
        ledger.append(make_draft(), make_draft())
        ledger.publish()
        ledger.replace_database(older)
        (finding,) = ledger.audit().findings
        assert (finding.kind, finding.entry, finding.until) == (FindingKind.ROLLED_BACK, SIZE, SIZE + 1)

    @pytest.mark.parametrize("start", [9, 10, SIZE - 1])
    def test_tail_rewritten_at_the_same_length_with_the_real_key_is_found(
        self, ledger: LedgerSimulator, start: int
    ) -> None:
        ledger.rewrite_tail(start, change_subject, signer=ledger.keys.record)
        (finding,) = ledger.audit().findings
        # Entries up to the last checkpoint that still fits are the published ones.
        assert (finding.kind, finding.entry, finding.until) == (FindingKind.FORKED, 9, SIZE - 1)

    def test_tail_rewritten_under_the_old_tree_is_found_without_repeating_it_for_each_level(
        self, ledger: LedgerSimulator
    ) -> None:
        ledger.rewrite_tail(8, change_subject, signer=ledger.keys.record, rebuild_tree=False)
        assert ledger.found() == [("forked", 5), ("node-mismatch", 8)]

    def test_everything_rewritten_with_both_real_keys_is_found_by_the_published_file(
        self, ledger: LedgerSimulator
    ) -> None:
        ledger.rewrite_tail(0, change_subject, signer=ledger.keys.record)
        with ledger.attacker() as connection:
            leaves = [row[0] for row in connection.execute("SELECT leaf_hash FROM entries ORDER BY seq")]
            for size in PUBLISHED:
                _, frontier = merkle.extend(0, [], leaves[:size])
                text = ledger.forge_checkpoint(size, merkle.root_of_frontier(frontier))
                connection.execute("UPDATE checkpoints SET text = ? WHERE size = ?", (text, size))
        (finding,) = ledger.audit().findings
        assert finding.kind is FindingKind.FORKED

    def test_database_of_another_ledger_is_found(self, ledger: LedgerSimulator, tmp_path: Path) -> None:
        keys = make_keys("other", origin="log.example/other")
        report = audit(ledger.location, key_file=keys.key_file, checkpoint_path=tmp_path / "none")
        assert {str(each.kind) for each in report.findings} >= {"position", "unknown-signer"}

    def test_entries_signed_after_a_revocation_are_found(self, ledger: LedgerSimulator) -> None:
        document = ledger.keys.key_file.to_object()
        revoked = ledger.keys.record.public_key.key_id
        for each in document["signed"]["keys"]:
            if each["key_id"] == revoked:
                each["revoked_from_size"] = 10
        key_file = resign(document, ledger.keys.root)
        report = audit(ledger.location, key_file=key_file, checkpoint_path=ledger.checkpoint_path)
        (finding,) = report.findings
        assert (finding.kind, finding.entry, finding.until) == (FindingKind.SIGNER_NOT_VALID, 10, SIZE - 1)

    @pytest.mark.parametrize("table", ["entries", "nodes", "checkpoints", "entry_cases", "meta", "alembic_version"])
    def test_dropped_table_is_found(self, ledger: LedgerSimulator, table: str) -> None:
        ledger.run(f"DROP TABLE {table}")
        assert any(
            each.kind is FindingKind.MISSING and f"table {table} " in each.message for each in ledger.audit().findings
        )

    @pytest.mark.usefixtures("sqlite_only")
    @pytest.mark.parametrize(
        "value", [None, 5, -1.5, "text", b"\x00", b"\x00" * 31, 2**62, "\ud800".encode("utf-8", "surrogatepass")]
    )
    @pytest.mark.parametrize(
        ("table", "column"),
        [
            *(("entries", each) for each in ("seq", "kind", "recorded_at", "prev", "leaf_hash", "envelope")),
            *(("nodes", each) for each in ("level", '"index"', "hash")),
            *(("checkpoints", each) for each in ("size", "number", "text", "published_at")),
            *(("entry_cases", each) for each in ("case_id", "seq")),
            ("meta", "value"),
        ],
    )
    def test_garbage_of_any_type_is_a_finding_and_no_crash(
        self, ledger: LedgerSimulator, table: str, column: str, value: object
    ) -> None:
        ledger.drop_constraints(table)
        with ledger.attacker() as connection:
            row = connection.execute(
                f"SELECT rowid FROM {table} ORDER BY rowid LIMIT 1 OFFSET ?", (int(table != "meta"),)
            )
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, row.fetchone()[0]))
            connection.execute(
                f"UPDATE {table} SET {column} = CAST({column} AS TEXT) WHERE typeof({column}) = 'blob' AND ?",
                (isinstance(value, bytes) and value.startswith(b"\xed"),),
            )
        assert ledger.audit().findings != ()

    @pytest.mark.usefixtures("sqlite_only")
    def test_database_that_is_cut_short_is_a_finding_or_refused(self, ledger: LedgerSimulator) -> None:
        ledger.settle()
        whole = ledger.path.read_bytes()
        for share in (0.3, 0.6, 0.95):
            ledger.path.write_bytes(whole[: int(len(whole) * share)])
            with contextlib.suppress(LedgerError):
                assert ledger.audit().findings != ()

    @pytest.mark.usefixtures("sqlite_only")
    def test_overwritten_pages_are_a_finding_or_refused(self, ledger: LedgerSimulator) -> None:
        ledger.settle()
        whole = ledger.path.read_bytes()
        root = ledger.audit().root
        for page in range(1, len(whole) // 4096):
            ledger.path.write_bytes(whole[: page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096 :])
            for suffix in ("-wal", "-shm"):
                Path(f"{ledger.path}{suffix}").unlink(missing_ok=True)
            try:
                report = ledger.audit()
            except LedgerError:
                continue
            # Pages of pure indexes (UNIQUE) are never read by an audit, which walks the rows themselves:
            # what it says is then still said about the real entries.
            assert report.findings != () or (report.size, report.root) == (SIZE, root)

    @pytest.mark.usefixtures("sqlite_only")
    @pytest.mark.parametrize("content", [b"", b"not a database, just text" * 100])
    def test_file_that_is_no_ledger_is_refused(self, ledger: LedgerSimulator, content: bytes) -> None:
        ledger.path.write_bytes(content)
        for suffix in ("-wal", "-shm"):
            Path(f"{ledger.path}{suffix}").unlink(missing_ok=True)
        with pytest.raises(LedgerError) as caught:
            ledger.audit()
        assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE

    @pytest.mark.usefixtures("sqlite_only")
    def test_ledger_on_a_medium_that_cannot_be_written_is_audited_without_locks(
        self, ledger: LedgerSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Where not even lock files can be made, SQLite cannot open a database in WAL mode the usual way.
        real = database.open_engine

        def refuse_locks(path: Path, *, mode: Any) -> Any:
            return real(path if mode == "immutable" else path / "unopenable", mode=mode)

        monkeypatch.setattr(database, "open_engine", refuse_locks)
        ledger.settle()
        assert ledger.audit().findings == ()
        ledger.put_body(4, b"{}")
        ledger.settle()
        assert ledger.found() == [("edited", 4)]
        Path(f"{ledger.path}-wal").write_bytes(b"what is not in the database file yet")
        with pytest.raises(LedgerError):
            ledger.audit()

    def test_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(LedgerError):
            LedgerSimulator(tmp_path).audit()

    def test_audit_leaves_every_byte_of_the_ledger_as_it_was(self, ledger: LedgerSimulator) -> None:
        before = ledger.contents()
        ledger.audit()
        assert ledger.contents() == before


def resign(document: Any, root: Any) -> Any:
    """Return the key file of a changed document, signed by its root key again."""
    from ireu_governance.core.canonical import canonicalize
    from ireu_governance.core.envelope import pae
    from ireu_governance.core.keys import KeyFile

    message = pae("application/vnd.ireu.key-file+json", canonicalize(document["signed"]))
    document["signatures"] = [{"keyid": root.public_key.key_id, "sig": base64.b64encode(root.sign(message)).decode()}]
    return KeyFile.from_object(document)
