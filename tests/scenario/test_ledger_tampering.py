"""An attacker with write access to the rows: every deed is found, with its entry and kind, and nothing else.

Whole databases are attacked in `test_ledger_database.py`; what is appended to afterwards is in
`test_ledger_continuation.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fixtures.published_ledger import PUBLISHED, SIZE, change_subject
from ledger_simulator import STRANGER, LedgerSimulator, make_draft

from ireu_governance.core import merkle
from ireu_governance.core.verdict import Verdict
from ireu_governance.ledger.findings import FindingKind


def change_score(statement: Any) -> None:
    statement["predicate"]["cases"][0]["scores"][0]["value"] = 0.01


def change_commitment(statement: Any) -> None:
    statement["predicate"]["cases"][0]["commitment"] = "ef" * 32


class TestUntouched:
    def test_ledger_as_built_gives_no_finding(self, ledger: LedgerSimulator) -> None:
        report = ledger.audit()
        assert report.findings == ()
        assert report.verdict is Verdict.HOLDS
        assert (report.size, report.not_compared) == (SIZE, ())
        assert report.checked["entries"] == SIZE
        assert report.checked["checkpoints"] == len(PUBLISHED) + 1  # the file counts too
        with ledger.open() as reader:
            assert report.root == reader.head().root.hex()

    @pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 7, 8, 64, 65])
    @pytest.mark.parametrize("publish", [False, True], ids=["unpublished", "published"])
    @pytest.mark.usefixtures("each_database")
    def test_ledger_of_any_size_gives_no_finding(self, tmp_path: Path, size: int, publish: bool) -> None:
        built = LedgerSimulator.build(tmp_path / "it", size, published=(size,) if publish else ())
        report = built.audit()
        assert (report.findings, report.size) == ((), size)

    def test_reopened_continued_and_republished_ledger_gives_no_finding(self, ledger: LedgerSimulator) -> None:
        for _ in range(3):
            ledger.append(make_draft(), make_draft())
            assert ledger.audit().findings == ()
            ledger.publish()
            assert ledger.audit().findings == ()

    def test_vacuumed_ledger_gives_no_finding(self, ledger: LedgerSimulator) -> None:
        ledger.vacuum()
        assert ledger.audit().findings == ()
        ledger.append()

    def test_ledger_is_the_same_when_several_processes_audit(self, ledger: LedgerSimulator) -> None:
        alone, together = ledger.audit(), ledger.audit(processes=2)
        assert alone.state is not None
        assert together.state is not None
        same_time = together.state.model_copy(update={"audited_at": alone.state.audited_at})
        assert together.model_copy(update={"state": same_time}) == alone

    def test_file_that_is_older_than_the_stored_checkpoints_is_no_finding(self, ledger: LedgerSimulator) -> None:
        # A publisher that was stopped between the commit and the file leaves exactly this.
        old = ledger.checkpoint_path.read_bytes()
        ledger.append()
        ledger.publish()
        ledger.checkpoint_path.write_bytes(old)
        assert ledger.audit().findings == ()
        ledger.append()

    def test_attack_tools_alone_leave_no_trace(self, ledger: LedgerSimulator) -> None:
        with ledger.attacker():
            pass
        assert ledger.audit().findings == ()


class TestEditedEntry:
    @pytest.mark.parametrize("seq", [0, 1, 6, SIZE - 1])
    def test_edited_body_is_found(self, ledger: LedgerSimulator, seq: int) -> None:
        ledger.put_body(seq, ledger.edited_body(seq, change_subject))
        assert ledger.found() == [("edited", seq)]

    @pytest.mark.parametrize("seq", [2, 5, 8])
    def test_edited_score_is_found(self, ledger: LedgerSimulator, seq: int) -> None:
        ledger.put_body(seq, ledger.edited_body(seq, change_score))
        assert ledger.found() == [("edited", seq)]

    @pytest.mark.parametrize("body", [b"", b"{}", b"\xff" * 40, b"null", b"[" * 10_000])
    def test_garbage_in_the_place_of_a_body_is_found(self, ledger: LedgerSimulator, body: bytes) -> None:
        ledger.put_body(4, body)
        assert ledger.found() == [("edited", 4)]

    def test_flipped_bits_are_found_wherever_they_are(self, ledger: LedgerSimulator) -> None:
        body = ledger.body(7)
        for at in range(0, len(body), 97):
            ledger.put_body(7, body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :])
            found = ledger.found()
            assert len(found) == 1
            assert found[0][0] in ("edited", "unknown-signer")  # a flipped key id names no known key
            assert found[0][1] == 7

    def test_edited_body_with_corrected_leaf_hash_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.put_body(5, ledger.edited_body(5, change_score), fix_leaf=True)
        assert ledger.found() == [("signature", 5)]

    def test_body_in_another_spelling_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.put_body(5, json.dumps(json.loads(ledger.body(5)), indent=1).encode(), fix_leaf=True)
        assert ledger.found() == [("unreadable", 5)]

    @pytest.mark.parametrize("fix_leaf", [False, True])
    def test_body_that_a_stranger_signed_is_found(self, ledger: LedgerSimulator, fix_leaf: bool) -> None:
        ledger.put_body(5, ledger.edited_body(5, change_score, signer=STRANGER), fix_leaf=fix_leaf)
        assert ledger.found() == [("unknown-signer", 5)]

    def test_body_that_the_log_key_signed_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.put_body(5, ledger.edited_body(5, change_score, signer=ledger.keys.log), fix_leaf=True)
        assert ledger.found() == [("unknown-signer", 5)]

    def test_body_of_another_payload_type_is_found(self, ledger: LedgerSimulator) -> None:
        from ireu_governance.core.envelope import Envelope

        payload = Envelope.from_bytes(ledger.body(5)).payload
        envelope = Envelope.sign(payload, ledger.keys.record, "application/vnd.ireu.other+json")
        ledger.put_body(5, envelope.to_bytes(), fix_leaf=True)
        assert ledger.found() == [("unreadable", 5)]

    def test_body_that_the_real_key_signed_anew_is_found_by_what_follows_it(self, ledger: LedgerSimulator) -> None:
        ledger.put_body(5, ledger.edited_body(5, change_score, signer=ledger.keys.record))
        assert ledger.found() == [("edited", 5)]

    def test_body_and_hash_by_the_real_key_are_found_by_chain_and_checkpoint(self, ledger: LedgerSimulator) -> None:
        ledger.put_body(6, ledger.edited_body(6, change_commitment, signer=ledger.keys.record), fix_leaf=True)
        ledger.rebuild_tree()
        assert ledger.found() == [("forked", 5), ("chain-broken", 7)]

    def test_stored_hash_alone_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.run("UPDATE entries SET leaf_hash = ? WHERE seq = 6", b"\x01" * 32)
        assert ledger.found() == [("leaf-mismatch", 6)]

    @pytest.mark.parametrize(
        ("column", "value"), [("kind", "verification"), ("recorded_at", "2020-01-01T00:00:00Z"), ("prev", b"7" * 32)]
    )
    def test_column_beside_the_body_is_found(self, ledger: LedgerSimulator, column: str, value: Any) -> None:
        ledger.run(f"UPDATE entries SET {column} = ? WHERE seq = 3", value)
        assert ledger.found() == [("edited", 3)]

    @pytest.mark.parametrize("deed", ["edit", "delete", "swap neighbours", "shift"])
    def test_real_root_is_worked_out_around_the_damage(self, ledger: LedgerSimulator, deed: str) -> None:
        # What follows an entry says which hash it had, and a moved entry still is what it was: checkpoints
        # are compared all the same, so that one deed cannot hide another.
        root = ledger.audit().root
        if deed == "edit":
            ledger.put_body(5, b"{}", fix_leaf=True)
        elif deed == "delete":
            ledger.run("DELETE FROM entries WHERE seq = 5")
        elif deed == "swap neighbours":
            ledger.swap_rows(4, 5)
        else:
            ledger.swap_bodies(SIZE - 1, SIZE - 2)
        report = ledger.audit()
        assert report.findings != ()
        assert (report.root, report.not_compared) == (root, ())

    def test_checkpoints_over_unknown_entries_are_listed_as_not_compared(self, ledger: LedgerSimulator) -> None:
        ledger.run("DELETE FROM entries WHERE seq IN (6, 7)")
        report = ledger.audit()
        assert (report.root, report.not_compared) == (None, (9, 13))

    def test_every_edit_is_found_when_there_are_several(self, ledger: LedgerSimulator) -> None:
        for seq in (2, 5, 8):
            ledger.put_body(seq, ledger.edited_body(seq, change_score))
        ledger.run('UPDATE nodes SET hash = ? WHERE level = 1 AND "index" = 5', b"\x02" * 32)
        assert ledger.found() == [("edited", 2), ("edited", 5), ("edited", 8), ("node-mismatch", 10)]


class TestMissingAndMovedEntries:
    def test_deleted_middle_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.run("DELETE FROM entries WHERE seq = 6")
        assert ledger.found() == [("missing", 6)]

    def test_deleted_range_is_one_finding_over_all_of_it(self, ledger: LedgerSimulator) -> None:
        ledger.run("DELETE FROM entries WHERE seq BETWEEN 3 AND 7")
        (finding,) = ledger.audit().findings
        assert (finding.kind, finding.entry, finding.until) == (FindingKind.MISSING, 3, 7)

    def test_deleted_first_entry_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.run("DELETE FROM entries WHERE seq = 0")
        assert ledger.found() == [("missing", 0)]

    @pytest.mark.parametrize("count", [1, 2, 5])
    def test_deleted_tail_is_found(self, ledger: LedgerSimulator, count: int) -> None:
        ledger.run("DELETE FROM entries WHERE seq >= ?", SIZE - count)
        (finding,) = ledger.audit().findings
        assert (finding.kind, finding.entry, finding.until) == (FindingKind.TRUNCATED, SIZE - count, SIZE - 1)

    def test_deleted_tail_that_was_never_published_is_found_by_its_traces(self, ledger: LedgerSimulator) -> None:
        ledger.append(make_draft(), make_draft(), make_draft())
        ledger.run("DELETE FROM entries WHERE seq >= ?", SIZE + 1)
        assert ledger.found() == [("truncated", SIZE + 1)]

    def test_deleted_tail_without_traces_is_found_by_the_published_checkpoint(self, ledger: LedgerSimulator) -> None:
        with ledger.attacker() as connection:
            connection.execute("DELETE FROM entries WHERE seq >= 9")
            connection.execute("DELETE FROM entry_cases WHERE seq >= 9")
            connection.execute("DELETE FROM checkpoints WHERE size > 9")
        ledger.rebuild_tree()
        assert ledger.found() == [("rolled-back", 9)]

    def test_deleting_everything_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.run("DELETE FROM entries")
        assert ledger.found() == [("truncated", 0)]
        with ledger.attacker() as connection:
            for table in ("nodes", "checkpoints", "entry_cases"):
                connection.execute(f"DELETE FROM {table}")
        assert ledger.found() == [("rolled-back", 0)]

    @pytest.mark.parametrize(("first", "second"), [(3, 8), (4, 5), (0, 12)])
    def test_reordered_rows_are_found(self, ledger: LedgerSimulator, first: int, second: int) -> None:
        ledger.swap_rows(first, second)
        assert ledger.found() == [("position", first), ("position", second)]

    def test_swapped_bodies_are_found(self, ledger: LedgerSimulator) -> None:
        ledger.swap_bodies(3, 8)
        assert ledger.found() == [("position", 3), ("position", 8)]

    def test_forged_row_at_the_end_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.insert(ledger.forge_entry(SIZE, signer=STRANGER, prev=merkle.leaf_hash(ledger.body(SIZE - 1))))
        assert ledger.found() == [("unknown-signer", SIZE)]

    def test_forged_row_in_the_middle_is_found_with_all_that_it_moved(self, ledger: LedgerSimulator) -> None:
        with ledger.attacker() as connection:
            for seq in range(SIZE - 1, 5, -1):
                connection.execute("UPDATE entries SET seq = seq + 1 WHERE seq = ?", (seq,))
        ledger.insert(ledger.forge_entry(6, signer=STRANGER, prev=b"\x05" * 32))
        report = ledger.audit()
        assert [(str(each.kind), each.entry, each.until) for each in report.findings] == [
            ("unknown-signer", 6, None),
            ("position", 7, SIZE),
        ]

    def test_copied_row_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.drop_constraints()
        ledger.insert((SIZE, *ledger.row(4)[1:]))
        assert ledger.found() == [("position", SIZE)]

    def test_second_row_of_the_same_number_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.drop_constraints()
        ledger.insert(ledger.row(4))
        assert ledger.found() == [("position", 4)]

    def test_entry_of_another_ledger_with_the_same_keys_is_found(self, ledger: LedgerSimulator) -> None:
        def move(statement: Any) -> None:
            statement["predicate"]["ledger"]["origin"] = "log.example/other"

        ledger.put_body(SIZE - 1, ledger.edited_body(SIZE - 1, move, signer=ledger.keys.record), fix_leaf=True)
        assert ledger.found() == [("position", SIZE - 1)]

    def test_entry_dated_before_its_forerunner_is_found(self, ledger: LedgerSimulator) -> None:
        def backdate(statement: Any) -> None:
            statement["predicate"]["recorded_at"] = "2026-11-20T08:30:00Z"

        ledger.rewrite_tail(SIZE - 1, backdate, signer=ledger.keys.record)
        assert ("time", SIZE - 1) in ledger.found()

    def test_entry_dated_before_its_key_was_added_is_found(self, ledger: LedgerSimulator) -> None:
        def backdate(statement: Any) -> None:
            statement["predicate"]["recorded_at"] = "2020-01-01T00:00:00Z"

        ledger.put_body(SIZE - 1, ledger.edited_body(SIZE - 1, backdate, signer=ledger.keys.record), fix_leaf=True)
        assert ledger.found() == [("signer-not-valid", SIZE - 1)]


class TestTreeAndCheckpoints:
    @pytest.mark.parametrize(("level", "index"), [(1, 0), (1, 5), (2, 1), (3, 0)])
    def test_edited_interior_node_is_found(self, ledger: LedgerSimulator, level: int, index: int) -> None:
        ledger.run('UPDATE nodes SET hash = ? WHERE level = ? AND "index" = ?', b"\x07" * 32, level, index)
        assert ledger.found() == [("node-mismatch", index << level)]

    def test_deleted_interior_node_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.run('DELETE FROM nodes WHERE level = 2 AND "index" = 1')
        assert ledger.found() == [("node-mismatch", 4)]

    def test_deleted_tree_is_found_level_by_level(self, ledger: LedgerSimulator) -> None:
        ledger.run("DELETE FROM nodes")
        assert ledger.found() == [("node-mismatch", 0)] * 3

    def test_node_over_absent_entries_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.run("INSERT INTO nodes VALUES (1, 9, ?)", b"\x07" * 32)
        assert ledger.found() == [("node-mismatch", 18)]

    def test_edited_checkpoint_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.run(
            "UPDATE checkpoints SET text = replace(text, char(10) || '9' || char(10), char(10) || '8' || char(10))"
        )
        assert ledger.found() == [("checkpoint-invalid", 8)]

    def test_checkpoint_that_a_stranger_signed_is_found(self, ledger: LedgerSimulator) -> None:
        text = ledger.forge_checkpoint(9, b"\x09" * 32, signer=STRANGER)
        ledger.run("UPDATE checkpoints SET text = ? WHERE size = 9", text)
        assert ledger.found() == [("checkpoint-invalid", 8)]

    def test_checkpoint_under_a_false_size_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.run("UPDATE checkpoints SET size = 10 WHERE size = 9")
        assert ledger.found() == [("checkpoint-invalid", 9)]

    @pytest.mark.parametrize("size", PUBLISHED)
    def test_deleted_checkpoint_is_found(self, ledger: LedgerSimulator, size: int) -> None:
        ledger.run("DELETE FROM checkpoints WHERE size = ?", size)
        # In the middle the next one's number tells; the last one is told by the published file.
        expected = {5: 8, 9: 12, 13: 12}[size]
        assert ledger.found() == [("missing", expected)]

    def test_missing_file_of_the_checkpoint_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.checkpoint_path.unlink()
        assert ledger.found() == [("missing", None)]

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"log.example/ireu\n13\n", b"x" * 10**6])
    def test_spoilt_file_of_the_checkpoint_is_found(self, ledger: LedgerSimulator, content: bytes) -> None:
        ledger.checkpoint_path.write_bytes(content)
        assert ledger.found() == [("checkpoint-invalid", None)]

    def test_edited_case_index_is_found(self, ledger: LedgerSimulator) -> None:
        ledger.run("UPDATE entry_cases SET case_id = ? WHERE seq = 4", "f" * 32)
        assert ledger.found() == [("index-mismatch", 4)]

    def test_deleted_and_added_rows_of_the_case_index_are_found(self, ledger: LedgerSimulator) -> None:
        ledger.run("DELETE FROM entry_cases WHERE seq = 4")
        ledger.run("INSERT INTO entry_cases VALUES (?, 7)", "f" * 32)
        assert ledger.found() == [("index-mismatch", 4), ("index-mismatch", 7)]
