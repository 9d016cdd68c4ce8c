"""MLflow: where it is logged to, who starts it, and what it is not told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("mlflow")
pytest.importorskip("torch")

from fixtures.command import Ireu, snapshot
from fixtures.networks import save_clip_tower
from fixtures.removals import write_drawn_cast
from mlflow import MlflowClient

from ireu_governance.core.errors import ConfigError, EncoderError, InputError
from ireu_governance.workspace import Workspace
from ireu_sdk.tracking import EXPERIMENT, Tracker, fetch_registered_encoder, local_tracking_uri, registry_uri

pytestmark = [pytest.mark.ml, pytest.mark.slow]

START = """
import sys
from pathlib import Path
from ireu_sdk.tracking import Tracker
import mlflow
print("ready", flush=True)
sys.stdin.readline()
tracker = Tracker(Path(sys.argv[1]))
print(tracker.start(name="x", params={"a": 1}, tags={}), flush=True)
"""


def test_four_processes_start_mlflow_for_the_first_time_at_once(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", START, str(tmp_path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    outputs = [worker.communicate(timeout=120) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, outputs
    runs = {out.strip() for out, _ in outputs}
    assert len(runs) == 4
    client = MlflowClient(tracking_uri=local_tracking_uri(tmp_path))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert {run.info.run_id for run in client.search_runs([experiment.experiment_id])} == runs
    assert all(err == "" for _, err in outputs)


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    return Tracker(tmp_path_factory.mktemp("tracker"))


def test_run_has_neither_the_operators_name_nor_their_script(tracker: Tracker) -> None:
    run_id = tracker.start(name="ireu-1", params={"k": 0.4}, tags={"ireu.request_entry": "0"})
    run = MlflowClient(tracking_uri=tracker.uri).get_run(run_id)
    assert run.data.tags["mlflow.source.name"] == "ireu"
    assert not {"mlflow.user", "mlflow.source.git.commit"} & run.data.tags.keys()
    assert run.data.params == {"k": "0.4"}


def test_more_steps_than_fit_in_one_batch_are_all_logged(tracker: Tracker) -> None:
    run_id = tracker.start(name="x", params={}, tags={})
    for step in range(1205):
        tracker.log_step(run_id, step, {"a": float(step), "b": 1.0})
    tracker.finish(run_id)
    history = MlflowClient(tracking_uri=tracker.uri).get_metric_history(run_id, "a")
    assert sorted(metric.step for metric in history) == list(range(1205))
    assert [metric.value for metric in sorted(history, key=lambda m: m.step)][-1] == 1204.0


def test_run_that_mlflow_does_not_know_is_not_resumed(tracker: Tracker) -> None:
    with pytest.raises(InputError):
        tracker.resume("0" * 32)


def test_system_metrics_leave_no_address_in_the_environment(tracker: Tracker) -> None:
    run_id = tracker.start(name="x", params={}, tags={})
    before = dict(os.environ)
    with tracker.system_metrics(run_id):
        time.sleep(0.1)
    assert {k: v for k, v in os.environ.items() if k.startswith("MLFLOW")} == {
        k: v for k, v in before.items() if k.startswith("MLFLOW")
    }


def test_where_registered_models_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert registry_uri(tmp_path, None) is None
    (tmp_path / "mlflow.db").touch()
    assert registry_uri(tmp_path, None) == local_tracking_uri(tmp_path)
    assert registry_uri(tmp_path, "http://server") == "http://server"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")
    assert registry_uri(tmp_path, None) is None


def test_model_without_any_registry_is_refused_and_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EncoderError) as caught:
        fetch_registered_encoder("models:/x/1", tracking_uri=None)
    assert "MLFLOW_TRACKING_URI" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["models:/", "models:/x", "models:/x/latest/y", "models:/no-such/1", "models:/no@such"])
def test_model_that_cannot_be_found_is_an_encoder_error(tracker: Tracker, uri: str) -> None:
    with pytest.raises(EncoderError):
        fetch_registered_encoder(uri, tracking_uri=tracker.uri)


def test_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Tracker(tmp_path, tracking_uri="http://operator:geheim@127.0.0.1:9")
    assert "127.0.0.1:9" in caught.value.message
    assert "geheim" not in caught.value.message
    assert "operator" not in caught.value.message


@pytest.mark.parametrize("uri", ["gopher://x", "sqlite:///FILE/mlflow.db", "http://127.0.0.1:9"])
def test_server_that_cannot_be_used_is_a_config_error(tmp_path: Path, uri: str) -> None:
    (tmp_path / "file").touch()
    started = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        Tracker(tmp_path, tracking_uri=uri.replace("FILE", str(tmp_path / "file")))
    assert "MLFLOW_TRACKING_URI" in caught.value.hint
    assert time.monotonic() - started < 45  # MLflow's own retries would take minutes
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_database_that_is_lost_in_mid_run_is_a_config_error(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path)
    run_id = tracker.start(name="x", params={}, tags={})
    for file in tmp_path.glob("mlflow.db*"):
        file.write_bytes(b"overwritten" * 1000)
    for use in (lambda: tracker.tag(run_id, {"a": "b"}), lambda: tracker.finish(run_id)):
        with pytest.raises(ConfigError, match="MLflow cannot log"):
            use()


# Whole removals


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("place")
    return save_clip_tower(folder / "encoder"), write_drawn_cast(folder / "photos")


@pytest.fixture
def database(tracker: Tracker, tmp_path: Path) -> Path:
    """Return a copy of a database that MLflow has set up already, which takes it seconds."""
    return Path(shutil.copy(tracker.uri.removeprefix("sqlite:///"), tmp_path / "elsewhere.db"))


def unlearn(ireu: Ireu, workspace: Path, place: tuple[Path, list[str]]) -> dict:
    options = ("--steps", "2", "--batch-size", "2", "--json")
    return ireu("-w", workspace, "unlearn", "--encoder", place[0], *place[1], *options).document


def test_second_workspace_of_one_process_logs_to_its_own_database(
    ireu: Ireu, tmp_path: Path, database: Path, place: tuple[Path, list[str]]
) -> None:
    for name in ("one", "two"):
        root = Workspace.create(tmp_path / name, organisation="X").root
        shutil.copy(database, root / "mlflow.db")
        done = unlearn(ireu, root, place)
        client = MlflowClient(tracking_uri=local_tracking_uri(root))
        assert client.get_run(done["run_id"]).info.status == "FINISHED"
    assert "MLFLOW_TRACKING_URI" not in os.environ


@pytest.mark.parametrize("where", ["environment", "settings"])
def test_server_that_is_set_is_used_and_the_workspace_gets_no_database(
    ireu: Ireu,
    tmp_path: Path,
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: tuple[Path, list[str]],
    where: str,
) -> None:
    root = Workspace.create(tmp_path / "workspace", organisation="X").root
    uri = f"sqlite:///{database}"
    monkeypatch.chdir(tmp_path)  # MLflow puts artifacts of a bare database into the present folder
    if where == "environment":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    else:
        with (root / "ireu.toml").open("a") as file:
            file.write(f'tracking_uri = "{uri}"\n')
    done = unlearn(ireu, root, place)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    assert client.get_run(done["run_id"]).data.tags["ireu.verdict"] == done["verdict"]
    assert not (root / "mlflow.db").exists()
    name, version = done["model"].split("/")
    assert client.get_model_version(name, version).tags["ireu.encoder_digest"] == done["encoder_digest"]


def test_broken_database_is_found_before_anything_is_recorded(
    ireu: Ireu, tmp_path: Path, place: tuple[Path, list[str]]
) -> None:
    root = Workspace.create(tmp_path / "workspace", organisation="X").root
    (root / "mlflow.db").write_bytes(b"this is no database" * 100)
    before = {k: v for k, v in snapshot(root).items() if k != "mlflow.lock"}
    done = ireu("-w", root, "unlearn", "--encoder", place[0], *place[1], "--json")
    assert (done.code, done.out) == (2, "")
    assert {k: v for k, v in snapshot(root).items() if k != "mlflow.lock"} == before
