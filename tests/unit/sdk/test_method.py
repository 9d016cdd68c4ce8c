"""The method of arXiv 2606.29880: masks, targets, blends, batches, settings, training."""

# ruff: noqa: E402  (torch is optional)

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from fixtures.networks import SIDE, save_clip_tower
from fixtures.pictures import draw_face, encode
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, RunInterruptedError
from ireu_governance.files import hash_folder
from ireu_sdk.encoders.base import Tap
from ireu_sdk.encoders.clip import ClipEncoder
from ireu_sdk.faces.portraits import FacePair, Person, decode_portrait
from ireu_sdk.unlearning.localise import describe_masks, mask_identity
from ireu_sdk.unlearning.settings import UnlearningSettings, choose_settings
from ireu_sdk.unlearning.state import TrainingState
from ireu_sdk.unlearning.targets import TrainingTargets, compute_targets
from ireu_sdk.unlearning.train import SAVE_EVERY, StepLog, draw_rows, train

pytestmark = pytest.mark.ml


def make_person(number: int, *, photos: int = 2, anchors: tuple[int, ...] = ()) -> Person:
    """Return a drawn person; with anchors, their first photo is swapped with each of them."""
    portraits = tuple(decode_portrait(encode(draw_face(number, p), "png"), name="drawn") for p in range(photos))
    pairs = tuple(FacePair(photo=0, swapped=draw_face(anchor, 0, context_of=number)) for anchor in anchors)
    return Person(portraits=portraits, pairs=pairs)


FORGET = [make_person(0, anchors=(10, 11))]
RETAIN = [make_person(n) for n in (1, 2, 3)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> ClipEncoder:
    return ClipEncoder.load(save_clip_tower(tmp_path_factory.mktemp("encoder") / "tower"))


def choose(**settings: object) -> UnlearningSettings:
    return choose_settings(people=1, **{"blends": 0, "steps": 5, **settings})


def weights_digest(encoder: ClipEncoder, folder: Path) -> str:
    encoder.save(folder)
    return hash_folder(folder).digest


# Masks


@given(
    values=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=60),
    k=st.floats(0.01, 1.0),
)
def test_mask_keeps_exactly_the_k_share_and_the_largest(values: list[float], k: float) -> None:
    difference = torch.tensor([values])
    mask = mask_identity(difference, k=k)
    kept = mask.bool()[0]
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert int(kept.sum()) == max(1, round(k * len(values)))
    if not kept.all():
        assert difference[0][kept].abs().min() >= difference[0][~kept].abs().max()


def test_mask_of_tokens_counts_over_all_dimensions_of_a_row() -> None:
    difference = torch.arange(2 * 3 * 4, dtype=torch.float32).view(2, 3, 4)
    mask = mask_identity(difference, k=0.5)
    assert mask.shape == difference.shape
    assert mask.flatten(1).sum(1).tolist() == [6.0, 6.0]
    assert mask[0].flatten().tolist() == [0.0] * 6 + [1.0] * 6


