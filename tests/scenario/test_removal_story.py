"""One removal, read back from everything that it left: ledger, MLflow, registry, vault, certificate, folder."""

# ruff: noqa: E402  (torch is optional)

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import numpy as np
from fixtures.command import Ireu, run_process, snapshot
from fixtures.removals import CASE_ID, SmallRemoval

from ireu_governance.core.decision import decide_case, retained_similarity
from ireu_governance.core.statement import Removal, RemovalRequest, Statement, Verification
from ireu_governance.files import hash_folder
from ireu_governance.ledger.audit import audit
from ireu_governance.workspace import Workspace
from ireu_sdk.encoders import ClipEncoder, load_encoder
from ireu_sdk.evidence import CaseEvidence, PanelEvidence
from ireu_sdk.faces.portraits import load_people
from ireu_sdk.tracking import EXPERIMENT, local_tracking_uri

pytestmark = [pytest.mark.ml, pytest.mark.slow]


@pytest.fixture(scope="module")
def workspace(small_removal: SmallRemoval) -> Workspace:
    return Workspace(small_removal.workspace)


@pytest.fixture(scope="module")
def statements(workspace: Workspace) -> list[Statement]:
    with workspace.open_ledger() as ledger:
        return [ledger.statement(entry) for entry in ledger.entries()]


@pytest.fixture(scope="module")
def client(workspace: Workspace):
    from mlflow import MlflowClient

    uri = local_tracking_uri(workspace.root)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


# The ledger


def test_request_removal_and_verification_are_recorded_in_this_order(statements: list[Statement]) -> None:
    assert [s.predicate.kind for s in statements] == ["removal-request", "removal", "verification"]
    request, removal, verification = (s.predicate for s in statements)
    assert (removal.request_seq, verification.removal_seq) == (0, 1)
    assert verification.occasion == "removal"
    assert request.recorded_at <= removal.recorded_at <= verification.recorded_at
    assert request.cases == removal.cases
    assert [case.case_id for case in request.cases] == [CASE_ID]


def test_thresholds_were_fixed_in_the_request_and_the_scores_use_them(statements: list[Statement]) -> None:
    request, _, verification = (s.predicate for s in statements)
    assert isinstance(request, RemovalRequest)
    assert isinstance(verification, Verification)
    (test,) = request.plan.tests
    assert test.name == "features/feature-match"
    assert test.generator_digest is None
    assert test.false_match_pairs > 100
    assert 0 < test.false_match_rate_upper_95 < 0.1
    (score,) = [s for s in verification.cases[0].scores if s.name == test.name]
    assert score.matches.threshold == test.threshold
    assert score.n == 8
    assert verification.cases[0].verdict is decide_case(
        request.plan, verification.cases[0].scores, retained_similarity(verification.scores)
    )


def test_subjects_are_the_encoder_before_and_the_encoder_after(
    small_removal: SmallRemoval, statements: list[Statement]
) -> None:
    before, after = (
        hash_folder(Path(path))
        for path in (small_removal.workspace.parent / "encoder", small_removal.document["encoder"])
    )
    assert statements[0].encoder_digest() == before.digest == statements[1].predicate.encoder_before.sha256
    assert statements[1].encoder_digest() == statements[2].encoder_digest() == after.digest
    assert before.digest != after.digest
    names = {subject.name for subject in statements[1].subject}
    assert {"config.json", "model.safetensors", "encoder"} <= names


def test_removal_says_how_it_was_done(statements: list[Statement]) -> None:
    removal = statements[1].predicate
    assert isinstance(removal, Removal)
    assert (removal.method.name, removal.method.steps, removal.method.batch_size) == ("ireu", 20, 2)
    assert removal.counts == {
        "forget-people": 1, "forget-pairs": 8, "retain-people": 12, "retain-photos": 36, "panel-people": 8,
        "panel-photos": 24,
    }  # fmt: skip
    assert not removal.run.pickle_allowed
    assert removal.run.device == "cpu"


def test_ledger_holds_when_it_is_audited(workspace: Workspace) -> None:
    report = audit(workspace.ledger_path, key_file=workspace.key_file(), checkpoint_path=workspace.checkpoint_path)
    assert (report.findings, report.size) == ((), 3)


# The encoder


def test_new_encoder_moved_the_person_and_kept_the_others(small_removal: SmallRemoval) -> None:
    scores = {s["name"]: s for s in (*small_removal.document["cases"][0]["scores"], *small_removal.document["scores"])}
    assert small_removal.document["verdict"] == "holds"
    assert scores["features/feature-match"]["matches"]["matches"] == 0
    assert scores["features/unseen"]["n"] == 4
    assert scores["retained-similarity"]["value"] > 0.9
    assert scores["retained-similarity"]["n"] == 24


