"""One removal's run: its request in the ledger, its MLflow run and its folder, kept together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError
from safetensors.torch import save as save_tensors
from torch import Tensor

from ireu_governance.core.errors import ConfigError, ErrorCode
from ireu_governance.core.statement import Plan, RemovalRequest
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.files import write_atomically
from ireu_governance.workspace import Workspace
from ireu_sdk.encoders.base import TrainableEncoder
from ireu_sdk.encoders.clip import ClipEncoder
from ireu_sdk.evaluation.report import table_row, to_markdown
from ireu_sdk.measurement import Measurement
from ireu_sdk.tracking import Tracker
from ireu_sdk.unlearning.localise import MaskReport
from ireu_sdk.unlearning.settings import UnlearningSettings
from ireu_sdk.unlearning.train import StepLog

if TYPE_CHECKING:
    from ireu_governance.ledger import Ledger

__all__ = ["RUN_FILE", "OpenRun", "RunRecord", "read_request"]

RUN_FILE = "run.json"


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
            return read_request(ledger, self.record).plan

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


def read_request(ledger: Ledger, record: RunRecord) -> RemovalRequest:
    """Return the request that a run was begun with.

    Args:
        ledger: Where it is recorded.
        record: What is remembered of the run.

    Raises:
        ConfigError: The entry that the run names is no request.
    """
    request = ledger.statement(ledger.entry(record.request_seq)).predicate
    if not isinstance(request, RemovalRequest):
        raise ConfigError(
            f"The record of run {record.run_id} names an entry that is no request.",
            hint="Start anew.",
            code=ErrorCode.RUN_NOT_RESUMABLE,
        )
    return request


def _metric(name: str) -> str:
    """Return a score's name as MLflow accepts it: no colons."""
    return name.replace(":", ".")
