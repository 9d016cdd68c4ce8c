"""A ledger that is not the one that was published: nothing is appended to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import make_key, make_keys
from fixtures.published_ledger import SIZE, change_subject
from ledger_simulator import STRANGER, LedgerSimulator, make_draft

from ireu_governance.core import merkle
from ireu_governance.core.errors import LedgerError, LedgerRefusedError


class TestAppendRefuses:
    def refuse(self, ledger: LedgerSimulator) -> None:
        before = ledger.contents()
        with ledger.open() as opened:
            with pytest.raises(LedgerRefusedError):
                opened.append([make_draft()], ledger.keys.record)
            with pytest.raises(LedgerRefusedError):
                opened.publish(ledger.keys.log)
        assert ledger.contents() == before

    def test_older_copy_is_not_continued(self, ledger: LedgerSimulator, tmp_path: Path) -> None:
        older = ledger.copy(tmp_path / "older")
        ledger.append()
        ledger.publish()
        ledger.replace_database(older)
        self.refuse(ledger)

    def test_older_copy_that_grew_again_is_not_continued(self, ledger: LedgerSimulator, tmp_path: Path) -> None:
        older = ledger.copy(tmp_path / "older")
        ledger.append(make_draft(), make_draft())
        ledger.publish()
        older.append(make_draft(), make_draft(), make_draft())
        ledger.replace_database(older)
        self.refuse(ledger)

    def test_older_copy_under_a_running_process_is_not_continued(self, ledger: LedgerSimulator, tmp_path: Path) -> None:
        # Nothing was published since: only the process itself knows better.
        older = ledger.copy(tmp_path / "older")
        with ledger.open() as opened:
            opened.append([make_draft()], ledger.keys.record)
            opened.close()  # so that the next call opens the file that stands there then
            ledger.replace_database(older)
            with pytest.raises(LedgerRefusedError):
                opened.append([make_draft()], ledger.keys.record)

    def test_foreign_database_is_not_continued(self, ledger: LedgerSimulator, tmp_path: Path) -> None:
        foreign = LedgerSimulator(tmp_path / "foreign", make_keys("main", origin="log.example/foreign"))
        foreign.prepare()
        from ireu_governance.ledger.append import Ledger

        with Ledger.create(
            foreign.location, key_file=foreign.keys.key_file, checkpoint_path=foreign.checkpoint_path
        ) as opened:
            opened.append([make_draft()] * 1, foreign.keys.record)
        ledger.replace_database(foreign)
        self.refuse(ledger)

    def test_rewritten_tail_is_not_continued(self, ledger: LedgerSimulator) -> None:
        ledger.rewrite_tail(10, change_subject, signer=ledger.keys.record)
        self.refuse(ledger)

    def test_rewritten_last_row_is_not_continued(self, ledger: LedgerSimulator) -> None:
        ledger.put_body(SIZE - 1, ledger.edited_body(SIZE - 1, change_subject), fix_leaf=True)
        self.refuse(ledger)

    def test_forged_last_entry_is_not_continued(self, ledger: LedgerSimulator) -> None:
        ledger.insert(ledger.forge_entry(SIZE, signer=STRANGER, prev=merkle.leaf_hash(ledger.body(SIZE - 1))))
        ledger.rebuild_tree()
        self.refuse(ledger)

    def test_cut_off_tail_is_not_continued(self, ledger: LedgerSimulator) -> None:
        ledger.run("DELETE FROM entries WHERE seq >= 11")
        self.refuse(ledger)

    def test_emptied_ledger_is_not_continued(self, ledger: LedgerSimulator) -> None:
        with ledger.attacker() as connection:
            for table in ("entries", "nodes", "checkpoints", "entry_cases"):
                connection.execute(f"DELETE FROM {table}")
        self.refuse(ledger)

    def test_checkpoint_of_a_stranger_is_not_continued_from(self, ledger: LedgerSimulator) -> None:
        text = ledger.forge_checkpoint(1, b"\x01" * 32, signer=make_key("stranger/log"))
        ledger.checkpoint_path.write_text(text)
        self.refuse(ledger)

    def test_missing_checkpoint_file_stops_appends_until_it_is_published_again(self, ledger: LedgerSimulator) -> None:
        text = ledger.checkpoint_path.read_text()
        ledger.checkpoint_path.unlink()
        with ledger.open() as opened:
            with pytest.raises(LedgerError, match="missing"):
                opened.append([make_draft()], ledger.keys.record)
            assert opened.publish(ledger.keys.log) == text
            opened.append([make_draft()], ledger.keys.record)
        assert ledger.checkpoint_path.read_text() == text

    def test_untouched_ledger_is_continued(self, ledger: LedgerSimulator) -> None:
        ledger.append()
        assert ledger.audit().size == SIZE + 1
