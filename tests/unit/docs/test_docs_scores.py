"""Every score that a measurement emits, and every setting that decides about weights, is explained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pages import read, sections, table_rows

pytestmark = pytest.mark.ml
torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

from PIL import Image  # noqa: E402
from torch import nn  # noqa: E402

from ireu_governance.core.artifact import Artifact  # noqa: E402
from ireu_governance.core.statement import Plan, Score  # noqa: E402
from ireu_sdk.encoders.base import Tap  # noqa: E402
from ireu_sdk.evaluation import fidelity  # noqa: E402
from ireu_sdk.evaluation.probes import Probe, ProbeSet  # noqa: E402
from ireu_sdk.evaluation.report import TABLE_COLUMNS  # noqa: E402
from ireu_sdk.evaluation.statistics import Calibration  # noqa: E402
from ireu_sdk.generators.sources import PortraitGenerator  # noqa: E402
from ireu_sdk.measurement import Original, measure_encoder  # noqa: E402
from ireu_sdk.run import OpenRun  # noqa: E402
from ireu_sdk.toolbox import Toolbox  # noqa: E402
from ireu_sdk.unlearning.settings import PRESETS, UnlearningSettings, choose_settings  # noqa: E402
from ireu_sdk.unlearning.train import StepLog  # noqa: E402

SIDE, WIDTH = 32, 8
ARTIFACT = Artifact.from_files({"weights": "00" * 32})


class StubEncoder:
    """Random features; two of them stand for the encoder before and after."""

    name = "stub"
    artifact = ARTIFACT

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def preprocess(self, images: Sequence[Image.Image]) -> Any:
        return torch.zeros(len(images), 3, SIDE, SIDE)

    def encode(self, pixels: Any, *, tap: Tap = Tap.IMAGE_EMBEDS, batch_size: int = 32) -> Any:
        return torch.randn(len(pixels), WIDTH, generator=self._generator)


class StubPipeline:
    """Random pictures in the shape that a portrait pipeline gives."""

    vae = SimpleNamespace(config=SimpleNamespace(sample_size=SIDE))
    fusion = SimpleNamespace(config=SimpleNamespace(image_dim=WIDTH))

    def __call__(self, features: Any, prompts: Any, seeds: Any, **_: Any) -> Any:
        generator = torch.Generator().manual_seed(int(features.abs().sum() * 1000))
        return torch.randint(0, 256, (len(features), 3, SIDE, SIDE), generator=generator).to(torch.uint8)


class StubGenerator(PortraitGenerator):
    """A generator without networks; it only has to draw."""

    def __init__(self) -> None:
        self.name = "GENERATOR"
        self.source = "stub"
        self.artifact = ARTIFACT
        self.pipeline = StubPipeline()


class StubRecogniser:
    """Embeddings from the mean colours of quarters."""

    name = "stub-judge"
    digest = "11" * 32
    finds_faces = False

    def embed(self, images: Sequence[Image.Image]) -> Any:
        rows = np.stack([np.asarray(image.resize((2, 2))).astype(np.float32).ravel()[:WIDTH] + 1 for image in images])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class PixelFeatures(nn.Module):
    """A feature extractor for FID that needs no weights."""

    num_features = 4

    def forward(self, pictures: Any) -> Any:
        return pictures.double().mean(dim=(2, 3))[:, [0, 1, 2, 0]]


def make_probes() -> ProbeSet:
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)) for _ in range(12)]
    roles = ["trained", "trained", "unseen", "unseen", *["panel"] * 8]
    probes = [
        Probe(photo=image, role=role, person=0 if role != "panel" else number, prompt="a person", seed=number)  # type: ignore[arg-type]
        for number, (image, role) in enumerate(zip(images, roles, strict=True))
    ]
    return ProbeSet(probes=tuple(probes), real=tuple(images[4:]))


def measure(monkeypatch: pytest.MonkeyPatch, *, with_original: bool) -> list[Score]:
    extractor = fidelity.FidExtractor(name="pixels", feature=PixelFeatures())
    monkeypatch.setattr(fidelity, "choose_extractor", lambda _: extractor)
    generator = StubGenerator()
    tested: Any = StubEncoder(1)
    toolbox = Toolbox(
        encoder=tested,
        encoder_source="stub",
        generators=(generator,),
        recogniser=StubRecogniser(),
        judge_source="stub",
        device="cpu",
    )
    calibration = Calibration(threshold=0.5, false_match_rate=0.001, upper_95=0.01, pairs=1000)
    tests = toolbox.plan_tests(features=calibration, portraits=calibration, max_match_rate=0.1, min_probes=2)
    probes = make_probes()
    panel = [probe.image for probe in probes.probes if probe.role == "panel"]
    original = Original(
        encoder=StubEncoder(2) if with_original else None,  # type: ignore[arg-type]
        templates=torch.ones(1, WIDTH) / WIDTH**0.5,
        panel_images=panel,
        panel_features=torch.randn(len(panel), WIDTH, generator=torch.Generator().manual_seed(3)),
    )
    found = measure_encoder(
        tested,
        original,
        probes,
        Plan(tests=tests, min_retained_similarity=0.9),
        ["ab" * 16],
        toolbox,
        tap=Tap.IMAGE_EMBEDS,
        steps=1,
        guidance=1.0,
    )
    return [*found.scores, *(score for case in found.cases for score in case.scores)]


def documented() -> dict[str, list[str]]:
    page = sections(read("method.md"))
    return {**table_rows(page["About each case"]), **table_rows(page["About everybody else"])}


def test_every_score_of_a_removal_is_explained_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = measure(monkeypatch, with_original=True)
    assert {score.name for score in scores} == set(documented())


def test_direction_of_every_score_is_the_documented_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for score in measure(monkeypatch, with_original=True):
        assert documented()[score.name][-1].startswith(score.better), score.name


def test_scores_of_a_retest_are_those_that_the_manual_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {score.name for score in measure(monkeypatch, with_original=False)}
    paragraph = next(line for line in read("method.md").splitlines() if line.startswith("A re-test has no original"))
    listed = set(re.findall(r"`([^`]+)`", paragraph))
    assert listed - {"features/…"} == {name for name in names if not name.startswith("features/")}
    assert names <= set(documented())


def test_columns_of_the_table_are_explained() -> None:
    assert {f"GENERATOR/{name}" for _, name, _ in TABLE_COLUMNS} <= set(documented())


def test_every_metric_of_a_step_is_explained() -> None:
    logged: dict[str, float] = {}
    tracker = SimpleNamespace(log_step=lambda _run, _step, metrics: logged.update(metrics))
    run = OpenRun(record=SimpleNamespace(run_id="x"), folder=Path(), tracker=tracker, workspace=None)  # type: ignore[arg-type]
    values = dict.fromkeys(StepLog.__dataclass_fields__, 0)
    run.log_step(StepLog(**values))
    for page in (sections(read("method.md"))["While training"], sections(read("engineer.md"))["MLflow"]):
        assert set(logged) <= set(re.findall(r"`([^`]+)`", page))


def test_every_setting_of_a_removal_is_explained_with_its_defaults() -> None:
    rows = table_rows(sections(read("engineer.md"))["Settings of the removal"])
    assert set(rows) == set(UnlearningSettings.model_fields)
    defaults = choose_settings(people=1).model_dump(mode="json")
    paper = choose_settings(people=1, preset="paper").model_dump(mode="json")
    for name, cells in rows.items():
        assert cells[2] == f"`{defaults[name]}`", name
        deviates = name in PRESETS["paper"] or paper[name] != defaults[name]
        assert cells[3] == (f"`{paper[name]}`" if deviates else ""), name


def test_defaults_that_help_and_manual_name_are_the_settings_own() -> None:
    from ireu_cli.commands.unlearn import unlearn

    rows = table_rows(sections(read("cli.md"))["`ireu unlearn`"])
    defaults = choose_settings(people=1).model_dump(mode="json")
    seen = set()
    for option in unlearn.params:
        if option.name not in defaults or option.name == "preset":
            continue
        seen.add(option.name)
        in_help = re.search(r"\[default: ([^],]+)", option.help or "")  # type: ignore[attr-defined]
        in_page = re.search(r"Default ([^, ]+?)[.,]( |$)", rows[option.opts[0]][1].replace("`", "").replace("−", "-"))
        assert in_help, option.name
        assert in_page, option.name
        for said in (in_help[1], in_page[1]):
            value = defaults[option.name]
            assert said == value if isinstance(value, str) else float(said) == value, option.name
    assert len(seen) >= 9


def test_steps_for_further_people_are_those_of_the_settings() -> None:
    more = choose_settings(people=2).steps - choose_settings(people=1).steps
    for page in ("engineer.md", "cli.md"):
        assert f"{more} more for each further person" in read(page)


def test_manual_quotes_the_interval_of_the_code() -> None:
    from ireu_governance.core.decision import clopper_pearson

    rows = [
        line.strip("| ").split(" | ") for line in read("method.md").splitlines() if re.match(r"\| \d+ \| \d+ \|", line)
    ]
    assert len(rows) == 6
    for n, most, bound, without, resurfaced in ([float(cell) for cell in row] for row in rows):
        assert most == max(m for m in range(int(n) + 1) if m / n <= 0.1)
        assert round(clopper_pearson(int(most), int(n))[1], 3) == bound
        assert round(clopper_pearson(0, int(n))[1], 3) == without
        assert resurfaced == next(m for m in range(int(n) + 1) if clopper_pearson(m, int(n))[0] > 0.1)
