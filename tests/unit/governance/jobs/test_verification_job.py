"""The re-test as a job: what each way of looking finds, what is recorded, and that the service decides by itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import builders
import pytest
from fixtures.retests import FOLDER, FakeTester, MemoryQueue, RetestDesk

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, LedgerRefusedError
from ireu_governance.core.keys import Role
from ireu_governance.core.receipt_verification import verify_receipt
from ireu_governance.core.statement import Draft
from ireu_governance.core.verdict import RetestVerdict, Verdict
from ireu_governance.jobs.leases import FileLeases
from ireu_governance.jobs.orders import (
    KIND,
    RECEIPT,
    VerificationResult,
    expect_cases,
    parse_order,
    submit_verification,
)
from ireu_governance.jobs.queue import JobStatus
from ireu_governance.jobs.verification import verification_handler
from ireu_governance.ledger.audit import audit
from ireu_governance.rotation import KeyRequest, revoke, rotate
from ireu_governance.workspace import Workspace


@pytest.fixture
def desk(tmp_path: Path) -> RetestDesk:
    return RetestDesk.open(tmp_path / "desk")


class Office:
    """The desk with a queue in memory and one engine."""

    def __init__(self, desk: RetestDesk) -> None:
        self.desk = desk
        self.queue = MemoryQueue()
        self.tester = FakeTester(desk.workspace)
        self.told: list[tuple[str, VerificationResult]] = []
        handler = verification_handler(
            desk.workspace,
            lambda: self.tester,
            leases=FileLeases(desk.workspace.root / "jobs.locks"),
            notify=lambda job, result: self.told.append((job, result)),
        )
        self.handlers = {KIND: handler}

    def submit(self, **order: Any) -> str:
        return submit_verification(self.queue, parse_order({"encoder": FOLDER, **order}))

    def run(self, **order: Any) -> tuple[str, VerificationResult]:
        job = self.submit(**order)
        self.queue.work(self.handlers)
        state = self.queue.get(job)
        assert state.status is JobStatus.DONE, state.failure
        return job, VerificationResult.model_validate(state.result)


@pytest.fixture
def office(desk: RetestDesk) -> Office:
    return Office(desk)


def test_a_known_encoder_that_forgot_holds_by_files_and_by_answers(office: Office) -> None:
    job, result = office.run()
    assert result.verdict is RetestVerdict.HOLDS
    assert result.white_box.outcome == "known"
    assert result.white_box.digest == builders.AFTER.digest
    assert list(result.white_box.removal_entries) == office.desk.removals
    assert (result.black_box.verdict, result.black_box.cases) == (RetestVerdict.HOLDS, 3)
    recorded = office.desk.verifications(job)
    assert [each.removal_seq for each in recorded] == office.desk.removals
    assert [each.verification_entry for each in result.removals] == [each.ledger.seq for each in recorded]
    assert {(each.job, each.job_entries, each.source, each.occasion) for each in recorded} == {
        (job, 2, "folder", "retest")
    }
    assert result.published
    assert office.told == [(job, result)]


def test_the_record_is_sound_afterwards(office: Office) -> None:
    office.run()
    workspace = office.desk.workspace
    found = audit(workspace.ledger_location, key_file=workspace.key_file(), checkpoint_path=workspace.checkpoint_path)
    assert found.findings == ()


def test_removals_that_a_stolen_key_recorded_are_not_tested(office: Office) -> None:
    workspace = office.desk.workspace
    first, second = office.desk.removals
    rotate(workspace, KeyRequest(role=Role.RECORD, reason="compromised", from_size=second))
    office = Office(RetestDesk(Workspace(workspace.root), office.desk.cases, office.desk.removals))
    job, _ = office.run()
    with office.desk.workspace.open_ledger() as ledger:
        tested = [
            statement.predicate.removal_seq
            for _, statement in ledger.statements(ledger.entries(kind="verification"))
            if statement.predicate.job == job
        ]
        assert tested == [first]
        with pytest.raises(InputError) as caught:
            expect_cases(ledger, parse_order({"encoder": FOLDER, "cases": list(office.desk.cases[1])}))
    assert caught.value.code is ErrorCode.CASE_UNKNOWN


def test_a_removal_whose_request_a_stolen_key_recorded_is_passed_over(office: Office) -> None:
    workspace = office.desk.workspace
    first, second = office.desk.removals
    rotate(workspace, KeyRequest(role=Role.RECORD, reason="scheduled"))
    old = next(each for each in Workspace(workspace.root).key_file().entries if each.revoked_from_size is not None)
    desk = RetestDesk(Workspace(workspace.root), office.desk.cases, office.desk.removals)
    case_id = "ab" * 16
    with desk.workspace.open_ledger() as ledger:
        draft = Draft(
            subject=builders.AFTER.subjects(),
            kind="removal",
            fields={k: v for k, v in builders.make_removal(second - 1, (case_id,)).items() if k != "recorded_at"},
        )
        ledger.append([draft], desk.workspace.signer(Role.RECORD))
        ledger.publish(desk.workspace.signer(Role.LOG))
    revoke(Workspace(workspace.root), old.key_id, from_size=second - 1)
    office = Office(RetestDesk(Workspace(workspace.root), desk.cases, desk.removals))
    _, result = office.run()
    assert [each.removal_entry for each in result.removals] == [first]


def test_an_unknown_encoder_that_passes_the_probes_is_told_apart(office: Office) -> None:
    office.desk.tell(encoder="other")
    job, result = office.run()
    assert result.verdict is RetestVerdict.ENCODER_CHANGED
    assert (result.white_box.outcome, result.black_box.verdict) == ("unknown", RetestVerdict.HOLDS)
    assert not any(each.known_encoder for each in office.desk.verifications(job))


def test_one_resurfaced_case_decides_whatever_the_engine_says_of_verdicts(office: Office) -> None:
    one, two = office.desk.cases[1]
    office.desk.tell(matches={two: 60})
    _, result = office.run()
    assert result.verdict is RetestVerdict.RESURFACED
    verdicts = {each.case_id: each.verdict for removal in result.removals for each in removal.cases}
    assert verdicts[two] is RetestVerdict.RESURFACED
    assert verdicts[one] is RetestVerdict.HOLDS


def test_lost_utility_is_found(office: Office) -> None:
    office.desk.tell(similarity=0.2)
    assert office.run()[1].verdict is RetestVerdict.UTILITY_LOST


def test_an_encoder_of_which_only_answers_can_be_had_names_no_files(office: Office) -> None:
    office.desk.tell(encoder=None, claimed="ee" * 32)
    job, result = office.run(encoder={"kind": "http", "url": "https://encoder.example/invocations"})
    assert result.verdict is RetestVerdict.HOLDS
    assert (result.white_box.outcome, result.white_box.digest, result.white_box.claimed) == (
        "not-visible", None, "ee" * 32,
    )  # fmt: skip
    with office.desk.workspace.open_ledger() as ledger:
        entry = ledger.entry(office.desk.verifications(job)[0].ledger.seq)
        statement = ledger.statement(entry)
    assert not statement.is_about_encoder
    assert [each.name for each in statement.subject] == ["behaviour"]


def test_answers_without_a_digest_fail_the_job(office: Office) -> None:
    office.desk.tell(encoder=None, no_behaviour=True)
    job = office.submit()
    office.queue.work(office.handlers)
    assert office.queue.get(job).failure.code == ErrorCode.ENCODER_UNLOADABLE
    assert office.desk.verifications(job) == []


def test_parts_of_a_pipeline_are_recorded(office: Office) -> None:
    office.desk.tell(parts={"base": "before", "adapter": "other"}, resolved="models:/face/3")
    job, result = office.run(encoder={"kind": "pipeline", "path": "pipelines/prod"})
    assert result.white_box.parts == {"base": builders.BEFORE.digest, "adapter": builders.OTHER.digest}
    assert result.white_box.resolved == "models:/face/3"
    assert office.desk.verifications(job)[0].parts["base"].sha256 == builders.BEFORE.digest


def test_only_removals_of_the_asked_cases_are_tested_and_these_with_all_their_cases(office: Office) -> None:
    job, result = office.run(cases=[office.desk.cases[1][0]])
    assert [each.removal_entry for each in result.removals] == [office.desk.removals[1]]
    assert {each.case_id for each in result.removals[0].cases} == set(office.desk.cases[1])
    assert len(office.desk.verifications(job)) == 1


def test_an_erased_case_is_told_and_the_others_are_tested(office: Office) -> None:
    office.desk.tell(erased=[office.desk.cases[1][0]])
    job, result = office.run()
    assert result.verdict is RetestVerdict.EVIDENCE_ERASED
    assert result.black_box.cases == 2
    assert len(office.desk.verifications(job)) == 2


def test_a_removal_of_which_all_is_erased_is_not_recorded_again(office: Office) -> None:
    office.desk.tell(erased=[case for cases in office.desk.cases for case in cases])
    job, result = office.run()
    assert result.verdict is RetestVerdict.EVIDENCE_ERASED
    assert not result.published
    assert "nothing was recorded" in result.note
    assert office.desk.verifications(job) == []
    assert office.queue.attachment(job, RECEIPT) is None


def test_large_removals_are_tested_in_batches_and_recorded_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ireu_governance.jobs.verification.BATCH_CASES", 2)
    office = Office(RetestDesk.open(tmp_path / "large", sizes=(5,)))
    office.desk.tell(encoder=None)
    job, result = office.run()
    tests = [what for name, what in office.tester.calls if name == "test"]
    assert [len(cases) for _, cases in tests] == [2, 2, 1]
    recorded = office.desk.verifications(job)
    assert len(recorded) == 1
    assert [case.case_id for case in recorded[0].cases] == list(office.desk.cases[0])
    assert result.verdict is RetestVerdict.HOLDS


class SharedSteps:
    """Steps of two workers that both believe that a job is theirs: they know of the same first look."""

    job_id = "d" * 32
    submitted_at = "2026-11-20T08:00:00Z"

    def __init__(self, looked: dict[str, Any], barrier: threading.Barrier) -> None:
        self._looked, self._barrier = looked, barrier

    def run(self, name: str, work: Any, *, attempts: int = 1) -> dict[str, Any]:
        if name == "identify":
            return self._looked
        if name == "append":
            self._barrier.wait(30)
        return work()

    def report(self, *_: object) -> None: ...

    def attach(self, *_: object) -> None: ...

    def is_cancelled(self) -> bool:
        return False


def test_two_workers_with_the_same_job_append_its_entries_once(office: Office) -> None:
    from ireu_governance.jobs.findings import Looked
    from ireu_governance.jobs.tester import Identified

    desk, barrier = office.desk, threading.Barrier(4)
    with desk.workspace.open_ledger() as ledger:
        size = ledger.head().size
    removals = list(zip(desk.removals, desk.cases, strict=True))
    known = [(seq, builders.AFTER.digest) for seq in desk.removals]
    looked = Looked.of(Identified(builders.AFTER), since=size, removals=removals, known=known).model_dump(mode="json")
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(office.handlers[KIND], {"encoder": FOLDER}, SharedSteps(looked, barrier)) for _ in range(4)]
        results = [VerificationResult.model_validate(run.result()) for run in runs]
    assert [each.removal_seq for each in desk.verifications("d" * 32)] == desk.removals
    assert len({each.removals[0].verification_entry for each in results}) == 1


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"fail": "identify"}, "encoder-unloadable"),
        ({"fail": "test"}, "input-malformed"),
    ],
)
def test_a_refusal_of_the_engine_is_the_reason_of_the_job(office: Office, told: dict[str, str], code: str) -> None:
    office.desk.tell(**told)
    job = office.submit()
    office.queue.work(office.handlers)
    state = office.queue.get(job)
    assert (state.status, state.failure.code) == (JobStatus.FAILED, code)
    assert office.desk.verifications(job) == []


def test_an_engine_that_answers_about_other_cases_is_a_fault(office: Office) -> None:
    office.desk.tell(wrong_cases=True)
    office.submit()
    with pytest.raises(ValueError, match="other cases"):
        office.queue.work(office.handlers)


@pytest.mark.parametrize(
    ("order", "code"),
    [({"cases": ["0" * 32]}, "case-unknown"), ({"cases": []}, None), ({"encoder": {"kind": "folder"}}, None)],
)
def test_orders_that_make_no_sense_are_refused(office: Office, order: dict[str, Any], code: str | None) -> None:
    if code is None:
        with pytest.raises(InputError):
            office.submit(**order)
        return
    job = office.submit(**order)
    office.queue.work(office.handlers)
    assert office.queue.get(job).failure.code == code


def test_an_empty_ledger_has_nothing_to_test_against(tmp_path: Path) -> None:
    office = Office(RetestDesk.open(tmp_path / "empty", sizes=()))
    job = office.submit()
    office.queue.work(office.handlers)
    assert "no removal yet" in office.queue.get(job).failure.detail


def test_what_was_looked_at_is_not_compared_with_another_encoder(office: Office) -> None:
    from ireu_governance.core.errors import EncoderError
    from ireu_governance.jobs.findings import Looked
    from ireu_governance.jobs.tester import Identified

    looked = Looked.of(Identified(builders.AFTER), since=0, removals=[], known=[])
    looked.expect_same(Identified(builders.AFTER))
    with pytest.raises(EncoderError, match="exchanged"):
        looked.expect_same(Identified(builders.OTHER))


def test_entries_stay_when_the_head_cannot_be_published(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    from ireu_governance.ledger import Ledger

    def refuse(*_: object) -> str:
        raise ConfigError("Too few witnesses answered.")

    monkeypatch.setattr(Ledger, "publish", refuse)
    monkeypatch.setattr("ireu_governance.jobs.verification.time.sleep", lambda _: None)
    job, result = office.run()
    assert not result.published
    assert "Too few witnesses" in result.note
    assert len(office.desk.verifications(job)) == 2
    assert office.queue.attachment(job, RECEIPT) is None


def test_a_ledger_that_was_rolled_back_fails_the_job(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    from ireu_governance.ledger import Ledger

    def refuse(*_: object) -> str:
        raise LedgerRefusedError("It contradicts what was published.")

    monkeypatch.setattr(Ledger, "publish", refuse)
    office.submit()
    with pytest.raises(LedgerRefusedError):
        office.queue.work(office.handlers)


def test_the_receipt_is_verified_with_the_key_file_alone(office: Office) -> None:
    job, _ = office.run()
    data = office.queue.attachment(job, RECEIPT).encode()
    report = verify_receipt(data, key_file=office.desk.workspace.key_file(), encoder=builders.AFTER)
    assert report.verdict is Verdict.HOLDS, report.failed()
    assert report.retest is RetestVerdict.HOLDS
    assert report.job == job
    assert [each.removal_entry for each in report.removals] == office.desk.removals
