"""A certificate at a time: its end, its witnesses, its time stamps, its history, and what became of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import AFTER, MemoryLog, Removal, make_certificate, make_key, make_keys, outcomes
from fixtures.extended import (
    KEYS,
    ExtendedRemoval,
    WitnessedLog,
    change_record_key,
    edit,
    make_status,
    policy_of,
)
from fixtures.timestamping import LocalAuthority, moment

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.certificate_document import (
    Certificate,
    parse_certificate,
    seal_certificate,
    stamp_certificate,
)
from ireu_governance.core.certificate_trust import CertificateReport
from ireu_governance.core.certificate_wording import DOES_NOT_CLAIM, SAYS, wording
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.key_change import KeyFileChange
from ireu_governance.core.keys import KeyFile, PrivateKey, Role
from ireu_governance.core.status import CertificateStatus, StatusEntry
from ireu_governance.core.verdict import Verdict
from ireu_governance.ledger.stamps import obtain_token

DAY = 86_400


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    return LocalAuthority.make(tmp_path_factory.mktemp("time") / "tsa")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    return LocalAuthority.make(tmp_path_factory.mktemp("time") / "stranger", name="Stranger")


def verify(data: bytes, **brought: Any) -> CertificateReport:
    return verify_certificate(data, key_file=KEYS.key_file, **brought)


def reason(report: CertificateReport, name: str) -> str:
    return next(check.reason for check in report.checks if check.name == name)


def only_failed(report: CertificateReport, name: str) -> str:
    """The reason of the one check that failed."""
    assert report.verdict is Verdict.DOES_NOT_HOLD
    assert [check.name for check in report.failed()] == [name]
    return reason(report, name)


def gone(data: bytes, *, since: str, status: Any = "revoked", why: str = "resurfaced", seq: int = 1) -> StatusEntry:
    number = parse_certificate(data).certificate.id
    return StatusEntry(id=number, status=status, since=since, reason=why, replaced_by=None, seq=seq)


# All together


def test_certificate_with_everything_holds(authority: LocalAuthority) -> None:
    made = ExtendedRemoval()
    data = made.stamped(authority)
    report = verify(
        data,
        encoder=AFTER,
        policy=policy_of(),
        tsa_roots=authority.roots,
        status=make_status(made.log, age=-5),
        at=moment(10),
    )
    assert report.verdict is Verdict.HOLDS, report.failed()
    assert set(outcomes(report).values()) == {"passed"}
    assert report.status is CertificateStatus.VALID
    assert report.proven_time is not None
    assert "4 steps" in reason(report, "history")


def test_without_anything_brought_the_later_checks_are_not_made_and_say_how(authority: LocalAuthority) -> None:
    report = verify(ExtendedRemoval().stamped(authority))
    assert report.verdict is Verdict.HOLDS
    assert (report.status, report.at, report.proven_time) == (None, None, None)
    hints = {check.name: check.hint for check in report.checks if check.outcome == "not-checked"}
    assert {"validity", "witness", "trusted-time", "revocation"} <= hints.keys()
    assert "--tsa-roots" in hints["trusted-time"]
    assert "https://example.org/status.json" in reason(report, "revocation")


def test_wording_belongs_to_what_the_certificate_carries(authority: LocalAuthority) -> None:
    made = ExtendedRemoval()
    for says, claims in ((SAYS, wording(history=True, stamped=True)[1]), (wording(history=True, stamped=True)[0], DOES_NOT_CLAIM)):  # fmt: skip
        assert only_failed(verify(made.stamped(authority, says=says, does_not_claim=claims)), "form")
    plain = ExtendedRemoval(before=(), after=())
    assert verify(plain.sealed()).verdict is Verdict.HOLDS
    assert only_failed(verify(plain.sealed(says=wording(history=True, stamped=False)[0])), "form")


# Its end


@pytest.mark.parametrize(
    ("at", "outcome"), [(None, "not-checked"), (0, "passed"), (364 * DAY, "passed"), (366 * DAY, "failed")]
)
def test_end_of_validity_is_judged_at_the_time_that_is_asked_about(at: float | None, outcome: str) -> None:
    report = verify(ExtendedRemoval().sealed(), at=None if at is None else moment(at))
    assert outcomes(report)["validity"] == outcome
    assert (report.status is CertificateStatus.EXPIRED) == (outcome == "failed")
    assert report.verdict is (Verdict.DOES_NOT_HOLD if outcome == "failed" else Verdict.HOLDS)


def test_certificate_without_an_end_is_valid_for_ever() -> None:
    data, key_file = make_certificate()
    report = verify_certificate(data, key_file=key_file, at="2099-01-01T00:00:00Z")
    assert report.verdict is Verdict.HOLDS
    assert outcomes(report)["validity"] == "passed"


def test_certificate_from_the_future_is_refused_beyond_what_clocks_differ() -> None:
    data = ExtendedRemoval().sealed()
    assert "not issued yet" in only_failed(verify(data, at=moment(-600)), "validity")
    assert verify(data, at=moment(-200)).verdict is Verdict.HOLDS


def test_certificate_that_ends_before_its_issue_is_refused() -> None:
    assert "ends" in only_failed(verify(ExtendedRemoval().sealed(valid_until=moment(-DAY))), "validity")


def test_time_that_is_none_is_an_input_error() -> None:
    with pytest.raises(InputError):
        verify(ExtendedRemoval().sealed(), at="yesterday")


# Witnesses


def test_checkpoint_without_the_witness_of_the_policy_is_refused() -> None:
    assert "quorum" in only_failed(
        verify(ExtendedRemoval(WitnessedLog(witnessed=False)).sealed(), policy=policy_of()), "witness"
    )
    assert only_failed(verify(ExtendedRemoval().sealed(), policy=policy_of("another")), "witness")


def test_policy_without_witnesses_is_met() -> None:
    from ireu_governance.core.policy import Policy

    report = verify(ExtendedRemoval().sealed(), policy=Policy.from_text("quorum none\n"))
    assert report.verdict is Verdict.HOLDS
    assert "asks for no witness" in reason(report, "witness")


# Time stamps


def test_gap_between_issue_and_stamp_is_shown(authority: LocalAuthority) -> None:
    report = verify(ExtendedRemoval(ago=600).stamped(authority), tsa_roots=authority.roots)
    assert report.verdict is Verdict.HOLDS
    assert "10 minutes after the stated time of issue" in reason(report, "trusted-time")
    assert "CN=Test Time" in reason(report, "trusted-time")


def test_backdated_certificate_is_found_and_named(authority: LocalAuthority) -> None:
    report = verify(ExtendedRemoval(ago=30 * DAY).stamped(authority), tsa_roots=authority.roots)
    assert "backdated" in only_failed(report, "trusted-time")
    assert "30 days later" in reason(report, "trusted-time")


def test_certificate_that_is_dated_after_its_stamp_is_found(authority: LocalAuthority) -> None:
    report = verify(ExtendedRemoval(ago=-9000).stamped(authority), tsa_roots=authority.roots)
    assert "2 hours after it was stamped" in only_failed(report, "trusted-time")
    slow_clock = verify(ExtendedRemoval(ago=-100).stamped(authority), tsa_roots=authority.roots)
    assert slow_clock.verdict is Verdict.HOLDS


def test_late_stamp_of_an_unstamped_certificate_leaves_its_date_open(authority: LocalAuthority) -> None:
    report = verify(ExtendedRemoval(ago=30 * DAY).stamped(authority, flag=False), tsa_roots=authority.roots)
    assert report.verdict is Verdict.UNDECIDED
    assert outcomes(report)["trusted-time"] == "not-checked"
    assert "30 days before" in reason(report, "trusted-time")
    assert report.proven_time is not None


def test_reader_who_asks_for_time_gets_no_verdict_without_a_stamp(authority: LocalAuthority) -> None:
    data, key_file = make_certificate()
    report = verify_certificate(data, key_file=key_file, tsa_roots=authority.roots)
    assert report.verdict is Verdict.UNDECIDED


def test_stamp_of_an_authority_that_is_not_trusted_is_refused(
    authority: LocalAuthority, stranger: LocalAuthority
) -> None:
    data = ExtendedRemoval().stamped(stranger)
    assert "no authority that you trust" in only_failed(verify(data, tsa_roots=authority.roots), "trusted-time")


def test_one_untrusted_stamp_among_good_ones_is_refused(authority: LocalAuthority, stranger: LocalAuthority) -> None:
    made = ExtendedRemoval()
    data = made.stamped(authority)
    token = obtain_token(stranger, parse_certificate(data).unstamped_bytes())
    both = stamp_certificate(data, [token], made.log.keys.record)
    assert only_failed(verify(both, tsa_roots=authority.roots), "trusted-time")


def test_stamp_of_something_else_is_refused(authority: LocalAuthority) -> None:
    made = ExtendedRemoval()
    data = made.sealed(stamped=True)
    other = stamp_certificate(data, [obtain_token(authority, b"something else")], made.log.keys.record)
    assert "something else" in only_failed(verify(other, tsa_roots=authority.roots), "trusted-time")


# Stamps that were added after the record key was exchanged.


def later_keys(*, from_size: int) -> tuple[KeyFile, PrivateKey]:
    """The next key file and its record key, which counts only from a size above every certificate's here."""
    return change_record_key(KEYS, from_size=from_size)


