"""Testing an encoder that is in use against what the ledger says about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ireu_governance.core.decision import worst
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.keys import Role
from ireu_governance.core.statement import Plan, Removal, RemovalRequest
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.ledger import Ledger, Vault
from ireu_governance.workspace import Workspace
from ireu_sdk.evaluation.probes import choose_probes
from ireu_sdk.evidence import CaseEvidence, PanelEvidence
from ireu_sdk.faces.portraits import FacePair, Person
from ireu_sdk.measurement import Measurement, Original, measure_encoder
from ireu_sdk.progress import Observer, Silent
from ireu_sdk.removal import verification_draft
from ireu_sdk.toolbox import Toolbox, load_toolbox
from ireu_sdk.tracking import registry_uri

__all__ = ["RetestResult", "retest"]


@dataclass(frozen=True)
class RetestResult:
    """What a re-test of one removal found.

    Attributes:
        removal_seq: The removal.
        verification_seq: The new entry; None when nothing could be tested.
        verdict: The worst over all cases, and over whether the encoder is known.
        known_encoder: Whether the ledger has a removal whose result is exactly this encoder.
        encoder_digest: What was tested.
        case_ids: The cases.
        measurement: All scores; None when nothing could be tested.
        reason: One sentence.
    """

    removal_seq: int
    verification_seq: int | None
    verdict: RetestVerdict
    known_encoder: bool
    encoder_digest: str
    case_ids: tuple[str, ...]
    measurement: Measurement | None
    reason: str


def retest(
    workspace: Workspace,
    *,
    encoder: str,
    case_id: str | None = None,
    generators: Sequence[str] | None = None,
    judge: str | None = None,
    allow_pickle: bool = False,
    device: str = "cpu",
    observer: Observer | None = None,
) -> list[RetestResult]:
    """Test an encoder against recorded removals, and record what was found.

    White-box: is its digest the result of a recorded removal? Black-box: do its features, and the portraits made
    from them, still show the forgotten? Thresholds and limits are those that were recorded before the removal.

    Args:
        workspace: Whose ledger and vault.
        encoder: The encoder in use, as for `load_encoder`.
        case_id: Only removals of this case; all if not given.
        generators: In place of the removal's own; each must be the very one that the plan names.
        judge: Likewise.
        allow_pickle: Whether pickled weights may be read.
        device: Where networks run.
        observer: Told about progress.

    Returns:
        One result for each removal.

    Raises:
        InputError: There is no such case, no removal at all, or a tool is not the planned one.
    """
    watch = observer or Silent()
    results = []
    toolbox: Toolbox | None = None
    with workspace.open_ledger() as ledger, workspace.open_vault() as vault:
        removals = _find_removals(ledger, case_id)
        known = {removal.digest for removal in _find_removals(ledger, None)}
        for removal in removals:
            watch.stage("load")
            evidence, reason = _load_evidence(vault, removal.case_ids)
            if evidence is None:
                results.append(_untested(removal, reason))
                continue
            if toolbox is None or not _is_planned(removal.plan, toolbox):
                tools = evidence[0].tools
                toolbox = load_toolbox(
                    encoder=encoder,
                    generators=generators if generators is not None else (tools.generators or ("none",)),
                    judge=judge if judge is not None else tools.judge,
                    tap=tools.tap,
                    allow_pickle=allow_pickle,
                    device=device,
                    tracking_uri=registry_uri(workspace.root, workspace.settings.tracking_uri),
                )
            _require_planned(removal.plan, toolbox)
            watch.stage("measure")
            measured = _measure(removal, evidence, vault, toolbox, watch)
            digest = toolbox.encoder.artifact.digest
            is_known = digest in known
            verdict = worst([measured.verdict, *([] if is_known else [RetestVerdict.ENCODER_CHANGED])])
            watch.stage("record")
            draft = verification_draft(
                toolbox.encoder.artifact,
                removal_seq=removal.seq,
                occasion="retest",
                known=is_known,
                measured=measured,
                verdict=verdict,
                device=toolbox.device,
            )
            entry = ledger.append([draft], workspace.signer(Role.RECORD))[0]
            ledger.publish(workspace.signer(Role.LOG))
            results.append(
                RetestResult(
                    removal_seq=removal.seq,
                    verification_seq=entry.seq,
                    verdict=verdict,
                    known_encoder=is_known,
                    encoder_digest=digest,
                    case_ids=removal.case_ids,
                    measurement=measured,
                    reason=_explain(verdict),
                )
            )
    return results


@dataclass(frozen=True)
class _RecordedRemoval:
    seq: int
    digest: str
    case_ids: tuple[str, ...]
    plan: Plan


def _find_removals(ledger: Ledger, case_id: str | None) -> list[_RecordedRemoval]:
    entries = ledger.entries(kind="removal") if case_id is None else ledger.find_case(case_id)
    found = []
    for entry in entries:
        if entry.kind != "removal":
            continue
        statement = ledger.statement(entry)
        predicate = statement.predicate
        assert isinstance(predicate, Removal)  # noqa: S101 - of this kind, by the ledger's own check
        request = ledger.statement(ledger.entry(predicate.request_seq)).predicate
        if not isinstance(request, RemovalRequest):
            raise InputError(f"Removal {entry.seq} names entry {predicate.request_seq}, which is no request.")
        found.append(
            _RecordedRemoval(
                seq=entry.seq,
                digest=statement.encoder_digest(),
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


def _load_evidence(vault: Vault, case_ids: Sequence[str]) -> tuple[list[CaseEvidence] | None, str]:
    cases = []
    for case_id in case_ids:
        try:
            cases.append(CaseEvidence.load(vault, case_id))
        except InputError as error:
            if error.code is not ErrorCode.EVIDENCE_ERASED:
                raise
            return None, error.message
    return cases, ""


def _measure(
    removal: _RecordedRemoval, evidence: list[CaseEvidence], vault: Vault, toolbox: Toolbox, watch: Observer
) -> Measurement:
    panel = PanelEvidence.load(vault, evidence[0].panel_id)
    tools = evidence[0].tools
    people = [_with_roles(case) for case in evidence]
    probes = choose_probes(people, (), seed=tools.seed)
    original = Original(
        encoder=None,
        templates=torch.stack([case.template for case in evidence]),
        panel_images=[photo.image for person in panel.people for photo in person.portraits],
        panel_features=panel.features,
    )
    return measure_encoder(
        toolbox.encoder,
        original,
        probes,
        removal.plan,
        removal.case_ids,
        toolbox,
        tap=tools.tap,
        steps=tools.steps,
        guidance=tools.guidance,
        on_stage=watch.detail,
    )


def _with_roles(case: CaseEvidence) -> Person:
    """Return the case's person with trained photos marked as such: a trained photo is one that has a pair."""
    marks = tuple(FacePair(photo=number, swapped=case.person.portraits[number].image) for number in range(case.trained))
    return Person(portraits=case.person.portraits, pairs=marks)


