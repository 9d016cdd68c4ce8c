"""Certificates that count no more: recorded in the log, listed, kept, and found again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import builders
import pytest
from builders import AFTER, BEFORE, OTHER, make_cases, make_removal, make_request, make_score, make_verification
from fixtures.extended import Named
from fixtures.timestamping import LocalAuthority, moment
from ledger_simulator import LedgerSimulator

from ireu_governance.core.certificate import parse_certificate, verify_certificate
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.core.statement import Draft
from ireu_governance.core.status import CertificateStatus, StatusList
from ireu_governance.core.verdict import Verdict
from ireu_governance.ledger.certify import issue, later
from ireu_governance.ledger.register import Register
from ireu_governance.ledger.revocation import make_status_list, read_withdrawals, removal_of, revoke, supersede

CASE = builders.CASE_ID


def draft(kind: str, fields: dict[str, Any], subject: Any = None) -> Draft:
    fields.pop("recorded_at", None)
    artifact = subject or (BEFORE if kind == "removal-request" else AFTER)
    return Draft(subject=artifact.subjects(), kind=kind, fields=fields)


def step(event: str, **fields: Any) -> Draft:
    cases = make_cases((CASE,))
    subject = Named("case", cases[0]["commitment"])
    values = {"cases": cases, "event": event, "happened_at": moment(-60), **fields}
    return draft("request-event", values, subject)


@pytest.fixture
def removed(simulator: LedgerSimulator) -> LedgerSimulator:
    simulator.append(draft("removal-request", make_request()))
    simulator.append(draft("removal", make_removal(0)))
    simulator.append(draft("verification", make_verification(1)))
    simulator.publish()
    return simulator


def certify(simulator: LedgerSimulator, **options: Any) -> bytes:
    with simulator.open() as ledger:
        return issue(
            ledger, key_file=simulator.keys.key_file, signer=simulator.keys.record, **{"removal_seq": 1, **options}
        )


def take_back(simulator: LedgerSimulator, data: bytes, **options: Any) -> int:
    with simulator.open() as ledger:
        values = {"reason": "resurfaced", "signer": simulator.keys.record, **options}
        return revoke(ledger, data, parse_certificate(data), **values).seq


def status_of(simulator: LedgerSimulator, **options: Any) -> StatusList:
    simulator.publish()
    with simulator.open() as ledger:
        keys = simulator.keys
        return StatusList.from_bytes(make_status_list(ledger, key_file=keys.key_file, signer=keys.record, **options))


def test_revoked_certificate_is_on_the_list_and_no_other(removed: LedgerSimulator) -> None:
    data, other = certify(removed), certify(removed)
    assert take_back(removed, data) == 3
    status = status_of(removed)
    assert [(each.id, each.status, each.seq) for each in status.status_list.entries] == [
        (parse_certificate(data).certificate.id, "revoked", 3)
    ]
    key_file = removed.keys.key_file
    report = verify_certificate(data, key_file=key_file, status=status, at=moment(2))
    assert (report.verdict, report.status) == (Verdict.DOES_NOT_HOLD, CertificateStatus.REVOKED)
    report = verify_certificate(other, key_file=key_file, status=status, at=moment(2))
    assert (report.verdict, report.status) == (Verdict.HOLDS, CertificateStatus.VALID)
    assert removed.audit().findings == ()


def test_entry_names_the_certificate_and_its_removal(removed: LedgerSimulator) -> None:
    data = certify(removed)
    take_back(removed, data, replaced_by="d" * 32)
    with removed.open() as ledger:
        statement = ledger.statement(ledger.entry(3))
    assert statement.subject[0].name == "certificate"
    assert statement.subject[0].digest.sha256 == parse_certificate(data).digest
    assert statement.predicate.removal_seq == removal_of(parse_certificate(data)) == 1
    assert statement.predicate.replaced_by == "d" * 32


def test_certificate_is_revoked_once(removed: LedgerSimulator) -> None:
    data = certify(removed)
    take_back(removed, data)
    with pytest.raises(InputError, match="revoked already"):
        take_back(removed, data)


def test_certificate_that_is_superseded_can_still_be_revoked(removed: LedgerSimulator) -> None:
    older, newer = certify(removed), certify(removed)
    with removed.open() as ledger:
        parsed = [parse_certificate(older), parse_certificate(newer)]
        assert len(supersede(ledger, parsed, by=parsed[1], signer=removed.keys.record)) == 1
        assert supersede(ledger, parsed, by=parsed[1], signer=removed.keys.record) == []
    take_back(removed, older)
    found = status_of(removed).find(parse_certificate(older).certificate.id, moment(2))
    assert found is not None
    assert (found.status, found.seq) == ("revoked", 4)


def test_certificate_cannot_replace_itself(removed: LedgerSimulator) -> None:
    data = certify(removed)
    with pytest.raises(InputError, match="own place"):
        take_back(removed, data, replaced_by=parse_certificate(data).certificate.id)


def test_certificate_of_another_ledger_is_not_revoked_here(removed: LedgerSimulator, tmp_path: Path) -> None:
    data, _ = builders.make_certificate(log=builders.MemoryLog(keys=builders.make_keys("other")))
    with pytest.raises(InputError, match="not issued from this ledger"):
        take_back(removed, data)


def test_certificate_whose_removal_no_longer_holds_can_be_revoked(removed: LedgerSimulator) -> None:
    resurfaced = {
        "verdict": "resurfaced",
        "cases": ({"case_id": CASE, "verdict": "resurfaced", "scores": (make_score(matches=60),)},),
    }
    removed.append(draft("verification", make_verification(1, **resurfaced)))
    removed.publish()
    with removed.open() as ledger:
        logged = [
            {"envelope": json.loads(ledger.entry(seq).envelope), "proof": ledger.prove_inclusion(seq).to_text()}
            for seq in (0, 1, 3)
        ]  # fmt: skip
    body = builders.Removal().body(
        request=logged[0], removal=logged[1], verification=logged[2], issued_at=moment(),
        key_file=removed.keys.key_file.to_object(),
    )  # fmt: skip
    from ireu_governance.core.certificate_document import seal_certificate

    data = seal_certificate(body, removed.keys.record)
    assert verify_certificate(data, key_file=removed.keys.key_file).verdict is Verdict.DOES_NOT_HOLD
    assert take_back(removed, data)


def test_supersession_of_other_removals_and_logs_is_left_alone(removed: LedgerSimulator) -> None:
    mine = parse_certificate(certify(removed))
    other = parse_certificate(builders.make_certificate()[0])
    with removed.open() as ledger:
        assert supersede(ledger, [other], by=mine, signer=removed.keys.record) == []


def remove_again(simulator: LedgerSimulator, *, before: Any = BEFORE, cases: Any = None) -> int:
    """Record another removal of the same case; return its entry."""
    cases = cases or make_cases((CASE,))
    names = tuple(each["case_id"] for each in cases)
    with simulator.open() as ledger:
        seq = ledger.head().size
    simulator.append(draft("removal-request", make_request(cases=cases), before))
    simulator.append(draft("removal", make_removal(seq, cases=cases, encoder_before={"sha256": before.digest})))
    simulator.append(draft("verification", make_verification(seq + 1, names)))
    simulator.publish()
    return seq + 1


def superseded_by(simulator: LedgerSimulator, newer: bytes, older: bytes) -> bool:
    with simulator.open() as ledger:
        by = parse_certificate(newer)
        return bool(supersede(ledger, [parse_certificate(older)], by=by, signer=simulator.keys.record))


def test_certificate_of_a_removal_that_was_made_once_more_is_superseded(removed: LedgerSimulator) -> None:
    first = certify(removed)
    second = certify(removed, removal_seq=remove_again(removed))
    assert not superseded_by(removed, first, second), "the earlier removal is not the newer one"
    assert superseded_by(removed, second, first)
    found = status_of(removed).find(parse_certificate(first).certificate.id, moment(2))
    assert found is not None
    assert (found.status, found.replaced_by) == ("superseded", parse_certificate(second).certificate.id)
    assert removed.audit().findings == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"before": OTHER},
        {"cases": make_cases((CASE, "9" * 32))},
        {"cases": ({"case_id": CASE, "commitment": "7" * 64},)},
    ],
    ids=["another encoder", "more people", "other evidence"],
)
def test_certificate_of_another_removal_of_the_case_stays(removed: LedgerSimulator, changes: dict[str, Any]) -> None:
    first = certify(removed)
    second = certify(removed, removal_seq=remove_again(removed, **changes))
    assert not superseded_by(removed, second, first)


def test_history_ends_where_another_removal_answered_the_request(removed: LedgerSimulator) -> None:
    for each in (step("received", due_at=moment(999)), step("accepted"), step("done", removal_seq=1)):
        removed.append(each)
    removed.append(step("informed", recipients=2))
    again = remove_again(removed)
    for removal, steps in ((1, 4), (again, 2)):
        data = certify(removed, removal_seq=removal)
        assert len(parse_certificate(data).certificate.history or ()) == steps
        assert verify_certificate(data, key_file=removed.keys.key_file).verdict is Verdict.HOLDS


def test_list_takes_account_of_published_entries_only(removed: LedgerSimulator) -> None:
    data = certify(removed)
    take_back(removed, data)
    with removed.open() as ledger:
        keys = removed.keys
        early = StatusList.from_bytes(make_status_list(ledger, key_file=keys.key_file, signer=keys.record))
        assert (early.size, early.status_list.entries) == (3, ())
        assert len(read_withdrawals(ledger)) == 1
    assert len(status_of(removed).status_list.entries) == 1


def test_list_needs_a_checkpoint_and_a_possible_end(simulator: LedgerSimulator) -> None:
    with simulator.open() as ledger, pytest.raises(InputError) as caught:
        make_status_list(ledger, key_file=simulator.keys.key_file, signer=simulator.keys.record)
    assert caught.value.code is ErrorCode.ENTRY_UNKNOWN
    with pytest.raises(InputError):
        later(moment(), days=10**9)


def test_other_kinds_of_entries_are_no_withdrawals(filled: LedgerSimulator) -> None:
    with filled.open() as ledger:
        assert read_withdrawals(ledger) == []


# What goes into a certificate


def test_steps_of_the_request_go_into_the_certificate(removed: LedgerSimulator) -> None:
    removed.append(step("accepted"))  # before its request was received: no part of a whole history
    removed.append(step("received", due_at=moment(86_400)), step("done", removal_seq=1))
    removed.append(step("done", removal_seq=0))  # by another removal
    removed.publish()
    removed.append(step("informed", recipients=2))  # not published yet
    data = certify(removed)
    body = parse_certificate(data).certificate
    assert body.history is not None
    assert len(body.history) == 2
    report = verify_certificate(data, key_file=removed.keys.key_file)
    assert report.verdict is Verdict.HOLDS


def test_history_that_is_too_long_is_left_out(removed: LedgerSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ireu_governance.ledger.certify.MAX_HISTORY", 1)
    removed.append(step("received", due_at=moment(86_400)), step("done", removal_seq=1))
    removed.publish()
    assert parse_certificate(certify(removed)).certificate.history is None


def test_end_address_and_stamp_go_into_the_certificate(removed: LedgerSimulator, tmp_path: Path) -> None:
    authority = LocalAuthority.make(tmp_path / "tsa")
    url = "https://example.org/status"
    data = certify(removed, valid_days=30, status_url=url, authority=authority, tsa_roots=authority.roots)
    body = parse_certificate(data).certificate
    assert (body.status_url, body.stamped) == (url, True)
    assert body.valid_until == later(body.issued_at, days=30)
    report = verify_certificate(data, key_file=removed.keys.key_file, tsa_roots=authority.roots, at=moment(1))
    assert report.verdict is Verdict.HOLDS, report.failed()


def test_certificate_that_cannot_be_stamped_is_not_issued(removed: LedgerSimulator, tmp_path: Path) -> None:
    authority = LocalAuthority.make(tmp_path / "tsa")
    stranger = LocalAuthority.make(tmp_path / "stranger")
    with pytest.raises(ConfigError):
        certify(removed, authority=stranger, tsa_roots=authority.roots)


# The register


def test_register_keeps_every_certificate_and_the_latest_on_top(removed: LedgerSimulator, tmp_path: Path) -> None:
    register = Register(tmp_path / "certificates")
    assert list(register) == []
    register.folder.mkdir()
    first, second = certify(removed), certify(removed)
    path = register.keep(first, removal_seq=1)
    assert register.keep(first, removal_seq=1) == path
    assert [each.path for each in register] == [path]
    register.keep(second, removal_seq=1)
    assert path.read_bytes() == second
    assert sorted(each.data for each in register) == sorted((first, second))
    for data in (first, second):
        assert register.find(parse_certificate(data).certificate.id).data == data
    with pytest.raises(InputError) as caught:
        register.find("f" * 32)
    assert caught.value.code is ErrorCode.CERTIFICATE_UNKNOWN


def test_damaged_file_in_the_register_is_listed_and_kept(removed: LedgerSimulator, tmp_path: Path) -> None:
    register = Register(tmp_path)
    (tmp_path / "removal-1.json").write_bytes(b"damaged")
    (tmp_path / "folder.json").mkdir()
    assert [each.certificate for each in register] == [None, None]
    register.keep(certify(removed), removal_seq=1)
    assert b"damaged" in [each.data for each in register]
    assert len(register.certificates()) == 1


def test_register_that_cannot_be_written_is_an_error(removed: LedgerSimulator, tmp_path: Path) -> None:
    register = Register(tmp_path)
    register.keep(certify(removed), removal_seq=1)
    (tmp_path / "earlier").write_bytes(b"in the way")
    with pytest.raises(ConfigError):
        register.keep(certify(removed), removal_seq=1)
