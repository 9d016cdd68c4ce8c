"""The re-test of an encoder as a job, step by step; read `_Run.work` first.

Every step can be repeated: looking at the encoder and testing it change nothing, and before anything is appended
the ledger is searched for what this job has appended already. All entries of a job are appended at once, or none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from ireu_governance.core.errors import EntryVoidError, ErrorCode, InputError, IreuError, LedgerRefusedError
from ireu_governance.core.keys import Role
from ireu_governance.core.statement import Draft, Plan, Removal, RemovalRequest, Verification
from ireu_governance.jobs.findings import (
    Looked,
    Tested,
    black_box_of,
    draft_of,
    merge,
    removal_result,
    white_box_of,
)
from ireu_governance.jobs.leases import Leases
from ireu_governance.jobs.orders import RECEIPT, VerificationOrder, VerificationResult, expect_cases, parse_order
from ireu_governance.jobs.queue import Handler, Steps
from ireu_governance.jobs.receipts import make_receipt
from ireu_governance.jobs.tester import EncoderTester, TestWatch
from ireu_governance.ledger.read import LedgerReader
from ireu_governance.workspace import Workspace

__all__ = ["BATCH_CASES", "Notify", "verification_handler"]

BATCH_CASES: Final = 100
"""Cases in one step: what is lost when a worker dies, against what loading an encoder again costs."""

_APPEND_LEASE: Final = "append-verifications"
_PUBLISH_TRIES: Final = 3

Notify = Callable[[str, VerificationResult], None]
"""Told of the end of each re-test: the job's number, the result. May be told twice."""


def verification_handler(
    workspace: Workspace,
    create_tester: Callable[[], EncoderTester],
    *,
    leases: Leases,
    notify: Notify | None = None,
) -> Handler:
    """Return what does the work of re-tests.

    Args:
        workspace: Whose ledger and vault.
        create_tester: Makes an engine; called once for each job that runs at the same time.
        leases: Keeps two workers from appending for the same job at once.
        notify: Told of results.
    """
    testers = _Testers(create_tester)

    def handle(payload: Mapping[str, Any], steps: Steps) -> dict[str, Any]:
        order = parse_order(payload)
        with testers.borrow() as tester:
            return _Run(workspace, tester, leases, order, steps, notify or (lambda _job, _result: None)).work()

    return handle


class _Testers:
    # An engine is used by one thread at a time, and is dear to make: weights stay loaded.
    def __init__(self, create: Callable[[], EncoderTester]) -> None:
        self._create = create
        self._idle: list[EncoderTester] = []
        self._mutex = threading.Lock()

    @contextmanager
    def borrow(self) -> Iterator[EncoderTester]:
        with self._mutex:
            tester = self._idle.pop() if self._idle else None
        tester = tester or self._create()
        try:
            yield tester
        finally:
            with self._mutex:
                self._idle.append(tester)


@dataclass(frozen=True)
class _Batch:
    removal_seq: int
    number: int
    case_ids: tuple[str, ...]