def stamped_again(data: bytes, authority: LocalAuthority, record: PrivateKey) -> bytes:
    return stamp_certificate(data, [obtain_token(authority, parse_certificate(data).unstamped_bytes())], record)


def test_stamp_that_a_later_record_key_added_counts(authority: LocalAuthority) -> None:
    data, (key_file, record) = ExtendedRemoval().stamped(authority), later_keys(from_size=100)
    assert verify_certificate(data, key_file=key_file).verdict is Verdict.HOLDS
    again = stamped_again(data, authority, record)
    report = verify_certificate(again, key_file=key_file, tsa_roots=authority.roots)
    assert report.verdict is Verdict.HOLDS
    assert "first of 2 stamps" in reason(report, "trusted-time")


def test_reader_without_the_later_key_is_told_what_to_get(authority: LocalAuthority) -> None:
    data, (_, record) = ExtendedRemoval().stamped(authority), later_keys(from_size=100)
    again = stamped_again(data, authority, record)
    report = verify(again)
    assert "stamps are signed by no key" in only_failed(report, "certificate-signature")
    assert "newest one" in report.failed()[0].hint


@pytest.mark.parametrize(("given_up_from", "failing"), [(101, []), (100, ["certificate-signature"])])
def test_later_key_that_never_counted_may_not_add_stamps(
    authority: LocalAuthority, given_up_from: int, failing: list[str]
) -> None:
    data, (key_file, record) = ExtendedRemoval().stamped(authority), later_keys(from_size=100)
    third = make_key("third record key").public_key
    change = KeyFileChange(key_file).add(third, Role.RECORD, valid_from=moment(-45), valid_from_size=given_up_from)
    change = change.revoke(record.public_key.key_id, from_size=given_up_from)
    revoked = change.propose(issued_at=moment(-40)).sign(KEYS.root).finish()
    again = stamped_again(data, authority, record)
    assert [each.name for each in verify_certificate(again, key_file=revoked).failed()] == failing


