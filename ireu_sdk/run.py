"""One removal's run: its evidence, its request in the ledger, its MLflow run and its folder, kept together."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import save as save_tensors
from torch import Tensor

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.core.keys import Role
from ireu_governance.core.statement import CaseReference, Draft, Plan, Removal, RemovalRequest
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.files import write_atomically
from ireu_governance.workspace import Workspace
from ireu_sdk.encoders.base import TrainableEncoder
from ireu_sdk.encoders.clip import ClipEncoder
from ireu_sdk.evaluation.report import table_row, to_markdown
from ireu_sdk.evidence import ToolSources, new_case_id, salted_digest, store_case, store_panel
from ireu_sdk.measurement import Measurement
from ireu_sdk.order import Order, Prepared
from ireu_sdk.tracking import Tracker
from ireu_sdk.unlearning.localise import MaskReport
from ireu_sdk.unlearning.settings import UnlearningSettings
from ireu_sdk.unlearning.train import StepLog

if TYPE_CHECKING:
    from ireu_governance.ledger import Ledger, Vault

__all__ = ["OpenRun", "open_run"]

RUN_FILE = "run.json"
_RUN_ID = re.compile(r"[0-9a-f]{32}")


class RunRecord(BaseModel):
    """What a run must remember to be resumed; in `runs/<id>/run.json`. Nothing in it identifies a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    request_seq: int
    case_ids: tuple[str, ...]
    commitments: tuple[str, ...]
    salt: str
    fingerprint: str


