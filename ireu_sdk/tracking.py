"""Every removal is an MLflow run, every unlearned encoder a version of a registered model; nothing personal in it.

The client is used directly rather than MLflow's fluent calls where those would add the operator's user name and
the script's path as tags. Data sets are logged as salted digests. Without a server, a workspace has its own
SQLite database and artifact folder, created under a file lock: two first starts at once would race MLflow's
migrations.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ireu_governance.core.errors import ConfigError, EncoderError, InputError
from ireu_sdk.mlflow_session import directed_at, few_retries, first_line, quiet, reported

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["EXPERIMENT", "Tracker", "fetch_registered_encoder", "local_tracking_uri", "registry_uri"]

EXPERIMENT = "ireu-removals"
BATCH = 1000  # metrics in one log_batch call, MLflow's own limit
# MLflow adds these from the operating system; they can name the operator or their folders.
OPERATOR_TAGS = ("mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit")


def local_tracking_uri(root: Path) -> str:
    """Return the tracking URI of a workspace's own MLflow database."""
    return f"sqlite:///{root / 'mlflow.db'}"


def registry_uri(root: Path, tracking_uri: str | None) -> str | None:
    """Return where a workspace's registered models are.

    Args:
        root: The workspace's folder.
        tracking_uri: The server of its settings, if one is set.

    Returns:
        That server; else that of the environment, None if MLflow finds it there itself; else the workspace's own
        database if it has one.
    """
    if tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or not (root / "mlflow.db").is_file():
        return tracking_uri
    return local_tracking_uri(root)


