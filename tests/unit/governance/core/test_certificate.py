"""Certificates: what an honest organisation can issue, and what a dishonest one cannot make hold.

The dishonest ones here have all keys of the log, so every signature and proof is genuine; only what is said differs.
The damage that others can do to a certificate is in `tests/scenario/test_certificate_mutations.py`.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import Any

import pytest
from builders import (
    AFTER,
    BEFORE,
    CASE_ID,
    ORIGIN,
    OTHER,
    MemoryLog,
    Removal,
    make_cases,
    make_certificate,
    make_key,
    make_keys,
    make_plan,
    make_removal,
    make_request,
    make_retained,
    make_score,
    make_statement,
    make_test,
    make_verification,
    outcomes,
    sign_key_file,
)
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.certificate import (
    LoggedEntry,
    issue_certificate,
    parse_certificate,
    verify_certificate,
)
from ireu_governance.core.certificate_document import seal_certificate
from ireu_governance.core.certificate_verification import CHECKS, OPTIONAL_CHECKS
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.verdict import Report, Verdict

SECOND_CASE = "f" * 32


def verify(removal: Removal, **options: Any) -> Report:
    return verify_certificate(removal.certificate(), key_file=removal.log.keys.key_file, **options)


def assert_fails(removal: Removal, check: str, saying: str = "", **options: Any) -> None:
    report = verify(removal, **options)
    assert report.verdict is Verdict.DOES_NOT_HOLD
    failed = {each.name: each.reason for each in report.failed()}
    assert set(failed) == {check}, "the attack is found by the check that is made for it, and by no accident"
    assert saying in failed[check]


def case(verdict: str = "holds", *scores: dict[str, object], case_id: str = CASE_ID) -> dict[str, object]:
    return {"case_id": case_id, "verdict": verdict, "scores": scores or (make_score(),)}


# An honest organisation.


def test_honest_certificate_holds() -> None:
    report = verify(Removal(), encoder=AFTER)
    assert report.verdict is Verdict.HOLDS
    assert tuple(outcomes(report)) == CHECKS
    not_made = {name for name, outcome in outcomes(report).items() if outcome != "passed"}
    assert not_made == OPTIONAL_CHECKS - {"encoder-digest", "validity"}


def test_encoder_is_not_checked_unless_it_is_given() -> None:
    report = verify(Removal())
    assert outcomes(report)["encoder-digest"] == "not-checked"
    assert report.verdict is Verdict.HOLDS


def test_issued_certificate_is_the_sealed_one_and_is_random_otherwise() -> None:
    removal = Removal()
    keys = removal.log.keys
    arguments: dict[str, Any] = {
        **removal.logged(),
        "key_file": keys.key_file,
        "signer": keys.record,
        "issued_at": removal.issued_at,
    }
    assert issue_certificate(**arguments, certificate_id=removal.certificate_id) == removal.certificate()
    first, second = (parse_certificate(issue_certificate(**arguments)).certificate.id for _ in range(2))
    assert first != second


def test_contact_is_part_of_what_is_signed() -> None:
    removal = Removal()
    keys = removal.log.keys
    data = issue_certificate(
        **removal.logged(),
        key_file=keys.key_file,
        signer=keys.record,
        issued_at=removal.issued_at,
        contact="privacy@example.com",
    )
    assert parse_certificate(data).certificate.issuer.contact == "privacy@example.com"
    changed = data.replace(b"privacy@example.com", b"privacy@example.org")
    assert outcomes(verify_certificate(changed, key_file=keys.key_file))["certificate-signature"] == "failed"


@pytest.mark.parametrize("fillers", [0, 1, 13])
def test_certificate_holds_in_logs_of_any_size(fillers: int) -> None:
    assert verify(Removal(fillers=fillers)).verdict is Verdict.HOLDS


def test_several_cases_hold_together() -> None:
    assert verify(Removal(case_ids=(CASE_ID, SECOND_CASE))).verdict is Verdict.HOLDS


def test_encoder_without_listed_files_holds() -> None:
    # A served encoder is known by one digest only.
    class Served(Artifact):
        def subjects(self) -> Any:
            return super().subjects()[:1]

    after, before = Served(AFTER.files), Served(BEFORE.files)
    assert verify(Removal(before=before, after=after, tested=after)).verdict is Verdict.HOLDS


def test_certificate_file_is_one_canonical_line() -> None:
    data, _ = make_certificate()
    assert data == canonicalize(json.loads(data)) + b"\n"
    assert data.startswith(b'{"_type":"urn:ireu:certificate:v1","certificate":{')
    assert parse_certificate(data).to_bytes() == data


def test_certificate_names_no_person() -> None:
    text = json.dumps(parse_certificate(make_certificate()[0]).model_dump(mode="json"))
    assert "photo" not in text and "@" not in text.replace("tlog-proof@v1", "")


# A later key file.


def rotated(version: int = 2, **changes: object) -> KeyFile:
    return make_keys(version=version, **changes).key_file  # type: ignore[arg-type]


def test_certificate_of_an_earlier_key_file_holds_under_the_later_one() -> None:
    report = verify_certificate(Removal().certificate(), key_file=rotated())
    assert report.verdict is Verdict.HOLDS
    assert "version 1 of your key file" in report.checks[1].reason


def test_certificate_of_the_next_key_file_holds_if_the_readers_root_keys_signed_that() -> None:
    removal = Removal(log=MemoryLog(keys=make_keys(version=2)))
    report = verify_certificate(removal.certificate(), key_file=make_keys().key_file)
    assert report.verdict is Verdict.HOLDS
    assert "version 2 of the key file, which the root keys of yours, version 1, signed" in report.checks[1].reason


def test_certificate_of_a_key_file_two_versions_later_says_how_to_update() -> None:
    removal = Removal(log=MemoryLog(keys=make_keys(version=3)))
    report = verify_certificate(removal.certificate(), key_file=make_keys().key_file)
    assert outcomes(report)["key-file"] == "failed"
    assert "ireu keys update --trusted" in report.checks[1].reason


def test_next_key_file_that_other_root_keys_signed_is_not_taken() -> None:
    attacker = make_keys("attacker", version=2)
    report = verify_certificate(Removal(log=MemoryLog(keys=attacker)).certificate(), key_file=make_keys().key_file)
    assert outcomes(report)["key-file"] == "failed"
    assert outcomes(report)["certificate-signature"] == "failed"


def test_entry_dated_before_its_key_was_added_does_not_count() -> None:
    report = verify_certificate(
        Removal(request={"recorded_at": "2026-11-20T07:59:59Z"}).certificate(), key_file=make_keys().key_file
    )
    assert outcomes(report)["record-signature"] == "failed"


def revoked(role: str, size: int) -> KeyFile:
    keys = make_keys(version=2)
    value: Any = copy.deepcopy(keys.key_file.to_object())
    for entry in value["signed"]["keys"]:
        if entry["role"] == role:
            entry["revoked_from_size"] = size
    return KeyFile.from_bytes(sign_key_file(value, keys.root))


@pytest.mark.parametrize(
    ("role", "failing"),
    [("record", {"certificate-signature", "record-signature"}), ("log", {"checkpoint-signature"})],
)
def test_revoked_key_counts_no_more(role: str, failing: set[str]) -> None:
    report = verify_certificate(Removal().certificate(), key_file=revoked(role, 4))
    assert {each.name for each in report.failed()} == failing


def test_entries_before_the_revocation_of_their_key_stay_valid() -> None:
    removal = Removal()
    report = verify_certificate(removal.certificate(), key_file=revoked("record", removal.log.size + 1))
    assert report.verdict is Verdict.HOLDS


# Other keys.


def test_other_key_file_proves_nothing() -> None:
    stranger = make_keys("stranger").key_file
    report = verify_certificate(Removal().certificate(), key_file=stranger)
    assert {each.name for each in report.failed()} == {
        "key-file",
        "certificate-signature",
        "record-signature",
        "checkpoint-signature",
    }


def test_embedded_key_file_is_never_trusted() -> None:
    # An attacker makes a whole log of the same name, with their own keys, and a certificate that is right in itself.
    attacker = Removal(log=MemoryLog(keys=make_keys("attacker")))
    assert verify(attacker).verdict is Verdict.HOLDS
    report = verify_certificate(attacker.certificate(), key_file=make_keys().key_file)
    assert report.verdict is Verdict.DOES_NOT_HOLD
    assert not {"key-file", "record-signature", "checkpoint-signature"} - {each.name for each in report.failed()}


def test_certificate_sealed_by_another_key_is_refused() -> None:
    removal = Removal()
    for signer in (make_key("attacker"), removal.log.keys.log, removal.log.keys.root):
        data = seal_certificate(removal.body(), signer)
        report = verify_certificate(data, key_file=removal.log.keys.key_file)
        assert {each.name for each in report.failed()} == {"certificate-signature"}


def test_checkpoint_of_the_record_key_is_refused() -> None:
    keys = make_keys()
    swapped = type(keys)(keys.root, keys.record, keys.record, keys.key_file)
    assert_fails(Removal(log=MemoryLog(keys=swapped)), "checkpoint-signature")


def test_entries_of_the_log_key_are_refused() -> None:
    keys = make_keys()
    removal = Removal(log=MemoryLog(keys=type(keys)(keys.root, keys.log, keys.log, keys.key_file)))
    data = seal_certificate(removal.body(), keys.record)
    report = verify_certificate(data, key_file=keys.key_file)
    assert {each.name for each in report.failed()} == {"record-signature"}


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


# What the figures mean.


def verified(*cases: dict[str, object], verdict: str = "holds", **changes: object) -> Removal:
    ids = [str(each["case_id"]) for each in cases]
    return Removal(case_ids=ids, verification={"cases": cases, "verdict": verdict, **changes})


def test_resurfaced_person_is_reported_as_such() -> None:
    assert_fails(verified(case("resurfaced", make_score(matches=60)), verdict="resurfaced"), "verdict", "resurfaced")


def test_one_resurfaced_case_of_two_is_enough() -> None:
    removal = verified(case(), case("resurfaced", make_score(matches=60), case_id=SECOND_CASE), verdict="resurfaced")
    assert_fails(removal, "verdict", f"first {SECOND_CASE}")


@pytest.mark.parametrize(
    ("recorded", "score"),
    [
        ("holds", make_score(matches=60)),
        ("inconclusive", make_score(matches=60)),
        ("holds", make_score(matches=8)),
        ("holds", make_score(matches=0, n=8)),
        ("evidence-erased", make_score(matches=60)),
        ("resurfaced", make_score(matches=0)),
    ],
)
def test_recorded_verdict_that_does_not_follow_is_refused(recorded: str, score: dict[str, object]) -> None:
    report = verify(verified(case(recorded, score), verdict=recorded))
    assert "verdict" in {each.name for each in report.failed()}


def test_overall_verdict_better_than_its_cases_is_refused() -> None:
    removal = verified(case("resurfaced", make_score(matches=60)), verdict="holds")
    assert_fails(removal, "verdict", "its cases mean 'resurfaced'")


@pytest.mark.parametrize(
    "recorded", [{"rate": 0.0}, {"lower_95": 0.0}, {"upper_95": 0.05}, {"matches": 0}, {"matches": 2**53 - 1}]
)
def test_embellished_figures_are_refused(recorded: dict[str, object]) -> None:
    report = verify(verified(case("holds", make_score("portrait-match", 4, 64, recorded))))
    assert "verdict" in {each.name for each in report.failed()}


def test_embellished_figure_beside_the_planned_tests_is_refused_too() -> None:
    extra = make_score("attack", 4, 64, {"upper_95": 0.1})
    assert_fails(verified(case("holds", make_score(), extra)), "verdict", "attack")
    assert_fails(verified(case(), scores=(make_retained(), extra)), "verdict", "attack")


def test_lost_utility_is_reported_as_such() -> None:
    removal = verified(case("utility-lost"), verdict="utility-lost", scores=(make_retained(0.5),))
    assert_fails(removal, "verdict", "utility-lost")
    assert_fails(verified(case(), scores=(make_retained(0.5),)), "verdict", "utility-lost")


def test_unmeasured_utility_cannot_hold() -> None:
    assert_fails(verified(case(), scores=()), "verdict", "inconclusive")


@pytest.mark.parametrize(
    "removal",
    [
        verified(case("inconclusive", make_score(matches=8)), verdict="inconclusive"),
        verified(case("inconclusive", make_score(matches=0, n=8)), verdict="inconclusive"),
        verified({"case_id": CASE_ID, "verdict": "evidence-erased", "scores": ()}, verdict="evidence-erased"),
    ],
)
def test_open_question_is_left_open_and_no_certificate_issued(removal: Removal) -> None:
    report = verify(removal)
    assert report.verdict is Verdict.UNDECIDED
    assert report.failed() == ()
    with pytest.raises(VerificationError) as caught:
        issue_certificate(
            **removal.logged(),
            key_file=removal.log.keys.key_file,
            signer=removal.log.keys.record,
            issued_at=removal.issued_at,
        )
    assert caught.value.check == "verdict"


# The plan.


def planned(*tests: dict[str, object]) -> Removal:
    return Removal(request={"plan": make_plan(*tests)})


def test_planned_test_that_was_not_reported_is_refused() -> None:
    report = verify(planned(make_test(), make_test(name="attack")))
    assert "plan" in {each.name for each in report.failed()}


def test_test_made_at_another_threshold_is_refused() -> None:
    assert_fails(planned(make_test(threshold=0.3)), "plan", "threshold")


@pytest.mark.parametrize("field", ["false_match_rate", "false_match_rate_upper_95"])
def test_test_with_other_error_rates_is_refused(field: str) -> None:
    assert_fails(planned(make_test(**{field: 0.01})), "plan", "error rates")


def test_test_reported_twice_is_refused() -> None:
    report = verify(verified(case("inconclusive", make_score(), make_score()), verdict="inconclusive"))
    assert {each.name for each in report.failed()} == {"plan"}


def test_plan_with_two_tests_of_one_name_is_refused() -> None:
    assert_fails(planned(make_test(), make_test(max_match_rate=0.9)), "plan", "same name")


def test_plan_without_tests_is_refused() -> None:
    removal = Removal(request={"plan": {"tests": (), "min_retained_similarity": -1.0}})
    report = verify(removal)
    assert "plan" in {each.name for each in report.failed()}


# Times.


@pytest.mark.parametrize(
    "change",
    [
        {"request": {"recorded_at": "2026-11-20T10:00:01Z"}},
        {"removal": {"recorded_at": "2026-11-20T11:00:01Z"}},
        {"verification": {"recorded_at": "2026-11-20T12:00:01Z"}},
        {"issued_at": "2026-11-20T10:59:59Z"},
        {"removal": {"recorded_at": "2026-11-20T08:30:00Z"}},
    ],
)
def test_times_out_of_order_are_refused(change: dict[str, Any]) -> None:
    assert_fails(Removal(**change), "time")


def test_equal_times_are_in_order() -> None:
    moment = {"recorded_at": "2026-11-20T12:00:00Z"}
    assert verify(Removal(request=moment, removal=moment, verification=moment)).verdict is Verdict.HOLDS


# Issuing.


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"tested": OTHER}, "subject-binding"),
        (
            {
                "verification": {
                    "cases": (case("resurfaced", make_score(matches=60)),),
                    "verdict": "resurfaced",
                }
            },
            "verdict",
        ),
        ({"issued_at": "2026-11-20T08:30:00Z"}, "time"),
    ],
)
def test_certificate_that_would_not_hold_is_not_issued(change: dict[str, Any], check: str) -> None:
    removal = Removal(**change)
    keys = removal.log.keys
    with pytest.raises(VerificationError) as caught:
        issue_certificate(**removal.logged(), key_file=keys.key_file, signer=keys.record, issued_at=removal.issued_at)
    assert caught.value.check == check


def test_certificate_is_not_issued_with_a_key_of_another_role() -> None:
    removal = Removal()
    with pytest.raises(VerificationError) as caught:
        issue_certificate(
            **removal.logged(),
            key_file=removal.log.keys.key_file,
            signer=removal.log.keys.log,
            issued_at=removal.issued_at,
        )
    assert caught.value.check == "certificate-signature"


def test_entry_with_the_proof_of_another_is_refused() -> None:
    log = Removal().log
    log.fill(3)
    with pytest.raises(InputError):
        LoggedEntry(log.entries[0], 0, log.prove(1))
    with pytest.raises(InputError):
        log.logged(0).to_object()


@pytest.mark.parametrize(
    "options",
    [{"issued_at": "soon"}, {"certificate_id": "x"}, {"contact": ""}, {"contact": "two\nlines"}],
)
def test_malformed_arguments_are_input_errors(options: dict[str, Any]) -> None:
    removal = Removal()
    arguments: dict[str, Any] = {"issued_at": removal.issued_at, **options}
    with pytest.raises(InputError):
        issue_certificate(
            **removal.logged(),
            key_file=removal.log.keys.key_file,
            signer=removal.log.keys.record,
            **arguments,
        )


# Reading.


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"%PDF-1.7\n",
        b"PK\x03\x04",
        b"{}",
        b"[]",
        b'{"certificate":{},"signatures":[]}',
        b'{"_type":"https://in-toto.io/Statement/v1"}',
        make_keys().key_file.to_bytes(),
        Removal().log.checkpoint().encode(),
        Envelope.sign(b"{}", make_key("x")).to_bytes(),
        b"\xff\xfe" * 1000,
        b"x" * 20_000_000,
    ],
    ids=range(13),
)
def test_what_is_no_certificate_is_an_input_error(data: bytes) -> None:
    for read in (parse_certificate, lambda data: verify_certificate(data, key_file=make_keys().key_file)):
        with pytest.raises(InputError) as caught:
            read(data)
        assert caught.value.code is ErrorCode.INPUT_NOT_A_CERTIFICATE


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"\n",
        lambda data: data + data,
        lambda data: b" " + data,
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: json.dumps(json.loads(data), indent=2).encode(),
        lambda data: data.replace(b"certificate:v1", b"certificate:v0"),
        lambda data: data + b"x" * 20_000_000,
        lambda data: b"urn:ireu:certificate:v1",
        lambda data: b'{"_type":"urn:ireu:certificate:v1"}\n',
        lambda data: b'{"_type":"urn:ireu:certificate:v1","certificate":null,"signatures":null}\n',
    ],
)
def test_damaged_certificate_gets_a_report(damage: Any) -> None:
    data, key_file = make_certificate()
    damaged = damage(data)
    report = verify_certificate(damaged, key_file=key_file)
    assert report.verdict is Verdict.DOES_NOT_HOLD
    assert [each.name for each in report.failed()] == ["form"]
    assert tuple(outcomes(report)) == CHECKS
    with pytest.raises(InputError):
        parse_certificate(damaged)


@given(st.binary(max_size=200))
def test_any_bytes_behind_the_name_get_a_report(data: bytes) -> None:
    report = verify_certificate(b"urn:ireu:certificate:" + data, key_file=make_keys().key_file)
    assert report.verdict is Verdict.DOES_NOT_HOLD


def test_reasons_carry_no_terminal_commands() -> None:
    data, key_file = make_certificate()
    for hostile in ("\x1b[31m", "\x9b31m", "\u202e"):
        value = json.loads(data)
        value["certificate"]["origin"] = hostile
        value["certificate"][hostile] = 1
        report = verify_certificate(canonicalize(value) + b"\n", key_file=key_file)
        assert all(each.reason.isprintable() for each in report.checks)


def test_verification_imports_no_heavy_packages() -> None:
    # A regulator's check is mostly start-up time; and core is to work where nothing else is installed.
    code = (
        "import sys, ireu_governance.core.certificate; "
        "print([m for m in ('sqlalchemy', 'sqlmodel', 'alembic', 'click', 'rich', 'securesystemslib', 'torch',"
        " 'numpy', 'asyncio', 'cryptography.hazmat.primitives.serialization.ssh') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_origin_of_the_builders_is_the_one_of_the_key_file() -> None:
    assert make_keys().key_file.origin == ORIGIN
