"""Not only the testbed: encoders of other shapes, photos of other sizes and formats, no generator, no judge."""

# ruff: noqa: E402  (torch is optional)

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from fixtures.command import Ireu
from fixtures.networks import save_clip_tower, save_recogniser, save_whole_clip
from fixtures.pictures import draw_face, encode, write_people
from PIL import Image
from safetensors.torch import load_file

from ireu_governance.workspace import Workspace
from ireu_sdk.tracking import Tracker

pytestmark = [pytest.mark.ml, pytest.mark.slow]


@dataclass(frozen=True)
class Studio:
    """A workspace, and photos as people have them."""

    workspace: Workspace
    folder: Path

    def arguments(self, encoder: Path, *more: str) -> list[str]:
        photos = [word for name in ("forget", "retain", "swap") for word in (f"--{name}", str(self.folder / name))]
        return [
            "-w", str(self.workspace.root), "unlearn", "--encoder", str(encoder), *photos,
            "--steps", "6", "--batch-size", "2", *more, "--json",
        ]  # fmt: skip


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    folder = tmp_path_factory.mktemp("studio")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    face = [draw_face(0, n, size=(300, 200)) for n in range(7)]
    files = {
        "0.jpg": encode(face[0].transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif),
        "1.png": encode(face[1].convert("RGBA"), "PNG"),
        "2.tiff": encode(face[2].convert("L"), "TIFF"),
        "3.webp": encode(face[3], "WEBP", quality=90),
        "4.PNG": encode(face[4].resize((90, 400)), "PNG"),
        "5.JPEG": encode(face[5].convert("L"), "JPEG"),
        "6.bmp": encode(face[6], "BMP"),
    }
    (folder / "forget").mkdir()
    (folder / "swap" / "1").mkdir(parents=True)
    for name, data in files.items():
        (folder / "forget" / name).write_bytes(data)
    # The swap of the turned photo is upright already, as swap tools write it; the others are of other sizes.
    draw_face(90, 0, size=(300, 200), context_of=0).save(folder / "swap" / "0_as_x.png")
    draw_face(91, 1, size=(150, 100), context_of=0).save(folder / "swap" / "1" / "anything.jpg")
    draw_face(92, 2, size=(600, 400), context_of=0).convert("L").save(folder / "swap" / "2_as_y.webp")
    write_people(folder / "retain", range(1, 6), size=(300, 200))
    write_people(folder / "retain", range(6, 9), size=(64, 96))
    workspace = Workspace.create(folder / "workspace", organisation="X")
    Tracker(workspace.root)
    return Studio(workspace, folder)


ENCODERS = {"tower": save_clip_tower, "whole": save_whole_clip}


@pytest.mark.parametrize(
    ("kind", "tap"),
    [
        ("tower", "image_embeds"), ("tower", "pooled"), ("tower", "penultimate"), ("tower", "last_tokens"),
        ("whole", "image_embeds"),
    ],
)  # fmt: skip
def test_any_clip_encoder_is_unlearned_and_the_record_says_what_was_and_was_not_tested(
    studio: Studio, ireu: Ireu, tmp_path: Path, kind: str, tap: str
) -> None:
    encoder = ENCODERS[kind](tmp_path / "encoder")
    done = ireu(*studio.arguments(encoder, "--tap", tap))
    assert done.err == ""
    result = done.document
    assert done.code == {"holds": 0, "inconclusive": 2}.get(result["verdict"], 1)
    assert result["table"] == {}
    assert result["grids"] == {}
    assert not result["face_check"]
    with studio.workspace.open_ledger() as ledger:
        removal = ledger.statement(ledger.entry(result["removal_entry"])).predicate
        request = ledger.statement(ledger.entry(removal.request_seq)).predicate
        verification = ledger.statement(ledger.entry(result["verification_entry"])).predicate
    assert [(test.name, test.generator, test.generator_digest) for test in request.plan.tests] == [
        ("features/feature-match", "none", None)
    ]
    assert removal.method.tap == tap
    assert removal.architecture == "clip-vision-32x2-p16-48px"
    assert removal.counts["forget-pairs"] == 3
    assert verification.extractor is None
    (score,) = [s for s in verification.cases[0].scores if s.name == "features/feature-match"]
    assert score.n == 7
    before, after = (load_file(folder / "model.safetensors") for folder in (encoder, Path(result["encoder"])))
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed
    # What lies behind a tap gets no gradient from it, and must be as it was.
    behind = {
        "image_embeds": (), "pooled": ("visual_projection",), "last_tokens": ("visual_projection", "post_layernorm"),
        "penultimate": ("visual_projection", "post_layernorm", "layers.1."),
    }[tap]  # fmt: skip
    assert not [name for name in changed if any(part in name for part in behind)]
    if result["verdict"] == "holds":
        key = studio.workspace.key_file_path
        assert (
            ireu("certificate", "verify", result["certificate"], "--key", key, "--encoder", result["encoder"]).code == 0
        )
    else:
        assert result["certificate"] is None
        assert ireu("-w", studio.workspace.root, "certificate", "issue", "--case", result["case_ids"][0]).code in (1, 2)