def _is_planned(plan: Plan, toolbox: Toolbox) -> bool:
    digests = {generator.name: generator.artifact.digest for generator in toolbox.generators}
    judge = toolbox.recogniser.digest if toolbox.recogniser else None
    return all(
        digests.get(test.generator) == test.generator_digest and test.recogniser_digest == judge
        for test in plan.tests
        if test.generator_digest is not None
    )


def _require_planned(plan: Plan, toolbox: Toolbox) -> None:
    if not _is_planned(plan, toolbox):
        raise InputError(
            "The generators or the recogniser are not those of the removal's plan, so its thresholds do not apply.",
            hint="Give the same ones with --generator and --judge; 'ireu ledger show' lists their digests.",
        )


def _untested(removal: _RecordedRemoval, reason: str) -> RetestResult:
    return RetestResult(
        removal_seq=removal.seq,
        verification_seq=None,
        verdict=RetestVerdict.EVIDENCE_ERASED,
        known_encoder=False,
        encoder_digest="",
        case_ids=removal.case_ids,
        measurement=None,
        reason=reason,
    )


def _explain(verdict: RetestVerdict) -> str:
    return {
        RetestVerdict.HOLDS: "The tests of the removal gave the permitted results again.",
        RetestVerdict.RESURFACED: "A forgotten person is recognised again, beyond what the plan permits.",
        RetestVerdict.ENCODER_CHANGED: "No recorded removal has this encoder as its result.",
        RetestVerdict.UTILITY_LOST: "Retained people's features are farther from the original than permitted.",
        RetestVerdict.INCONCLUSIVE: "There are too few probes, or too many matches to be sure either way.",
        RetestVerdict.EVIDENCE_ERASED: "The evidence was erased, so nothing can be tested.",
    }[verdict]
