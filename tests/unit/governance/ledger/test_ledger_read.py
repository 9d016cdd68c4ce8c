"""Reading and proving: every proof verifies with nothing but core, and what is not there is said to be so."""

from __future__ import annotations

import re
import sqlite3

import pytest
from builders import make_keys
from ledger_simulator import LedgerSimulator, make_draft
from sqlalchemy import event

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import open_checkpoint
from ireu_governance.core.errors import ErrorCode, InputError, LedgerRefusedError, VerificationError
from ireu_governance.core.proof import LogProof
from ireu_governance.ledger.database import reading
from ireu_governance.ledger.read import LedgerReader
from ireu_governance.ledger.records import node_reader


def test_every_entry_is_proven_in_every_checkpoint_that_covers_it(filled: LedgerSimulator) -> None:
    keys = [filled.keys.log.public_key]
    with filled.open() as ledger:
        for size in (7, 16, 30):
            for seq in range(size):
                proof = LogProof.from_text(ledger.prove_inclusion(seq, size).to_text())
                checkpoint = open_checkpoint(proof.checkpoint, origin=ledger.key_file.origin, keys=keys)
                assert checkpoint.size == size
                merkle.verify_inclusion(
                    index=seq,
                    size=size,
                    leaf_hash=merkle.leaf_hash(ledger.entry(seq).envelope),
                    proof=proof.hashes,
                    root=checkpoint.root,
                )


def test_only_entry_of_a_log_is_proven(simulator: LedgerSimulator) -> None:
    simulator.append()
    simulator.publish()
    with simulator.open() as ledger:
        proof = ledger.prove_inclusion(0)
        assert (proof.index, proof.hashes) == (0, ())
        assert ledger.head().root == merkle.leaf_hash(ledger.entry(0).envelope)


def test_latest_checkpoint_is_proven_against_unless_told_otherwise(filled: LedgerSimulator) -> None:
    with filled.open() as ledger:
        assert ledger.prove_inclusion(3) == ledger.prove_inclusion(3, 30)


def test_all_pairs_of_sizes_are_proven_consistent(filled: LedgerSimulator) -> None:
    with filled.open() as ledger:
        leaves = [each.leaf_hash for each in ledger.entries()]
        roots = [merkle.root_of_frontier(merkle.extend(0, [], leaves[:size])[1]) for size in range(31)]
        assert ledger.prove_consistency(0, 30) == []  # every log continues the empty one
        for size2 in range(1, 31):
            for size1 in range(1, size2 + 1):
                merkle.verify_consistency(
                    size1=size1,
                    size2=size2,
                    proof=ledger.prove_consistency(size1, size2),
                    root1=roots[size1],
                    root2=roots[size2],
                )


@pytest.mark.parametrize(("seq", "size"), [(30, None), (7, 7), (-1, None), (10**9, None), (2, 8), (2, 0)])
def test_proof_of_what_no_checkpoint_covers_is_refused(filled: LedgerSimulator, seq: int, size: int | None) -> None:
    with filled.open() as ledger, pytest.raises(InputError) as caught:
        ledger.prove_inclusion(seq, size)
    assert caught.value.code is ErrorCode.ENTRY_UNKNOWN


def test_proof_before_the_first_checkpoint_says_what_to_do(simulator: LedgerSimulator) -> None:
    simulator.append()
    with simulator.open() as ledger, pytest.raises(InputError, match="no checkpoint") as caught:
        ledger.prove_inclusion(0)
    assert "Publish" in caught.value.hint


@pytest.mark.parametrize(("size1", "size2"), [(-1, 3), (4, 3), (3, 31)])
def test_consistency_of_sizes_that_never_were_is_refused(filled: LedgerSimulator, size1: int, size2: int) -> None:
    with filled.open() as ledger, pytest.raises(InputError):
        ledger.prove_consistency(size1, size2)


