"""Deployed encoders wherever they are: in folders, registries, pipelines and behind addresses."""

# ruff: noqa: E402  (torch is optional)

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fixtures.command import Ireu
from fixtures.removals import CASE_ID, SmallRemoval
from fixtures.servers import Asked, Say, Server, json_answer, serve
from PIL import Image
from safetensors.torch import load_file, save_file

from ireu_governance.core.errors import EncoderError, ErrorCode, InputError, OutboundError, RunInterruptedError
from ireu_governance.core.statement import BEHAVIOUR, Plan, RemovalRequest, Verification
from ireu_governance.core.verdict import RetestVerdict
from ireu_governance.jobs.tester import (
    EncoderTester,
    FolderSource,
    HttpSource,
    Measured,
    MlflowSource,
    NamedSource,
    PipelineSource,
    TestWatch,
    load_tester,
)
from ireu_governance.ledger.audit import audit
from ireu_governance.service.addresses import parse_networks
from ireu_governance.service.outbound import OutboundPolicy
from ireu_governance.workspace import Workspace
from ireu_sdk.encoders.base import Tap
from ireu_sdk.encoders.clip import ClipEncoder
from ireu_sdk.encoders.http import DIGEST_HEADER
from ireu_sdk.encoders.pipeline import ADAPTER, BASE, ENCODER, load_pipeline
from ireu_sdk.evaluation.features import FEATURE_MATCH
from ireu_sdk.testbed.paths import WEIGHTS
from ireu_sdk.tester import Tester, create_tester

pytestmark = [pytest.mark.ml, pytest.mark.slow]

POLICY = OutboundPolicy(allow=parse_networks(["127.0.0.0/8"]))
REMOVAL = 1


@pytest.fixture
def removal(small_removal: SmallRemoval, tmp_path: Path) -> SmallRemoval:
    """Return the small removal in a workspace that may be written to, which may ask its own machine."""
    copy = small_removal.copy(tmp_path / "workspace")
    with (copy.workspace / "ireu.toml").open("a") as file:
        file.write('\n[service]\noutbound_allow = ["127.0.0.1/32"]\n')
    return copy


@pytest.fixture
def workspace(removal: SmallRemoval) -> Workspace:
    return Workspace(removal.workspace)


def plan_of(workspace: Workspace) -> Plan:
    with workspace.open_ledger() as ledger:
        request = ledger.statement(ledger.entry(0)).predicate
    assert isinstance(request, RemovalRequest)
    return request.plan


def measure_with(tester: EncoderTester, workspace: Workspace, source: Any, watch: TestWatch | None = None) -> Measured:
    return tester.test(
        source, removal_seq=REMOVAL, case_ids=[CASE_ID], plan=plan_of(workspace), watch=watch or TestWatch()
    )


def own(removal: SmallRemoval) -> FolderSource:
    """Return the removal's encoder as a job names it."""
    folder = Path(removal.document["encoder"])
    return FolderSource(path=f"encoders/{folder.name}")


def original(removal: SmallRemoval) -> Path:
    return Path(removal.photos).parent / "encoder"


@contextmanager
def served(folder: Path, **headers: str) -> Iterator[Server]:
    """Serve an encoder by ireu's protocol, as its documentation says."""
    encoder = ClipEncoder.load(folder)

    def behave(asked: Asked, say: Say) -> None:
        document = json.loads(asked.body)
        pictures = [Image.open(io.BytesIO(base64.b64decode(text))) for text in document["instances"]]
        features = encoder.encode(encoder.preprocess(pictures), tap=Tap(document["tap"]))
        say(json_answer({"features": features.half().tolist()}, **headers))

    with serve(behave) as server:
        yield server


# Folders, names, registries