def test_later_record_key_may_sign_stamps_and_not_the_certificate() -> None:
    key_file, record = later_keys(from_size=100)
    data = seal_certificate(ExtendedRemoval().removal.body(), record)
    report = verify_certificate(data, key_file=key_file)
    assert "counts only from entry 100 on" in reason(report, "certificate-signature")


def test_first_of_several_stamps_counts(authority: LocalAuthority) -> None:
    report = verify(ExtendedRemoval().stamped(authority, count=3), tsa_roots=authority.roots)
    assert report.verdict is Verdict.HOLDS
    assert "first of 3 stamps" in reason(report, "trusted-time")


def test_stamps_cannot_be_taken_out_added_or_exchanged(authority: LocalAuthority) -> None:
    made = ExtendedRemoval()
    data = made.stamped(authority, count=2)
    another = json.loads(made.stamped(authority))["timestamps"][0]

    def drop(value: Any) -> None:
        del value["timestamps"], value["timestamps_signature"]

    def shorten(value: Any) -> None:
        del value["timestamps"][1]

    def add(value: Any) -> None:
        value["timestamps"].append(another)

    def exchange(value: Any) -> None:
        value["timestamps"].reverse()

    def unsign(value: Any) -> None:
        del value["timestamps_signature"]

    def empty(value: Any) -> None:
        value["timestamps"] = []

    def null(value: Any) -> None:
        value["timestamps"] = None

    for change in (drop, shorten, add, exchange, unsign, empty, null):
        report = verify(edit(data, change))
        assert report.verdict is Verdict.DOES_NOT_HOLD, change.__name__
        assert {check.name for check in report.failed()} <= {"form", "certificate-signature"}


def test_stamps_that_a_stranger_signed_are_refused(authority: LocalAuthority) -> None:
    made = ExtendedRemoval()
    data = made.sealed(stamped=True)
    token = obtain_token(authority, data)
    strange = stamp_certificate(data, [token], make_keys("stranger").record)
    assert "time stamps" in only_failed(verify(strange), "certificate-signature")


def test_stamps_do_not_change_which_certificate_it_is(authority: LocalAuthority) -> None:
    made = ExtendedRemoval()
    data = made.sealed(stamped=True)
    stamped = stamp_certificate(data, [obtain_token(authority, data)], made.log.keys.record)
    assert parse_certificate(stamped).unstamped_bytes() == data
    assert parse_certificate(stamped).digest == Certificate.model_validate_json(data).digest


