"""Figures and their statistics: thresholds, counts with bounds, identity metrics against hand-made values."""

# ruff: noqa: E402  (torch is optional)

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

import numpy as np
from fixtures.pictures import draw_face, encode
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from ireu_governance.core.decision import RETAINED_SIMILARITY, clopper_pearson, find_score, verify_matches
from ireu_governance.core.errors import InputError
from ireu_governance.core.statement import Score
from ireu_sdk.evaluation.features import make_template, measure_case_features, measure_retained_features
from ireu_sdk.evaluation.fidelity import FidExtractor, choose_extractor, measure_fid_change, measure_fidelity, to_images
from ireu_sdk.evaluation.identity import Drawing, measure_cases, measure_others
from ireu_sdk.evaluation.probes import Probe, ProbeSet, choose_probes
from ireu_sdk.evaluation.report import TABLE_COLUMNS, table_row, to_markdown
from ireu_sdk.evaluation.statistics import (
    Calibration,
    calibrate_pairs,
    calibrate_templates,
    identity_score,
    plain_score,
)
from ireu_sdk.faces.portraits import FacePair, Person, decode_portrait

pytestmark = pytest.mark.ml

CALIBRATION = Calibration(threshold=0.5, false_match_rate=0.001, upper_95=0.002, pairs=10_000)


def scores_of(found: list[Score]) -> dict[str, Score]:
    assert len({score.name for score in found}) == len(found)
    return {score.name: score for score in found}


# Thresholds


