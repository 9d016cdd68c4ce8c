"""The recipe under examples/testbed makes what the SDK ships: the same pictures, the same networks."""

# ruff: noqa: E402  (torch is optional, and the recipe is a folder of scripts that no installation knows)

from __future__ import annotations

import io
import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "testbed"))

import numpy as np
from PIL import Image
from recipe.export import export_weights
from recipe.gallery import PEOPLE, SEED, VIEWS, export_gallery
from recipe.networks.captions import EMPTY_CAPTION, PERSON_POSITION, VOCABULARY, tokenise
from recipe.networks.encoders import build_autoencoder, build_image_encoder, build_text_encoder
from recipe.networks.generators import build_generator
from recipe.networks.judge import Judge
from recipe.training.autoencoder import train_autoencoder
from recipe.training.budget import Budget, learning_rate
from recipe.training.encoder import train_encoder
from recipe.training.generator import train_generator
from recipe.training.judge import train_judge
from recipe.training.measures import verification
from recipe.training.settings import Settings
from recipe.training.workshop import Workshop
from recipe.world import World
from recipe.world.rasteriser import rasterise
from recipe.world.sliders import group_sliders
from safetensors import safe_open

from ireu_sdk.testbed.paths import GALLERY, WEIGHTS

pytestmark = pytest.mark.ml

needs_gallery = pytest.mark.skipif(not GALLERY.exists(), reason="the gallery is not here")
needs_weights = pytest.mark.skipif(not WEIGHTS.exists(), reason="the weights are not here")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def people_and_contexts(world):
    rng = torch.Generator().manual_seed(SEED)
    return world.sample_identities(PEOPLE, rng), world.sample_contexts(PEOPLE * VIEWS, rng)


def records():
    return [json.loads(line) for line in (GALLERY / "metadata.jsonl").read_text().splitlines()]


def pixels(file):
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB")).astype(int)


# ---- pictures ---------------------------------------------------------------------------------------------


@needs_gallery
def test_every_caption_and_context_of_the_gallery_is_drawn_again(people_and_contexts):
    _, contexts = people_and_contexts
    shipped = records()
    assert contexts.captions() == [record["caption"] for record in shipped]
    assert [round(float(yaw), 1) for yaw in contexts.yaw] == [record["context"]["yaw"] for record in shipped]


@needs_gallery
def test_first_person_renders_as_in_the_gallery_within_compression_error(world, people_and_contexts):
    identities, contexts = people_and_contexts
    pictures = world.render(identities[torch.zeros(VIEWS, dtype=torch.long)], contexts[:VIEWS])
    for view, picture in enumerate(pictures.permute(0, 2, 3, 1).numpy()):
        shipped = pixels(GALLERY / f"images/p00_{view:02d}.webp")
        error = ((picture - shipped) ** 2).mean()
        assert 10 * np.log10(255**2 / error) > 33, f"view {view} is another picture"
        # Compressed alike, nothing is left but rounding on another processor.
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "webp", quality=95, method=4)
        assert np.abs(pixels(buffer) - shipped).mean() < 0.5, f"view {view} differs beyond compression"


@needs_gallery
def test_gallery_export_writes_the_shipped_files(world, tmp_path):
    export_gallery(world, tmp_path, people=1)
    written = (tmp_path / "metadata.jsonl").read_text().splitlines()
    assert written == (GALLERY / "metadata.jsonl").read_text().splitlines()[: len(written)]
    files = sorted(file.relative_to(tmp_path) for file in tmp_path.rglob("*.webp"))
    assert len(files) == 24
    for file in files:
        assert np.abs(pixels(tmp_path / file) - pixels(GALLERY / file)).mean() < 0.5, file


def test_a_swap_changes_the_person_and_nothing_else(world, people_and_contexts):
    identities, contexts = people_and_contexts
    context = contexts[torch.tensor([0, 0])]
    first, second = world.render(identities[:2], context).int()
    assert (first[:, 30:60, 50:78] != second[:, 30:60, 50:78]).any()
    assert torch.equal(first[:, :64, :8], second[:, :64, :8])  # the wall beside their heads


