"""An encoder in use against the ledger: what holds, what came back, what nobody recorded."""

# ruff: noqa: E402  (torch is optional)

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from fixtures.command import Ireu, run_process, snapshot
from fixtures.networks import save_recogniser
from fixtures.removals import CASE_ID, SmallRemoval
from safetensors.torch import load_file, save_file

from ireu_governance.core.statement import Verification
from ireu_governance.ledger.audit import audit
from ireu_governance.workspace import Workspace

pytestmark = [pytest.mark.ml, pytest.mark.slow]


@pytest.fixture
def removal(small_removal: SmallRemoval, tmp_path: Path) -> SmallRemoval:
    """Return the small removal in a workspace that may be written to."""
    return small_removal.copy(tmp_path / "workspace")


def change_weights(source: Path, target: Path, *, destroy: bool) -> Path:
    """Copy an encoder, with slightly tuned or with random weights of the same shape."""
    shutil.copytree(source, target)
    file = target / "model.safetensors"
    random = torch.Generator().manual_seed(0)
    tensors = {}
    for name, tensor in load_file(file).items():
        noise = torch.randn(tensor.shape, generator=random)
        tensors[name] = noise * 0.05 if destroy else tensor + 1e-5 * noise
    save_file(tensors, file, metadata={"format": "pt"})
    return target


def audit_is_clean(workspace: Path) -> bool:
    opened = Workspace(workspace)
    found = audit(opened.ledger_path, key_file=opened.key_file(), checkpoint_path=opened.checkpoint_path)
    return found.findings == ()


def test_unlearned_encoder_still_holds_and_the_retest_is_recorded(removal: SmallRemoval, ireu: Ireu) -> None:
    done = ireu(
        "-w", removal.workspace, "verify", "--encoder", removal.document["encoder"], "--case", CASE_ID, "--json"
    )
    assert (done.code, done.err) == (0, "")
    (found,) = done.document["retests"]
    assert (found["verdict"], found["known_encoder"], found["verification_entry"]) == ("holds", True, 3)
    first = {s["name"]: s for s in removal.document["cases"][0]["scores"]}
    again = {s["name"]: s for s in found["cases"][0]["scores"]}
    assert first.keys() == again.keys()
    for name, score in first.items():
        assert again[name]["value"] == pytest.approx(score["value"], abs=1e-6)
        assert again[name]["matches"] == score["matches"]
    with Workspace(removal.workspace).open_ledger() as ledger:
        recorded = ledger.statement(ledger.entry(3))
    assert isinstance(recorded.predicate, Verification)
    assert (recorded.predicate.occasion, recorded.predicate.removal_seq) == ("retest", 1)
    assert recorded.encoder_digest() == removal.document["encoder_digest"]
    assert audit_is_clean(removal.workspace)


def test_registered_model_is_retested_by_its_alias(removal: SmallRemoval, ireu: Ireu) -> None:
    name = removal.document["model"].split("/")[0]
    done = ireu("-w", removal.workspace, "verify", "--encoder", f"models:/{name}@verified", "--json")
    assert (done.code, done.document["verdict"]) == (0, "holds")


def test_original_put_back_is_found_and_the_certificate_does_not_cover_it(
    removal: SmallRemoval, ireu: Ireu, tmp_path: Path
) -> None:
    original = Path(removal.photos).parent / "encoder"
    deployed = Path(shutil.copytree(original, tmp_path / "deployed"))
    done = ireu("-w", removal.workspace, "verify", "--encoder", deployed, "--json")
    assert done.code == 1
    (found,) = done.document["retests"]
    assert (found["verdict"], found["known_encoder"]) == ("resurfaced", False)
    (score,) = [s for s in found["cases"][0]["scores"] if s["name"] == "features/feature-match"]
    assert score["matches"]["matches"] == score["n"] == 8
    shown = ireu("-w", removal.workspace, "verify", "--encoder", deployed)
    assert shown.code == 1
    assert "✗ resurfaced" in shown.out
    assert "not the result of any recorded removal" in shown.out
    certificate = (
        "certificate",
        "verify",
        removal.document["certificate"],
        "--key",
        removal.workspace / "keys" / "keys.json",
    )
    assert ireu(*certificate, "--encoder", removal.document["encoder"]).code == 0
    assert ireu(*certificate, "--encoder", deployed).code == 1
    assert audit_is_clean(removal.workspace)


