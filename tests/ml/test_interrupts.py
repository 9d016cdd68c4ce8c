"""A removal that is stopped leaves no half encoder, and goes on to the very same weights."""

# ruff: noqa: E402  (torch is optional)

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fixtures.command import Ireu, snapshot
from fixtures.networks import save_clip_tower
from fixtures.removals import write_drawn_cast

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, RunInterruptedError
from ireu_governance.core.keys import Role
from ireu_governance.workspace import Workspace
from ireu_sdk.order import Order
from ireu_sdk.progress import Silent
from ireu_sdk.removal import RemovalResult, unlearn
from ireu_sdk.tracking import Tracker, local_tracking_uri
from ireu_sdk.unlearning.train import StepLog

pytestmark = [pytest.mark.ml, pytest.mark.slow]

STEPS = 150


class Place:
    """A workspace, an encoder and photos, used by all tests of this file."""

    def __init__(self, folder: Path) -> None:
        self.encoder = save_clip_tower(folder / "encoder")
        self.options = write_drawn_cast(folder / "photos")
        self.workspace = Workspace.create(folder / "workspace", organisation="X")
        Tracker(self.workspace.root)
        self.order = Order(
            encoder=str(self.encoder),
            settings={"steps": 8, "batch_size": 2, "blends": 0},
            **{name: str(folder / "photos" / name) for name in ("forget", "retain", "swap")},
        )

    @property
    def root(self) -> Path:
        return self.workspace.root

    def encoders(self) -> set[str]:
        return {path.name for path in (self.root / "encoders").iterdir()}

    def entries(self) -> list[str]:
        with self.workspace.open_ledger() as ledger:
            return [entry.kind for entry in ledger.entries()]

    def status(self, run_id: str) -> str:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=local_tracking_uri(self.root)).get_run(run_id).info.status

    def stop(self, observer: Silent, **changes: Any) -> str:
        """Start a removal that its observer stops; return its run."""
        before = {path.name for path in (self.root / "runs").iterdir()}
        with pytest.raises(RunInterruptedError) as caught:
            unlearn(self.workspace, replace(self.order, **changes), observer=observer)
        (run_id,) = {path.name for path in (self.root / "runs").iterdir()} - before
        assert f"--resume {run_id}" in caught.value.hint
        return run_id


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("interrupts"))


@pytest.fixture(scope="module")
def whole(place: Place) -> RemovalResult:
    """Return the removal that nobody stops."""
    return unlearn(place.workspace, place.order)


class StopAtStage(Silent):
    """Presses Ctrl-C when a stage begins."""

    def __init__(self, name: str) -> None:
        self.name = name

    def stage(self, name: str) -> None:
        if name == self.name:
            raise KeyboardInterrupt


class StopAtStep(Silent):
    """Presses Ctrl-C in a step."""

    def __init__(self, step_: int, number: int = signal.SIGINT) -> None:
        self.at, self.number = step_, number

    def step(self, log: StepLog, total: int) -> None:
        if log.step == self.at:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_removal_stopped_in_training_goes_on_to_the_same_weights(
    place: Place, whole: RemovalResult, number: int
) -> None:
    known = place.encoders()
    run_id = place.stop(StopAtStep(3, number))
    assert place.encoders() == known  # not even a hidden, partial one
    assert place.status(run_id) == "KILLED"
    assert place.entries()[-1] == "removal-request"
    resumed = unlearn(place.workspace, replace(place.order, resume=run_id))
    assert resumed.run_id == run_id
    assert resumed.artifact.digest == whole.artifact.digest
    assert resumed.case_ids != whole.case_ids
    assert place.status(run_id) == "FINISHED"
    assert place.entries()[-3:] == ["removal-request", "removal", "verification"]


@pytest.mark.parametrize("stage", ["localise", "measure", "log"])
def test_removal_stopped_beside_its_training_can_be_resumed_too(place: Place, whole: RemovalResult, stage: str) -> None:
    run_id = place.stop(StopAtStage(stage))
    resumed = unlearn(place.workspace, replace(place.order, resume=run_id))
    assert resumed.artifact.digest == whole.artifact.digest
    assert resumed.verdict is whole.verdict


def test_removal_stopped_before_its_request_leaves_nothing(place: Place) -> None:
    before = snapshot(place.root)
    with pytest.raises(KeyboardInterrupt):
        unlearn(place.workspace, place.order, observer=StopAtStage("load"))
    assert snapshot(place.root) == before


@pytest.fixture(scope="module")
def stopped(place: Place) -> str:
    """Return a run that waits to be resumed."""
    return place.stop(StopAtStep(3))


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"steps": 9, "batch_size": 2, "blends": 0}},
        {"settings": {"steps": 8, "batch_size": 2, "blends": 0, "seed": 1}},
        {"settings": {"steps": 8, "batch_size": 2, "blends": 0, "method": "global"}},
        {"drawing_steps": 3},
    ],
)
def test_resuming_with_other_settings_is_refused(place: Place, stopped: str, changes: dict[str, Any]) -> None:
    before = place.entries()
    with pytest.raises(ConfigError) as caught:
        unlearn(place.workspace, replace(place.order, resume=stopped, **changes))
    assert caught.value.code is ErrorCode.RUN_NOT_RESUMABLE
    assert place.entries() == before