def test_recorded_scores_are_those_of_the_encoder_on_the_disk(small_removal: SmallRemoval) -> None:
    before, after = (
        ClipEncoder.load(Path(path))
        for path in (small_removal.workspace.parent / "encoder", small_removal.document["encoder"])
    )
    (person,) = load_people(small_removal.photos / "forget", loose="one-person")
    pixels = before.preprocess([photo.image for photo in person.portraits])

    def unit(x: torch.Tensor) -> torch.Tensor:
        return x / x.norm(dim=-1, keepdim=True)

    template = unit(unit(before.encode(pixels)).mean(dim=0))
    expected = float((unit(after.encode(pixels)) @ template).mean())
    scores = {s["name"]: s["value"] for s in small_removal.document["cases"][0]["scores"]}
    assert scores["features/feature-match"] == pytest.approx(expected, abs=1e-5)


def test_run_leaves_no_training_state_and_no_partial_folder(small_removal: SmallRemoval) -> None:
    root = small_removal.workspace
    run_id = small_removal.document["run_id"]
    assert [path.name for path in (root / "encoders").iterdir()] == [run_id]
    assert [path.name for path in (root / "runs" / run_id).iterdir()] == ["run.json"]


# MLflow


def test_run_model_ledger_and_certificate_name_each_other(small_removal: SmallRemoval, client, workspace) -> None:
    document = small_removal.document
    run = client.get_run(document["run_id"])
    name, version = document["model"].split("/")
    registered = client.get_model_version(name, version)
    expected = {
        "ireu.ledger_origin": workspace.key_file().origin,
        "ireu.removal_entry": "1",
        "ireu.verification_entry": "2",
        "ireu.verdict": "holds",
        "ireu.certificate": "removal-1.json",
    }
    assert expected.items() <= run.data.tags.items()
    assert expected.items() <= registered.tags.items()
    assert run.data.tags["ireu.request_entry"] == "0"
    assert run.data.tags["ireu.cases"] == CASE_ID
    assert registered.run_id == document["run_id"]
    assert registered.tags["ireu.encoder_digest"] == document["encoder_digest"]
    assert set(client.get_registered_model(name).aliases) == {"candidate", "verified"}
    with workspace.open_ledger() as ledger:
        removal = ledger.statement(ledger.entry(1)).predicate
    assert (removal.run.mlflow_run_id, removal.run.model) == (document["run_id"], document["model"])
    assert Path(document["certificate"]) == small_removal.workspace / "certificates" / "removal-1.json"


def test_every_step_and_every_score_is_logged(small_removal: SmallRemoval, client) -> None:
    run_id = small_removal.document["run_id"]
    assert client.get_run(run_id).info.status == "FINISHED"
    for name in ("loss", "forget_loss", "retain_loss", "learning_rate", "forget_norm"):
        assert [metric.step for metric in client.get_metric_history(run_id, name)] == list(range(20)), name
    logged = client.get_run(run_id).data
    for score in (*small_removal.document["cases"][0]["scores"], *small_removal.document["scores"]):
        assert logged.metrics[score["name"]] == pytest.approx(score["value"])
    assert logged.params["method"] == "ireu"
    assert logged.params["steps"] == "20"
    assert {item.dataset.name for item in client.get_run(run_id).inputs.dataset_inputs} == {"forget", "retain"}
    assert client.get_experiment_by_name(EXPERIMENT) is not None


def test_report_without_pictures_or_masks_is_logged_for_real_people(small_removal: SmallRemoval, client) -> None:
    names = {each.path for each in client.list_artifacts(small_removal.document["run_id"])}
    assert names == {"report.json", "table.md"}
    assert small_removal.document["grids"] == {}