def test_too_many_or_too_large_stamps_are_not_made(authority: LocalAuthority) -> None:
    made = ExtendedRemoval()
    data = made.sealed()
    for tokens in ([], [b"x"] * 33, [b""], [b"x" * (64 * 1024 + 1)]):
        with pytest.raises(InputError):
            stamp_certificate(data, tokens, made.log.keys.record)


def test_junk_in_place_of_a_stamp_is_refused_with_roots_and_signed_without(authority: LocalAuthority) -> None:
    made = ExtendedRemoval()
    data = stamp_certificate(made.sealed(stamped=True), [b"junk"], made.log.keys.record)
    assert verify(data).verdict is Verdict.HOLDS  # the organisation signed it; what it is worth needs roots
    assert "malformed" in only_failed(verify(data, tsa_roots=authority.roots), "trusted-time")


# What became of it


def test_revoked_certificate_is_refused_and_was_valid_before() -> None:
    made = ExtendedRemoval(ago=10 * DAY)
    data = made.sealed()
    status = make_status(made.log, gone(data, since=moment(-5 * DAY)))
    report = verify(data, status=status, at=moment())
    assert "'resurfaced'" in only_failed(report, "revocation")
    assert report.status is CertificateStatus.REVOKED
    before = verify(data, status=status, at=moment(-7 * DAY))
    assert (before.verdict, before.status) == (Verdict.HOLDS, CertificateStatus.VALID)
    assert "7 days" in reason(before, "revocation") or "6 days" in reason(before, "revocation")


def test_superseded_certificate_names_its_successor() -> None:
    made = ExtendedRemoval()
    data = made.sealed()
    entry = gone(data, since=moment(-60), status="superseded", why="reissued")
    status = make_status(made.log, entry.model_copy(update={"replaced_by": "d" * 32}), age=-5)
    report = verify(data, status=status, at=moment())
    assert "d" * 32 in only_failed(report, "revocation")
    assert report.status is CertificateStatus.SUPERSEDED


def test_certificate_issued_in_error_was_never_valid() -> None:
    made = ExtendedRemoval(ago=10 * DAY)
    data = made.sealed()
    status = make_status(made.log, gone(data, since=moment(-DAY), why="issued-in-error"))
    assert verify(data, status=status, at=moment(-7 * DAY)).status is CertificateStatus.REVOKED


def test_revocation_weighs_more_than_replacement() -> None:
    made = ExtendedRemoval()
    data = made.sealed()
    entries = (
        gone(data, since=moment(-50), status="superseded", why="reissued", seq=1),
        gone(data, since=moment(-40), seq=2),
    )
    report = verify(data, status=make_status(made.log, *entries, age=-5), at=moment())
    assert report.status is CertificateStatus.REVOKED


def test_other_certificates_on_the_list_do_not_matter() -> None:
    made = ExtendedRemoval()
    data = made.sealed()
    other = gone(data, since=moment(-50)).model_copy(update={"id": "f" * 32})
    assert verify(data, status=make_status(made.log, other, age=-5), at=moment(10)).status is CertificateStatus.VALID


def test_stale_list_decides_nothing_but_what_it_revokes() -> None:
    made = ExtendedRemoval(ago=10 * DAY)
    data = made.sealed()
    stale = verify(data, status=make_status(made.log, age=9 * DAY, days=7), at=moment())
    assert stale.verdict is Verdict.UNDECIDED
    assert "meant for use until" in reason(stale, "revocation")
    status = make_status(made.log, gone(data, since=moment(-9.5 * DAY)), age=9 * DAY, days=7)
    assert verify(data, status=status, at=moment()).status is CertificateStatus.REVOKED


def test_list_without_a_time_to_compare_with_decides_nothing() -> None:
    made = ExtendedRemoval()
    report = verify(made.sealed(), status=make_status(made.log, age=-5))
    assert report.verdict is Verdict.UNDECIDED
    assert "no time was given" in reason(report, "revocation")


def test_list_that_is_older_than_the_certificate_decides_nothing() -> None:
    made = ExtendedRemoval()
    younger = verify(made.sealed(), status=make_status(made.log, age=DAY), at=moment())
    assert younger.verdict is Verdict.UNDECIDED
    smaller = WitnessedLog()
    smaller.fill(2)
    report = verify(made.sealed(), status=make_status(smaller, age=-5), at=moment())
    assert report.verdict is Verdict.UNDECIDED
    assert "older than the certificate" in reason(report, "revocation")