def test_resuming_with_looser_limits_than_were_recorded_is_refused(
    place: Place, stopped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IREU_MAX_MATCH_RATE", "0.9")
    with pytest.raises(ConfigError) as caught:
        unlearn(Workspace(place.root), replace(place.order, resume=stopped))
    assert caught.value.code is ErrorCode.RUN_NOT_RESUMABLE


def test_resuming_with_other_photos_or_another_encoder_is_refused(place: Place, stopped: str, tmp_path: Path) -> None:
    options = write_drawn_cast(tmp_path / "photos")
    (tmp_path / "photos" / "retain" / "someone-3" / "1.png").unlink()
    retain = options[options.index("--retain") + 1]
    other = save_clip_tower(tmp_path / "other", seed=1)
    for changes in ({"retain": retain}, {"encoder": str(other)}):
        with pytest.raises(ConfigError) as caught:
            unlearn(place.workspace, replace(place.order, resume=stopped, **changes))
        assert caught.value.code is ErrorCode.RUN_NOT_RESUMABLE


@pytest.mark.parametrize("run_id", ["0" * 32, "../../etc", "", "x", "a" * 500])
def test_unknown_run_is_not_resumed(place: Place, run_id: str) -> None:
    with pytest.raises(InputError) as caught:
        unlearn(place.workspace, replace(place.order, resume=run_id))
    assert caught.value.code is ErrorCode.RUN_NOT_RESUMABLE


def test_run_that_has_ended_is_not_resumed(place: Place, whole: RemovalResult) -> None:
    before = place.entries()
    with pytest.raises(InputError) as caught:
        unlearn(place.workspace, replace(place.order, resume=whole.run_id))
    assert caught.value.code is ErrorCode.RUN_NOT_RESUMABLE
    assert "ireu verify" in caught.value.hint
    assert place.entries() == before


def test_damaged_record_of_a_run_is_refused(place: Place) -> None:
    run_id = place.stop(StopAtStep(2))
    (place.root / "runs" / run_id / "run.json").write_text("{}")
    with pytest.raises(ConfigError) as caught:
        unlearn(place.workspace, replace(place.order, resume=run_id))
    assert caught.value.code is ErrorCode.RUN_NOT_RESUMABLE


def test_encoder_that_cannot_be_written_leaves_no_folder_and_can_be_resumed(
    place: Place, whole: RemovalResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ireu_sdk.encoders.clip import ClipEncoder

    def fail(self: ClipEncoder, folder: Path) -> None:
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    known, runs = place.encoders(), {path.name for path in (place.root / "runs").iterdir()}
    monkeypatch.setattr(ClipEncoder, "save", fail)
    with pytest.raises(ConfigError) as caught:
        unlearn(place.workspace, place.order)
    assert caught.value.code is ErrorCode.DISK_FULL
    assert place.encoders() == known
    monkeypatch.undo()
    (run_id,) = {path.name for path in (place.root / "runs").iterdir()} - runs
    assert place.status(run_id) == "FAILED"
    resumed = unlearn(place.workspace, replace(place.order, resume=run_id))
    assert resumed.artifact.digest == whole.artifact.digest


def test_case_id_that_has_other_evidence_is_refused_and_the_evidence_stays(place: Place, whole: RemovalResult) -> None:
    case_id = whole.case_ids[0]
    before = place.entries()
    with pytest.raises(InputError) as caught:
        unlearn(place.workspace, replace(place.order, case_id=case_id, settings={**place.order.settings, "seed": 5}))
    assert "differs from it in: --seed" in caught.value.message
    assert case_id in caught.value.message
    assert place.entries() == before
    with place.workspace.open_vault() as vault:
        assert len(vault.get(case_id).blob_ids()) == 7  # six photos and the template


def test_ctrl_c_in_the_terminal_stops_with_130_and_resume_ends_like_an_unstopped_run(place: Place, ireu: Ireu) -> None:
    command = ["-w", str(place.root), "unlearn", "--encoder", str(place.encoder), *place.options, "--steps", str(STEPS)]
    runs = {path.name for path in (place.root / "runs").iterdir()}
    known = place.encoders()
    process = subprocess.Popen(
        [sys.executable, "-m", "ireu_cli", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "step 50/" in line:
            process.send_signal(signal.SIGINT)
            break
    rest, out = process.stderr.read(), process.stdout.read()
    assert process.wait(60) == 130, "".join(seen) + rest
    (run_id,) = {path.name for path in (place.root / "runs").iterdir()} - runs
    assert f"--resume {run_id}" in rest
    assert "the encoder is unchanged" in rest
    assert "Traceback" not in rest
    assert out == ""
    assert place.encoders() == known
    resumed = ireu(*command, "--resume", run_id, "--json")
    assert resumed.code in (0, 1, 2), resumed.err
    unstopped = ireu(*command, "--json")
    assert resumed.document["encoder_digest"] == unstopped.document["encoder_digest"]
    assert resumed.document["verdict"] == unstopped.document["verdict"]


def test_ledger_still_holds_after_all_that(place: Place, ireu: Ireu) -> None:
    assert ireu("-w", place.root, "ledger", "audit").code == 0
    assert place.workspace.signer(Role.RECORD)
