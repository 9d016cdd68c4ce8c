"""What an audit finds beyond changed rows: keys out of their time, attestations, references; and audits that go on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builders import KeySet, make_cases, make_key
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_simulator import RECORDED_AT, LedgerSimulator, make_draft

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint, SignedNote
from ireu_governance.core.cosignature import Cosigner
from ireu_governance.core.errors import ConfigError, InputError, VerificationError
from ireu_governance.core.key_change import KeyFileChange
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.policy import Policy
from ireu_governance.core.statement import Digest, Draft, Subject
from ireu_governance.ledger.audit_state import VerifiedState, load_state, save_state
from ireu_governance.ledger.audit_tree import NodeAudit
from ireu_governance.ledger.findings import FindingKind, FindingList
from ireu_governance.ledger.succession import SuccessionLedger

SIZE = 11
PUBLISHED = (3, 6, 11)
STORIES = 7  # entries of the story that build on an earlier one: four removals, three verifications


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, each_database: str) -> LedgerSimulator:
    return LedgerSimulator.build(tmp_path_factory.mktemp("ledger") / "it", SIZE, published=PUBLISHED)


@pytest.fixture
def ledger(template: LedgerSimulator, tmp_path: Path) -> LedgerSimulator:
    return template.copy(tmp_path / "copy")


def state_of(ledger: LedgerSimulator) -> VerifiedState:
    state = ledger.audit().state
    assert state is not None
    return state


def grow(ledger: LedgerSimulator, count: int = 5) -> None:
    ledger.append(*(make_draft() for _ in range(count)))
    ledger.publish()


def found(ledger: LedgerSimulator, **options: Any) -> list[tuple[str, int | None]]:
    return [(str(each.kind), each.entry) for each in ledger.audit(**options).findings]


def change_commitment(statement: Any) -> None:
    statement["predicate"]["cases"][0]["commitment"] = "ef" * 32


class TestAuditThatGoesOn:
    def test_only_new_entries_are_read_and_the_root_is_the_same(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        grow(ledger)
        whole, further = ledger.audit(), ledger.audit(since=since)
        assert further.findings == ()
        assert (further.since, whole.since) == (SIZE, None)
        assert (further.checked["entries"], whole.checked["entries"]) == (5, SIZE + 5)
        assert (further.size, further.root) == (whole.size, whole.root)
        assert whole.state is not None
        assert further.state == whole.state.model_copy(update={"audited_at": further.state.audited_at})  # type: ignore[union-attr]
        assert any("not read again" in note for note in further.notes)

    @pytest.mark.parametrize("more", [0, 1, 2, 3, 4, 5, 8, 21])
    @pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 7, 8])
    @pytest.mark.usefixtures("sqlite_only")
    def test_any_two_sizes_give_no_finding(self, tmp_path: Path, size: int, more: int) -> None:
        ledger = LedgerSimulator.build(tmp_path / "it", size)
        since = state_of(ledger)
        if more:
            grow(ledger, more)
        report = ledger.audit(since=since)
        assert (report.findings, report.size, report.root) == ((), size + more, ledger.audit().root)

    def test_audit_goes_on_step_by_step(self, ledger: LedgerSimulator) -> None:
        state = state_of(ledger)
        for count in (1, 3, 2):
            grow(ledger, count)
            report = ledger.audit(since=state)
            assert (report.findings, report.checked["entries"]) == ((), count)
            assert report.state is not None
            state = report.state
        assert state.root == ledger.audit().root

    def test_edit_of_a_new_entry_is_found(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        grow(ledger)
        ledger.put_body(SIZE + 2, ledger.edited_body(SIZE + 2, change_commitment))
        report = ledger.audit(since=since)
        assert [(str(each.kind), each.entry) for each in report.findings] == [("edited", SIZE + 2)]
        assert report.state is None

    def test_edit_of_an_entry_that_was_read_before_is_left_to_a_whole_audit(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        grow(ledger)
        ledger.put_body(4, ledger.edited_body(4, change_commitment))
        assert found(ledger, since=since) == []
        assert ("edited", 4) in found(ledger)

    def test_tail_rewritten_with_the_real_key_is_found_although_it_was_read_before(
        self, ledger: LedgerSimulator
    ) -> None:
        since = state_of(ledger)
        ledger.rewrite_tail(SIZE - 2, change_commitment, signer=ledger.keys.record)
        assert ("forked", SIZE - 1) in found(ledger, since=since)

    def test_entries_before_a_rewritten_end_cannot_be_continued_differently(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        grow(ledger)
        ledger.rewrite_tail(SIZE - 2, change_commitment, signer=ledger.keys.record)
        kinds = {kind for kind, _ in found(ledger, since=since)}
        assert kinds >= {"forked", "chain-broken"}

    def test_cut_off_entries_that_were_read_before_are_found(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        with ledger.attacker() as connection:
            connection.execute("DELETE FROM entries WHERE seq >= 8")
            connection.execute("DELETE FROM checkpoints WHERE size > 8")
        assert ("rolled-back", 8) in found(ledger, since=since)

    def test_emptied_ledger_is_found(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        with ledger.attacker() as connection:
            for table in ("entries", "nodes", "checkpoints", "entry_cases"):
                connection.execute(f"DELETE FROM {table}")
        assert ("rolled-back", 0) in found(ledger, since=since)

    @pytest.mark.parametrize("seq", [2, SIZE - 1])
    def test_entry_that_was_read_before_and_is_gone_is_missed(self, ledger: LedgerSimulator, seq: int) -> None:
        since = state_of(ledger)
        grow(ledger)
        ledger.run("DELETE FROM entries WHERE seq = ?", seq)
        (finding,) = ledger.audit(since=since).findings
        assert (finding.kind, finding.entry) == (FindingKind.MISSING, None if seq == 2 else seq)

    def test_node_that_older_proofs_need_is_missed(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        grow(ledger)
        ledger.run('UPDATE nodes SET hash = ? WHERE level = 3 AND "index" = 0', b"\x01" * 32)
        (finding,) = ledger.audit(since=since).findings
        assert (finding.kind, finding.entry, finding.until) == (FindingKind.NODE_MISMATCH, 0, SIZE - 1)

    def test_new_nodes_are_compared(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        grow(ledger)
        ledger.run('UPDATE nodes SET hash = ? WHERE level = 2 AND "index" = 3', b"\x01" * 32)
        ledger.run("INSERT INTO nodes VALUES (9, 0, ?)", b"\x01" * 32)
        assert found(ledger, since=since) == [("node-mismatch", 0), ("node-mismatch", 12)]

    def test_checkpoint_file_older_than_the_audit_is_proven_to_be_continued(self, ledger: LedgerSimulator) -> None:
        text = ledger.checkpoint_path.read_text()
        grow(ledger)
        since = state_of(ledger)
        ledger.checkpoint_path.write_text(text)  # a publisher that was stopped leaves an older one
        report = ledger.audit(since=since)
        assert (report.findings, report.checked["checkpoints"]) == ((), 2)
        ledger.checkpoint_path.write_text(ledger.forge_checkpoint(7, b"\x07" * 32))
        (finding,) = ledger.audit(since=since).findings
        assert (finding.kind, finding.entry, finding.until) == (FindingKind.FORKED, 0, 6)

    def test_checkpoint_taken_out_after_the_audit_is_missed(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        grow(ledger)
        grow(ledger)
        ledger.run("DELETE FROM checkpoints WHERE size = ?", SIZE + 5)
        assert found(ledger, since=since) == [("missing", SIZE + 9)]

    def test_backdated_entry_after_the_audit_is_found(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        since = VerifiedState.model_validate(since.model_dump() | {"last_time": "2030-01-01T00:00:00Z"})
        ledger.append()
        assert found(ledger, since=since) == [("time", SIZE)]

    def test_everything_is_read_again_when_the_key_file_is_another_one(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        other = VerifiedState.model_validate(since.model_dump() | {"key_file": "ab" * 32})
        report = ledger.audit(since=other)
        assert (report.since, report.checked["entries"]) == (None, SIZE)
        assert any("read again" in note for note in report.notes)

    def test_state_of_another_ledger_is_refused(self, ledger: LedgerSimulator) -> None:
        other = VerifiedState.model_validate(state_of(ledger).model_dump() | {"origin": "log.example/other"})
        with pytest.raises(InputError, match="former audit was of"):
            ledger.audit(since=other)


class TestStateFile:
    def test_state_survives_being_written(self, ledger: LedgerSimulator, tmp_path: Path) -> None:
        state = state_of(ledger)
        assert load_state(tmp_path / "state") is None
        save_state(tmp_path / "state", state)
        assert load_state(tmp_path / "state") == state

    @pytest.mark.parametrize(
        "changes",
        [
            {"size": SIZE + 1},
            {"size": -1},
            {"root": "ab" * 32},
            {"frontier": []},
            {"last_leaf": "ab" * 32},
            {"last_time": None},
            {"more": 1},
            {"_type": "urn:ireu:audit-state:v2"},
            {"origin": "two words"},
        ],
        ids=str,
    )
    def test_state_that_contradicts_itself_is_refused(self, ledger: LedgerSimulator, changes: Any) -> None:
        document = json.loads(state_of(ledger).to_bytes()) | changes
        with pytest.raises(InputError, match="state of an audit"):
            VerifiedState.from_bytes(json.dumps(document).encode())

    def test_state_that_cannot_be_read_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            load_state(tmp_path)
        assert caught.value.hint


@settings(max_examples=150)
@given(st.integers(0, 70), st.integers(0, 70), st.data())
def test_tree_that_goes_on_from_a_frontier_is_the_tree_of_all_leaves(
    older: int, more: int, data: st.DataObject
) -> None:
    leaves = [bytes([each]) * 32 for each in range(older + more)]
    _, frontier = merkle.extend(0, [], leaves[:older])
    sizes = data.draw(st.sets(st.integers(older, older + more)), label="sizes")
    before = dict(zip(merkle.root_nodes(older), frontier, strict=True))
    findings = FindingList()
    audit = NodeAudit(leaves[older:], findings, first=older, frontier=before, sizes=sizes | {older + more})
    new = [
        (level, index, hash_) for (level, index), hash_ in merkle.extend(older, frontier, leaves[older:])[0] if level
    ]
    audit.run(sorted(new))
    audit.finish()
    assert findings.sorted() == ()
    assert audit.checked == len(new)
    for size, root in audit.roots().items():
        assert root == merkle.root_of_frontier(merkle.extend(0, [], leaves[:size])[1])
    assert audit.frontier_at(older + more) == merkle.extend(0, [], leaves)[1]


# Keys ---------------------------------------------------------------------------------------------------------


def rotate(ledger: LedgerSimulator, change: KeyFileChange, *signers: Any, issued_at: str = RECORDED_AT) -> KeyFile:
    """Record the next version of the key file in the ledger, as `ireu keys rotate` does."""
    newer = change.propose(issued_at=issued_at).sign(ledger.keys.root).finish()
    with SuccessionLedger.open(
        ledger.location, key_file=change.current, checkpoint_path=ledger.checkpoint_path
    ) as opened:
        opened.adopt(newer, reason="scheduled", signers=signers, log_signer=ledger.keys.log)
        opened.republish(newer)
    return newer


NEXT = make_key("next/record")


@pytest.fixture
def rotated(ledger: LedgerSimulator) -> LedgerSimulator:
    """A ledger whose record key was replaced at its end; the new key has signed the change."""
    change = KeyFileChange(ledger.keys.key_file).add(
        NEXT.public_key, Role.RECORD, valid_from=RECORDED_AT, valid_from_size=SIZE
    )
    newer = rotate(ledger, change.revoke(ledger.keys.record.public_key.key_id, from_size=SIZE), NEXT)
    return LedgerSimulator(ledger.folder, KeySet(ledger.keys.root, ledger.keys.log, NEXT, newer))


class TestKeys:
    def test_rotated_ledger_gives_no_finding(self, rotated: LedgerSimulator) -> None:
        report = rotated.audit()
        assert (report.findings, report.size, report.checked["references"]) == ((), SIZE + 1, STORIES + 1)
        grow(rotated)
        assert rotated.audit(since=report.state).findings == ()

    def test_audit_after_a_rotation_reads_everything_again(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        change = KeyFileChange(ledger.keys.key_file).add(NEXT.public_key, Role.RECORD, valid_from=RECORDED_AT)
        newer = rotate(ledger, change, ledger.keys.record)
        report = ledger.audit(since=since, key_file=newer)
        assert (report.findings, report.since) == ((), None)

    def test_entry_that_the_old_key_signs_after_its_time_is_found(self, rotated: LedgerSimulator) -> None:
        old = make_key("main/record")
        rotated.append()
        rotated.put_body(SIZE + 1, rotated.edited_body(SIZE + 1, lambda _: None, signer=old), fix_leaf=True)
        assert ("signer-not-valid", SIZE + 1) in found(rotated)

    def test_entry_that_the_new_key_signs_before_its_time_is_found(self, rotated: LedgerSimulator) -> None:
        rotated.put_body(4, rotated.edited_body(4, lambda _: None, signer=NEXT), fix_leaf=True)
        report = rotated.audit()
        assert report.findings[0].kind is FindingKind.SIGNER_NOT_VALID
        assert "counts only from entry" in report.findings[0].message

    def test_older_key_file_than_the_ledger_records_is_found(self, rotated: LedgerSimulator) -> None:
        older = LedgerSimulator(rotated.folder).keys.key_file
        findings = rotated.audit(key_file=older).findings
        assert any(each.kind is FindingKind.UNKNOWN_SIGNER or "Get the newest one" in each.message for each in findings)

    def test_older_key_file_is_named_where_the_old_key_signed_the_change(self, ledger: LedgerSimulator) -> None:
        change = KeyFileChange(ledger.keys.key_file).add(NEXT.public_key, Role.RECORD, valid_from=RECORDED_AT)
        rotate(ledger, change, ledger.keys.record)
        (finding,) = ledger.audit().findings
        assert finding.kind is FindingKind.KEY_HISTORY
        assert "Get the newest one" in finding.message

    def test_key_file_that_the_ledger_does_not_record_is_found(self, ledger: LedgerSimulator) -> None:
        change = KeyFileChange(ledger.keys.key_file).add(NEXT.public_key, Role.RECORD, valid_from=RECORDED_AT)
        secret = change.propose(issued_at=RECORDED_AT).sign(ledger.keys.root).finish()
        assert found(ledger, key_file=secret) == [("key-history", None)]

    def test_another_key_file_of_the_recorded_version_is_found(self, rotated: LedgerSimulator) -> None:
        older = LedgerSimulator(rotated.folder).keys.key_file
        change = KeyFileChange(older).add(NEXT.public_key, Role.RECORD, valid_from=RECORDED_AT, valid_from_size=SIZE)
        other = change.propose(issued_at=RECORDED_AT).sign(rotated.keys.root).finish()
        assert ("key-history", None) in found(rotated, key_file=other)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"version": 7}, "after 2"),
            ({"previous": "ab" * 32}, "was another one"),
            ({"changes": [{"key_id": "ab" * 32, "role": "record", "change": "added"}]}, "does not have"),
        ],
        ids=["version", "previous", "key"],
    )
    def test_change_of_keys_that_cannot_have_happened_is_found(
        self, rotated: LedgerSimulator, changes: dict[str, Any], said: str
    ) -> None:
        newer = rotated.keys.key_file
        fields = {
            "version": newer.version + 1,
            "previous": newer.digest,
            "reason": "scheduled",
            "changes": [{"key_id": NEXT.public_key.key_id, "role": "record", "change": "added"}],
        }
        third = KeyFileChange(newer).add(make_key("third").public_key, Role.RECORD, valid_from=RECORDED_AT)
        key_file = third.propose(issued_at=RECORDED_AT).sign(rotated.keys.root).finish()
        subject = (Subject(name="key-file", digest=Digest(sha256=key_file.digest)),)
        rotated.append(Draft(subject=subject, kind="key-change", fields=fields | changes))
        findings = rotated.audit(key_file=key_file).findings
        assert any(each.kind is FindingKind.KEY_HISTORY and said in each.message for each in findings)

    def test_revocation_that_the_key_file_does_not_know_is_found(self, rotated: LedgerSimulator) -> None:
        newer = rotated.keys.key_file
        fields = {
            "version": newer.version + 1,
            "previous": newer.digest,
            "reason": "compromised",
            "changes": [
                {"key_id": NEXT.public_key.key_id, "role": "record", "change": "compromised", "revoked_from_size": 12}
            ],
        }
        third = KeyFileChange(newer).add(make_key("third").public_key, Role.RECORD, valid_from=RECORDED_AT)
        key_file = third.propose(issued_at=RECORDED_AT).sign(rotated.keys.root).finish()
        subject = (Subject(name="key-file", digest=Digest(sha256=key_file.digest)),)
        rotated.append(Draft(subject=subject, kind="key-change", fields=fields))
        (finding,) = rotated.audit(key_file=key_file).findings
        assert (finding.kind, finding.entry) == (FindingKind.KEY_HISTORY, SIZE + 1)
        assert "counts for longer" in finding.message


# References ---------------------------------------------------------------------------------------------------


def erase(ledger: LedgerSimulator, case_id: str, *entries: int) -> None:
    fields = {"cases": make_cases([case_id]), "entries": entries, "reason": "gdpr:17-1-b"}
    subject = (Subject(name="case", digest=Digest(sha256="ab" * 32)),)
    ledger.append(Draft(subject=subject, kind="erasure", fields=fields))


def withdraw(ledger: LedgerSimulator, removal_seq: int) -> None:
    fields = {"certificate_id": "c" * 32, "status": "revoked", "removal_seq": removal_seq, "reason": "resurfaced"}
    subject = (Subject(name="certificate", digest=Digest(sha256="ab" * 32)),)
    ledger.append(Draft(subject=subject, kind="revocation", fields=fields))


class TestReferences:
    def test_erasure_and_withdrawal_of_what_is_there_give_no_finding(self, ledger: LedgerSimulator) -> None:
        erase(ledger, f"{1:032x}", 3, 4, 5)
        withdraw(ledger, 4)
        report = ledger.audit()
        assert (report.findings, report.checked["references"]) == ((), STORIES + 4)

    @pytest.mark.parametrize("entry", [0, SIZE, SIZE + 7])
    def test_erasure_of_entries_about_others_is_found(self, ledger: LedgerSimulator, entry: int) -> None:
        erase(ledger, f"{1:032x}", 3, entry)
        assert found(ledger) == [("reference", SIZE)]

    @pytest.mark.parametrize("entry", [3, SIZE, SIZE + 7])
    def test_withdrawal_without_a_removal_is_found(self, ledger: LedgerSimulator, entry: int) -> None:
        withdraw(ledger, entry)
        assert found(ledger) == [("reference", SIZE)]

    def test_references_to_entries_that_were_read_before_are_followed(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        erase(ledger, f"{1:032x}", 3)
        withdraw(ledger, 5)
        assert found(ledger, since=since) == [("reference", SIZE + 1)]

    @pytest.mark.parametrize("kind", ["removal", "verification"])
    @pytest.mark.parametrize("entry", [2, SIZE, SIZE + 7])
    def test_removal_or_verification_of_something_else_is_found(
        self, ledger: LedgerSimulator, kind: str, entry: int
    ) -> None:
        since = state_of(ledger)
        ledger.append(make_draft(kind, entry))
        ledger.publish()
        assert found(ledger) == [("reference", SIZE)]
        assert found(ledger, since=since) == [("reference", SIZE)]

    def test_removal_and_verification_after_an_audit_give_no_finding(self, ledger: LedgerSimulator) -> None:
        since = state_of(ledger)
        ledger.append(make_draft("removal", 6), make_draft("verification", SIZE))
        ledger.publish()
        report = ledger.audit(since=since)
        assert (report.findings, report.checked["references"]) == ((), 2)


# What others said about checkpoints ---------------------------------------------------------------------------

WITNESS = Cosigner("witness.example/w1", make_key("witness"))
POLICY = Policy.from_text(f"witness w1 {WITNESS.key.to_text()}\nquorum w1\n")
SEEN = int(datetime(2026, 11, 20, 9, 30, tzinfo=UTC).timestamp())


def cosign(ledger: LedgerSimulator, size: int = SIZE, *, seconds: int = SEEN, by: Cosigner = WITNESS) -> None:
    with ledger.open() as opened:
        text = opened.checkpoint(size)
        assert text is not None
        checkpoint = Checkpoint.from_text(SignedNote.from_text(text).text)
        opened.add_cosignatures(size, [by.cosign(checkpoint, timestamp=seconds).to_line()])


class TestCosignatures:
    def test_cosigned_checkpoint_gives_no_finding(self, ledger: LedgerSimulator) -> None:
        cosign(ledger)
        cosign(ledger, 6)
        cosign(ledger, by=Cosigner("witness.example/other", make_key("other")))
        report = ledger.audit(policy=POLICY)
        assert (report.findings, report.checked["cosignatures"], report.notes) == ((), 2, ())

    def test_without_a_policy_the_report_says_that_nothing_was_verified(self, ledger: LedgerSimulator) -> None:
        cosign(ledger)
        report = ledger.audit()
        assert (report.findings, report.checked["cosignatures"]) == ((), 0)
        assert any("cosignatures that were not verified" in note for note in report.notes)

    def test_changed_cosignature_is_found(self, ledger: LedgerSimulator) -> None:
        cosign(ledger)
        ledger.run("UPDATE cosignatures SET line = replace(line, 'w1', 'w2')")
        assert found(ledger) == [("cosignature-invalid", SIZE - 1)]

    def test_cosignature_under_another_name_is_found(self, ledger: LedgerSimulator) -> None:
        cosign(ledger)
        ledger.run("UPDATE cosignatures SET name = 'witness.example/w2'")
        assert found(ledger) == [("cosignature-invalid", SIZE - 1)]

    def test_cosignature_moved_to_another_checkpoint_is_found(self, ledger: LedgerSimulator) -> None:
        cosign(ledger)
        ledger.run("UPDATE cosignatures SET size = 6")
        assert found(ledger, policy=POLICY) == [("cosignature-invalid", 5)]

    def test_cosignature_of_no_checkpoint_is_found(self, ledger: LedgerSimulator) -> None:
        cosign(ledger)
        ledger.run("UPDATE cosignatures SET size = 7")
        assert found(ledger) == [("cosignature-invalid", 6)]

    def test_entry_dated_after_a_witness_saw_it_is_found(self, ledger: LedgerSimulator) -> None:
        cosign(ledger, seconds=SEEN - 24 * 3600)
        assert found(ledger, policy=POLICY) == [("time", SIZE - 1)]

    def test_entry_dated_before_a_witness_did_not_see_it_yet_is_found(self, ledger: LedgerSimulator) -> None:
        cosign(ledger, 6, seconds=SEEN + 24 * 3600)
        assert found(ledger, policy=POLICY) == [("time", 6)]

    def test_time_beyond_all_calendars_is_no_crash(self, ledger: LedgerSimulator) -> None:
        cosign(ledger, seconds=2**62)
        assert found(ledger, policy=POLICY) == []


def stamp(ledger: LedgerSimulator, token: bytes = b"a token", size: int = SIZE) -> None:
    with ledger.open() as opened:
        opened.add_stamp(size, "tsa.example", token)


class TestStamps:
    def test_verified_stamp_gives_no_finding(self, ledger: LedgerSimulator) -> None:
        stamp(ledger)
        stamp(ledger, size=6)
        seen: list[tuple[bytes, str]] = []

        def verify(token: bytes, text: str) -> str:
            seen.append((token, text))
            return RECORDED_AT

        report = ledger.audit(verify_stamp=verify)
        assert (report.findings, report.checked["stamps"]) == ((), 2)
        with ledger.open() as opened:
            assert (b"a token", opened.checkpoint(6)) in seen

    def test_without_roots_the_report_says_that_nothing_was_verified(self, ledger: LedgerSimulator) -> None:
        stamp(ledger)
        report = ledger.audit()
        assert report.findings == ()
        assert any("time stamps that were not verified" in note for note in report.notes)

    def test_stamp_that_does_not_verify_is_found(self, ledger: LedgerSimulator) -> None:
        def refuse(token: bytes, text: str) -> str:
            raise VerificationError("The time stamp is of something else.", check="trusted-time")

        stamp(ledger)
        assert found(ledger, verify_stamp=refuse) == [("stamp-invalid", SIZE - 1)]

    def test_changed_stamp_is_found(self, ledger: LedgerSimulator) -> None:
        stamp(ledger)
        ledger.run("UPDATE stamps SET token = ?", b"another token")
        assert found(ledger) == [("stamp-invalid", SIZE - 1)]

    def test_stamp_of_no_checkpoint_is_found(self, ledger: LedgerSimulator) -> None:
        stamp(ledger)
        ledger.run("UPDATE stamps SET size = 7")
        assert found(ledger) == [("stamp-invalid", 6)]

    @pytest.mark.parametrize(
        ("time", "expected"),
        [
            ("2026-11-20T08:00:00Z", [("time", SIZE - 1)]),
            ("2026-11-20T08:58:00Z", []),
            ("2026-11-21T08:00:00Z", []),
        ],
    )
    def test_entry_dated_after_a_stamp_that_covers_it_is_found(
        self, ledger: LedgerSimulator, time: str, expected: list[tuple[str, int]]
    ) -> None:
        stamp(ledger)
        assert found(ledger, verify_stamp=lambda token, text: time) == expected

    def test_entry_backdated_behind_a_stamp_is_found(self, ledger: LedgerSimulator) -> None:
        stamp(ledger, size=6)
        assert found(ledger, verify_stamp=lambda token, text: "2026-11-21T08:00:00Z") == [("time", 6)]