def test_worker_loads_the_engine_and_it_measures_as_the_removal_did(
    removal: SmallRemoval, workspace: Workspace
) -> None:
    tester = load_tester(workspace)
    found = tester.identify(own(removal))
    assert found.artifact is not None
    assert found.artifact.digest == removal.document["encoder_digest"]
    stages: list[str] = []
    measured = measure_with(tester, workspace, own(removal), TestWatch(stage=stages.append))
    assert [(case.case_id, case.verdict) for case in measured.cases] == [(CASE_ID, RetestVerdict.HOLDS)]
    first = {score["name"]: score for score in removal.document["cases"][0]["scores"]}
    for score in measured.cases[0].scores:
        assert score.value == pytest.approx(first[score.name]["value"], abs=1e-6)
    assert measured.behaviour is None
    assert stages == ["measure", "features"]
    tester.close()


def test_original_resurfaces_wherever_it_is(removal: SmallRemoval, workspace: Workspace) -> None:
    tester = create_tester(workspace)
    for source in (NamedSource(name="testbed"), FolderSource(path="deployed")):
        if isinstance(source, FolderSource):
            shutil.copytree(original(removal), removal.workspace / "deployed")
        assert tester.identify(source).artifact is not None
        assert measure_with(tester, workspace, source).cases[0].verdict is RetestVerdict.RESURFACED


def test_alias_is_looked_up_once_and_said(removal: SmallRemoval, workspace: Workspace) -> None:
    name, _, version = removal.document["model"].partition("/")
    tester = create_tester(workspace)
    found = tester.identify(MlflowSource(model=name, alias="verified"))
    assert found.resolved == f"models:/{name}/{version}"
    assert found.artifact is not None
    assert found.artifact.digest == removal.document["encoder_digest"]
    assert measure_with(tester, workspace, MlflowSource(model=name, alias="verified")).cases[0].verdict == "holds"
    for unknown in (MlflowSource(model=name, alias="nobody"), MlflowSource(model="nothing", version=1)):
        with pytest.raises(EncoderError):
            tester.identify(unknown)


