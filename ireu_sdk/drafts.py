"""What a removal and its tests say in the ledger, as drafts that it gives their places and signs."""

from __future__ import annotations

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.statement import CaseReference, Digest, Draft, Method, Removal, Run, Verification
from ireu_governance.core.verdict import RetestVerdict
from ireu_sdk.measurement import Measurement
from ireu_sdk.order import Order, Prepared
from ireu_sdk.run import OpenRun
from ireu_sdk.toolbox import software_versions
from ireu_sdk.unlearning.localise import MaskReport
from ireu_sdk.unlearning.settings import UnlearningSettings

__all__ = ["removal_draft", "verification_draft"]


def removal_draft(
    order: Order,
    prepared: Prepared,
    run: OpenRun,
    artifact: Artifact,
    *,
    masks: MaskReport,
    model: str,
    training_seconds: float,
) -> Draft:
    """Return a removal as the ledger takes it.

    Args:
        order: What was asked for.
        prepared: What it was made with.
        run: Its run and request.
        artifact: The encoder that came out of it.
        masks: Which feature dimensions were moved.
        model: Name of the registered model version.
        training_seconds: How long the training took.
    """
    tools = prepared.toolbox
    return Draft(
        subject=artifact.subjects(),
        kind="removal",
        fields=_fields(
            Removal,
            request_seq=run.request_seq,
            cases=tuple(
                CaseReference(case_id=case_id, commitment=commitment)
                for case_id, commitment in zip(run.case_ids, run.commitments, strict=True)
            ),
            encoder_before=Digest(sha256=tools.encoder.artifact.digest),
            architecture=tools.encoder.name,
            method=_describe_method(prepared.settings, masks),
            counts={
                "forget-people": len(prepared.cast.forget),
                "forget-pairs": masks.pairs,
                "retain-people": len(prepared.cast.retain),
                "retain-photos": sum(len(p.portraits) for p in prepared.cast.retain),
                "panel-people": len(prepared.cast.panel),
                "panel-photos": len(prepared.original.panel_images),
            },
            run=Run(
                mlflow_run_id=run.run_id,
                model=model,
                software=software_versions(),
                device=tools.device,
                pickle_allowed=order.allow_pickle,
                seconds=round(training_seconds, 3),
            ),
        ),
    )


def verification_draft(
    artifact: Artifact,
    *,
    removal_seq: int,
    occasion: str,
    known: bool,
    measured: Measurement,
    verdict: RetestVerdict,
    device: str,
) -> Draft:
    """Return a verification as the ledger takes it.

    Args:
        artifact: The encoder that was tested.
        removal_seq: The removal that it was tested against.
        occasion: ``removal`` or ``retest``.
        known: Whether the ledger has a removal with this encoder as its result.
        measured: All scores.
        verdict: What follows from them and from `known`.
        device: Where the networks ran.
    """
    return Draft(
        subject=artifact.subjects(),
        kind="verification",
        fields=_fields(
            Verification,
            removal_seq=removal_seq,
            occasion=occasion,
            verdict=verdict,
            known_encoder=known,
            cases=measured.cases,
            scores=measured.scores,
            extractor=measured.extractor,
            device=device,
            software=software_versions(),
        ),
    )


def _fields(kind: type[Removal | Verification], **values: object) -> dict[str, object]:
    """Return a predicate's fields as plain JSON values."""
    partial = kind.model_construct(**values)  # type: ignore[arg-type]
    return partial.model_dump(mode="json", by_alias=True, include=set(values))


def _describe_method(settings: UnlearningSettings, masks: MaskReport) -> Method:
    extra = {
        "retain-ratio": str(settings.retain_ratio),
        "warmup": str(settings.warmup),
        "decay": settings.decay,
        "blends": str(settings.blends),
        "mask-energy": f"{masks.energy:.4f}",
        "mask-overlap": "none" if masks.overlap is None else f"{masks.overlap:.4f}",
    }
    return Method(
        name=settings.method,
        preset=settings.preset,
        tap=settings.tap.value,
        k=settings.k,
        alpha=settings.alpha,
        steps=settings.steps,
        lr=settings.lr,
        lambda_=settings.lambda_,
        batch_size=settings.batch_size,
        seed=settings.seed,
        settings=extra,
    )