class Tracker:
    """Logs removals of one workspace.

    Args:
        root: The workspace's folder.
        tracking_uri: A server; the environment's MLFLOW_TRACKING_URI counts as one; else the workspace's database.

    Raises:
        ConfigError: MLflow cannot be reached.
    """

    def __init__(self, root: Path, *, tracking_uri: str | None = None) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING", "false")
        self._root = root
        self.uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or local_tracking_uri(root)
        self.is_local = self.uri == local_tracking_uri(root)
        self._client, self._experiment = self._connect()
        self._buffer: list[Any] = []

    def _connect(self) -> tuple[MlflowClient, str]:
        from filelock import FileLock
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        with quiet(), few_retries(), FileLock(self._root / "mlflow.lock"):
            try:
                client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
                found = client.get_experiment_by_name(EXPERIMENT)
                if found is not None:
                    return client, str(found.experiment_id)
                location = (self._root / "mlruns").as_uri() if self.is_local else None
                return client, str(client.create_experiment(EXPERIMENT, artifact_location=location))
            except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
                raise ConfigError(
                    f"MLflow cannot be used at {first_line(self.uri)}: {first_line(error)}",
                    hint="Check MLFLOW_TRACKING_URI, or unset it to use the workspace's own database.",
                ) from error

    @reported
    def start(self, *, name: str, params: Mapping[str, object], tags: Mapping[str, str]) -> str:
        """Start a run.

        Args:
            name: Neutral name.
            params: Settings.
            tags: Tags.

        Returns:
            The run's id.
        """
        from mlflow.entities import Param

        run = self._client.create_run(self._experiment, run_name=name, tags={"mlflow.source.name": "ireu", **tags})
        run_id = str(run.info.run_id)
        self._client.log_batch(run_id, params=[Param(key, str(value)) for key, value in params.items()])
        return run_id

    @contextmanager
    def system_metrics(self, run_id: str) -> Iterator[None]:
        """Log CPU, memory and accelerator load while the block runs."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        with directed_at(self.uri):
            with quiet():
                monitor = SystemMetricsMonitor(run_id, resume_logging=True, sampling_interval=5)
                monitor.start()
            try:
                yield
            finally:
                with quiet():
                    monitor.finish()

    def log_step(self, run_id: str, step: int, metrics: Mapping[str, float]) -> None:
        """Log metrics of a step; they are sent in batches, and by `flush`."""
        import time

        from mlflow.entities import Metric

        stamp = int(time.time() * 1000)
        self._buffer.extend(Metric(key, value, stamp, step) for key, value in metrics.items())
        if len(self._buffer) >= BATCH - len(metrics):
            self.flush(run_id)

    @reported
    def flush(self, run_id: str) -> None:
        """Send the metrics that are still held."""
        if self._buffer:
            self._client.log_batch(run_id, metrics=self._buffer[:BATCH])
            self._buffer = self._buffer[BATCH:]

    def log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Log final metrics."""
        for name, value in metrics.items():
            self.log_step(run_id, 0, {name: value})
        self.flush(run_id)

    @reported
    def log_datasets(self, run_id: str, digests: Mapping[str, str]) -> None:
        """Log which data took part, as digests only.

        Args:
            run_id: The run.
            digests: Salted digest by role, such as ``forget`` or ``retain``.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                dataset=Dataset(
                    name=role,
                    digest=digest[:36],
                    source_type="commitment",
                    source=json.dumps({"scheme": "salted-sha256"}),
                ),
                tags=[InputTag("mlflow.data.context", role)],
            )
            for role, digest in digests.items()
        ]
        self._client.log_inputs(run_id, inputs)

    @reported
    def log_files(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Log artifacts by neutral name."""
        with tempfile.TemporaryDirectory(prefix="ireu-") as folder:
            for name, data in files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            self._client.log_artifacts(run_id, folder)

    @reported
    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        for key, value in tags.items():
            self._client.set_tag(run_id, key, value)

    @reported
    def log_model(self, run_id: str, folder: Path, *, name: str, shape: Sequence[int], feature_size: int) -> str:
        """Log an encoder folder as a model and register it as a new version.

        Args:
            run_id: The run.
            folder: The encoder's folder.
            name: Registered model name.
            shape: (3, H, W) of a preprocessed picture.
            feature_size: D of its feature.

        Returns:
            The version.
        """
        import mlflow
        import numpy as np
        from mlflow.models import ModelSignature
        from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

        float32 = np.dtype("float32")
        signature = ModelSignature(
            inputs=Schema([TensorSpec(float32, (-1, *shape), "pixels")]),
            outputs=Schema([TensorSpec(float32, (-1, feature_size), "features")]),
            params=ParamSchema([ParamSpec("tap", "string", "image_embeds")]),
        )
        with quiet(), directed_at(self.uri), tempfile.TemporaryDirectory(prefix="ireu-") as staging:
            # MLflow records where artifacts came from; a copy under a neutral path keeps the workspace's own out.
            neutral = Path(staging) / "encoder"
            shutil.copytree(folder, neutral)
            # MLflow tells about registrations on the terminal, past its own loggers.
            chatter = io.StringIO()
            with (
                contextlib.redirect_stdout(chatter),
                contextlib.redirect_stderr(chatter),
                mlflow.start_run(run_id=run_id, log_system_metrics=False),
            ):
                info = mlflow.pyfunc.log_model(
                    name="encoder",
                    python_model=str(Path(__file__).with_name("serving.py")),
                    artifacts={"encoder": str(neutral)},
                    signature=signature,
                    registered_model_name=name,
                    pip_requirements=["mlflow", "numpy", "safetensors", "torch", "transformers"],
                )
            for tag in OPERATOR_TAGS:
                try:
                    self._client.delete_logged_model_tag(info.model_id, tag)
                except mlflow.exceptions.MlflowException:
                    continue  # this MLflow did not set it
        return str(info.registered_model_version)

    @reported
    def label_version(self, name: str, version: str, *, aliases: Sequence[str], tags: Mapping[str, str]) -> None:
        """Point aliases at a model version and tag it.

        Args:
            name: Registered model.
            version: Its version.
            aliases: Aliases to move there.
            tags: Tags, such as the ledger entry.
        """
        for key, value in tags.items():
            self._client.set_model_version_tag(name, version, key, value)
        for alias in aliases:
            self._client.set_registered_model_alias(name, alias, version)

    @reported
    def finish(self, run_id: str, status: str = "FINISHED") -> None:
        """End a run as ``FINISHED``, ``KILLED`` or ``FAILED``."""
        self.flush(run_id)
        self._client.set_terminated(run_id, status=status)

    def resume(self, run_id: str) -> None:
        """Mark a stopped run as running again.

        Raises:
            InputError: There is no such run.
        """
        from mlflow.exceptions import MlflowException

        try:
            self._client.update_run(run_id, status="RUNNING")
        except MlflowException as error:
            raise InputError(f"MLflow knows no run {run_id}.") from error


def fetch_registered_encoder(uri: str, *, tracking_uri: str | None) -> Path:
    """Return the local folder of a registered encoder.

    Args:
        uri: ``models:/name/version`` or ``models:/name@alias``.
        tracking_uri: Where the registry is; MLflow's own default if not given.

    Returns:
        A folder that `ClipEncoder.load` reads.

    Raises:
        EncoderError: There is no such model, or it holds no encoder.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    if tracking_uri is None and not os.environ.get("MLFLOW_TRACKING_URI"):
        # MLflow would make an empty database in the present folder and look there.
        raise EncoderError(
            f"'{uri}' cannot be fetched: the workspace has no MLflow database yet, and no server is set.",
            hint="Set MLFLOW_TRACKING_URI, or tracking_uri in ireu.toml.",
        )
    with quiet(), directed_at(tracking_uri):
        try:
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
        except (MlflowException, OSError) as error:
            raise EncoderError(
                f"'{uri}' cannot be fetched: {first_line(error)}",
                hint="Write models:/name/version or models:/name@alias.",
            ) from error
    for candidate in (folder / "artifacts" / "encoder", folder):
        if (candidate / "config.json").is_file():
            return candidate
    raise EncoderError(f"The registered model '{uri}' holds no encoder folder.")