def test_path_does_not_lead_out_of_the_workspace(removal: SmallRemoval, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (removal.workspace / "link").symlink_to(tmp_path / "outside")
    for path in ("link", "nowhere", "ireu.toml"):
        with pytest.raises(InputError, match="no folder") as caught:
            create_tester(workspace).identify(FolderSource(path=path))
        assert str(tmp_path) not in caught.value.message


def test_exchanged_weights_are_noticed_when_the_next_job_looks(removal: SmallRemoval, workspace: Workspace) -> None:
    deployed = removal.workspace / "deployed"
    shutil.copytree(removal.document["encoder"], deployed)
    source = FolderSource(path="deployed")
    tester = create_tester(workspace)
    first = tester.identify(source)
    assert measure_with(tester, workspace, source).cases[0].verdict is RetestVerdict.HOLDS
    shutil.rmtree(deployed)
    shutil.copytree(original(removal), deployed)
    assert tester.identify(source) != first
    assert measure_with(tester, workspace, source).cases[0].verdict is RetestVerdict.RESURFACED


def test_cancelled_test_stops(removal: SmallRemoval, workspace: Workspace) -> None:
    with pytest.raises(RunInterruptedError) as caught:
        measure_with(create_tester(workspace), workspace, own(removal), TestWatch(is_cancelled=lambda: True))
    assert caught.value.code is ErrorCode.JOB_CANCELLED


def test_erased_case_is_said_to_be_erased(removal: SmallRemoval, workspace: Workspace, ireu: Ireu) -> None:
    assert ireu("-w", removal.workspace, "evidence", "erase", CASE_ID, "--yes").code == 0
    measured = measure_with(create_tester(workspace), workspace, own(removal))
    assert [case.verdict for case in measured.cases] == [RetestVerdict.EVIDENCE_ERASED]
    assert measured.scores == ()


# Behind an address


def test_served_encoder_is_tested_by_its_answers_alone(removal: SmallRemoval, workspace: Workspace, ireu: Ireu) -> None:
    with served(Path(removal.document["encoder"]), **{DIGEST_HEADER: removal.document["encoder_digest"]}) as server:
        done = ireu("-w", removal.workspace, "verify", "--encoder", server.url("/features"), "--json")
        assert (done.code, done.err) == (0, "")
        shown = ireu("-w", removal.workspace, "verify", "--encoder", server.url("/features"))
    (found,) = done.document["retests"]
    assert (found["verdict"], found["white_box"], found["black_box"]) == ("holds", "not-visible", "holds")
    assert (found["known_encoder"], found["encoder_digest"]) == (False, "")
    assert found["claimed_digest"] == removal.document["encoder_digest"]
    assert "not visible" in shown.out
    assert "nobody has checked" in shown.out
    with workspace.open_ledger() as ledger:
        first, second = (ledger.statement(ledger.entry(seq)) for seq in (3, 4))
    assert [subject.name for subject in first.subject] == [BEHAVIOUR]
    assert isinstance(first.predicate, Verification)
    assert (first.predicate.known_encoder, first.predicate.source) == (False, "http")
    assert first.predicate.checks is not None
    assert (first.predicate.checks.white_box, first.predicate.checks.black_box) == ("not-visible", "holds")
    assert first.subject == second.subject  # the same answers have the same digest
    assert (
        audit(workspace.ledger_path, key_file=workspace.key_file(), checkpoint_path=workspace.checkpoint_path).findings
        == ()
    )
    # A test through an address says nothing about files, so certificates go on resting on the one before.
    assert ireu("-w", removal.workspace, "certificate", "issue", "--case", CASE_ID).code == 0


def test_original_behind_an_address_resurfaces(removal: SmallRemoval, workspace: Workspace, ireu: Ireu) -> None:
    with served(original(removal)) as server:
        done = ireu("-w", removal.workspace, "verify", "--encoder", server.url(), "--json")
        assert done.code == 1
        source = HttpSource(url=server.url("/features"))
        other = measure_with(create_tester(workspace), workspace, source)
    assert done.document["verdict"] == "resurfaced"
    with served(Path(removal.document["encoder"])) as server:
        mine = measure_with(create_tester(workspace), workspace, HttpSource(url=server.url()))
    assert other.behaviour is not None
    assert mine.behaviour is not None
    assert other.behaviour.digest != mine.behaviour.digest


def test_server_that_answers_with_nothing_but_zeros_does_not_pass(removal: SmallRemoval, workspace: Workspace) -> None:
    def behave(asked: Asked, say: Say) -> None:
        say(json_answer({"features": [[0.0] * 256] * len(json.loads(asked.body)["instances"])}))

    with serve(behave) as server:
        measured = measure_with(create_tester(workspace), workspace, HttpSource(url=server.url()))
    assert measured.cases[0].verdict is RetestVerdict.UTILITY_LOST


def test_server_of_another_kind_of_encoder_is_refused(removal: SmallRemoval, workspace: Workspace) -> None:
    def behave(asked: Asked, say: Say) -> None:
        say(json_answer({"features": [[0.5] * 7] * len(json.loads(asked.body)["instances"])}))

    with serve(behave) as server, pytest.raises(EncoderError, match=r"shape \(7,\)"):
        measure_with(create_tester(workspace), workspace, HttpSource(url=server.url()))


def test_own_machine_is_asked_only_if_the_settings_list_it(small_removal: SmallRemoval, ireu: Ireu) -> None:
    with served(original(small_removal)) as server:
        done = ireu("-w", small_removal.workspace, "verify", "--encoder", server.url(), "--json")
        assert server.asked == []
    assert (done.code, done.error["code"]) == (2, "outbound-refused")
    assert "outbound_allow" in done.error["hint"]
    with pytest.raises(OutboundError):
        Tester(Workspace(small_removal.workspace)).identify(HttpSource(url="http://169.254.169.254/latest"))


def test_encoder_that_mlflow_serves_is_tested(removal: SmallRemoval, workspace: Workspace) -> None:
    import mlflow
    import uvicorn
    from mlflow.pyfunc import scoring_server

    from ireu_sdk.mlflow_session import directed_at, quiet
    from ireu_sdk.tracking import local_tracking_uri

    name = removal.document["model"].split("/")[0]
    with quiet(), directed_at(local_tracking_uri(removal.workspace)):
        model = mlflow.pyfunc.load_model(f"models:/{name}@verified")
    server = uvicorn.Server(uvicorn.Config(scoring_server.init(model), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        tester = create_tester(workspace)
        source = HttpSource(url=f"http://127.0.0.1:{port}/invocations", protocol="mlflow")
        assert tester.identify(source).artifact is None
        measured = measure_with(tester, workspace, source)
        again = measure_with(tester, workspace, HttpSource(url=f"http://127.0.0.1:{port}", protocol="mlflow"))
        here = measure_with(create_tester(workspace), workspace, own(removal))
        shutil.rmtree(removal.workspace / "encoders")
        with pytest.raises(InputError, match="how pixels are prepared"):
            measure_with(tester, workspace, source)
    finally:
        server.should_exit = True
        thread.join(timeout=10)
    assert measured.cases[0].verdict is RetestVerdict.HOLDS
    for over_there, at_home in zip(measured.cases[0].scores, here.cases[0].scores, strict=True):
        assert over_there.value == pytest.approx(at_home.value, abs=1e-5)
    assert measured.behaviour == again.behaviour


# Pipelines


def build_pipeline(folder: Path, encoder: Path, *, layout: str = "diffusers") -> Path:
    """Write a generator's folder with an encoder in it, as diffusers or IP-Adapter lay it out."""
    if layout == "diffusers":
        shutil.copytree(WEIGHTS / "generator_a", folder)
        for part in ("vae", "text_encoder", "tokenizer"):
            shutil.copytree(WEIGHTS / "common" / part, folder / part, dirs_exist_ok=True)
        shutil.copytree(encoder, folder / "image_encoder")
    else:
        shutil.copytree(encoder, folder / "models" / "image_encoder")
        save_file({"image_proj.proj.weight": torch.ones(2, 2)}, folder / "models" / "ip-adapter_sd15.safetensors")
    return folder


@pytest.mark.parametrize("layout", ["diffusers", "ip-adapter"])
def test_encoder_inside_a_pipeline_is_tested_and_its_parts_are_told_apart(
    removal: SmallRemoval, workspace: Workspace, layout: str
) -> None:
    folder = build_pipeline(removal.workspace / "deployed", Path(removal.document["encoder"]), layout=layout)
    source = PipelineSource(path="deployed")
    tester = create_tester(workspace)
    before = tester.identify(source)
    assert before.artifact is not None
    assert before.artifact.digest == before.parts[ENCODER].digest == removal.document["encoder_digest"]
    assert measure_with(tester, workspace, source).cases[0].verdict is RetestVerdict.HOLDS
    adapter = next(folder.rglob("fusion/*.safetensors" if layout == "diffusers" else "ip-adapter*"))
    adapter.write_bytes(adapter.read_bytes() + b"\0")
    after = tester.identify(source)
    assert {part for part in before.parts if before.parts[part] != after.parts[part]} == {ADAPTER}
    shutil.rmtree(next(folder.rglob("image_encoder")))
    shutil.copytree(original(removal), folder / ("" if layout == "diffusers" else "models") / "image_encoder")
    changed = tester.identify(source)
    assert {part for part in after.parts if after.parts[part] != changed.parts[part]} == {ENCODER}
    assert measure_with(tester, workspace, source).cases[0].verdict is RetestVerdict.RESURFACED
    assert (BASE in before.parts) == (layout == "diffusers")


def test_pipeline_is_recognised_on_the_command_line_and_its_parts_are_recorded(
    removal: SmallRemoval, workspace: Workspace, ireu: Ireu, tmp_path: Path
) -> None:
    folder = build_pipeline(tmp_path / "pipeline", Path(removal.document["encoder"]))
    done = ireu("-w", removal.workspace, "verify", "--encoder", folder, "--json")
    assert (done.code, done.err) == (0, "")
    (found,) = done.document["retests"]
    assert set(found["parts"]) == {BASE, ADAPTER, ENCODER}
    with workspace.open_ledger() as ledger:
        recorded = ledger.statement(ledger.entry(3)).predicate
    assert isinstance(recorded, Verification)
    assert recorded.parts is not None
    assert {name: digest.sha256 for name, digest in recorded.parts.items()} == found["parts"]
    (folder / "image_encoder" / "config.json").write_text(
        json.dumps({**json.loads((folder / "image_encoder" / "config.json").read_text()), "note": 1})
    )
    shown = ireu("-w", removal.workspace, "verify", "--encoder", folder)
    assert shown.code == 1  # as saved by another program: the same weights, and still not what was recorded
    assert "1 changed (config.json)" in shown.out


@pytest.mark.parametrize("prefix", ["id_encoder.", "image_encoder."])
def test_encoder_inside_one_checkpoint_is_tested(removal: SmallRemoval, workspace: Workspace, prefix: str) -> None:
    folder = removal.workspace / "deployed"
    folder.mkdir()
    encoder = Path(removal.document["encoder"])
    tensors = {f"{prefix}{name}": tensor for name, tensor in load_file(encoder / "model.safetensors").items()}
    save_file({**tensors, "unet.weight": torch.ones(2)}, folder / "photomaker.safetensors")
    shutil.copy(encoder / "preprocessor_config.json", folder)
    (folder / "lora.safetensors").write_bytes(b"not read")
    source = PipelineSource(path="deployed")
    tester = create_tester(workspace)
    found = tester.identify(source)
    assert found.artifact is not None
    assert [file.name for file in found.artifact.files] == ["photomaker.safetensors"]
    measured = measure_with(tester, workspace, source)
    here = measure_with(create_tester(workspace), workspace, own(removal))
    score, expected = (
        next(s.value for s in each.cases[0].scores if s.name == FEATURE_MATCH) for each in (measured, here)
    )
    assert score == pytest.approx(expected, abs=1e-5)


def test_pipeline_without_a_readable_encoder_is_refused(removal: SmallRemoval, tmp_path: Path) -> None:
    folder = tmp_path / "pipeline"
    shutil.copytree(WEIGHTS / "generator_a", folder)
    with pytest.raises(EncoderError, match="no image encoder"):
        load_pipeline(folder)
    (folder / "photomaker-v1.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(EncoderError, match="pickle") as caught:
        load_pipeline(folder)
    assert caught.value.code is ErrorCode.ENCODER_UNSAFE
    for home in ("image_encoder", "models/image_encoder"):
        shutil.copytree(original(removal), folder / home)
    with pytest.raises(EncoderError, match="more than one encoder"):
        load_pipeline(folder)
    broken = tmp_path / "broken"
    broken.mkdir()
    tower = load_file(original(removal) / "model.safetensors")
    for lacks in ("visual_projection.weight", "vision_model.post_layernorm.weight"):
        rest = {f"id_encoder.{name}": tensor for name, tensor in tower.items() if name != lacks}
        save_file(rest, broken / "photomaker.safetensors")
        with pytest.raises(EncoderError):
            load_pipeline(broken)
    save_file({f"id_encoder.{n}": t for n, t in tower.items()}, broken / "second.safetensors")
    with pytest.raises(EncoderError, match="more than one checkpoint"):
        load_pipeline(broken)


def test_environment_lists_networks_too(
    small_removal: SmallRemoval, ireu: Ireu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = small_removal.copy(tmp_path / "workspace")
    monkeypatch.setitem(os.environ, "IREU_SERVICE_OUTBOUND_ALLOW", '["127.0.0.1/32"]')
    with served(Path(copy.document["encoder"])) as server:
        assert ireu("-w", copy.workspace, "verify", "--encoder", server.url(), "--json").code == 0