def test_encoder_that_nobody_recorded_is_named_even_if_the_person_is_not_in_it(
    removal: SmallRemoval, ireu: Ireu, tmp_path: Path
) -> None:
    tuned = change_weights(Path(removal.document["encoder"]), tmp_path / "tuned", destroy=False)
    done = ireu("-w", removal.workspace, "verify", "--encoder", tuned, "--json")
    assert done.code == 1
    (found,) = done.document["retests"]
    assert (found["verdict"], found["known_encoder"]) == ("encoder-changed", False)
    assert found["cases"][0]["verdict"] == "holds"


def test_added_file_in_the_encoders_folder_is_another_encoder(
    removal: SmallRemoval, ireu: Ireu, tmp_path: Path
) -> None:
    deployed = Path(shutil.copytree(removal.document["encoder"], tmp_path / "deployed"))
    (deployed / "notes.txt").write_text("x")
    done = ireu("-w", removal.workspace, "verify", "--encoder", deployed, "--json")
    assert (done.code, done.document["verdict"]) == (1, "encoder-changed")


def test_destroyed_encoder_does_not_pass_for_one_that_forgot(removal: SmallRemoval, ireu: Ireu, tmp_path: Path) -> None:
    ruined = change_weights(Path(removal.document["encoder"]), tmp_path / "ruined", destroy=True)
    done = ireu("-w", removal.workspace, "verify", "--encoder", ruined, "--json")
    assert done.code == 1
    (found,) = done.document["retests"]
    # Random weights give everybody nearly the same feature, so the person may even be "recognised".
    assert found["cases"][0]["verdict"] in ("utility-lost", "resurfaced")
    similarity = next(s for s in found["scores"] if s["name"] == "retained-similarity")
    assert similarity["value"] < 0.9


@pytest.mark.parametrize("case", ["0" * 32, "Erika Mustermann", "", "5CA1AB1E" * 4])
def test_unknown_case_is_code_two_and_nothing_is_recorded(removal: SmallRemoval, ireu: Ireu, case: str) -> None:
    before = snapshot(removal.workspace)
    done = ireu("-w", removal.workspace, "verify", "--encoder", removal.document["encoder"], "--case", case, "--json")
    assert (done.code, done.out, done.error["code"]) == (2, "", "case-unknown")
    assert {k: v for k, v in snapshot(removal.workspace).items() if "-shm" not in k and "-wal" not in k} == before


def test_ledger_without_a_removal_is_said_to_be_so(ireu: Ireu, tmp_path: Path, small_removal: SmallRemoval) -> None:
    assert ireu("init", tmp_path / "empty").code == 0
    done = ireu("-w", tmp_path / "empty", "verify", "--encoder", small_removal.document["encoder"], "--json")
    assert done.code == 2
    assert "no removal yet" in done.error["message"]


def test_retest_without_an_encoder_is_refused(removal: SmallRemoval, ireu: Ireu) -> None:
    assert ireu("-w", removal.workspace, "verify", "--json").error["code"] == "bad-usage"
    both = ireu("-w", removal.workspace, "verify", "--encoder", "testbed", "--case", CASE_ID, "--all")
    assert both.code == 2


def test_changed_evidence_is_found_and_not_used(removal: SmallRemoval, ireu: Ireu) -> None:
    import sqlite3

    with sqlite3.connect(removal.workspace / "vault" / "vault.db") as connection:
        (blob,) = connection.execute("SELECT ciphertext FROM blobs ORDER BY size DESC").fetchone()
        connection.execute("UPDATE blobs SET ciphertext = ?", (blob,))
    done = ireu("-w", removal.workspace, "verify", "--encoder", removal.document["encoder"], "--json")
    assert (done.code, done.error["code"]) == (1, "check-failed")