def test_proof_that_would_not_verify_is_not_handed_out(simulator: LedgerSimulator) -> None:
    simulator.append(*(make_draft() for _ in range(6)))
    simulator.publish()
    simulator.run("UPDATE nodes SET hash = ? WHERE level = 1", b"\x01" * 32)
    with simulator.open() as ledger, pytest.raises(LedgerRefusedError):
        ledger.prove_inclusion(0)
    simulator.run("DELETE FROM nodes")
    with simulator.open() as ledger, pytest.raises(LedgerRefusedError):
        ledger.prove_inclusion(0)


def test_entries_are_walked_by_range_and_kind(filled: LedgerSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ireu_governance.ledger.read._PAGE", 4)  # many pages
    with filled.open() as ledger:
        assert [each.seq for each in ledger.entries()] == list(range(30))
        assert [each.seq for each in ledger.entries(5, 12)] == list(range(5, 12))
        assert [each.seq for each in ledger.entries(kind="removal")] == list(range(1, 30, 3))
        assert [each.seq for each in ledger.entries(4, 9, "verification")] == [5, 8]
        assert list(ledger.entries(30)) == []


def test_case_is_found_with_all_its_entries(filled: LedgerSimulator) -> None:
    with filled.open() as ledger:
        assert [each.seq for each in ledger.find_case(f"{4:032x}")] == [12, 13, 14]
        assert ledger.find_case("f" * 32) == []


@pytest.mark.parametrize("seq", [-1, 30, 2**62])
def test_absent_entry_is_unknown(filled: LedgerSimulator, seq: int) -> None:
    with filled.open() as ledger, pytest.raises(InputError) as caught:
        ledger.entry(seq)
    assert caught.value.code is ErrorCode.ENTRY_UNKNOWN


def test_statement_of_an_entry_that_was_moved_or_forged_is_refused(filled: LedgerSimulator) -> None:
    from dataclasses import replace

    with filled.open() as ledger:
        entry = ledger.entry(4)
        assert ledger.statement(entry).predicate.kind == "removal"
        with pytest.raises(VerificationError) as caught:
            ledger.statement(replace(entry, seq=5))
        assert caught.value.check == "position"
        with pytest.raises(VerificationError):
            ledger.statement(replace(entry, envelope=filled.edited_body(4, lambda s: s["subject"].pop())))
        stranger = LedgerReader(
            engine=ledger._engine,
            location=ledger.location,
            key_file=make_keys("stranger").key_file,
            checkpoint_path=ledger.checkpoint_path,
        )
        with pytest.raises(VerificationError):
            stranger.statement(entry)


def test_proof_asks_the_database_for_few_queries(filled: LedgerSimulator) -> None:
    # O(log n) hashes in a constant number of queries; the loop over levels must not become one over queries.
    with filled.open() as ledger:
        ledger.prove_inclusion(1)
        queries: list[str] = []
        event.listen(ledger._engine, "before_cursor_execute", lambda c, cur, sql, *rest: queries.append(sql))
        ledger.prove_inclusion(1)
    assert len([each for each in queries if each.startswith("SELECT")]) <= 4


@pytest.mark.usefixtures("sqlite_only")
def test_proofs_search_the_tables_instead_of_walking_through_them(filled: LedgerSimulator) -> None:
    with filled.open() as ledger, reading(ledger._engine) as connection:
        plans: list[str] = []

        def explain(_: object, cursor: sqlite3.Cursor, sql: str, values: tuple[object, ...], *__: object) -> None:
            if sql.startswith("SELECT"):
                plans.extend(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {sql}", values))

        event.listen(ledger._engine, "before_cursor_execute", explain)
        node_reader(connection)([(1, 3), (2, 0), (0, 5), (0, 6)])
        event.remove(ledger._engine, "before_cursor_execute", explain)
    assert plans
    assert not [plan for plan in plans if re.match("SCAN (n|nodes|entries)$", plan)], plans


def test_reader_sees_one_state_while_others_append(simulator: LedgerSimulator) -> None:
    simulator.append(make_draft())
    with simulator.open() as ledger:
        walk = ledger.entries()
        assert next(walk).seq == 0
        simulator.append(make_draft())
        assert ledger.head().size == 2
