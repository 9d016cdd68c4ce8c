"""A key is stolen: what the thief signs counts from the revocation on for nothing, and what was there before stays."""

from __future__ import annotations

import os
from pathlib import Path

import builders
import pytest
from fixtures.records import RecordedRemoval, record_removal
from sqlalchemy import insert

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint
from ireu_governance.core.errors import LedgerRefusedError, VerificationError
from ireu_governance.core.keys import KeyFile, PrivateKey, Role
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.statement import Draft
from ireu_governance.core.verdict import Verdict
from ireu_governance.keystore import load_private_key
from ireu_governance.ledger.audit import AuditReport, audit
from ireu_governance.ledger.certify import issue
from ireu_governance.ledger.continuity import load_end, load_frontier
from ireu_governance.ledger.database import open_engine, writing
from ireu_governance.ledger.place import prepare, sign_entries, store_entries
from ireu_governance.ledger.tables import CHECKPOINTS
from ireu_governance.rotation import KeyRequest, rotate
from ireu_governance.workspace import Workspace

CASE = "cd" * 16


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("IREU_")]:
        monkeypatch.delenv(name)


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
    engine = open_engine(workspace.ledger_location, mode="rw")
    with writing(engine) as connection:
        state = load_frontier(connection, load_end(connection))
        origin = workspace.key_file().origin
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
    assert refused(audited(workspace)) == {first, first + 1, first + 2}


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
