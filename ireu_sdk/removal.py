"""One removal, top to bottom: read this first.

load → localise → targets → train → measure → log → record → certify.

Nothing is written before everything could be read and checked. The plan (which tests, which thresholds) is
signed into the ledger before training begins; the encoder that is measured is the one that was saved.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from ireu_governance.core.artifact import Artifact
from ireu_governance.core.errors import RunInterruptedError
from ireu_governance.core.keys import Role
from ireu_governance.core.request_state import RequestStatus
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.files import write_atomically
from ireu_governance.issuing import issue_after_removal
from ireu_governance.ledger.request_log import find_request
from ireu_governance.ledger.requests import Requests
from ireu_governance.workspace import Workspace
from ireu_sdk.drafts import removal_draft, verification_draft
from ireu_sdk.encoders.clip import ClipEncoder
from ireu_sdk.evaluation.grids import draw_grid
from ireu_sdk.measurement import Measurement, measure_encoder
from ireu_sdk.opening import open_run
from ireu_sdk.order import Order, Prepared, prepare
from ireu_sdk.progress import Observer, Silent
from ireu_sdk.run import OpenRun
from ireu_sdk.toolbox import Toolbox
from ireu_sdk.unlearning.localise import MaskReport
from ireu_sdk.unlearning.settings import UnlearningSettings
from ireu_sdk.unlearning.state import TrainingState
from ireu_sdk.unlearning.targets import compute_targets
from ireu_sdk.unlearning.train import StepLog, train

__all__ = ["RemovalResult", "unlearn"]


@dataclass(frozen=True)
class RemovalResult:
    """What a removal left behind.

    Attributes:
        run_id: The MLflow run.
        case_ids: Random ids of the forgotten, in the order of the forget photos.
        removal_seq: Ledger entry of the removal.
        verification_seq: Ledger entry of its tests.
        verdict: What the tests said.
        encoder: Folder of the unlearned encoder.
        artifact: Its digests.
        model: Registered model and version, ``name/version``.
        certificate: The certificate; None when the tests did not hold.
        measurement: All scores.
        masks: What the masks kept.
        settings: As used.
        training_seconds: Duration of the training.
        grids: Before/after picture files, by generator; only of synthetic people.
        face_check: Whether every photo could be checked for a face.
        answered: Cases whose requests were recorded as done by this removal.
        superseded: Entries by which the certificate took the place of one of an earlier removal of the case.
    """

    run_id: str
    case_ids: tuple[str, ...]
    removal_seq: int
    verification_seq: int
    verdict: RetestVerdict
    encoder: Path
    artifact: Artifact
    model: str
    certificate: Path | None
    measurement: Measurement
    masks: MaskReport
    settings: UnlearningSettings
    training_seconds: float
    grids: dict[str, Path]
    face_check: bool
    answered: tuple[str, ...] = ()
    superseded: tuple[int, ...] = ()


def unlearn(
    workspace: Workspace,
    order: Order,
    *,
    toolbox: Toolbox | None = None,
    observer: Observer | None = None,
) -> RemovalResult:
    """Make an encoder forget people, and leave a record that others can check.

    Args:
        workspace: Where keys, ledger, evidence and runs are.
        order: Whom to forget, with what, and how.
        toolbox: Networks that are loaded already; loaded from the order if not given.
        observer: Told about progress.

    Returns:
        What was made.

    Raises:
        IreuError: Something given cannot be used (nothing was written), or the run was stopped (it can be
            resumed).
    """
    watch = observer or Silent()
    watch.stage("load")
    prepared = prepare(workspace, order, toolbox=toolbox)
    run = open_run(workspace, order, prepared)
    try:
        return _carry_out(workspace, order, prepared, run, watch)
    except RunInterruptedError as error:
        _end(run, "KILLED")
        raise RunInterruptedError(
            error.message, hint=f"Run the same command again with --resume {run.run_id} to go on."
        ) from error
    except BaseException as error:
        _end(run, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        if isinstance(error, KeyboardInterrupt):
            raise RunInterruptedError(
                "Stopped; the original encoder is unchanged.",
                hint=f"Run the same command again with --resume {run.run_id} to go on.",
            ) from error
        raise


def _end(run: OpenRun, status: str) -> None:
    """End the MLflow run of a removal that did not end well.

    Why it did not must not be hidden by trouble that MLflow has now, so that is passed over.
    """
    with contextlib.suppress(Exception):
        run.tracker.finish(run.run_id, status)


def _carry_out(workspace: Workspace, order: Order, prepared: Prepared, run: OpenRun, watch: Observer) -> RemovalResult:
    settings, tools = prepared.settings, prepared.toolbox

    watch.stage("localise")
    targets = compute_targets(
        tools.encoder, forget=prepared.cast.forget, retain=prepared.cast.retain, settings=settings
    )

    watch.stage("train")

    def tell(log: StepLog) -> None:
        run.log_step(log)
        watch.step(log, settings.steps)

    state = TrainingState(run.folder, fingerprint=run.fingerprint)
    started = time.monotonic()
    with run.tracker.system_metrics(run.run_id):
        student = train(
            tools.encoder.copy(),
            targets,
            settings,
            state=state,
            on_step=tell,
        )
    training_seconds = time.monotonic() - started
    encoder_folder = run.save_encoder(student)
    # What is measured is what was saved, read back: rounding to the stored number format included.
    unlearned = ClipEncoder.load(encoder_folder, device=tools.device)

    watch.stage("measure")
    measured = measure_encoder(
        unlearned,
        prepared.original,
        prepared.probes,
        run.plan,
        run.case_ids,
        tools,
        tap=settings.tap,
        steps=order.drawing_steps,
        guidance=order.guidance,
        on_stage=watch.detail,
    )

    watch.stage("log")
    grids = _draw_grids(prepared, measured, run.folder)
    run.log_results(measured, targets.report, targets.masks, grids)
    model, version = run.register(encoder_folder, unlearned, settings)

    watch.stage("record")
    removal_seq, verification_seq = _record(
        workspace,
        order,
        prepared,
        run,
        measured,
        unlearned,
        targets.report,
        f"{model}/{version}",
        training_seconds,
    )

    answered: tuple[str, ...] = ()
    if measured.verdict is RetestVerdict.HOLDS:
        answered = _answer_requests(workspace, run, removal_seq)

    certificate: Path | None = None
    superseded: tuple[int, ...] = ()
    if measured.verdict is RetestVerdict.HOLDS:
        watch.stage("certify")
        issued = issue_after_removal(workspace, removal_seq)
        certificate, superseded = issued.path, issued.superseded
    run.close(model, version, removal_seq, verification_seq, measured.verdict, certificate)
    state.clear()
    return RemovalResult(
        run_id=run.run_id,
        case_ids=tuple(run.case_ids),
        removal_seq=removal_seq,
        verification_seq=verification_seq,
        verdict=measured.verdict,
        encoder=encoder_folder,
        artifact=unlearned.artifact,
        model=f"{model}/{version}",
        certificate=certificate,
        measurement=measured,
        masks=targets.report,
        settings=settings,
        training_seconds=training_seconds,
        grids=grids,
        face_check=prepared.face_check,
        answered=answered,
        superseded=superseded,
    )


def _record(
    workspace: Workspace,
    order: Order,
    prepared: Prepared,
    run: OpenRun,
    measured: Measurement,
    unlearned: ClipEncoder,
    masks: MaskReport,
    model: str,
    training_seconds: float,
) -> tuple[int, int]:
    """Append the removal and its tests to the ledger and publish the new head."""
    signer = workspace.signer(Role.RECORD)
    removal = removal_draft(
        order, prepared, run, unlearned.artifact, masks=masks, model=model, training_seconds=training_seconds
    )
    with workspace.open_ledger() as ledger:
        removal_seq = ledger.append([removal], signer)[0].seq
        verification = verification_draft(
            unlearned.artifact,
            removal_seq=removal_seq,
            occasion="removal",
            known=True,
            measured=measured,
            verdict=measured.verdict,
            device=prepared.toolbox.device,
        )
        verification_seq = ledger.append([verification], signer)[0].seq
        ledger.publish(workspace.signer(Role.LOG))
    return removal_seq, verification_seq


def _answer_requests(workspace: Workspace, run: OpenRun, removal_seq: int) -> tuple[str, ...]:
    """Record that the accepted requests of the run's cases are done, so that the certificate can tell it."""
    with workspace.open_ledger() as ledger, workspace.open_vault() as vault:
        requests = Requests(
            vault=vault,
            ledger=ledger,
            record_signer=workspace.signer(Role.RECORD),
            log_signer=workspace.signer(Role.LOG),
        )
        found = ((case_id, find_request(ledger, case_id)) for case_id in run.case_ids)
        accepted = [case_id for case_id, state in found if state and state.status is RequestStatus.ACCEPTED]
        for case_id in accepted:
            requests.done(case_id, removal_seq=removal_seq)
    return tuple(accepted)


def _draw_grids(prepared: Prepared, measured: Measurement, folder: Path) -> dict[str, Path]:
    """Write before/after pictures of synthetic people; of real people none are made."""
    grids: dict[str, Path] = {}
    if not prepared.cast.synthetic:
        return grids
    for before, after in zip(measured.before, measured.after, strict=True):
        path = folder / f"before-after-{after.generator.replace(':', '-')}.png"
        write_atomically(path, draw_grid(prepared.probes, before, after))
        grids[after.generator] = path
    return grids