def test_registered_model_gives_the_features_of_the_saved_encoder(small_removal: SmallRemoval, monkeypatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", local_tracking_uri(small_removal.workspace))
    encoder = ClipEncoder.load(Path(small_removal.document["encoder"]))
    (person,) = load_people(small_removal.photos / "forget", loose="one-person")
    pixels = encoder.preprocess([photo.image for photo in person.portraits[:2]])
    model = mlflow.pyfunc.load_model(f"models:/{small_removal.document['model']}")
    features = model.predict(pixels.numpy())
    assert np.allclose(features, encoder.encode(pixels).numpy(), atol=1e-5)
    hidden = model.predict(pixels.numpy(), params={"tap": "penultimate"})
    assert np.allclose(hidden, encoder.encode(pixels, tap="penultimate").numpy(), atol=1e-4)


@pytest.mark.parametrize("reference", ["/1", "@candidate", "@verified"])
def test_registered_model_loads_as_an_encoder_with_the_recorded_digest(
    small_removal: SmallRemoval, reference: str
) -> None:
    name = small_removal.document["model"].split("/")[0]
    loaded = load_encoder(f"models:/{name}{reference}", tracking_uri=local_tracking_uri(small_removal.workspace))
    assert loaded.artifact.digest == small_removal.document["encoder_digest"]


@pytest.mark.parametrize("reference", ["no-such-model/1", "NAME/99", "NAME@nobody"])
def test_model_that_is_not_registered_is_refused(small_removal: SmallRemoval, ireu: Ireu, reference: str) -> None:
    name = small_removal.document["model"].split("/")[0]
    before = snapshot(small_removal.workspace / "certificates")
    done = ireu(
        "-w", small_removal.workspace, "unlearn", "--encoder", f"models:/{reference.replace('NAME', name)}",
        *small_removal.sources, "--dry-run", "--json",
    )  # fmt: skip
    assert (done.code, done.out) == (2, "")
    assert done.error["code"] == "encoder-unloadable"
    assert snapshot(small_removal.workspace / "certificates") == before


def test_workspaces_own_registry_is_found_by_unlearn_too(
    small_removal: SmallRemoval, ireu: Ireu, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = small_removal.document["model"].split("/")[0]
    done = ireu(
        "-w", small_removal.workspace, "unlearn", "--encoder", f"models:/{name}@candidate", *small_removal.sources,
        "--dry-run", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.document["encoder_digest"] == small_removal.document["encoder_digest"]
    assert list(tmp_path.iterdir()) == []


def test_dry_run_says_what_would_be_done_and_writes_nothing(small_removal: SmallRemoval, ireu: Ireu, tmp_path) -> None:
    workspace = Workspace.create(tmp_path / "fresh", organisation="X").root
    before = snapshot(workspace)
    arguments = (
        "-w",
        workspace,
        "unlearn",
        "--encoder",
        small_removal.workspace.parent / "encoder",
        *small_removal.sources,
    )
    done = ireu(*arguments, "--dry-run", "--json")
    assert (done.code, done.err) == (0, "")
    plan = done.document
    assert (plan["people"], plan["trained_photos"], plan["unseen_photos"], plan["swap_pairs"]) == (1, 4, 4, 8)
    assert (plan["retain_people"], plan["panel_people"]) == (12, 8)
    assert plan["tests"][0]["threshold"] == pytest.approx(
        small_removal.document["cases"][0]["scores"][0]["matches"]["threshold"], abs=1e-6
    )
    assert "nothing was written" in ireu(*arguments, "--dry-run").out
    assert snapshot(workspace) == before


# Evidence and certificate


def test_vault_gives_photos_and_features_back(small_removal: SmallRemoval, workspace: Workspace) -> None:
    (person,) = load_people(small_removal.photos / "forget", loose="one-person")
    panel = load_people(small_removal.photos / "panel", loose="one-each")
    with workspace.open_vault() as vault:
        case = CaseEvidence.load(vault, CASE_ID)
        others = PanelEvidence.load(vault, case.panel_id)
        label = vault.get(CASE_ID).payload["label"]
        stored = {photo.data for photo in case.portraits}
        of_others = [photo.data for photo in others.photos]
    assert stored == {photo.data for photo in person.portraits}
    assert (case.trained, case.unseen) == ((0, 1, 2, 3), (4, 5, 6, 7))
    assert label == person.label
    assert of_others == [p.data for q in panel for p in q.portraits]
    original = ClipEncoder.load(small_removal.workspace.parent / "encoder")
    pixels = original.preprocess([p.image for q in panel for p in q.portraits])
    assert torch.allclose(others.features, original.encode(pixels), atol=1e-5)


def test_evidence_opens_the_commitment_in_the_ledger(workspace: Workspace, statements: list[Statement]) -> None:
    with workspace.open_vault() as vault:
        assert vault.get(CASE_ID).commitment == statements[1].predicate.cases[0].commitment


def test_certificate_holds_for_this_encoder_and_for_no_other(small_removal: SmallRemoval, tmp_path: Path) -> None:
    document = small_removal.document
    key = small_removal.workspace / "keys" / "keys.json"
    options = ("certificate", "verify", document["certificate"], "--key", key, "--json")
    alone = run_process(*options, cwd=tmp_path)
    assert (alone.code, alone.document["verdict"]) == (0, "holds")
    assert run_process(*options, "--encoder", document["encoder"], cwd=tmp_path).code == 0
    assert run_process(*options, "--encoder", small_removal.workspace.parent / "encoder", cwd=tmp_path).code == 1


def test_certificate_can_be_issued_again(small_removal: SmallRemoval, ireu: Ireu, tmp_path: Path) -> None:
    removal = small_removal.copy(tmp_path / "workspace")  # the ledger records that the earlier one is superseded
    done = ireu("-w", removal.workspace, "certificate", "issue", "--case", CASE_ID, "-o", tmp_path / "c.json", "--json")
    assert done.code == 0
    key = removal.workspace / "keys" / "keys.json"
    assert ireu("certificate", "verify", tmp_path / "c.json", "--key", key).code == 0
    shown = ireu("certificate", "show", tmp_path / "c.json", "--json").document
    assert shown["statements"]["removal"]["predicate"]["kind"] == "removal"


def test_everything_that_is_printed_about_it_is_one_document(small_removal: SmallRemoval) -> None:
    assert json.loads(json.dumps(small_removal.document))["case_ids"] == [CASE_ID]
    assert small_removal.stderr.strip() == ""