def test_list_of_another_log_or_signer_takes_no_certificate_down() -> None:
    made = ExtendedRemoval()
    data = made.sealed()
    entry = gone(data, since=moment(-5))
    elsewhere = MemoryLog(keys=make_keys("other", origin="other.example"), origin="other.example")
    elsewhere.fill(30)
    forged = make_status(made.log, entry, age=-5, signer=make_keys("stranger").record)
    other_head = MemoryLog(keys=make_keys("stranger"))
    other_head.fill(30)
    for status in (
        make_status(elsewhere, entry, age=-5),
        forged,
        make_status(made.log, entry, age=-5, checkpoint=other_head.checkpoint()),
        make_status(made.log, entry, age=-5, signer=made.log.keys.log),
    ):
        report = verify(data, status=status, at=moment())
        assert report.verdict is Verdict.UNDECIDED
        assert "cannot be used" in reason(report, "revocation")
        assert report.status is None


# The history


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ({"before": [("accepted", {})]}, "before the request was received"),
        ({"before": [("received", {"case_id": "9" * 32})]}, "a case that the certificate is not about"),
        ({"before": [("received", {"happened_at": moment(100)})]}, "before it happened"),
        ({"before": [("received", {}), ("accepted", {"happened_at": "2020-01-01T00:00:00Z"})]}, "before the request"),
        ({"after": [("done", {"removal_seq": 1})]}, "names removal 1"),
        ({"after": [("done", {}), ("informed", {"recorded_at": "2021-01-01T00:00:00Z"})]}, "order of the log"),
        ({"after": [("informed", {"recorded_at": moment(DAY), "happened_at": moment()})]}, "order of the log"),
    ],
)
def test_history_that_does_not_fit_is_refused(steps: dict[str, Any], words: str) -> None:
    assert words in only_failed(verify(ExtendedRemoval(**steps).sealed()), "history")


def test_removal_that_was_done_before_it_was_made_is_refused() -> None:
    made = ExtendedRemoval(before=[("received", {}), ("done", {"removal_seq": 6})])
    assert made.removal_seq == 7
    made = ExtendedRemoval(before=[("received", {}), ("done", {"removal_seq": 7})])
    assert "before the removal" in only_failed(verify(made.sealed()), "history")


def test_entry_that_is_no_step_is_refused_as_history() -> None:
    made = ExtendedRemoval()
    second = Removal(log=made.log, certificate_id="d" * 32, request={"recorded_at": moment(-10)})
    made.steps.append(second.seqs[0])
    assert "removal-request" in only_failed(verify(made.sealed()), "history")


def test_steps_out_of_order_or_doubled_are_refused() -> None:
    made = ExtendedRemoval()
    made.steps.reverse()
    assert "order" in only_failed(verify(made.sealed()), "position")
    made.steps.reverse()
    made.steps.insert(2, made.removal.seqs[1])
    assert "twice" in only_failed(verify(made.sealed()), "position")


def test_step_under_another_checkpoint_is_refused() -> None:
    made = ExtendedRemoval()
    data = made.sealed()
    earlier = json.loads(data)["certificate"]["history"]
    made.log.fill(1)
    assert verify(made.sealed(history=earlier)).verdict is Verdict.DOES_NOT_HOLD


def test_history_of_a_single_step_is_told_as_one() -> None:
    report = verify(ExtendedRemoval(before=[("received", {})], after=()).sealed())
    assert report.verdict is Verdict.HOLDS
    assert "1 step of" in reason(report, "history")


# Formats to come


@pytest.mark.parametrize("version", ["v2", "v17"])
def test_certificate_of_a_later_format_is_undecided_and_says_so(version: str) -> None:
    data = make_certificate()[0].replace(b"certificate:v1", f"certificate:{version}".encode())
    for read in (parse_certificate, verify):
        with pytest.raises(InputError) as caught:
            read(data)
        assert caught.value.code is ErrorCode.INPUT_TOO_NEW
        assert "upgrade" in caught.value.hint.lower()
    damaged = data[:-20]
    assert verify(damaged).verdict is Verdict.DOES_NOT_HOLD


@pytest.mark.parametrize("kind", ["v0", "v01", "v1.1", "v", "x2", "v2 "])
def test_format_that_is_no_later_one_is_a_damaged_certificate(kind: str) -> None:
    data = ExtendedRemoval().sealed().replace(b"certificate:v1", f"certificate:{kind}".encode())
    assert only_failed(verify(data), "form")


@pytest.mark.parametrize("url", ["ftp://x", "https://", "javascript:alert(1)", "https://a b", "https://ä.example"])
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        ExtendedRemoval().sealed(status_url=url)
