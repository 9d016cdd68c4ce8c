"""Certificates issued from a ledger hold, and none is issued about what is not so."""

from __future__ import annotations

from pathlib import Path

import builders
import pytest
from builders import AFTER, BEFORE, make_removal, make_request, make_score, make_verification
from ledger_simulator import LedgerSimulator, make_draft

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.certificate_document import parse_certificate
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.statement import Draft
from ireu_governance.core.verdict import Verdict
from ireu_governance.ledger.certify import issue

CASE = builders.CASE_ID


def draft(kind: str, fields: dict[str, object]) -> Draft:
    fields.pop("recorded_at")
    artifact = BEFORE if kind == "removal-request" else AFTER
    return Draft(subject=artifact.subjects(), kind=kind, fields=fields)


@pytest.fixture
def removed(simulator: LedgerSimulator) -> LedgerSimulator:
    simulator.append(make_draft(), draft("removal-request", make_request()), make_draft())
    simulator.append(draft("removal", make_removal(1)))
    return simulator


def certify(simulator: LedgerSimulator, **which: object) -> bytes:
    with simulator.open() as ledger:
        return issue(ledger, key_file=simulator.keys.key_file, signer=simulator.keys.record, **which)


@pytest.mark.parametrize("which", [{"removal_seq": 3}, {"case_id": CASE}])
def test_certificate_of_a_verified_removal_holds(removed: LedgerSimulator, which: dict[str, object]) -> None:
    removed.append(draft("verification", make_verification(3)), make_draft())
    removed.publish()
    data = certify(removed, **which)
    report = verify_certificate(data, key_file=removed.keys.key_file, encoder=AFTER)
    assert report.verdict is Verdict.HOLDS, report.failed()


def test_latest_verification_decides(removed: LedgerSimulator) -> None:
    removed.append(draft("verification", make_verification(3)))
    removed.publish()
    certify(removed, removal_seq=3)
    resurfaced = make_verification(
        3,
        occasion="retest",
        verdict="resurfaced",
        cases=({"case_id": CASE, "verdict": "resurfaced", "scores": (make_score(matches=60),)},),
    )
    removed.append(draft("verification", resurfaced))
    removed.publish()
    with pytest.raises(VerificationError):
        certify(removed, removal_seq=3)


def test_a_test_of_another_encoder_says_nothing_about_the_removals_own(removed: LedgerSimulator) -> None:
    removed.append(draft("verification", make_verification(3)))
    original_back = make_verification(
        3,
        occasion="retest",
        verdict="resurfaced",
        known_encoder=False,
        cases=({"case_id": CASE, "verdict": "resurfaced", "scores": (make_score(matches=60),)},),
    )
    original_back.pop("recorded_at")
    removed.append(Draft(subject=BEFORE.subjects(), kind="verification", fields=original_back))
    removed.publish()
    data = certify(removed, removal_seq=3)
    assert verify_certificate(data, key_file=removed.keys.key_file, encoder=AFTER).verdict is Verdict.HOLDS


def test_head_that_waits_for_its_witnesses_carries_no_certificate(removed: LedgerSimulator) -> None:
    removed.append(draft("verification", make_verification(3)))
    with removed.open() as ledger:
        ledger.publish(removed.keys.log)
        ledger.append([make_draft()], signer=removed.keys.record)
        ledger.sign_head(removed.keys.log)
    certificate = parse_certificate(certify(removed, removal_seq=3)).certificate
    for each in (certificate.removal, certificate.verification):
        assert "\nlog.example/ireu\n5\n" in each.proof


def test_test_that_found_no_evidence_left_does_not_take_the_place_of_one_that_did(removed: LedgerSimulator) -> None:
    erased = make_verification(
        3,
        occasion="retest",
        verdict="evidence-erased",
        cases=({"case_id": CASE, "verdict": "evidence-erased", "scores": ()},),
    )
    removed.append(draft("verification", make_verification(3)), draft("verification", erased))
    removed.publish()
    data = certify(removed, removal_seq=3)
    assert "\nindex 4\n" in parse_certificate(data).certificate.verification.proof
    assert verify_certificate(data, key_file=removed.keys.key_file).verdict is Verdict.HOLDS


def test_verification_of_another_removal_does_not_count(removed: LedgerSimulator) -> None:
    removed.append(draft("removal", make_removal(1)))
    removed.append(draft("verification", make_verification(4)))
    removed.publish()
    certify(removed, removal_seq=4)
    certify(removed, case_id=CASE)  # the latest removal
    with pytest.raises(InputError, match="not verified"):
        certify(removed, removal_seq=3)


def test_certificate_waits_for_a_checkpoint_that_covers_all_of_it(removed: LedgerSimulator) -> None:
    removed.append(draft("verification", make_verification(3)))
    with pytest.raises(InputError) as caught:
        certify(removed, removal_seq=3)
    assert "Publish" in caught.value.hint
    removed.publish()
    removed.append(draft("verification", make_verification(3, occasion="retest")))
    with pytest.raises(InputError) as caught:
        certify(removed, removal_seq=3)
    assert "Publish" in caught.value.hint


@pytest.mark.parametrize(
    ("which", "code"),
    [
        ({}, None),
        ({"removal_seq": 3, "case_id": CASE}, None),
        ({"removal_seq": 1}, None),
        ({"removal_seq": 99}, ErrorCode.ENTRY_UNKNOWN),
        ({"case_id": "f" * 32}, ErrorCode.CASE_UNKNOWN),
    ],
)
def test_what_is_no_removal_gets_no_certificate(
    removed: LedgerSimulator, which: dict[str, object], code: ErrorCode | None
) -> None:
    with pytest.raises(InputError) as caught:
        certify(removed, **which)
    assert code is None or caught.value.code is code


@pytest.mark.usefixtures("sqlite_only")
def test_certificate_survives_the_loss_of_the_ledger(removed: LedgerSimulator, tmp_path: Path) -> None:
    removed.append(draft("verification", make_verification(3)))
    removed.publish()
    data = certify(removed, case_id=CASE)
    removed.path.unlink()
    assert verify_certificate(data, key_file=removed.keys.key_file).verdict is Verdict.HOLDS