class _Run:
    # One run of a job; another worker may have done the first steps.
    def __init__(
        self,
        workspace: Workspace,
        tester: EncoderTester,
        leases: Leases,
        order: VerificationOrder,
        steps: Steps,
        notify: Notify,
    ) -> None:
        self._workspace = workspace
        self._tester = tester
        self._leases = leases
        self._order = order
        self._steps = steps
        self._notify = notify
        self._is_loaded = False

    def work(self) -> dict[str, Any]:
        steps = self._steps
        looked = Looked.read(steps.run("identify", self._look, attempts=2))
        batches = _batches(looked)
        parts: dict[int, list[Tested]] = {}
        for done, batch in enumerate(batches):
            found = steps.run(
                f"test-{batch.removal_seq}-{batch.number}",
                lambda batch=batch, done=done: self._test(looked, batch, done, len(batches)),  # type: ignore[misc]
                attempts=2,
            )
            parts.setdefault(batch.removal_seq, []).append(Tested.read(found))
        tested = {seq: merge(several, self._plan_of(seq)) for seq, several in parts.items()}
        appended = steps.run("append", lambda: self._append(looked, tested, len(batches)), attempts=5)
        entries = {int(seq): int(entry) for seq, entry in appended["entries"].items()}
        published = steps.run("publish", lambda: self._publish(list(entries.values())))
        if published["published"]:
            self._attach_receipt(sorted(entries.values()))
        result = VerificationResult(
            verdict=white_box_of(looked).combine(*(each.verdict for each in tested.values())),
            encoder=self._order.encoder,
            deployment=self._order.deployment,
            white_box=white_box_of(looked).document,
            black_box=black_box_of(tested.values()),
            removals=tuple(removal_result(seq, tested[seq], looked, entries.get(seq)) for seq in sorted(tested)),
            published=bool(published["published"]),
            note=published["note"],
        )
        steps.run("notify", lambda: self._tell(result))
        return result.model_dump(mode="json")

    def _look(self) -> dict[str, Any]:
        """White box: what is the encoder made of, and which removals is it to be tested against?"""
        self._steps.report(0, 0, "identify")
        with self._workspace.open_ledger() as ledger:
            expect_cases(ledger, self._order)
            size = ledger.head().size
            wanted = None if self._order.cases == "all" else set(self._order.cases)
            removals, known = [], []
            for entry, statement in ledger.statements(ledger.entries(kind="removal")):
                if not isinstance(statement.predicate, Removal):
                    continue
                known.append((entry.seq, statement.encoder_digest()))
                case_ids = [case.case_id for case in statement.predicate.cases]
                if (wanted is None or wanted & set(case_ids)) and _has_plan(ledger, statement.predicate):
                    removals.append((entry.seq, case_ids))
        found = self._tester.identify(self._order.encoder)
        self._is_loaded = True
        return Looked.of(found, since=size, removals=removals, known=known).model_dump(mode="json")

    def _test(self, looked: Looked, batch: _Batch, done: int, total: int) -> dict[str, Any]:
        """Black box: what do probes of one batch of cases show?"""
        self._steps.report(done, total, "test")
        if not self._is_loaded:
            # Another worker began this job: what is tested here has to be what was looked at there.
            again = self._tester.identify(self._order.encoder)
            self._is_loaded = True
            looked.expect_same(again)
        watch = TestWatch(
            stage=lambda stage: self._steps.report(done, total, stage), is_cancelled=self._steps.is_cancelled
        )
        measured = self._tester.test(
            self._order.encoder,
            removal_seq=batch.removal_seq,
            case_ids=batch.case_ids,
            plan=self._plan_of(batch.removal_seq),
            watch=watch,
        )
        if tuple(case.case_id for case in measured.cases) != batch.case_ids:
            raise ValueError("the engine answered about other cases than it was asked for")
        self._steps.report(done + 1, total, "test")
        return Tested.of(measured).model_dump(mode="json")

    def _append(self, looked: Looked, tested: Mapping[int, Tested], total: int) -> dict[str, Any]:
        self._steps.report(total, total, "append")
        seqs = [seq for seq in sorted(tested) if not tested[seq].is_erased]
        drafts = [self._draft(looked, tested[seq], seq, len(seqs)) for seq in seqs]
        # The lease ends with the process that holds it, so that nobody appends between the search and the append.
        with self._leases.hold(_APPEND_LEASE), self._workspace.open_ledger() as ledger:
            entries = self._appended(ledger, looked.since)
            if drafts and not entries:
                new = ledger.append(drafts, self._workspace.signer(Role.RECORD))
                entries = dict(zip(seqs, (entry.seq for entry in new), strict=True))
        return {"entries": {str(seq): entry for seq, entry in entries.items()}}

    def _draft(self, looked: Looked, tested: Tested, seq: int, count: int) -> Draft:
        return draft_of(looked, tested, seq, job=self._steps.job_id, job_entries=count, source=self._order.encoder.kind)

    def _appended(self, ledger: LedgerReader, since: int) -> dict[int, int]:
        """Return what this job has appended before, by removal."""
        found: dict[int, int] = {}
        for entry, statement in ledger.statements(ledger.entries(since, kind="verification")):
            predicate = statement.predicate
            if isinstance(predicate, Verification) and predicate.job == self._steps.job_id:
                found[predicate.removal_seq] = entry.seq
        return found

    def _publish(self, entries: list[int]) -> dict[str, Any]:
        """Publish the head. What was appended stays in any case, so that a missing witness fails no job."""
        if not entries:
            return {"published": False, "note": "Nothing was left to test with, so nothing was recorded."}
        for attempt in range(1, _PUBLISH_TRIES + 1):
            try:
                with self._workspace.open_ledger() as ledger:
                    ledger.publish(self._workspace.signer(Role.LOG))
                return {"published": True, "note": None}
            except LedgerRefusedError:
                raise
            except IreuError as error:
                note = f"The entries are recorded; their checkpoint is not published yet: {error.message}"
                if attempt < _PUBLISH_TRIES:
                    time.sleep(2 ** (attempt - 1))
        return {"published": False, "note": note}

    def _attach_receipt(self, entries: list[int]) -> None:
        with self._workspace.open_ledger() as ledger:
            data = make_receipt(self._workspace, ledger, job=self._steps.job_id, entries=entries)
        self._steps.attach(RECEIPT, data.decode("utf-8"))

    def _tell(self, result: VerificationResult) -> dict[str, Any]:
        self._notify(self._steps.job_id, result)
        return {}

    def _plan_of(self, removal_seq: int) -> Plan:
        with self._workspace.open_ledger() as ledger:
            removal = ledger.statement(ledger.entry(removal_seq)).predicate
            if isinstance(removal, Removal):
                request = ledger.statement(ledger.entry(removal.request_seq)).predicate
                if isinstance(request, RemovalRequest):
                    return request.plan
        raise InputError(f"Entry {removal_seq} is no removal with a request.", code=ErrorCode.ENTRY_UNKNOWN)


def _has_plan(ledger: LedgerReader, removal: Removal) -> bool:
    """Return whether the request of a removal counts; without its plan there is nothing to judge the removal by."""
    try:
        ledger.statement(ledger.entry(removal.request_seq))
    except EntryVoidError:
        return False
    return True


def _batches(looked: Looked) -> list[_Batch]:
    return [
        _Batch(removal.seq, number, removal.cases[start : start + BATCH_CASES])
        for removal in looked.removals
        for number, start in enumerate(range(0, len(removal.cases), BATCH_CASES))
    ]
