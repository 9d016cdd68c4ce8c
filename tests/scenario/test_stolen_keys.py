"""A key is stolen: what the thief signs counts from the revocation on for nothing, and what was there before stays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import builders
import pytest
from builders import KeySet, make_key
from fixtures.records import RecordedRemoval, record_removal
from ledger_simulator import RECORDED_AT, LedgerSimulator
from sqlalchemy import insert

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint
from ireu_governance.core.errors import EntryVoidError, ErrorCode, InputError, LedgerRefusedError, VerificationError
from ireu_governance.core.key_change import KeyFileChange
from ireu_governance.core.keys import KeyFile, PrivateKey, Role
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.statement import Digest, Draft, Subject
from ireu_governance.core.verdict import Verdict
from ireu_governance.export.audit import audit_folder
from ireu_governance.export.pack import build_pack
from ireu_governance.export.pack_verification import verify_pack
from ireu_governance.export.tiles import export_ledger
from ireu_governance.keystore import load_private_key
from ireu_governance.ledger.audit import AuditReport, audit
from ireu_governance.ledger.certify import issue
from ireu_governance.ledger.continuity import load_end, load_frontier
from ireu_governance.ledger.database import open_engine, writing
from ireu_governance.ledger.location import Location
from ireu_governance.ledger.place import prepare, sign_entries, store_entries
from ireu_governance.ledger.request_log import find_request, list_requests, removal_verdict
from ireu_governance.ledger.revocation import read_withdrawals
from ireu_governance.ledger.succession import SuccessionLedger
from ireu_governance.ledger.tables import CHECKPOINTS
from ireu_governance.rotation import KeyRequest, rotate
from ireu_governance.workspace import Workspace

CASE = "cd" * 16


@pytest.fixture
def before(tmp_path: Path) -> RecordedRemoval:
    return record_removal(tmp_path / "work")


def drafts(start: int) -> list[Draft]:
    """Return a whole removal that never happened."""
    found = []
    for artifact, kind, fields in (
        (builders.BEFORE, "removal-request", builders.make_request((CASE,))),
        (builders.AFTER, "removal", builders.make_removal(start, (CASE,))),
        (builders.AFTER, "verification", builders.make_verification(start + 1, (CASE,))),
    ):
        del fields["recorded_at"]
        found.append(Draft(subject=artifact.subjects(), kind=kind, fields=fields))
    return found


def smuggle(workspace: Workspace, signer: PrivateKey) -> list[int]:
    """Write entries into the database as a thief with its password does: past ireu, and properly chained."""
    return smuggle_into(workspace.ledger_location, workspace.key_file().origin, signer)


def smuggle_into(location: Location, origin: str, signer: PrivateKey) -> list[int]:
    engine = open_engine(location, mode="rw")
    with writing(engine) as connection:
        state = load_frontier(connection, load_end(connection))
        prepared = prepare(drafts(state.size), origin=origin)
        entries = sign_entries(prepared, signer, state, origin=origin, recorded_at=state.last_time)
        store_entries(connection, state, entries, prepared)
    engine.dispose()
    return [each.seq for each in entries]


def publish_by_hand(workspace: Workspace, log_key: PrivateKey) -> str:
    """Sign the head with a log key and put it where the published checkpoint is."""
    engine = open_engine(workspace.ledger_location, mode="rw")
    with writing(engine) as connection:
        state = load_frontier(connection, load_end(connection))
        text = sign_checkpoint(Checkpoint(workspace.key_file().origin, state.size, state.root), log_key)
        count = connection.exec_driver_sql("SELECT count(*) FROM checkpoints").scalar_one()
        row = {"size": state.size, "number": count, "text": text, "published_at": "2026-11-23T00:00:00Z"}
        connection.execute(insert(CHECKPOINTS), row)
    engine.dispose()
    workspace.checkpoint_path.write_text(text)
    return text


def audited(workspace: Workspace) -> AuditReport:
    again = Workspace(workspace.root)
    return audit(again.ledger_location, key_file=again.key_file(), checkpoint_path=again.checkpoint_path)


def refused(report: AuditReport) -> set[int]:
    """Return the entries whose signer did not count there; there must be no other finding."""
    assert {str(each.kind) for each in report.findings} == {"signer-not-valid"}
    return {seq for each in report.findings for seq in range(each.entry or 0, (each.until or each.entry or 0) + 1)}


def stolen(workspace: Workspace, role: Role) -> PrivateKey:
    return load_private_key(workspace.root / "keys" / f"{role.value}.pem", None)


def test_entries_that_a_thief_adds_after_the_revocation_are_found_and_earlier_ones_hold(
    before: RecordedRemoval,
) -> None:
    workspace, thief = before.workspace, stolen(before.workspace, Role.RECORD)
    done = rotate(workspace, KeyRequest(role=Role.RECORD, reason="compromised"))
    assert audited(workspace).findings == ()
    smuggled = smuggle(workspace, thief)
    assert refused(audited(workspace)) == set(smuggled)
    again = Workspace(workspace.root)
    with again.open_ledger() as ledger:
        for seq in smuggled:
            with pytest.raises(VerificationError):
                ledger.statement(ledger.entry(seq))
        for seq in range(done.entry or 0):
            ledger.statement(ledger.entry(seq))
        with pytest.raises(LedgerRefusedError):
            ledger.append(drafts(0)[:1], again.signer(Role.RECORD))


def test_certificate_of_before_holds_and_one_that_the_thief_makes_does_not(before: RecordedRemoval) -> None:
    workspace = before.workspace
    thief, log = stolen(workspace, Role.RECORD), stolen(workspace, Role.LOG)
    newer = rotate(workspace, KeyRequest(role=Role.RECORD, reason="compromised")).newer
    older = Workspace(workspace.root).key_file(1)
    smuggled = smuggle(workspace, thief)
    publish_by_hand(workspace, log)  # the thief has the log key too, and the old key file lets both count
    with Workspace(workspace.root).open_ledger() as ledger:
        ledger.key_file = older
        forged = issue(ledger, key_file=older, signer=thief, removal_seq=smuggled[1])
    assert verify_certificate(forged, key_file=older).verdict is Verdict.HOLDS, "a reader who did not update is fooled"
    report = verify_certificate(forged, key_file=newer)
    assert {"certificate-signature", "record-signature"} <= {each.name for each in report.failed()}
    assert verify_certificate(before.certificate.read_bytes(), key_file=newer).verdict is Verdict.HOLDS


def test_entries_from_the_given_one_on_are_given_up_and_those_before_stay(before: RecordedRemoval) -> None:
    workspace, thief = before.workspace, stolen(before.workspace, Role.RECORD)
    first = smuggle(workspace, thief)[0]  # the theft is noticed only afterwards
    rotate(workspace, KeyRequest(role=Role.RECORD, reason="compromised", from_size=first))
    report = audited(workspace)
    assert report.findings == ()
    assert any(f"Entries {first} to {first + 2} count no more: entry {first + 3} " in each for each in report.notes)


def test_head_that_a_thief_signs_after_the_revocation_is_none(before: RecordedRemoval) -> None:
    workspace, thief = before.workspace, stolen(before.workspace, Role.LOG)
    newer = rotate(workspace, KeyRequest(role=Role.LOG, reason="compromised")).newer
    old_head = before.workspace.checkpoint_path.read_text()
    assert verified_checkpoint(old_head, newer).size == 3, "signed before the revocation"
    forged = publish_by_hand(workspace, thief)
    with pytest.raises(VerificationError):
        verified_checkpoint(forged, newer)
    assert {str(each.kind) for each in audited(workspace).findings} == {"checkpoint-invalid"}


def test_stolen_root_key_alone_changes_nothing_where_two_are_needed(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "w", organisation="X", root_keys=2, root_threshold=2)
    genuine = workspace.key_file()
    root, stranger = stolen(workspace, Role.ROOT), builders.make_key("stranger")
    value = genuine.to_object()
    signed = dict(value["signed"])  # type: ignore[call-overload]
    signed["version"] = 2
    for second in (stranger, root):
        forged = builders.sign_key_file({**value, "signed": signed}, *{root, second})
        with pytest.raises(Exception, match="1 of its root keys"):
            KeyFile.from_bytes(forged)
    own = KeyFile.create(
        origin=genuine.origin,
        organisation=genuine.organisation,
        root_signers=[root, stranger],
        log_keys=[builders.make_key("l").public_key],
        record_keys=[builders.make_key("r").public_key],
        issued_at=genuine.issued_at,
        version=2,
    )
    assert not genuine.accepts(own)


# Life afterwards ----------------------------------------------------------------------------------------------

FIRST = 3  # the first entry that may be the thief's
SECOND = make_key("second/record")


def step(event: str, **fields: object) -> Draft:
    return Draft(
        subject=(Subject(name="case", digest=Digest(sha256=str(builders.make_cases((CASE,))[0]["commitment"]))),),
        kind="request-event",
        fields={"cases": builders.make_cases((CASE,)), "event": event, "happened_at": RECORDED_AT, **fields},
    )


def story(start: int) -> list[Draft]:
    """Return a request, its removal with its test, and that it is done, for the entries from `start` on."""
    due = {"due_at": "2026-12-20T23:59:59Z"}
    return [
        step("received", **due),
        step("accepted", grounds=["gdpr:17-1-b"], **due),
        *drafts(start + 2),
        step("done", removal_seq=start + 3),
    ]


def retest(removal: int) -> Draft:
    fields = builders.make_verification(removal, (CASE,))
    del fields["recorded_at"]
    return Draft(subject=builders.AFTER.subjects(), kind="verification", fields=fields)


def again(request: int) -> Draft:
    fields = builders.make_removal(request, (CASE,))
    del fields["recorded_at"]
    return Draft(subject=builders.AFTER.subjects(), kind="removal", fields=fields)


@dataclass
class Theft:
    """A log whose record key was stolen and replaced, with what the organisation had recorded meanwhile.

    Attributes:
        ledger: Under the new key.
        thief: The stolen key.
        certificate: Issued with it, before anybody knew.
        void: The entries that count no more.
        change: The entry that says so.
    """

    ledger: LedgerSimulator
    thief: PrivateKey
    certificate: bytes
    void: range
    change: int


@pytest.fixture
def theft(tmp_path: Path, each_database: str) -> Theft:
    before = LedgerSimulator.build(tmp_path / "log", FIRST, published=(FIRST,))
    before.append(*story(FIRST))
    before.publish()
    keys = before.keys
    with before.open() as opened:
        certificate = issue(opened, key_file=keys.key_file, signer=keys.record, case_id=CASE)
        size = opened.head().size
    assert verify_certificate(certificate, key_file=keys.key_file).verdict is Verdict.HOLDS
    change = KeyFileChange(keys.key_file).add(
        SECOND.public_key, Role.RECORD, valid_from=RECORDED_AT, valid_from_size=size
    )
    change = change.revoke(keys.record.public_key.key_id, from_size=FIRST)
    newer = change.propose(issued_at=RECORDED_AT).sign(keys.root).finish()
    with SuccessionLedger.open(
        before.location, key_file=keys.key_file, checkpoint_path=before.checkpoint_path
    ) as opened:
        entry = opened.adopt(newer, reason="compromised", signers=[SECOND], log_signer=keys.log)
        opened.republish(newer)
    after = LedgerSimulator(before.folder, KeySet(keys.root, keys.log, SECOND, newer))
    after.publish()
    return Theft(after, keys.record, certificate, range(FIRST, size), entry.seq)


class TestAfterwards:
    def test_what_was_given_up_is_as_if_it_had_never_been_recorded(self, theft: Theft) -> None:
        with theft.ledger.open() as ledger:
            entries = ledger.find_case(CASE)
            assert [each.seq for each in entries] == [*theft.void]
            assert [*ledger.statements(entries)] == []
            assert [each.seq for each, _ in ledger.statements(ledger.entries())] == [0, 1, 2, theft.change]
            assert (find_request(ledger, CASE), list_requests(ledger), read_withdrawals(ledger)) == (None, [], [])
            for seq in theft.void:
                with pytest.raises(EntryVoidError, match=f"Entry {seq} counts no more") as caught:
                    ledger.statement(ledger.entry(seq))
                assert (caught.value.code, caught.value.from_size) == (ErrorCode.ENTRY_VOID, FIRST)
            with pytest.raises(EntryVoidError):
                issue(ledger, key_file=theft.ledger.keys.key_file, signer=SECOND, case_id=CASE)
            with pytest.raises(InputError) as unknown:
                build_pack(ledger, case_id=CASE, signer=SECOND)
            assert unknown.value.code is ErrorCode.CASE_UNKNOWN

    def test_audits_name_what_was_given_up_and_find_nothing_wrong(self, theft: Theft, tmp_path: Path) -> None:
        said = (
            f"Entries {FIRST} to {theft.void[-1]} count no more: entry {theft.change} revokes the key"
            f" {theft.thief.public_key.key_id[:16]}… that signed them from entry {FIRST} on."
        )
        report = theft.ledger.audit()
        assert (report.findings, report.notes, report.not_compared) == ((), (said,), ())
        with theft.ledger.open() as ledger:
            assert report.root == ledger.head().root.hex()
            export_ledger(ledger, tmp_path / "public", signer=SECOND)
        theft.ledger.append()
        further = theft.ledger.audit(since=report.state)
        assert (further.findings, further.checked["entries"]) == ((), 1)
        exported = audit_folder(tmp_path / "public", key_file=theft.ledger.keys.key_file)
        assert (exported.findings, exported.notes, exported.root) == ((), (said,), report.root)

    def test_what_counts_and_builds_on_what_was_given_up_is_named_and_is_no_finding(self, theft: Theft) -> None:
        request, removal = theft.void[2], theft.void[3]
        first = theft.ledger.audit()
        tests = [theft.change + 1 + number for number in range(7)]
        theft.ledger.append(*(retest(removal) for _ in tests), again(request))
        said = (
            f"Entry {tests[-1] + 1} builds on entry {request}, which counts no more.",
            f"Entries {', '.join(map(str, tests[:5]))} and 2 more build on entry {removal}, which counts no more.",
        )
        whole, further = theft.ledger.audit(), theft.ledger.audit(since=first.state)
        assert (whole.findings, whole.notes[1:]) == ((), said)
        assert (further.findings, further.notes[: len(said)]) == ((), said), "where the audit before had read them"
        assert further.checked["entries"] == len(tests) + 1

    def test_what_builds_on_entries_that_count_is_named_by_no_audit(self, theft: Theft) -> None:
        start = theft.change + 1
        first = theft.ledger.audit()
        theft.ledger.append(*story(start))
        second = theft.ledger.audit(since=first.state)
        theft.ledger.append(retest(start + 3))
        for since in (None, first.state, second.state):
            report = theft.ledger.audit(since=since)
            assert report.findings == ()
            assert not [each for each in report.notes if "build" in each]

    def test_recorded_again_it_counts_and_gets_a_certificate_and_a_pack(self, theft: Theft) -> None:
        keys = theft.ledger.keys
        start = theft.change + 1
        theft.ledger.append(*story(start))
        theft.ledger.publish()
        with theft.ledger.open() as ledger:
            state = find_request(ledger, CASE)
            assert state is not None
            assert (state.removal_seq, removal_verdict(ledger, start + 3)) == (start + 3, "holds")
            certificate = issue(ledger, key_file=keys.key_file, signer=SECOND, case_id=CASE)
            pack = build_pack(ledger, case_id=CASE, signer=SECOND, certificates=[theft.certificate, certificate])
        assert verify_certificate(certificate, key_file=keys.key_file).verdict is Verdict.HOLDS
        assert verify_certificate(theft.certificate, key_file=keys.key_file).verdict is Verdict.DOES_NOT_HOLD
        assert [each.removal_seq for each in pack.certificates] == [start + 3]
        assert pack.entries == (theft.change, *range(start, start + 6))
        assert any("counts no more" in each for each in pack.left_out)
        assert verify_pack(pack.data, key_file=keys.key_file).verdict is Verdict.HOLDS
        assert theft.ledger.audit().findings == ()

    def test_what_the_thief_signs_later_is_found_and_passed_over(self, theft: Theft) -> None:
        smuggled = smuggle_into(theft.ledger.location, theft.ledger.keys.key_file.origin, theft.thief)
        report = theft.ledger.audit()
        assert refused(report) == set(smuggled)
        assert len(report.notes) == 1
        with theft.ledger.open() as ledger:
            assert [*ledger.statements(ledger.find_case(CASE))] == []

    def test_entry_that_was_given_up_and_then_edited_is_found_and_refused(self, theft: Theft) -> None:
        seq = theft.void[1]

        def later(statement: dict[str, dict[str, object]]) -> None:
            statement["predicate"]["happened_at"] = "2026-11-21T00:00:00Z"

        theft.ledger.put_body(seq, theft.ledger.edited_body(seq, later))
        assert theft.ledger.found() == [("edited", seq)]
        with theft.ledger.open() as ledger, pytest.raises(VerificationError) as caught:
            [*ledger.statements(ledger.find_case(CASE))]
        assert not isinstance(caught.value, EntryVoidError)

    def test_entry_that_was_given_up_and_then_exchanged_by_the_thief_is_found(self, theft: Theft) -> None:
        seq = theft.void[1]
        body = theft.ledger.edited_body(
            seq, lambda statement: statement["predicate"].update(grounds=[]), signer=theft.thief
        )
        theft.ledger.put_body(seq, body, fix_leaf=True)
        assert ("chain-broken", seq + 1) in theft.ledger.found()

    def test_change_of_keys_that_was_given_up_leaves_the_chain_of_key_files_whole(self, theft: Theft) -> None:
        keys = theft.ledger.keys
        third = make_key("third/record")
        size = theft.change + 1
        change = KeyFileChange(keys.key_file).add(
            third.public_key, Role.RECORD, valid_from=RECORDED_AT, valid_from_size=size
        )
        change = change.revoke(SECOND.public_key.key_id, from_size=theft.change)  # its very first entry is not ours
        newer = change.propose(issued_at=RECORDED_AT).sign(keys.root).finish()
        with SuccessionLedger.open(
            theft.ledger.location, key_file=keys.key_file, checkpoint_path=theft.ledger.checkpoint_path
        ) as opened:
            opened.adopt(newer, reason="compromised", signers=[third], log_signer=keys.log)
            opened.republish(newer)
        report = LedgerSimulator(theft.ledger.folder, KeySet(keys.root, keys.log, third, newer)).audit()
        assert report.findings == ()
        assert [each.partition(":")[0] for each in report.notes] == [
            f"Entries {FIRST} to {theft.void[-1]} count no more",
            f"Entry {theft.change} counts no more",
        ]