def test_a_seed_means_the_same_people_again(world):
    first, second = (world.sample_identities(5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(value, second.as_dict()[name]) for name, value in first.as_dict().items())


def test_the_nearer_triangle_wins_a_pixel():
    square = [(2.0, 2.0), (12.0, 2.0), (2.0, 12.0)]
    far, near = ([(x, y, depth) for x, y in square] for depth in (9.0, 5.0))
    screen = torch.tensor([far + near])
    triangles = torch.tensor([[0, 1, 2], [3, 4, 5]])
    both = rasterise(screen, triangles, torch.ones(1, 2, dtype=torch.bool), 16)[0]
    assert both[4, 4] == 1
    assert both[14, 14] == -1
    only_far = rasterise(screen, triangles, torch.tensor([[True, False]]), 16)[0]
    assert torch.equal(only_far >= 0, both >= 0)
    assert only_far.max() == 0


def test_sliders_pair_opposites_and_twins():
    names = ["asian-male-old", "l-eye-size-incr", "r-eye-size-incr", "l-eye-size-decr", "chin-cleft", "plain"]
    assert group_sliders(names) == [("chin-cleft", [4], []), ("eye-size", [1, 2], [3])]


# ---- networks ---------------------------------------------------------------------------------------------


def shipped_shapes(folder):
    (file,) = folder.glob("*.safetensors")
    with safe_open(file, "pt") as weights:
        return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118


@needs_weights
@pytest.mark.parametrize(
    ("folder", "build"),
    [
        ("image_encoder", build_image_encoder),
        ("common/text_encoder", build_text_encoder),
        ("common/vae", build_autoencoder),
        ("generator_a/unet", lambda: build_generator("a").backbone),
        ("generator_a/fusion", lambda: build_generator("a").fusion),
        ("generator_b/transformer", lambda: build_generator("b").backbone),
        ("generator_b/fusion", lambda: build_generator("b").fusion),
    ],
)
def test_networks_have_the_shape_of_the_shipped_weights(folder, build):
    built = {name: tuple(value.shape) for name, value in build().state_dict().items()}
    assert built == shipped_shapes(WEIGHTS / folder)


@needs_weights
def test_judge_has_the_shape_of_the_shipped_one():
    onnx = pytest.importorskip("onnx")
    shipped = onnx.load(str(WEIGHTS / "judge.onnx")).graph.initializer
    # The exporter folds batch normalisation into convolutions and renames those; the others keep their names.
    named = {tensor.name: tuple(tensor.dims) for tensor in shipped if not tensor.name.startswith("onnx::")}
    state = {name: tuple(value.shape) for name, value in Judge().state_dict().items()}
    assert named
    assert named.items() <= state.items()
    folded = sorted(tuple(t.dims) for t in shipped if t.name.startswith("onnx::Conv") and len(t.dims) == 4)
    convolutions = [shape for name, shape in state.items() if len(shape) == 4 and name not in named]
    assert folded == sorted(convolutions)


@needs_weights
def test_captions_are_numbered_as_the_shipped_tokenizer_numbers_them(people_and_contexts):
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(WEIGHTS / "common" / "tokenizer")
    captions = people_and_contexts[1][:20].captions()
    expected = tokenizer(captions, padding="max_length", return_tensors="pt").input_ids
    assert torch.equal(tokenise(captions), expected)
    assert (expected[:, PERSON_POSITION] == VOCABULARY["person"]).all()
    assert torch.equal(EMPTY_CAPTION, tokenizer([""], padding="max_length", return_tensors="pt").input_ids)


# ---- training ---------------------------------------------------------------------------------------------


def test_a_budget_of_steps_is_spent_evenly():
    assert list(Budget(steps=4).shares()) == [0, 0.25, 0.5, 0.75]
    assert list(Budget(seconds=0.0, steps=4).shares()) == []


def test_learning_rate_rises_and_falls():
    rates = [learning_rate(share / 100, peak=1e-3) for share in range(101)]
    assert rates[0] == pytest.approx(1e-6)
    assert max(rates) == pytest.approx(1e-3, rel=0.01)
    assert all(earlier > later for earlier, later in itertools.pairwise(rates[3:]))


def test_verification_of_perfect_and_of_blind_embeddings():
    person = torch.arange(20).repeat_interleave(5)
    perfect = verification(torch.nn.functional.one_hot(person).float(), person)
    assert perfect["auc"] == 1.0
    assert perfect["tar_at_far_1e-3"] == 1.0
    blind = verification(torch.randn(100, 64, generator=torch.Generator().manual_seed(0)), person)
    assert abs(blind["auc"] - 0.5) < 0.1


@pytest.mark.slow
def test_every_stage_trains_and_exports_at_tiny_size(tmp_path):
    settings = replace(
        Settings.tiny(torch.device("cpu")),
        people=4,
        views=2,
        held_out_people=2,
        judge_batch=4,
        encoder_batch=4,
        autoencoder_batch=2,
        generator_batch=2,
        shape_codes=2,
        sampling_steps=1,
    )
    workshop, budget = Workshop(settings, tmp_path / "work"), Budget(steps=2)
    train_judge(workshop, budget)
    train_encoder(workshop, budget)
    train_autoencoder(workshop, budget)
    train_autoencoder(workshop, budget)  # goes on from its checkpoint
    train_generator(workshop, "a", budget)
    train_generator(workshop, "b", budget)
    for name in ("judge", "image_encoder", "autoencoder", "generator_a", "generator_b"):
        assert workshop.checkpoints.figures(name), name
    export_weights(workshop.checkpoints, tmp_path / "weights")
    if WEIGHTS.exists():
        shipped = {file.relative_to(WEIGHTS) for file in WEIGHTS.rglob("*") if file.is_file()}
        exported = {file.relative_to(tmp_path / "weights") for file in (tmp_path / "weights").rglob("*.*")}
        assert exported == shipped