@st.composite
def crowds(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    people = draw(st.integers(2, 8))
    rows = draw(st.lists(st.integers(0, people - 1), min_size=2, max_size=30).filter(lambda r: len(set(r)) > 1))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    vectors = random.normal(size=(len(rows), 6)).astype(np.float32)
    if draw(st.booleans()):  # ties are where an off-by-one shows
        vectors = np.sign(vectors)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.array(rows, dtype=np.int64)


@given(crowd=crowds(), target=st.floats(0.0, 0.49))
def test_pair_threshold_keeps_to_its_target_and_none_lower_does(
    crowd: tuple[np.ndarray, np.ndarray], target: float
) -> None:
    vectors, people = crowd
    found = calibrate_pairs(vectors, people, target=target)
    different = [
        float(np.float64((vectors @ vectors.T)[i, j]))
        for i in range(len(people))
        for j in range(i)
        if people[i] != people[j]
    ]
    assert found.pairs == len(different)
    taken = sum(each >= found.threshold for each in different)
    assert found.false_match_rate == taken / len(different)
    if found.threshold < 1.0:
        assert taken <= target * len(different)
        highest_below = max(each for each in different if each < found.threshold)
        assert sum(each >= highest_below for each in different) > target * len(different)
        assert found.threshold - highest_below < 1e-6
    assert found.upper_95 == clopper_pearson(taken, len(different))[1]


def test_template_threshold_compares_pictures_with_other_peoples_means() -> None:
    features = np.array([[2.0, 0.0], [0.0, 3.0], [0.0, 5.0], [4.0, 3.0]], dtype=np.float32)
    people = np.array([0, 1, 1, 2])
    found = calibrate_templates(features, people, target=0.2)
    # Cosines with the others' means: 0→(0, .8), 1→(0, .6) twice, 2→(.8, .6); one of eight may pass.
    assert found.pairs == 8
    assert found.threshold == pytest.approx(0.8)
    assert found.false_match_rate <= 0.2


def test_threshold_needs_two_people() -> None:
    for calibrate in (calibrate_pairs, calibrate_templates):
        with pytest.raises(InputError):
            calibrate(np.eye(3, dtype=np.float32), np.zeros(3, dtype=np.int64))


# Scores


@given(values=st.lists(st.floats(-1, 1), max_size=40), threshold=st.floats(-1, 1))
def test_identity_score_counts_its_matches_with_exact_bounds(values: list[float], threshold: float) -> None:
    calibration = Calibration(threshold=threshold, false_match_rate=0.01, upper_95=0.02, pairs=100)
    score = identity_score("portrait-match", np.array(values), calibration, better="lower")
    expected = sum(value >= threshold for value in values)
    assert score.n == len(values)
    assert score.matches.matches == expected
    assert score.value == (pytest.approx(np.mean(values)) if values else None)
    verify_matches(score, check="scores")  # the regulator's own arithmetic
    if values:
        interval = stats.binomtest(expected, len(values)).proportion_ci(0.95, method="exact")
        assert (score.matches.lower_95, score.matches.upper_95) == pytest.approx((interval.low, interval.high))


def test_values_that_are_not_finite_are_left_out_and_counted_out() -> None:
    score = plain_score("psnr", [1.0, math.inf, 3.0, math.nan], better="higher", unit="dB")
    assert (score.value, score.n) == (2.0, 2)
    assert plain_score("psnr", [math.inf], better="higher", unit="dB").value is None


# Features


def test_template_is_the_unit_mean_of_unit_features() -> None:
    template = make_template(torch.tensor([[10.0, 0.0], [0.0, 0.1]]))
    assert template.tolist() == pytest.approx([math.sqrt(0.5)] * 2)


def test_feature_match_is_over_all_photos_and_part_scores_over_theirs() -> None:
    after = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    found = scores_of(
        measure_case_features(after, torch.tensor([1.0, 0.0]), np.array([0, 1]), np.array([2]), CALIBRATION)
    )
    assert found["features/feature-match"].n == 3
    assert found["features/feature-match"].value == pytest.approx((1 + 0 + math.sqrt(0.5)) / 3)
    assert found["features/feature-match"].matches.matches == 2
    assert found["features/trained"].value == pytest.approx(0.5)
    assert found["features/unseen"].value == pytest.approx(math.sqrt(0.5))


def test_retained_similarity_sees_turning_and_the_norm_ratio_sees_growth() -> None:
    before = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    found = scores_of(measure_retained_features(before, torch.tensor([[3.0, 0.0], [1.0, 0.0]])))
    assert found[RETAINED_SIMILARITY].value == pytest.approx(0.5)
    assert found["features/retained-norm-ratio"].value == pytest.approx(2.0)


# Identity metrics by hand


def unit(degrees: float) -> list[float]:
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


def cosine(a: float, b: float) -> float:
    return math.cos(math.radians(a - b))


ANGLES = {  # photo, drawn with E, drawn with E_u
    "trained": (0, 10, 100),
    "unseen": (5, 25, 80),
    "panel 0": (200, 210, 215),
    "panel 1": (300, 280, 290),
}


@pytest.fixture
def scene() -> tuple[ProbeSet, np.ndarray, Drawing, Drawing]:
    image = Image.new("RGB", (8, 8))
    roles = [("trained", 0), ("unseen", 0), ("panel", 0), ("panel", 1)]
    probes = ProbeSet(
        probes=tuple(Probe(photo=image, role=role, person=n, prompt="p", seed=0) for role, n in roles), real=()
    )
    pictures = torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    photos, before, after = (
        np.array([unit(angles[column]) for angles in ANGLES.values()], dtype=np.float32) for column in range(3)
    )
    return probes, photos, Drawing("g", pictures, before), Drawing("g", 255 - pictures, after)


def test_identity_of_the_forgotten_is_computed_as_the_paper_defines_it(scene: tuple) -> None:
    probes, photos, before, after = scene
    found = scores_of(measure_cases(probes, photos, before, after, CALIBRATION)[0])
    expected = {
        "g/id-target-o": cosine(100, 0),
        "g/id-target-o-unseen": cosine(80, 5),
        "g/id-target-g": (cosine(100, 10) + cosine(80, 25)) / 2,
        "g/id-target-o-original": (cosine(10, 0) + cosine(25, 5)) / 2,
        "g/portrait-match": (cosine(100, 0) + cosine(80, 5)) / 2,
    }
    assert {name: score.value for name, score in found.items()} == pytest.approx(expected, abs=1e-6)
    assert found["g/portrait-match"].n == 2
    assert found["g/portrait-match"].matches.matches == 0
    assert found["g/id-target-o-original"].matches.matches == 2


def test_identity_of_everybody_else_is_computed_as_the_paper_defines_it(scene: tuple, extractor: FidExtractor) -> None:
    probes, photos, before, after = scene
    found = scores_of(measure_others(probes, photos, before.pictures, before, after, CALIBRATION, extractor))
    other_g = (cosine(215, 210) + cosine(290, 280)) / 2
    target_g = (cosine(100, 10) + cosine(80, 25)) / 2
    other_o = (cosine(215, 200) + cosine(290, 300)) / 2
    original = (cosine(210, 200) + cosine(280, 300)) / 2
    expected = {
        "g/id-other-o": other_o,
        "g/id-other-o-original": original,
        "g/id-other-o-kept": other_o / original,
        "g/id-other-g": other_g,
        "g/delta-id": other_g - target_g,
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected, abs=1e-6)
    row = dict(zip([name for _, name, _ in TABLE_COLUMNS], table_row("g", [], list(found.values())), strict=True))
    assert row["delta-id"] == pytest.approx(expected["g/delta-id"])
    assert row["id-target-o"] is None


# Fidelity


@pytest.fixture
def extractor() -> FidExtractor:
    class Means(torch.nn.Module):
        num_features = 3

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return pictures.double().mean(dim=(2, 3))

    return FidExtractor(name="means", feature=Means())


def pictures(seed: int, n: int = 4) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, 32, 32), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_psnr_of_equal_pictures_is_absent_and_not_infinite() -> None:
    same = pictures(0)
    found = scores_of(measure_fidelity("g", same, same.clone()))
    assert (found["g/psnr"].value, found["g/psnr"].n) == (None, 0)
    assert found["g/ssim"].value == pytest.approx(1.0)
    assert "inf" not in found["g/psnr"].model_dump_json().lower()