def test_report_states_energy_and_overlap_of_masks_of_the_same_photo_only() -> None:
    difference = torch.tensor([[3.0, 4.0, 0.0, 0.0], [3.0, 0.0, 4.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    masks = torch.tensor([[1.0, 1, 0, 0], [1.0, 0, 0, 1], [0.0, 0, 1, 1]])
    report = describe_masks(masks, difference, [(0, 0), (0, 0), (0, 1)])
    assert report.overlap == pytest.approx(0.5)
    assert report.energy == pytest.approx((1 + 9 / 25 + 1) / 3)
    assert report.kept == 0.5
    assert describe_masks(masks[1:], difference[1:], [(0, 0), (0, 1)]).overlap is None


# Targets


def test_targets_are_the_papers_formula(encoder: ClipEncoder) -> None:
    targets = compute_targets(encoder, forget=FORGET, retain=RETAIN, settings=choose(alpha=-1.5, k=0.4))
    photo = FORGET[0].portraits[0].image
    z = encoder.encode(encoder.preprocess([photo, photo]))
    z_f = encoder.encode(encoder.preprocess([pair.swapped for pair in FORGET[0].pairs]))
    difference = z - z_f
    kept = round(0.4 * z.shape[1])
    for row in range(2):
        order = difference[row].abs().argsort(descending=True)
        assert set(targets.masks[row].nonzero().flatten().tolist()) == set(order[:kept].tolist())
    assert torch.allclose(targets.forget.wanted, z - 1.5 * targets.masks * difference, atol=1e-6)
    plus = encoder.encode(encoder.preprocess([p.image for person in RETAIN for p in person.portraits]))
    assert torch.allclose(targets.retain.wanted, plus, atol=1e-6)


def test_without_a_step_the_virtual_identity_is_the_person(encoder: ClipEncoder) -> None:
    targets = compute_targets(encoder, forget=FORGET, retain=RETAIN, settings=choose(alpha=0.0))
    z = encoder.encode(targets.forget.pixels)
    assert torch.equal(targets.forget.wanted, z)


def test_global_baseline_moves_every_dimension(encoder: ClipEncoder) -> None:
    targets = compute_targets(encoder, forget=FORGET, retain=RETAIN, settings=choose(method="global"))
    assert bool((targets.masks == 1).all())
    assert targets.report.kept == 1.0


@pytest.mark.parametrize("tap", list(Tap))
def test_targets_have_the_shape_of_their_tap(encoder: ClipEncoder, tap: Tap) -> None:
    targets = compute_targets(encoder, forget=FORGET, retain=RETAIN, settings=choose(tap=tap))
    shape = {"image_embeds": (24,), "pooled": (32,), "penultimate": (10, 32), "last_tokens": (10, 32)}[tap.value]
    assert targets.forget.wanted.shape == (2, *shape)
    assert targets.retain.wanted.shape == (6, *shape)


def test_only_photos_with_swaps_are_trained_on() -> None:
    assert FORGET[0].trained == (0,)
    assert FORGET[0].unseen == (1,)


# Blends


def test_plain_rows_of_the_pool_are_the_photos_bit_for_bit_and_come_first(encoder: ClipEncoder) -> None:
    targets = compute_targets(encoder, forget=FORGET, retain=RETAIN, settings=choose(blends=7))
    photos = encoder.preprocess([p.image for person in RETAIN for p in person.portraits])
    pixels, wanted = targets.retain.batch(torch.arange(len(photos)))
    assert torch.equal(pixels, photos)
    assert torch.allclose(wanted, encoder.encode(photos), atol=1e-6)
    assert len(targets.retain) == len(photos) + 7
    assert len(targets.forget) == len(FORGET[0].pairs)


def test_what_is_wanted_of_a_blend_is_the_original_encoders_answer_to_it(encoder: ClipEncoder) -> None:
    targets = compute_targets(encoder, forget=FORGET, retain=RETAIN, settings=choose(blends=7))
    rows = torch.arange(6, 13)
    pixels, wanted = targets.retain.batch(rows)
    assert torch.allclose(wanted, encoder.encode(pixels), atol=1e-5)
    photos = targets.retain.pixels
    assert all(not torch.equal(blend, photo) for blend in pixels for photo in photos)


def test_same_seed_draws_the_same_blends_and_another_seed_others(encoder: ClipEncoder) -> None:
    pixels = []
    for seed in (5, 5, 6):
        targets = compute_targets(encoder, forget=FORGET, retain=RETAIN, settings=choose(blends=7, seed=seed))
        pixels.append(targets.retain.batch(torch.arange(6, 13))[0])
    assert torch.equal(pixels[0], pixels[1])
    assert not torch.equal(pixels[0], pixels[2])


def test_without_blends_the_pool_is_the_photos(encoder: ClipEncoder) -> None:
    targets = compute_targets(encoder, forget=FORGET, retain=RETAIN, settings=choose(blends=0))
    assert len(targets.retain) == 6


# Batches


@given(seed=st.integers(0, 2**31 - 1), step=st.integers(0, 10**6), stream=st.integers(0, 1))
def test_batches_depend_on_seed_and_step_only(seed: int, step: int, stream: int) -> None:
    before = torch.get_rng_state()
    first = draw_rows(1000, 8, seed=seed, step=step, stream=stream)
    torch.rand(3)
    again = draw_rows(1000, 8, seed=seed, step=step, stream=stream)
    torch.set_rng_state(before)
    assert torch.equal(first, again)
    assert not torch.equal(first, draw_rows(1000, 8, seed=seed, step=step + 1, stream=stream))
    assert not torch.equal(first, draw_rows(1000, 8, seed=seed, step=step, stream=1 - stream))


# Settings


def test_paper_preset_has_the_papers_numbers() -> None:
    one, five = (choose_settings(people=n, preset="paper") for n in (1, 5))
    assert (one.k, one.alpha, one.lambda_, one.lr, one.batch_size, one.steps) == (0.4, 100.0, 0.1, 1e-5, 1, 1000)
    assert five.steps == 12_000
    assert (one.blends, one.warmup, one.decay, one.tap) == (0, 0, "none", Tap.IMAGE_EMBEDS)
    assert {one.rate(step) for step in (0, 1, 500, 999)} == {1e-5}


def test_chosen_settings_win_over_the_preset_and_none_means_not_chosen() -> None:
    settings = choose_settings(people=1, preset="paper", k=0.7, alpha=None)
    assert (settings.k, settings.alpha, settings.preset) == (0.7, 100.0, "paper")


def test_more_people_get_more_steps() -> None:
    assert choose_settings(people=5).steps > choose_settings(people=1).steps


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("k", 0.0), ("k", 1.1), ("k", float("nan")), ("alpha", float("inf")), ("alpha", "much"), ("lambda_", -1.0),
        ("lr", 0.0), ("lr", 1.0), ("steps", 0), ("steps", 10**7), ("batch_size", 0), ("retain_ratio", 0),
        ("blends", -1), ("seed", -1), ("warmup", -1), ("decay", "linear"), ("method", "erase"), ("tap", "cls"),
        ("typo", 1),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        choose_settings(people=1, **{name: value})
    assert f"'{name.rstrip('_')}'" in caught.value.message
    assert caught.value.hint


def test_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        choose_settings(people=1, preset="fast")
    assert "paper" in caught.value.hint


def test_rate_rises_over_the_warmup_and_falls_to_nothing() -> None:
    settings = choose(steps=100, warmup=10, decay="cosine", lr=1e-3)
    rates = [settings.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) <= 1e-3
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 1e-6


# Training


@pytest.fixture(scope="module")
def targets(encoder: ClipEncoder) -> TrainingTargets:
    return compute_targets(encoder, forget=FORGET, retain=RETAIN, settings=choose(blends=10))


TRAINING = {"lambda_": 1.0, "blends": 10, "steps": 12, "batch_size": 2, "warmup": 0, "lr": 1e-3}


def run(
    encoder: ClipEncoder, targets: TrainingTargets, folder: Path, *, stop_at: int | None = None, **changes: object
) -> tuple[str, list[StepLog]]:
    """Train a copy and return its digest and steps; with `stop_at`, Ctrl-C is pressed in that step."""
    folder.mkdir(exist_ok=True)
    logs: list[StepLog] = []

    def look(log: StepLog) -> None:
        logs.append(log)
        if log.step == stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    state = TrainingState(folder, fingerprint="f")
    student = train(encoder.copy(), targets, choose(**{**TRAINING, **changes}), state=state, on_step=look)
    return weights_digest(student, folder / f"encoder-{len(list(folder.iterdir()))}"), logs


def test_training_lowers_the_forget_loss_and_leaves_the_original_alone(
    encoder: ClipEncoder, targets: TrainingTargets, tmp_path: Path
) -> None:
    before = {name: value.clone() for name, value in encoder.module.state_dict().items()}
    (tmp_path / "run").mkdir()
    logs: list[StepLog] = []
    student = train(
        encoder.copy(), targets, choose(**{**TRAINING, "steps": 60, "lambda_": 3.0}),
        state=TrainingState(tmp_path / "run", fingerprint="f"), on_step=logs.append,
    )  # fmt: skip

    def distance(moved: ClipEncoder) -> float:
        return float((moved.encode(targets.forget.pixels) - targets.forget.wanted).norm(dim=1).mean())

    assert len(logs) == 60
    assert distance(student) < 0.8 * distance(encoder)
    assert all(torch.equal(value, before[name]) for name, value in encoder.module.state_dict().items())
    for log in logs:
        assert log.loss == pytest.approx(3.0 * log.forget_loss + log.retain_loss, rel=1e-5)


def test_first_forget_loss_is_the_distance_to_the_virtual_identity(
    encoder: ClipEncoder, targets: TrainingTargets, tmp_path: Path
) -> None:
    _, logs = run(encoder, targets, tmp_path / "run", steps=1)
    rows = draw_rows(len(targets.forget), 2, seed=0, step=0, stream=0)
    pixels, wanted = targets.forget.batch(rows)
    assert logs[0].forget_loss == pytest.approx(float((encoder.encode(pixels) - wanted).norm(dim=1).mean()), rel=1e-4)
    assert logs[0].retain_loss == pytest.approx(0.0, abs=1e-4)


def test_same_seed_gives_the_same_weights_and_another_seed_others(
    encoder: ClipEncoder, targets: TrainingTargets, tmp_path: Path
) -> None:
    digests = [run(encoder, targets, tmp_path / str(n), seed=seed)[0] for n, seed in enumerate((3, 3, 4))]
    assert digests[0] == digests[1] != digests[2]


def test_stopped_and_resumed_training_ends_with_the_weights_of_an_unstopped_one(
    encoder: ClipEncoder, targets: TrainingTargets, tmp_path: Path
) -> None:
    whole, _ = run(encoder, targets, tmp_path / "whole")
    with pytest.raises(RunInterruptedError) as caught:
        run(encoder, targets, tmp_path / "stopped", stop_at=4)
    assert "step 5 of 12" in caught.value.message
    digest, logs = run(encoder, targets, tmp_path / "stopped")
    assert [log.step for log in logs] == list(range(5, 12))
    assert digest == whole
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_killed_training_goes_on_from_the_last_saved_state(
    encoder: ClipEncoder, targets: TrainingTargets, tmp_path: Path
) -> None:
    steps = SAVE_EVERY + 4
    whole, _ = run(encoder, targets, tmp_path / "whole", steps=steps)

    class Killed(BaseException):
        """As if the process were gone."""

    def die(log: StepLog) -> None:
        if log.step == SAVE_EVERY + 2:
            raise Killed

    folder = tmp_path / "killed"
    folder.mkdir()
    with pytest.raises(Killed):
        train(
            encoder.copy(), targets, choose(**{**TRAINING, "steps": steps}),
            state=TrainingState(folder, fingerprint="f"), on_step=die,
        )  # fmt: skip
    digest, logs = run(encoder, targets, folder, steps=steps)
    assert logs[0].step == SAVE_EVERY
    assert digest == whole


def test_state_of_another_removal_is_not_continued(
    encoder: ClipEncoder, targets: TrainingTargets, tmp_path: Path
) -> None:
    with pytest.raises(RunInterruptedError):
        run(encoder, targets, tmp_path / "run", stop_at=1)
    with pytest.raises(ConfigError) as caught:
        train(encoder.copy(), targets, choose(**TRAINING), state=TrainingState(tmp_path / "run", fingerprint="other"))
    assert caught.value.code is ErrorCode.RUN_NOT_RESUMABLE


@pytest.mark.parametrize("cut", [0, 7, 200, -1])
def test_damaged_state_is_refused_and_not_continued(
    encoder: ClipEncoder, targets: TrainingTargets, tmp_path: Path, cut: int
) -> None:
    with pytest.raises(RunInterruptedError):
        run(encoder, targets, tmp_path / "run", stop_at=1)
    file = tmp_path / "run" / "training.safetensors"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ConfigError) as caught:
        run(encoder, targets, tmp_path / "run")
    assert caught.value.code is ErrorCode.RUN_NOT_RESUMABLE


def test_second_interrupt_is_not_swallowed(encoder: ClipEncoder, targets: TrainingTargets, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()

    def press_twice(_: StepLog) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(
            encoder.copy(), targets, choose(**TRAINING), state=TrainingState(folder, fingerprint="f"),
            on_step=press_twice,
        )  # fmt: skip


def test_small_encoder_is_the_size_that_was_asked_for(encoder: ClipEncoder) -> None:
    assert encoder.preprocess([draw_face(1, 0, size=(300, 200))]).shape == (1, 3, SIDE, SIDE)
