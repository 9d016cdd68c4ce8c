"""Testing an encoder that is in use against what the ledger says about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ireu_governance.core.errors import EntryVoidError, ErrorCode, InputError, VerificationError
from ireu_governance.core.keys import Role
from ireu_governance.core.statement import CaseResult, Plan, Removal, RemovalRequest, Score, Subject
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.jobs.findings import Looked, Tested, draft_of, explain, merge, white_box_of
from ireu_governance.jobs.tester import Identified, TestWatch
from ireu_governance.ledger import Ledger
from ireu_governance.service.outbound import OutboundPolicy
from ireu_governance.workspace import Workspace
from ireu_sdk.encoders.opened import Reference
from ireu_sdk.progress import Observer, Silent
from ireu_sdk.tester import Held, Tester, load_held

__all__ = ["RetestResult", "retest"]


@dataclass(frozen=True)
class RetestResult:
    """What a re-test of one removal found.

    Attributes:
        removal_seq: The removal.
        verification_seq: The new entry; None when nothing could be tested.
        verdict: The worst of what files and answers say. With a case that was erased it is ``evidence-erased`` if
            nothing worse was found.
        white_box: ``known`` if the encoder's files are the result of a recorded removal, ``unknown`` if not,
            ``not-visible`` if only its answers could be had.
        black_box: What its answers say by the plan.
        encoder_digest: What was tested; empty when its files cannot be seen.
        differences: Which files are not those of this removal's result; None if none, or if they cannot be seen.
        parts: Digests of a pipeline's parts.
        claimed: The digest that a server states of itself, unchecked.
        case_ids: The cases.
        cases: What was measured of each case; empty when nothing could be tested.
        scores: What was measured of everybody else.
        reason: One sentence.
    """

    removal_seq: int
    verification_seq: int | None
    verdict: RetestVerdict
    white_box: str
    black_box: RetestVerdict
    encoder_digest: str
    differences: str | None
    parts: dict[str, str]
    claimed: str | None
    case_ids: tuple[str, ...]
    cases: tuple[CaseResult, ...]
    scores: tuple[Score, ...]
    reason: str

    @property
    def known_encoder(self) -> bool:
        """Whether the ledger has a removal whose result is exactly this encoder."""
        return self.white_box == "known"


def retest(
    workspace: Workspace,
    *,
    encoder: str,
    case_id: str | None = None,
    generators: Sequence[str] | None = None,
    judge: str | None = None,
    allow_pickle: bool = False,
    device: str = "cpu",
    policy: OutboundPolicy | None = None,
    observer: Observer | None = None,
) -> list[RetestResult]:
    """Test an encoder against recorded removals, and record what was found.

    White-box: is its digest the result of a recorded removal? Black-box: do its features, and the portraits made
    from them, still show the forgotten? Thresholds and limits are those that were recorded before the removal.

    Args:
        workspace: Whose ledger and vault.
        encoder: The encoder in use: as for `load_encoder`, a pipeline's folder, or an address.
        case_id: Only removals of this case; all if not given.
        generators: In place of the removal's own; each must be the very one that the plan names.
        judge: Likewise.
        allow_pickle: Whether pickled weights may be read.
        device: Where networks run.
        policy: Which servers may be asked; the service's settings say if not given.
        observer: Told about progress.

    Returns:
        One result for each removal.

    Raises:
        EncoderError: The encoder cannot be loaded, does not fit, or answers nonsense.
        InputError: There is no such case, no removal at all, or a tool is not the planned one.
        OutboundError: The encoder's server cannot or may not be asked.
    """
    watch = observer or Silent()
    results = []
    tester = Tester(
        workspace, generators=generators, judge=judge, allow_pickle=allow_pickle, device=device, policy=policy
    )
    found: Identified | None = None
    with workspace.open_ledger() as ledger, workspace.open_vault() as vault:
        removals = _find_removals(ledger, case_id)
        known = [(removal.seq, removal.digest) for removal in _find_removals(ledger, None)]
        try:
            for removal in removals:
                watch.stage("load")
                held = load_held(vault, removal.case_ids)
                if held.panel is None or (case_id is not None and case_id not in held.cases):
                    results.append(_untested(removal, held))
                    continue
                found = found or tester.open(Reference.parse(encoder)).identified
                watch.stage("measure")
                measured = tester.measure(
                    held,
                    removal_seq=removal.seq,
                    case_ids=removal.case_ids,
                    plan=removal.plan,
                    watch=TestWatch(stage=watch.detail),
                )
                watch.stage("record")
                looked = Looked.of(found, since=0, removals=[(removal.seq, removal.case_ids)], known=known)
                results.append(_record(workspace, ledger, removal, looked, merge([Tested.of(measured)], removal.plan),
                                       kind=Reference.parse(encoder).kind, found=found))  # fmt: skip
        finally:
            tester.close()
    return results


def _record(
    workspace: Workspace,
    ledger: Ledger,
    removal: _RecordedRemoval,
    looked: Looked,
    tested: Tested,
    *,
    kind: str,
    found: Identified,
) -> RetestResult:
    draft = draft_of(looked, tested, removal.seq, source=kind)
    entry = ledger.append([draft], workspace.signer(Role.RECORD))[0]
    ledger.publish(workspace.signer(Role.LOG))
    white = white_box_of(looked)
    verdict = white.combine(tested.verdict)
    return RetestResult(
        removal_seq=removal.seq,
        verification_seq=entry.seq,
        verdict=verdict,
        white_box=white.outcome,
        black_box=tested.verdict,
        encoder_digest=looked.digest or "",
        differences=_compare(found, removal.subjects),
        parts=looked.parts,
        claimed=looked.claimed,
        case_ids=removal.case_ids,
        cases=tested.cases,
        scores=tested.scores,
        reason=explain(verdict),
    )


def _compare(found: Identified, recorded: tuple[Subject, ...]) -> str | None:
    if found.artifact is None:
        return None
    try:
        found.artifact.compare(recorded)
    except VerificationError as error:
        return error.message
    return None


@dataclass(frozen=True)
class _RecordedRemoval:
    seq: int
    digest: str
    subjects: tuple[Subject, ...]
    case_ids: tuple[str, ...]
    plan: Plan


def _find_removals(ledger: Ledger, case_id: str | None) -> list[_RecordedRemoval]:
    entries = ledger.entries(kind="removal") if case_id is None else ledger.find_case(case_id)
    found = []
    for entry, statement in ledger.statements(each for each in entries if each.kind == "removal"):
        predicate = statement.predicate
        assert isinstance(predicate, Removal)  # noqa: S101 - of this kind, by the ledger's own check
        try:
            request = ledger.statement(ledger.entry(predicate.request_seq)).predicate
        except EntryVoidError:
            if case_id is not None:
                raise
            continue  # without a plan that counts there is nothing to judge it by; the others are tested
        if not isinstance(request, RemovalRequest):
            raise InputError(f"Removal {entry.seq} names entry {predicate.request_seq}, which is no request.")
        found.append(
            _RecordedRemoval(
                seq=entry.seq,
                digest=statement.encoder_digest(),
                subjects=statement.subject,
                case_ids=tuple(case.case_id for case in predicate.cases),
                plan=request.plan,
            )
        )
    if not found and case_id is not None:
        raise InputError(
            f"The ledger has no removal of case '{case_id}'.",
            hint="List removals with: ireu ledger log --kind removal",
            code=ErrorCode.CASE_UNKNOWN,
        )
    if not found:
        raise InputError("The ledger has no removal yet.", hint="Make one with: ireu unlearn")
    return found


def _untested(removal: _RecordedRemoval, held: Held) -> RetestResult:
    erased = RetestVerdict.EVIDENCE_ERASED
    return RetestResult(
        removal_seq=removal.seq,
        verification_seq=None,
        verdict=erased,
        white_box="not-visible",
        black_box=erased,
        encoder_digest="",
        differences=None,
        parts={},
        claimed=None,
        case_ids=removal.case_ids,
        cases=(),
        scores=(),
        reason=held.erased,
    )
