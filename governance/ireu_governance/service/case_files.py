"""Everything that is recorded of a case and counts, and what may be done with it.

People without a key see the cases that were published, and of these only what the published log says. Whoever has a
key sees all cases, and what was recorded and could not be published yet as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Final, Literal

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, LedgerError
from ireu_governance.core.keys import Role
from ireu_governance.core.request_state import RequestState
from ireu_governance.core.statement import Erasure, Removal, RequestEvent, Statement, Verification
from ireu_governance.ledger.request_log import read_request
from ireu_governance.ledger.requests import Requests
from ireu_governance.service.case_views import (
    CaseFile,
    CaseLine,
    ErasureView,
    PlanView,
    RemovalView,
    RequestDetail,
    VerificationView,
)
from ireu_governance.service.certificate_desk import CertificateDesk
from ireu_governance.service.point_reads import fetch_rows
from ireu_governance.service.publications import PublicationStore
from ireu_governance.service.published_log import PublishedLog
from ireu_governance.service.request_book import EventView, view_of_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ireu_governance.workspace import Workspace

__all__ = [
    "CaseFile",
    "CaseFiles",
    "CaseLine",
    "ErasureView",
    "PlanView",
    "RemovalView",
    "RequestDetail",
    "VerificationView",
    "unknown_case",
]

_MAX_ENTRIES: Final = 5000  # of one case: nightly re-tests for thirteen years

_CASES: Final = (
    "SELECT case_id, count(*), max(seq) FROM entry_cases WHERE case_id > :after"
    " GROUP BY case_id ORDER BY case_id LIMIT :limit"
)
_SEQS: Final = "SELECT seq FROM entry_cases WHERE case_id = :case ORDER BY seq LIMIT :limit"


class CaseFiles:
    """The cases of a workspace, for any number of threads.

    Args:
        workspace: Whose cases.
        log: Its log.
        publications: Published cases.
        desk: Its certificates.
    """

    def __init__(
        self, *, workspace: Workspace, log: PublishedLog, publications: PublicationStore, desk: CertificateDesk
    ) -> None:
        self._workspace = workspace
        self._log = log
        self._publications = publications
        self._desk = desk

    def page(self, *, today: date, after: str = "", limit: int = 100, everything: bool = True) -> list[CaseLine]:
        """Return cases in the order of their ids.

        Args:
            today: The day as of which.
            after: The last case of the page before.
            limit: At most this many.
            everything: All cases, instead of the published ones.
        """
        found: list[CaseLine] = []
        while True:
            # Cases of which nothing counts or was published are left out; a page is filled up all the same.
            wanted = limit - len(found)
            ids = self._ids(after, wanted, everything=everything)
            published = self._publications.published_among(ids)
            lines = (self._line(each, each in published, today=today, everything=everything) for each in ids)
            found.extend(line for line in lines if line is not None)
            if len(ids) < wanted or len(found) == limit:
                return found
            after = ids[-1]

    def _ids(self, after: str, limit: int, *, everything: bool) -> list[str]:
        if not everything:
            return self._publications.list(after=after, limit=limit)
        rows = fetch_rows(self._log.engine, _CASES, {"after": after, "limit": limit})
        return [str(row[0]) for row in rows]

    def knows(self, case_id: str) -> bool:
        """Return whether the ledger has an entry that speaks of a case."""
        return bool(self._seqs(case_id, limit=1))

    def is_shown(self, case_id: str, *, everything: bool) -> bool:
        """Return whether somebody may see a case: all that there are, or only published ones of the published log."""
        if everything:
            return True
        return self._publications.is_published(case_id) and bool(self._statements(case_id, everything=False))

    def open(self, case_id: str, *, today: date, everything: bool) -> CaseFile:
        """Return everything that is recorded of a case.

        Args:
            case_id: The case.
            today: The day as of which.
            everything: For somebody with a key.

        Raises:
            InputError: There is no such case, or none that may be seen.
            LedgerRefusedError: An entry is not what was recorded.
        """
        may_see = everything or self._publications.is_published(case_id)
        statements = self._statements(case_id, everything=everything) if may_see else []
        if not statements:
            raise unknown_case(case_id)
        head = self._log.find_head()
        size = 0 if head is None else head.size
        certificates = [each for each in self._desk.stored() if case_id in each.case_ids]
        if not everything:
            certificates = [each for each in certificates if self._desk.is_published(each)]
        file = CaseFile(
            case_id=case_id,
            published=self._publications.is_published(case_id),
            published_at=self._publications.published_at(case_id),
            evidence=self._evidence(case_id) if everything else None,
            request=_request(case_id, statements, today),
            plans=[],
            removals=[],
            verifications=[],
            erasures=[],
            certificates=self._desk.lines(certificates),
            unpublished_entries=[seq for each in statements if (seq := each.predicate.ledger.seq) >= size],
        )
        for statement in statements:
            _enter(file, statement)
        return file

    def publish(self, case_id: str) -> bool:
        """Publish a case; return whether it was not published before.

        Raises:
            InputError: The ledger knows no such case.
        """
        if not self.knows(case_id):
            raise unknown_case(case_id)
        return self._publications.publish(case_id)

    def withdraw(self, case_id: str) -> bool:
        """Show a case to people without a key no longer; return whether it was published."""
        return self._publications.withdraw(case_id)

    def request(self, case_id: str, *, today: date) -> RequestDetail:
        """Return the request of a case, with its steps.

        Raises:
            InputError: The ledger has none.
        """
        return _detail(read_request(self._log.reader, case_id), today)

    @contextmanager
    def requests(self) -> Iterator[Requests]:
        """Open what records steps of requests, with the workspace's keys.

        Yields:
            It.

        Raises:
            ConfigError: A key cannot be used.
        """
        record_signer, log_signer = self._workspace.signer(Role.RECORD), self._workspace.signer(Role.LOG)
        with self._workspace.open_vault() as vault, self._workspace.open_ledger() as ledger:
            yield Requests(vault=vault, ledger=ledger, record_signer=record_signer, log_signer=log_signer)

    def _line(self, case_id: str, published: bool, *, today: date, everything: bool) -> CaseLine | None:
        statements = self._statements(case_id, everything=everything)
        if not statements:
            return None
        request = _request(case_id, statements, today)
        verdict = None
        for statement in statements:
            if isinstance(statement.predicate, Verification):
                verdict = _verdict(statement.predicate, case_id)
        return CaseLine(
            case_id=case_id,
            published=published,
            state="recorded" if request is None else request.state,
            due=None if request is None else request.due,
            overdue=request is not None and request.overdue,
            verdict=verdict,
            erased=any(isinstance(each.predicate, Erasure) for each in statements),
            entries=len(statements),
            last_recorded_at=max(each.predicate.recorded_at for each in statements),
        )

    def _statements(self, case_id: str, *, everything: bool) -> list[Statement]:
        seqs = self._seqs(case_id, limit=_MAX_ENTRIES)
        if not everything:
            head = self._log.find_head()
            seqs = [seq for seq in seqs if head is not None and seq < head.size]
        entries = [
            entry for start in range(0, len(seqs), 500) for entry in self._log.some_entries(seqs[start : start + 500])
        ]
        return [statement for _, statement in self._log.statements(entries)]

    def _seqs(self, case_id: str, *, limit: int) -> Sequence[int]:
        return [int(row[0]) for row in fetch_rows(self._log.engine, _SEQS, {"case": case_id, "limit": limit})]

    def _evidence(self, case_id: str) -> Literal["kept", "erased", "absent"] | None:
        try:
            with self._workspace.open_vault() as vault:
                held = vault.find(case_id)
        except (ConfigError, LedgerError):
            return None  # the vault need not be on this machine
        if held is None:
            return "absent"
        return "erased" if held.erased_at is not None or held.erasing_since is not None else "kept"


def unknown_case(case_id: str) -> InputError:
    """Return the error that there is no such case, or none that whoever asks may see."""
    return InputError(
        f"There is no case {case_id[:40]!a}.",
        hint="People without a key see published cases only.",
        code=ErrorCode.CASE_UNKNOWN,
    )


def _request(case_id: str, statements: Sequence[Statement], today: date) -> RequestDetail | None:
    events = [each.predicate for each in statements if isinstance(each.predicate, RequestEvent)]
    try:
        return _detail(RequestState.of(case_id, events), today)
    except InputError:
        return None


def _detail(state: RequestState, today: date) -> RequestDetail:
    view = view_of_request(state, today)
    return RequestDetail(**view.model_dump(), events=[EventView.of(event) for event in state.events])


def _enter(file: CaseFile, statement: Statement) -> None:
    predicate = statement.predicate
    entry, recorded_at = predicate.ledger.seq, predicate.recorded_at
    if isinstance(predicate, Removal):
        file.removals.append(
            RemovalView(
                entry=entry,
                recorded_at=recorded_at,
                request_entry=predicate.request_seq,
                encoder_before=predicate.encoder_before.sha256,
                encoder=statement.encoder_digest(),
                architecture=predicate.architecture,
                method=predicate.method.name,
                cases=len(predicate.cases),
                mlflow_run_id=predicate.run.mlflow_run_id,
                model=predicate.run.model,
            )
        )
    elif isinstance(predicate, Verification):
        scores = next((each.scores for each in predicate.cases if each.case_id == file.case_id), ())
        file.verifications.append(
            VerificationView(
                entry=entry,
                recorded_at=recorded_at,
                removal_entry=predicate.removal_seq,
                occasion=predicate.occasion,
                encoder=statement.encoder_digest() if statement.is_about_encoder else None,
                known_encoder=predicate.known_encoder,
                verdict=_verdict(predicate, file.case_id),
                overall=predicate.verdict.value,
                job=predicate.job,
                scores=[each.model_dump(mode="json") for each in scores],
            )
        )
    elif isinstance(predicate, Erasure):
        file.erasures.append(ErasureView(entry=entry, recorded_at=recorded_at, reason=predicate.reason))
    elif predicate.kind == "removal-request":
        tests = [each.name for each in predicate.plan.tests]
        file.plans.append(PlanView(entry=entry, recorded_at=recorded_at, tests=tests))


def _verdict(predicate: Verification, case_id: str) -> str:
    return next((each.verdict.value for each in predicate.cases if each.case_id == case_id), predicate.verdict.value)