# With generators


def test_portraits_were_planned_drawn_measured_and_named(drawn_removal: SmallRemoval) -> None:
    with Workspace(drawn_removal.workspace).open_ledger() as ledger:
        request, removal, verification = (ledger.statement(entry).predicate for entry in ledger.entries())
    tests = {test.name: test for test in request.plan.tests}
    assert set(tests) == {"features/feature-match", "testbed:a/portrait-match"}
    assert tests["testbed:a/portrait-match"].generator_digest is not None
    assert len(removal.cases) == len(verification.cases) == 2
    for case in verification.cases:
        scores = {score.name: score for score in case.scores}
        assert scores["testbed:a/portrait-match"].n == 5
        assert scores["testbed:a/id-target-o"].n == 3
        assert scores["testbed:a/id-target-o-unseen"].n == 2
        assert scores["testbed:a/id-target-o-original"].better == "reference"
    others = {score.name: score for score in verification.scores}
    assert others["testbed:a/id-other-g"].n == 6
    assert others["testbed:a/delta-fid"].unit.startswith("fid:")
    assert verification.extractor == others["testbed:a/fid"].unit.removeprefix("fid:")
    assert drawn_removal.document["table"]["testbed:a"]["psnr"] > 5


def test_removal_that_does_not_hold_gets_no_certificate_and_no_alias(drawn_removal: SmallRemoval) -> None:
    from mlflow import MlflowClient

    from ireu_sdk.tracking import local_tracking_uri

    assert drawn_removal.document["verdict"] in ("resurfaced", "inconclusive")  # four steps are too few
    assert drawn_removal.document["certificate"] is None
    assert list((drawn_removal.workspace / "certificates").iterdir()) == []
    uri = local_tracking_uri(drawn_removal.workspace)
    model = MlflowClient(tracking_uri=uri, registry_uri=uri).get_registered_model(
        drawn_removal.document["model"].split("/")[0]
    )
    assert set(model.aliases) == {"candidate"}


def test_retest_draws_the_same_portraits_again(drawn_removal: SmallRemoval, ireu: Ireu, tmp_path: Path) -> None:
    copy = drawn_removal.copy(tmp_path / "workspace")
    case = copy.document["case_ids"][1]
    done = ireu("-w", copy.workspace, "verify", "--encoder", copy.document["encoder"], "--case", case, "--json")
    assert done.err == ""
    (found,) = done.document["retests"]
    assert found["verdict"] == copy.document["verdict"]
    assert found["known_encoder"]
    first, again = (
        {score["name"]: score["value"] for score in cases[1]["scores"]}
        for cases in (copy.document["cases"], found["cases"])
    )
    for name in ("testbed:a/portrait-match", "testbed:a/id-target-o", "features/feature-match"):
        assert again[name] == pytest.approx(first[name], abs=1e-4)


@pytest.mark.parametrize("tool", ["generator", "judge"])
def test_other_tools_than_the_planned_ones_are_refused(
    drawn_removal: SmallRemoval, ireu: Ireu, tmp_path: Path, tool: str
) -> None:
    copy = drawn_removal.copy(tmp_path / "workspace")
    value = "testbed:b" if tool == "generator" else save_recogniser(tmp_path / "judge.onnx")
    done = ireu("-w", copy.workspace, "verify", "--encoder", copy.document["encoder"], f"--{tool}", value, "--json")
    assert (done.code, done.out) == (2, "")
    assert "not those of the removal's plan" in done.error["message"]
    with Workspace(copy.workspace).open_ledger() as ledger:
        assert ledger.head().size == 3


def test_retest_in_a_process_of_its_own_prints_progress_on_stderr_only(removal: SmallRemoval) -> None:
    done = run_process("-w", removal.workspace, "verify", "--encoder", removal.document["encoder"])
    assert done.code == 0
    assert done.out.startswith("✓ holds")
    assert "Measuring" in done.err
    assert "Warning" not in done.err