def test_result_of_one_removal_is_the_start_of_the_next(studio: Studio, ireu: Ireu, tmp_path: Path) -> None:
    first = ireu(*studio.arguments(save_whole_clip(tmp_path / "encoder"))).document
    second = ireu(*studio.arguments(Path(first["encoder"]))).document
    with studio.workspace.open_ledger() as ledger:
        removal = ledger.statement(ledger.entry(second["removal_entry"])).predicate
    assert removal.encoder_before.sha256 == first["encoder_digest"] != second["encoder_digest"]
    assert first["model"].split("/")[0] == second["model"].split("/")[0]
    assert int(second["model"].split("/")[1]) == int(first["model"].split("/")[1]) + 1


def test_pickled_encoder_is_used_only_when_allowed_and_the_ledger_says_so(
    studio: Studio, ireu: Ireu, tmp_path: Path
) -> None:
    encoder = save_clip_tower(tmp_path / "encoder")
    torch.save(load_file(encoder / "model.safetensors"), encoder / "pytorch_model.bin")
    (encoder / "model.safetensors").unlink()
    refused = ireu(*studio.arguments(encoder))
    assert (refused.code, refused.error["code"]) == (2, "encoder-unsafe")
    assert "--allow-pickle" in refused.error["hint"]
    allowed = ireu(*studio.arguments(encoder, "--allow-pickle"))
    assert allowed.err == ""
    with studio.workspace.open_ledger() as ledger:
        removal = ledger.statement(ledger.entry(allowed.document["removal_entry"])).predicate
    assert removal.run.pickle_allowed
    names = {path.name for path in Path(allowed.document["encoder"]).iterdir()}
    assert names <= {"config.json", "model.safetensors", "preprocessor_config.json"}


def test_toy_recogniser_judges_whether_the_photos_show_one_person(studio: Studio, ireu: Ireu, tmp_path: Path) -> None:
    judge = save_recogniser(tmp_path / "judge.onnx")
    encoder = save_clip_tower(tmp_path / "encoder")
    done = ireu(*studio.arguments(encoder, "--judge", str(judge), "--dry-run"))
    # A random network recognises nobody: then the photos are refused, by name, and not waved through.
    if done.code == 0:
        assert done.document["face_check"]
    else:
        assert (done.code, done.error["code"]) == (2, "portrait-no-face")


def test_generator_that_reads_another_width_is_refused_before_training_and_not_after_it(
    studio: Studio, ireu: Ireu, tmp_path: Path
) -> None:
    done = ireu(*studio.arguments(save_clip_tower(tmp_path / "encoder"), "--generator", "testbed:a", "--dry-run"))
    assert (done.code, done.out) == (2, "")
    assert "reads 256 numbers, but the encoder gives 24" in done.error["message"]
    assert "--generator none" in done.error["hint"]


def test_paper_preset_is_recorded_with_the_papers_numbers(studio: Studio, ireu: Ireu, tmp_path: Path) -> None:
    done = ireu(*studio.arguments(save_clip_tower(tmp_path / "encoder"), "--preset", "paper", "--dry-run"))
    settings = done.document["settings"]
    assert (settings["preset"], settings["k"], settings["alpha"], settings["lr"]) == ("paper", 0.4, 100.0, 1e-5)
    assert settings["steps"] == 6  # chosen over the preset
