"""What a certificate binds together: one organisation, one encoder, the same cases, each entry in its place.

The dishonest ones here have all keys of the log, so every signature and proof is genuine; only what is said differs.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from builders import (
    AFTER,
    BEFORE,
    CASE_ID,
    OTHER,
    MemoryLog,
    Removal,
    make_cases,
    make_removal,
    make_request,
    make_statement,
    make_verification,
    outcomes,
)
from fixtures.verified import SECOND_CASE, assert_fails, case, verify

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.certificate import LoggedEntry, verify_certificate
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.proof import LogProof

# What is said about whom.


def test_certificate_of_another_organisation_is_refused() -> None:
    removal = Removal()
    data = removal.certificate(issuer={"organisation": "Somebody Else", "contact": None})
    report = verify_certificate(data, key_file=removal.log.keys.key_file)
    assert {each.name for each in report.failed()} == {"key-file"}


def test_certificate_of_another_log_is_refused() -> None:
    removal = Removal()
    report = verify_certificate(removal.certificate(origin="other.example"), key_file=removal.log.keys.key_file)
    assert {each.name for each in report.failed()} == {"position"}


def test_entries_recorded_for_another_log_are_refused() -> None:
    removal = Removal(log=MemoryLog(origin="other.example"))
    report = verify(removal)
    assert {each.name for each in report.failed()} == {"checkpoint-signature", "position"}


def test_other_wording_is_refused() -> None:
    removal = Removal()
    for change in ({"says": ("The person was forgotten.",)}, {"does_not_claim": ()}):
        report = verify_certificate(removal.certificate(**change), key_file=removal.log.keys.key_file)
        assert {each.name for each in report.failed()} == {"form"}


def test_another_encoder_in_use_is_refused() -> None:
    assert_fails(Removal(), "encoder-digest", "1 changed (model.safetensors)", encoder=OTHER)
    assert_fails(Removal(), "encoder-digest", encoder=BEFORE)


def test_verification_of_another_encoder_is_refused() -> None:
    assert_fails(Removal(tested=OTHER), "subject-binding", "tested another encoder")


def test_verification_of_an_encoder_with_one_more_file_is_refused() -> None:
    more = Artifact.from_files({**{f.name: f.digest for f in AFTER.files}, "extra": "00" * 32})
    assert_fails(Removal(tested=more), "subject-binding")


def test_request_about_another_encoder_is_refused() -> None:
    assert_fails(Removal(before=OTHER), "subject-binding", "started from another encoder")


def test_removal_that_changed_nothing_is_refused() -> None:
    removal = Removal(before=AFTER, removal={"encoder_before": {"sha256": AFTER.digest}})
    assert_fails(removal, "subject-binding", "nothing was changed")


def test_contradictory_file_list_is_refused() -> None:
    class Lying(Artifact):
        def subjects(self) -> Any:
            return (*super().subjects()[:-1], *OTHER.subjects()[-1:])

    lying = Lying(AFTER.files)
    assert_fails(Removal(after=lying, tested=lying), "subject-binding", "overall digest")


def test_removal_for_another_request_is_refused() -> None:
    assert_fails(Removal(removal={"request_seq": 0}), "subject-binding", "answers request 0")


def test_verification_of_another_removal_is_refused() -> None:
    assert_fails(Removal(verification={"removal_seq": 0}), "subject-binding", "of removal 0")


def test_verification_of_an_unknown_encoder_is_refused() -> None:
    assert_fails(Removal(verification={"known_encoder": False}), "subject-binding")


@pytest.mark.parametrize("part", ["request", "removal"])
def test_other_cases_are_refused(part: str) -> None:
    assert_fails(Removal(**{part: {"cases": make_cases([SECOND_CASE])}}), "subject-binding", "different cases")


def test_verification_of_another_case_is_refused() -> None:
    removal = Removal(verification={"cases": (case(case_id=SECOND_CASE),)})
    assert_fails(removal, "subject-binding", "different cases")


def test_verification_that_leaves_out_a_case_is_refused() -> None:
    removal = Removal(case_ids=(CASE_ID, SECOND_CASE), verification={"cases": (case(),)})
    assert_fails(removal, "subject-binding")


def test_case_listed_twice_does_not_stand_for_two() -> None:
    removal = Removal(case_ids=(CASE_ID, SECOND_CASE), verification={"cases": (case(), case())})
    assert_fails(removal, "subject-binding", "different cases")


def test_case_reported_twice_is_refused() -> None:
    assert_fails(Removal(verification={"cases": (case(), case())}), "subject-binding", "list one twice")


def test_other_evidence_for_the_same_case_is_refused() -> None:
    cases = ({"case_id": CASE_ID, "commitment": "00" * 32},)
    assert_fails(Removal(removal={"cases": cases}), "subject-binding", "different cases")


# Where the entries stand.


def shuffled(*, misplaced: str) -> Removal:
    """The three entries, of which one claims another place than it has."""
    removal = Removal()
    log = removal.log

    def append(artifact: Artifact, kind: str, fields: dict[str, object]) -> int:
        position = log.position()
        if kind == misplaced:
            position["seq"] = log.size + 1
        statement = make_statement(artifact, kind, {"ledger": position, **fields})
        return log.append_bytes(Envelope.sign(statement.to_bytes(), log.keys.record).to_bytes())

    log.fill(2)
    request = append(BEFORE, "removal-request", make_request())
    log.fill(1)
    done = append(AFTER, "removal", make_removal(request))
    log.fill(1)
    removal.seqs = (request, done, append(AFTER, "verification", make_verification(done)))
    return removal


@pytest.mark.parametrize("kind", ["removal-request", "removal", "verification"])
def test_entry_signed_for_another_place_is_refused(kind: str) -> None:
    report = verify(shuffled(misplaced=kind))
    assert {each.name for each in report.failed()} == {"position"}
    assert outcomes(report)["verdict"] == "not-checked"


def test_plan_recorded_after_the_removal_is_refused() -> None:
    removal = Removal()
    log = removal.log
    log.fill(1)
    done = log.append(AFTER, "removal", make_removal(2))
    request = log.append(BEFORE, "removal-request", make_request())
    removal.seqs = (request, done, log.append(AFTER, "verification", make_verification(done)))
    assert_fails(removal, "position", "not in this order")


def test_entry_chained_to_another_one_is_refused() -> None:
    removal = Removal()
    log = removal.log
    request = log.append(BEFORE, "removal-request", make_request())
    position = {**log.position(), "prev": "12" * 32}
    statement = make_statement(AFTER, "removal", {"ledger": position, **make_removal(request)})
    done = log.append_bytes(Envelope.sign(statement.to_bytes(), log.keys.record).to_bytes())
    removal.seqs = (request, done, log.append(AFTER, "verification", make_verification(done)))
    assert_fails(removal, "position", "chained")


@pytest.mark.parametrize(("first", "prev"), [(0, "12" * 32), (2, "0" * 64)])
def test_only_the_very_first_entry_follows_nothing(first: int, prev: str) -> None:
    removal = Removal()
    log = removal.log
    log.fill(first)
    statement = make_statement(
        BEFORE, "removal-request", {"ledger": {**log.position(), "prev": prev}, **make_request()}
    )
    request = log.append_bytes(Envelope.sign(statement.to_bytes(), log.keys.record).to_bytes())
    done = log.append(AFTER, "removal", make_removal(request))
    removal.seqs = (request, done, log.append(AFTER, "verification", make_verification(done)))
    assert_fails(removal, "position", "no possible entry before it")


def test_proof_with_data_that_nobody_signed_is_refused() -> None:
    removal = Removal()
    request = json.loads(removal.certificate())["certificate"]["request"]
    proof = replace(LogProof.from_text(request["proof"]), extra=b"anything").to_text()
    data = removal.certificate(request={**request, "proof": proof})
    report = verify_certificate(data, key_file=removal.log.keys.key_file)
    assert {each.name for each in report.failed()} == {"form"}


@pytest.mark.parametrize("swap", [("request", "removal"), ("removal", "verification"), ("request", "verification")])
def test_entries_in_each_others_places_are_refused(swap: tuple[str, str]) -> None:
    removal = Removal()
    first, second = swap
    entries = {name: each.to_object() for name, each in removal.logged().items()}
    data = removal.certificate(**{first: entries[second], second: entries[first]})
    report = verify_certificate(data, key_file=removal.log.keys.key_file)
    assert {each.name for each in report.failed()} == {"position"}


def test_entries_proven_in_two_checkpoints_are_refused() -> None:
    removal = Removal()
    early = removal.logged()["request"]
    removal.log.fill(1)
    report = verify_certificate(removal.certificate(request=early.to_object()), key_file=removal.log.keys.key_file)
    assert {each.name for each in report.failed()} == {"checkpoint-signature"}


def test_entry_that_the_log_does_not_hold_is_refused() -> None:
    honest, other = Removal(), Removal(verification={"device": "cuda"})
    mixed = LoggedEntry(other.logged()["verification"].envelope, honest.seqs[2], honest.log.prove(honest.seqs[2]))
    data = honest.certificate(verification=mixed.to_object())
    report = verify_certificate(data, key_file=honest.log.keys.key_file)
    assert {each.name for each in report.failed()} == {"inclusion"}


def test_signed_content_that_is_no_statement_is_refused() -> None:
    removal = Removal()
    log = removal.log
    seqs = removal.seqs
    for payload, payload_type in ((b"{}", "application/vnd.in-toto+json"), (b"{}", "text/plain")):
        junk = log.append_bytes(Envelope.sign(payload, log.keys.record, payload_type).to_bytes())
        removal.seqs = (seqs[0], seqs[1], junk)
        assert_fails(removal, "record-signature")


def test_statement_signed_as_something_else_is_refused() -> None:
    removal = Removal()
    log = removal.log
    seqs = removal.seqs
    statement = make_statement(AFTER, "verification", {"ledger": log.position(), **make_verification(seqs[1])})
    envelope = Envelope.sign(statement.to_bytes(), log.keys.record, "text/plain")
    removal.seqs = (seqs[0], seqs[1], log.append_bytes(envelope.to_bytes()))
    assert_fails(removal, "record-signature", "something else")