@dataclass(frozen=True)
class OpenRun:
    """A removal in progress.

    Attributes:
        record: What is remembered of it.
        folder: `runs/<id>`.
        tracker: MLflow.
        workspace: Where it belongs.
    """

    record: RunRecord
    folder: Path
    tracker: Tracker
    workspace: Workspace

    @property
    def run_id(self) -> str:
        """The MLflow run."""
        return self.record.run_id

    @property
    def request_seq(self) -> int:
        """The ledger entry that asked for it."""
        return self.record.request_seq

    @property
    def plan(self) -> Plan:
        """The tests that decide about it, as the ledger has them: also for a run that was resumed."""
        with self.workspace.open_ledger() as ledger:
            return _read_request(ledger, self.record).plan

    @property
    def case_ids(self) -> tuple[str, ...]:
        """Random ids of the people."""
        return self.record.case_ids

    @property
    def commitments(self) -> tuple[str, ...]:
        """Commitments to their evidence."""
        return self.record.commitments

    @property
    def fingerprint(self) -> str:
        """Digest of settings and inputs."""
        return self.record.fingerprint

    def log_step(self, log: StepLog) -> None:
        """Log a training step to MLflow."""
        self.tracker.log_step(
            self.run_id,
            log.step,
            {
                "loss": log.loss,
                "forget_loss": log.forget_loss,
                "retain_loss": log.retain_loss,
                "forget_norm": log.forget_norm,
                "retain_norm": log.retain_norm,
                "learning_rate": log.rate,
                "step_seconds": log.seconds,
            },
        )

    def save_encoder(self, encoder: TrainableEncoder) -> Path:
        """Write the unlearned encoder beside its final place, then move it there: it is whole or absent.

        Args:
            encoder: The encoder.

        Returns:
            Its folder, `encoders/<run id>`.
        """
        self.tracker.flush(self.run_id)
        final = self.workspace.root / "encoders" / self.run_id
        partial = final.with_name(f".{self.run_id}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            encoder.save(partial)
            shutil.rmtree(final, ignore_errors=True)
            partial.replace(final)
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError(
                f"The unlearned encoder cannot be written: {reason}.",
                hint="Free some space and go on with --resume.",
                code=ErrorCode.DISK_FULL,
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return final

    def log_results(self, measured: Measurement, masks: MaskReport, mask: Tensor, grids: Mapping[str, Path]) -> None:
        """Log scores, the table, the mask's figures and (of synthetic people) mask and pictures.

        Args:
            measured: All scores.
            masks: What the masks kept.
            mask: (P, …), the masks; logged only beside pictures, since it is made from a person's photos.
            grids: Pictures that may be shown.
        """
        metrics = {_metric(s.name): s.value for s in measured.scores if s.value is not None}
        by_name: dict[str, list[float]] = {}
        for case in measured.cases:
            for score in case.scores:
                if score.value is not None:
                    by_name.setdefault(_metric(score.name), []).append(score.value)
        metrics.update({name: sum(values) / len(values) for name, values in by_name.items()})
        metrics["mask/energy"] = masks.energy
        if masks.overlap is not None:
            metrics["mask/overlap"] = masks.overlap
        self.tracker.log_metrics(self.run_id, metrics)
        rows = [(d.generator, table_row(d.generator, measured.cases, measured.scores)) for d in measured.after]
        report = {
            "verdict": measured.verdict.value,
            "extractor": measured.extractor,
            "masks": masks.model_dump(mode="json"),
            "cases": [case.model_dump(mode="json") for case in measured.cases],
            "scores": [score.model_dump(mode="json") for score in measured.scores],
        }
        files = {"report.json": json.dumps(report, indent=2).encode(), "table.md": to_markdown(rows).encode()}
        if grids:
            files["mask.safetensors"] = save_tensors({"mask": mask.to(dtype=mask.dtype).contiguous()})
        for path in grids.values():
            files[path.name] = path.read_bytes()
        self.tracker.log_files(self.run_id, files)

    def register(self, folder: Path, encoder: ClipEncoder, settings: UnlearningSettings) -> tuple[str, str]:
        """Log the unlearned encoder as a model and register it.

        Returns:
            Name and version.
        """
        size = int(encoder.module.config.image_size)  # type: ignore[union-attr, arg-type]
        width = int(encoder.module.config.projection_dim)  # type: ignore[union-attr, arg-type]
        name = f"unlearned-{encoder.name}"
        version = self.tracker.log_model(self.run_id, folder, name=name, shape=(3, size, size), feature_size=width)
        self.tracker.label_version(
            name,
            version,
            aliases=["candidate"],
            tags={"ireu.encoder_digest": encoder.artifact.digest, "ireu.method": settings.method},
        )
        return name, version

    def close(
        self,
        model: str,
        version: str,
        removal_seq: int,
        verification_seq: int,
        verdict: RetestVerdict,
        certificate: Path | None,
    ) -> None:
        """Tie run, model version, ledger entries and certificate together, and end the run.

        What was needed to resume it is forgotten: with salt and digest in one file, whoever has the very photos
        could confirm that they took part.
        """
        tags = {
            "ireu.ledger_origin": self.workspace.key_file().origin,
            "ireu.removal_entry": str(removal_seq),
            "ireu.verification_entry": str(verification_seq),
            "ireu.verdict": verdict.value,
            "ireu.certificate": certificate.name if certificate else "none",
        }
        self.tracker.tag(self.run_id, tags)
        aliases = ["verified"] if verdict is RetestVerdict.HOLDS else []
        self.tracker.label_version(model, version, aliases=aliases, tags=tags)
        self.tracker.finish(self.run_id)
        ended = self.record.model_copy(update={"salt": "", "fingerprint": ""})
        write_atomically(self.folder / RUN_FILE, ended.model_dump_json(indent=2).encode(), mode=0o600)


def open_run(workspace: Workspace, order: Order, prepared: Prepared) -> OpenRun:
    """Begin a removal, or go on with one that was stopped.

    Evidence goes to the vault and the request with its plan to the ledger before anything is trained. When the
    ledger refuses, the evidence is taken out again and the workspace is as before.

    Args:
        workspace: Where.
        order: What was ordered.
        prepared: The order, checked.

    Returns:
        The run.

    Raises:
        InputError: There is no such run to resume.
        LedgerError: The ledger is locked or refuses.
    """
    server = workspace.settings.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    # What MLflow cannot do is found out before the ledger is written; the workspace's own database is only made
    # once the ledger has accepted the request.
    known = server or (workspace.root / "mlflow.db").exists()
    tracker = Tracker(workspace.root, tracking_uri=server) if known else None
    if order.resume is not None:
        return _reopen(workspace, order, prepared, tracker)
    case_ids = [order.case_id or new_case_id() for _ in prepared.cast.forget]
    panel_id = new_case_id()
    record_key, log_key = workspace.signer(Role.RECORD), workspace.signer(Role.LOG)
    stored: list[str] = []
    with workspace.open_vault() as vault, workspace.open_ledger() as ledger:
        try:
            commitments, retain_digest = _store_evidence(vault, order, prepared, case_ids, panel_id, stored)
            request = ledger.append([_draft_request(prepared, case_ids, commitments)], record_key)[0]
        except BaseException:
            # Only what this order has put in: a case may have evidence of an earlier removal.
            vault.discard(stored)
            raise
        ledger.publish(log_key)
    tracker = tracker or Tracker(workspace.root)
    salt = secrets.token_bytes(32)
    run_id = tracker.start(
        name=f"{prepared.settings.method}-{case_ids[0][:8]}",
        params=_params(order, prepared),
        tags={"ireu.request_entry": str(request.seq), "ireu.cases": ",".join(case_ids)[:5000]},
    )
    together = hashlib.sha256("".join(commitments).encode()).hexdigest()
    tracker.log_datasets(run_id, {"forget": together, "retain": retain_digest})
    record = RunRecord(
        run_id=run_id,
        request_seq=request.seq,
        case_ids=tuple(case_ids),
        commitments=tuple(commitments),
        salt=salt.hex(),
        fingerprint=_fingerprint(order, prepared, salt),
    )
    folder = workspace.root / "runs" / run_id
    folder.mkdir(parents=True)
    write_atomically(folder / RUN_FILE, record.model_dump_json(indent=2).encode(), mode=0o600)
    return OpenRun(record=record, folder=folder, tracker=tracker, workspace=workspace)


def _reopen(workspace: Workspace, order: Order, prepared: Prepared, tracker: Tracker | None) -> OpenRun:
    run_id = order.resume or ""
    file = workspace.root / "runs" / run_id / RUN_FILE
    if not _RUN_ID.fullmatch(run_id) or not file.is_file():
        raise InputError(
            f"There is no run '{run_id[:40]}' to go on with.",
            hint="The message of the stopped run names it; folders in runs/ are named by run.",
            code=ErrorCode.RUN_NOT_RESUMABLE,
        )
    try:
        record = RunRecord.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise ConfigError(
            f"The record of run {run_id} is damaged.", hint="Start anew.", code=ErrorCode.RUN_NOT_RESUMABLE
        ) from error
    _refuse_ended(workspace, record)
    if record.fingerprint != _fingerprint(order, prepared, bytes.fromhex(record.salt)):
        raise ConfigError(
            "The run was begun with other settings, photos or another encoder.",
            hint="Repeat the command exactly as it was, with --resume RUN added.",
            code=ErrorCode.RUN_NOT_RESUMABLE,
        )
    tracker = tracker or Tracker(workspace.root)
    tracker.resume(run_id)
    return OpenRun(record=record, folder=file.parent, tracker=tracker, workspace=workspace)


def _refuse_ended(workspace: Workspace, record: RunRecord) -> None:
    """Refuse a run whose removal stands in the ledger already, or whose record names no request."""
    with workspace.open_ledger() as ledger:
        for entry in ledger.find_case(record.case_ids[0]):
            found = ledger.statement(entry).predicate
            if isinstance(found, Removal) and found.request_seq == record.request_seq:
                raise InputError(
                    f"Run {record.run_id} has ended: entry {entry.seq} of the ledger is its removal.",
                    hint=f"Test its encoder again with: ireu verify --encoder encoders/{record.run_id}",
                    code=ErrorCode.RUN_NOT_RESUMABLE,
                )
        _read_request(ledger, record)


def _read_request(ledger: Ledger, record: RunRecord) -> RemovalRequest:
    request = ledger.statement(ledger.entry(record.request_seq)).predicate
    if not isinstance(request, RemovalRequest):
        raise ConfigError(
            f"The record of run {record.run_id} names an entry that is no request.",
            hint="Start anew.",
            code=ErrorCode.RUN_NOT_RESUMABLE,
        )
    return request


def _store_evidence(
    vault: Vault, order: Order, prepared: Prepared, case_ids: list[str], panel_id: str, stored: list[str]
) -> tuple[list[str], str]:
    """Put panel and cases into the vault; return the cases' commitments and the retain photos' salted digest.

    What was put in is added to `stored`, one after the other, so that it can be taken out again.
    """
    tools = ToolSources(
        encoder=prepared.toolbox.encoder_source,
        judge=prepared.toolbox.judge_source,
        generators=tuple(generator.source for generator in prepared.toolbox.generators),
        tap=prepared.settings.tap,
        steps=order.drawing_steps,
        guidance=order.guidance,
        seed=prepared.settings.seed,
    )
    retain_digest = store_panel(
        vault,
        panel_id,
        prepared.cast.panel,
        features=prepared.original.panel_features,
        retain=prepared.cast.retain,
    )
    stored.append(panel_id)
    commitments = []
    for case_id, person, template in zip(case_ids, prepared.cast.forget, prepared.original.templates, strict=True):
        commitments.append(store_case(vault, case_id, person, template=template, panel_id=panel_id, tools=tools))
        stored.append(case_id)
    return commitments, retain_digest


def _draft_request(prepared: Prepared, case_ids: list[str], commitments: list[str]) -> Draft:
    """Return the request with its plan as the ledger takes it."""
    cases = tuple(
        CaseReference(case_id=case_id, commitment=commitment)
        for case_id, commitment in zip(case_ids, commitments, strict=True)
    )
    return Draft(
        subject=prepared.toolbox.encoder.artifact.subjects(),
        kind="removal-request",
        fields={
            "cases": [case.model_dump(mode="json") for case in cases],
            "plan": prepared.plan.model_dump(mode="json"),
        },
    )


def _params(order: Order, prepared: Prepared) -> dict[str, object]:
    params = prepared.settings.model_dump(mode="json")
    params.update(
        {
            "encoder": prepared.toolbox.encoder.name,
            "encoder_digest": prepared.toolbox.encoder.artifact.digest,
            "generators": ",".join(g.name for g in prepared.toolbox.generators) or "none",
            "judge": prepared.toolbox.recogniser.name if prepared.toolbox.recogniser else "none",
            "people_to_forget": len(prepared.cast.forget),
            "retain_people": len(prepared.cast.retain),
            "panel_people": len(prepared.cast.panel),
            "drawing_steps": order.drawing_steps,
            "guidance": order.guidance,
            "device": prepared.toolbox.device,
            "threads": torch.get_num_threads(),
            "pickle_allowed": order.allow_pickle,
        }
    )
    return params


def _fingerprint(order: Order, prepared: Prepared, salt: bytes) -> str:
    """Return a salted digest of all that decides about the weights, and about the tests but their thresholds.

    Thresholds are measured; the last digit may differ from run to run, and those that count are in the ledger.
    """
    cast, plan = prepared.cast, prepared.plan
    parts = {
        "settings": prepared.settings.model_dump(mode="json"),
        "encoder": prepared.toolbox.encoder.artifact.digest,
        "tests": [
            [t.name, t.recogniser_digest, t.generator_digest, t.max_match_rate, t.min_probes] for t in plan.tests
        ],
        "limits": [plan.min_retained_similarity, order.drawing_steps, order.guidance, order.panel_photos],
        "photos": [salted_digest(people, salt) for people in (cast.forget, cast.retain, cast.panel)],
        "swaps": hashlib.sha256(
            salt + b"".join(pair.swapped.tobytes() for person in cast.forget for pair in person.pairs)
        ).hexdigest(),
    }
    return hashlib.sha256(b"ireu-run\0" + canonicalize(parts)).hexdigest()


def _metric(name: str) -> str:
    """Return a score's name as MLflow accepts it: no colons."""
    return name.replace(":", ".")
