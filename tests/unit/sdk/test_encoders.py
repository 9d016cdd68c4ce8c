"""Encoders from folders: loaded whole or refused, saved as they were read, hashed as they are."""

# ruff: noqa: E402  (torch is optional)

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from fixtures.networks import SIDE, save_clip_tower, save_recogniser, save_whole_clip
from fixtures.pictures import draw_face, encode
from safetensors.torch import load_file, save_file

from ireu_governance.core.errors import EncoderError, ErrorCode, InputError
from ireu_governance.files import hash_file, hash_folder
from ireu_sdk.encoders import load_encoder
from ireu_sdk.encoders.base import Tap
from ireu_sdk.encoders.clip import ClipEncoder
from ireu_sdk.encoders.preparation import CLIP_MEAN
from ireu_sdk.faces.portraits import Person, decode_portrait
from ireu_sdk.faces.presence import refuse_faceless
from ireu_sdk.faces.recognisers import OnnxRecogniser, load_recogniser
from ireu_sdk.generators.sources import load_generator
from ireu_sdk.testbed.paths import WEIGHTS
from ireu_sdk.toolbox import load_toolbox

pytestmark = pytest.mark.ml

FACES = [draw_face(1, 0, size=(300, 200)), draw_face(2, 0, size=(90, 160)), draw_face(3, 0)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("encoders")
    return {
        "tower": save_clip_tower(base / "tower"),
        "whole": save_whole_clip(base / "whole"),
        "half": save_clip_tower(base / "half", dtype=torch.float16),
    }


@pytest.fixture
def folder(folders: dict[str, Path], tmp_path: Path) -> Path:
    """Return a copy of a tower that may be broken."""
    return Path(shutil.copytree(folders["tower"], tmp_path / "encoder"))


def refused(folder: Path, code: ErrorCode = ErrorCode.ENCODER_UNLOADABLE, **options: bool) -> EncoderError:
    with pytest.raises(EncoderError) as caught:
        load_encoder(str(folder), **options)
    assert caught.value.code is code
    return caught.value


# Loading


@pytest.mark.parametrize("kind", ["tower", "whole", "half"])
def test_encoder_of_any_size_gives_every_tap(folders: dict[str, Path], kind: str) -> None:
    encoder = load_encoder(str(folders[kind]))
    pixels = encoder.preprocess(FACES)
    assert pixels.shape == (3, 3, SIDE, SIDE)
    shapes = {tap.value: tuple(encoder.encode(pixels, tap=tap).shape[1:]) for tap in Tap}
    assert shapes == {"image_embeds": (24,), "pooled": (32,), "penultimate": (10, 32), "last_tokens": (10, 32)}
    assert encoder.artifact == hash_folder(folders[kind])
    assert encoder.name == "clip-vision-32x2-p16-48px"


@pytest.mark.parametrize("kind", ["tower", "whole"])
def test_taps_are_what_transformers_gives(folders: dict[str, Path], kind: str) -> None:
    from transformers import CLIPModel, CLIPVisionModelWithProjection

    encoder = load_encoder(str(folders[kind]))
    pixels = encoder.preprocess(FACES)
    with torch.no_grad():
        if kind == "whole":
            whole = CLIPModel.from_pretrained(folders[kind]).eval()
            vision = whole.vision_model(pixel_values=pixels, output_hidden_states=True)
            embeds, pooled = whole.visual_projection(vision.pooler_output), vision.pooler_output
        else:
            tower = CLIPVisionModelWithProjection.from_pretrained(folders[kind]).eval()
            vision = tower.vision_model(pixel_values=pixels, output_hidden_states=True)
            embeds, pooled = tower(pixel_values=pixels).image_embeds, vision.pooler_output
    for tap, expected in (
        (Tap.IMAGE_EMBEDS, embeds),
        (Tap.POOLED, pooled),
        (Tap.PENULTIMATE, vision.hidden_states[-2]),
        (Tap.LAST_TOKENS, vision.hidden_states[-1]),
    ):
        assert torch.allclose(encoder.encode(pixels, tap=tap), expected, atol=1e-5), tap


def test_tap_is_taken_by_its_name_and_an_unknown_one_is_none_of_the_others(folders: dict[str, Path]) -> None:
    encoder = load_encoder(str(folders["tower"]))
    pixels = encoder.preprocess(FACES)
    for tap in Tap:
        assert torch.equal(encoder.encode(pixels, tap=tap.value), encoder.encode(pixels, tap=tap))
    with pytest.raises(ValueError, match="cls"):
        encoder.encode(pixels, tap="cls")


def test_features_do_not_depend_on_the_batch(folders: dict[str, Path]) -> None:
    encoder = load_encoder(str(folders["tower"]))
    pixels = encoder.preprocess(FACES)
    assert torch.allclose(encoder.encode(pixels, batch_size=1), encoder.encode(pixels), atol=1e-6)


def test_tower_without_a_preprocessor_file_takes_clips_own_statistics(folders: dict[str, Path]) -> None:
    from PIL import Image

    grey = Image.new("RGB", (SIDE, SIDE), (128, 128, 128))
    pixels = load_encoder(str(folders["tower"])).preprocess([grey])
    spread = (0.26862954, 0.26130258, 0.27577711)
    expected = [(128 / 255 - mean) / std for mean, std in zip(CLIP_MEAN, spread, strict=True)]
    assert pixels[0, :, 5, 5].tolist() == pytest.approx(expected, abs=1e-5)


def test_old_preprocessor_files_are_read(folders: dict[str, Path]) -> None:
    with_file, without = (load_encoder(str(folders[kind])) for kind in ("whole", "tower"))
    assert torch.allclose(with_file.preprocess(FACES), without.preprocess(FACES), atol=1e-6)


def test_loading_a_whole_clip_says_nothing_about_its_text_tower(
    folders: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    load_encoder(str(folders["whole"]))
    assert capfd.readouterr() == ("", "")


# Saving


@pytest.mark.parametrize("kind", ["tower", "whole", "half"])
def test_saved_encoder_is_the_same_encoder_in_the_same_number_format(
    folders: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    encoder = load_encoder(str(folders[kind]))
    encoder.save(tmp_path / "saved")
    again = load_encoder(str(tmp_path / "saved"))
    pixels = encoder.preprocess(FACES)
    assert torch.equal(again.preprocess(FACES), pixels)
    assert torch.equal(again.encode(pixels), encoder.encode(pixels))
    formats = {t.dtype for t in load_file(tmp_path / "saved" / "model.safetensors").values()}
    assert formats == {torch.float16 if kind == "half" else torch.float32}
    assert {p.suffix for p in (tmp_path / "saved").iterdir()} <= {".json", ".safetensors"}


def test_what_is_saved_does_not_tell_where_it_was_saved(folders: dict[str, Path], tmp_path: Path) -> None:
    encoder = load_encoder(str(folders["tower"]))
    for name in ("one", "two-with-a-telling-name"):
        encoder.save(tmp_path / name)
    assert hash_folder(tmp_path / "one") == hash_folder(tmp_path / "two-with-a-telling-name")
    for file in (tmp_path / "two-with-a-telling-name").iterdir():
        assert b"telling" not in file.read_bytes()


def test_training_a_copy_leaves_the_original_alone(folders: dict[str, Path]) -> None:
    encoder = load_encoder(str(folders["tower"]))
    copy = encoder.copy()
    with torch.no_grad():
        next(iter(copy.module.parameters())).add_(1.0)
    pixels = encoder.preprocess(FACES)
    assert not torch.equal(copy.encode(pixels), encoder.encode(pixels))


# Refusals


def test_pickle_beside_the_weights_is_refused_by_name(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    error = refused(folder, ErrorCode.ENCODER_UNSAFE)
    assert "pytorch_model.bin" in error.message
    assert "--allow-pickle" in error.hint


@pytest.mark.parametrize("name", ["sub/optimizer.PT", ".hidden.pkl", "model.ckpt"])
def test_pickle_is_found_wherever_it_lies(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    refused(folder, ErrorCode.ENCODER_UNSAFE)


def test_pickled_weights_are_read_only_when_they_are_allowed(folder: Path) -> None:
    expected = load_encoder(str(folder))
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    refused(folder, ErrorCode.ENCODER_UNSAFE)
    loaded = load_encoder(str(folder), allow_pickle=True)
    pixels = expected.preprocess(FACES)
    assert torch.equal(loaded.encode(pixels), expected.encode(pixels))


def test_pickle_that_would_run_code_does_not_even_when_pickles_are_allowed(folder: Path, tmp_path: Path) -> None:
    """torch reads pickles with `weights_only`; what calls a function in one is refused, not run."""
    (folder / "model.safetensors").unlink()
    trace = tmp_path / "ran"
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch " + str(trace).encode() + b"'\ntR.")
    refused(folder, ErrorCode.ENCODER_UNSAFE, allow_pickle=True)
    assert not trace.exists()


@pytest.mark.parametrize(
    "content",
    [
        "not json", "[]", "{}", '{"model_type": "bert"}', '{"model_type": []}',
        '{"model_type": "clip_vision_model", "hidden_size": "x"}',
    ],
)  # fmt: skip
def test_config_of_something_else_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    refused(folder)


def test_folder_without_config_or_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "elsewhere.txt")
    assert "safetensors" in refused(folder).message
    (folder / "config.json").unlink()
    assert "config.json" in refused(folder).message


@pytest.mark.parametrize("cut", [0, 4, 1000, -1])
def test_truncated_weights_are_refused(folder: Path, cut: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:cut])
    refused(folder)


def test_weights_that_lack_a_tensor_are_not_filled_up_with_random_ones(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("visual_projection.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert "visual_projection" in refused(folder).message


def test_weights_of_another_shape_are_not_replaced_by_random_ones(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "projection_dim": 25}))
    assert "visual_projection" in refused(folder).message


@pytest.mark.parametrize("source", ["nowhere", "models", "https://example.org/encoder", "hf:not/a/name", "hf:no/such"])
def test_unknown_source_is_refused_with_a_hint(source: str) -> None:
    with pytest.raises((InputError, EncoderError)) as caught:
        load_encoder(source)
    assert caught.value.hint or "no name" in caught.value.message


@pytest.mark.parametrize("text", ["{", "[]", '{"size": "large"}', '{"image_mean": "grey"}', '{"size": {"height": -1}}'])
def test_broken_preprocessor_file_is_refused(folder: Path, text: str) -> None:
    (folder / "preprocessor_config.json").write_text(text)
    refused(folder)


def test_preprocessor_file_of_another_encoder_is_refused(folder: Path) -> None:
    settings = {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    assert "64×64" in refused(folder).message


# Recognisers and generators


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_recogniser(tmp_path_factory.mktemp("judge") / "secret-project.onnx")


def test_any_arcface_shaped_network_can_judge(judge: Path) -> None:
    recogniser = load_recogniser(str(judge))
    embeddings = recogniser.embed([*FACES, FACES[0]])
    assert embeddings.shape == (4, 512)
    assert (embeddings**2).sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert embeddings[0] == pytest.approx(embeddings[3])
    assert float(embeddings[0] @ embeddings[1]) < 0.999
    assert recogniser.digest == hash_file(judge)
    assert "secret" not in recogniser.name


def test_recogniser_looks_at_the_crop_that_its_file_names(judge: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(judge, tmp_path / "judge.onnx"))
    face = draw_face(1, 0, size=(128, 128))
    whole = OnnxRecogniser(file).embed([face])
    crop = {"portrait_size": 128, "crop": {"top": 4, "left": 8, "size": 112}}
    file.with_suffix(".json").write_text(json.dumps(crop))
    inner = OnnxRecogniser(file).embed([face])
    expected = OnnxRecogniser(judge).embed([face.crop((8, 4, 120, 116))])
    assert inner == pytest.approx(expected, abs=1e-5)
    assert abs(whole - inner).max() > 1e-3


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"crop": 1}', '{"portrait_size": 64, "crop": {"top": 0, "left": 0, "size": 112}}']
)
def test_crop_that_cannot_be_is_refused(judge: Path, tmp_path: Path, text: str) -> None:
    file = Path(shutil.copy(judge, tmp_path / "judge.onnx"))
    file.with_suffix(".json").write_text(text)
    with pytest.raises(InputError):
        OnnxRecogniser(file)


@pytest.mark.parametrize("content", [b"", b"not onnx", b"\x08\x07"])
def test_file_that_is_no_network_cannot_judge(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "judge.onnx").write_bytes(content)
    with pytest.raises(InputError):
        load_recogniser(str(tmp_path / "judge.onnx"))


@pytest.mark.parametrize("source", ["nowhere.onnx", "insightface:no-such-pack", "insightface:/nowhere"])
def test_absent_recogniser_is_refused_with_a_hint(source: str) -> None:
    with pytest.raises(InputError) as caught:
        load_recogniser(source)
    assert caught.value.code is ErrorCode.INPUT_MISSING
    assert caught.value.hint


def test_photo_of_somebody_else_is_found_by_the_judge_and_the_person_alone_passes() -> None:
    from ireu_sdk.testbed import gallery_person

    recogniser = load_recogniser("testbed")
    mine, other = gallery_person(0), gallery_person(20)
    assert refuse_faceless([Person(portraits=mine.portraits[:4])], recogniser, threshold=0.4)
    mixed = Person(portraits=(*mine.portraits[:3], other.portraits[0]))
    with pytest.raises(InputError) as caught:
        refuse_faceless([mixed], recogniser, threshold=0.4)
    assert caught.value.code is ErrorCode.PORTRAIT_NO_FACE
    assert other.portraits[0].stem in caught.value.message


def test_single_photo_is_reported_as_unchecked() -> None:
    photo = decode_portrait(encode(draw_face(1, 0), "png"), name="x")
    assert not refuse_faceless([Person(portraits=(photo,))], load_recogniser("testbed"), threshold=0.4)


@pytest.mark.parametrize("source", ["testbed:c", "nowhere", ""])
def test_unknown_generator_is_refused(source: str) -> None:
    with pytest.raises(InputError):
        load_generator(source)


def test_generator_folder_of_a_foreign_pipeline_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(InputError) as caught:
        load_generator(str(tmp_path))
    assert "none" in caught.value.hint


def test_portraits_without_a_recogniser_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_toolbox(encoder=str(folders["tower"]), generators=(str(tmp_path),))
    assert "--judge" in caught.value.hint


def test_generator_at_another_tap_would_not_see_the_removal_and_is_refused() -> None:
    with pytest.raises(InputError, match="tap"):
        load_toolbox(encoder="testbed", generators=("testbed:a",), tap=Tap.PENULTIMATE)


def test_generator_draws_the_same_picture_alone_and_in_company() -> None:
    generator = load_generator("testbed:a")
    features = ClipEncoder.load(WEIGHTS / "image_encoder")
    z = features.encode(features.preprocess(FACES))
    prompt = "a portrait of a person smiling"
    together = generator.generate(z, prompts=[prompt] * 3, seeds=[1, 2, 3], steps=1)
    alone = generator.generate(z[1:2], prompts=[prompt], seeds=[2], steps=1)
    assert (together[1].int() - alone[0].int()).abs().max() <= 1
    assert together.shape == (3, 3, 128, 128)
    with pytest.raises(EncoderError, match="24"):
        generator.generate(torch.zeros(1, 24), prompts=[prompt], seeds=[1], steps=1)


def test_looked_up_pixels_are_bit_by_bit_those_of_the_processor(folders: dict[str, Path]) -> None:
    for kind in ("tower", "whole"):
        preparation = load_encoder(str(folders[kind]))._preparation
        whole = preparation._processor(images=[face.convert("RGB") for face in FACES], return_tensors="np")
        assert torch.equal(preparation(FACES), torch.from_numpy(whole["pixel_values"]))