def test_psnr_is_over_pairs_and_leaves_equal_ones_out() -> None:
    before, after = pictures(0), pictures(0)
    after[0] = (after[0].int() ^ 1).to(torch.uint8)  # each value off by exactly one level
    found = scores_of(measure_fidelity("g", before, after))
    assert found["g/psnr"].n == 1
    assert found["g/psnr"].value == pytest.approx(20 * math.log10(255), abs=1e-4)
    assert found["g/ssim"].n == 4


def test_fid_names_its_extractor_and_grows_with_the_difference(extractor: FidExtractor) -> None:
    real, near = pictures(0, 16), pictures(1, 16)
    far = (near.int() // 2).to(torch.uint8)
    found = scores_of(measure_fid_change("g", real, near, far, extractor))
    assert {score.unit for score in found.values()} == {"fid:means"}
    assert found["g/delta-fid"].value == pytest.approx(found["g/fid"].value - found["g/fid-original"].value)
    assert found["g/fid"].value > found["g/fid-original"].value
    unmoved = scores_of(measure_fid_change("g", real, near, near.clone(), extractor))
    assert unmoved["g/delta-fid"].value == pytest.approx(0.0, abs=1e-9)


def test_without_inception_weights_fid_is_named_by_the_recogniser(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    class Judge:
        name = "arcface-onnx-0123456789ab"

        def embed(self, images: list[Image.Image]) -> np.ndarray:
            return np.ones((len(images), 7), dtype=np.float32)

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    chosen = choose_extractor(Judge())
    assert chosen.name == Judge.name
    assert chosen.feature.num_features == 7
    assert chosen.feature(pictures(0)).shape == (4, 7)


def test_pictures_keep_their_levels_as_images() -> None:
    first = pictures(3)
    assert np.array_equal(np.asarray(to_images(first)[2]), first[2].permute(1, 2, 0).numpy())


# Probes


def make_people() -> tuple[list[Person], list[Person]]:
    def person(number: int, swapped: int) -> Person:
        portraits = tuple(decode_portrait(encode(draw_face(number, n), "png"), name="x") for n in range(3))
        pairs = tuple(FacePair(photo=n, swapped=draw_face(9, n, context_of=number)) for n in range(swapped))
        return Person(portraits=portraits, pairs=pairs)

    return [person(0, 2), person(1, 1)], [person(n, 0) for n in (2, 3, 4)]


def test_probes_keep_trained_unseen_and_panel_apart() -> None:
    forget, panel = make_people()
    probes = choose_probes(forget, panel)
    counts = {role: len(probes.select(role)) for role in ("trained", "unseen", "panel")}
    assert counts == {"trained": 3, "unseen": 3, "panel": 3}
    assert len(probes.select("trained", person=1)) == 1
    assert len(probes.real) == 9
    assert all("person" in probe.prompt for probe in probes.probes)


def test_another_person_leaves_everybody_elses_prompts_and_seeds_alone() -> None:
    forget, panel = make_people()
    alone, both = choose_probes(forget[:1], panel), choose_probes(forget, panel)

    def asked(probes: ProbeSet) -> dict[tuple[str, int, bytes], tuple[str, int]]:
        return {(p.role, p.person, p.image.tobytes()): (p.prompt, p.seed) for p in probes.probes}

    assert asked(alone).items() <= asked(both).items()
    assert asked(choose_probes(forget, panel, seed=1)) != asked(both)


# The table


def test_absent_figures_are_dashes_and_not_zeros() -> None:
    text = to_markdown([("ireu", [None] * 9 + [0.0])])
    cells = text.splitlines()[2].split("|")[2:-1]
    assert [cell.strip() for cell in cells] == ["–"] * 9 + ["0.000"]


def test_a_score_that_stands_twice_decides_nothing() -> None:
    score = identity_score("features/feature-match", np.zeros(5), CALIBRATION, better="lower")
    assert find_score([score], score.name) is score
    assert find_score([score, score], score.name) is None
