"""Photos from folders: what is read, what is refused, and who takes part in what."""

# ruff: noqa: E402  (numpy and Pillow are optional)

from __future__ import annotations

import re
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("PIL")

from fixtures.pictures import draw_face, encode, write_people
from PIL import Image

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_sdk.faces.portraits import MAX_PIXELS, load_people, read_portrait
from ireu_sdk.faces.sources import load_cast
from ireu_sdk.faces.swaps import pair_swaps

pytestmark = pytest.mark.ml

FACE = draw_face(1, 1, size=(300, 200))


def refused(path: Path, code: ErrorCode) -> str:
    with pytest.raises(InputError) as caught:
        read_portrait(path)
    assert caught.value.code is code
    assert caught.value.hint or code is ErrorCode.INPUT_MISSING
    return caught.value.message


# Formats


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("a.jpg", "JPEG", {"quality": 95}),
        ("a.jpeg", "JPEG", {"progressive": True}),
        ("a.PNG", "PNG", {}),
        ("a.webp", "WEBP", {"lossless": True}),
        ("a.tif", "TIFF", {"compression": "tiff_lzw"}),
        ("a.bmp", "BMP", {}),
    ],
)
def test_every_format_is_read_in_its_own_size(tmp_path: Path, name: str, kind: str, options: dict[str, object]) -> None:
    (tmp_path / name).write_bytes(encode(FACE, kind, **options))
    person = load_people(tmp_path, loose="one-person")[0]
    photo = person.portraits[0]
    assert (photo.image.mode, photo.image.size) == ("RGB", (300, 200))
    assert np.abs(np.asarray(photo.image, dtype=float) - np.asarray(FACE)).mean() < 12
    assert photo.data == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_of_grey_are_read_as_what_they_show(tmp_path: Path, name: str) -> None:
    levels = np.asarray(FACE.convert("L"))
    Image.fromarray(levels.astype(np.uint16) * 257).save(tmp_path / name)
    shown = np.asarray(read_portrait(tmp_path / name).image)
    assert (shown == levels[:, :, None]).all()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "LA", "1"])
def test_grey_palette_and_transparent_pictures_become_rgb(tmp_path: Path, mode: str) -> None:
    kind = "tiff" if mode == "CMYK" else "png"
    (tmp_path / f"a.{kind}").write_bytes(encode(FACE.convert(mode), kind))
    assert read_portrait(tmp_path / f"a.{kind}").image.mode == "RGB"


@pytest.mark.parametrize("orientation", range(2, 9))
def test_photo_is_turned_upright_as_its_camera_says(tmp_path: Path, orientation: int) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(FACE.transpose(undo[orientation]), "JPEG", quality=95, exif=exif))
    upright = read_portrait(path).image
    assert upright.size == FACE.size
    assert np.abs(np.asarray(upright, dtype=float) - np.asarray(FACE)).mean() < 12


def test_same_pixels_under_another_name_and_format_have_the_same_digest(tmp_path: Path) -> None:
    kinds = {"a.png": "PNG", "b.bmp": "BMP", "c.tiff": "TIFF"}
    for name, kind in kinds.items():
        (tmp_path / name).write_bytes(encode(FACE, kind))
    (tmp_path / "d.webp").write_bytes(encode(FACE, "WEBP", lossless=True))
    digests = {read_portrait(tmp_path / name).pixel_digest for name in (*kinds, "d.webp")}
    assert len(digests) == 1
    (tmp_path / "e.png").write_bytes(encode(FACE.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG"))
    assert read_portrait(tmp_path / "e.png").pixel_digest not in digests


# Refusals


@pytest.mark.parametrize("content", [b"this is a letter, not a photo\n" * 20, b"", b"\x89PNG\r\n\x1a\n", b"<svg/>"])
def test_png_that_is_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "letter.png").write_bytes(content)
    assert "letter.png" in refused(tmp_path / "letter.png", ErrorCode.PORTRAIT_UNREADABLE)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "bmp"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated_photo_is_refused_and_not_filled_with_grey(tmp_path: Path, kind: str, share: float) -> None:
    data = encode(FACE, kind)
    path = tmp_path / f"half.{kind}"
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, ErrorCode.PORTRAIT_UNREADABLE)


@pytest.mark.parametrize("colour", ["white", "black", (17, 120, 40)])
def test_blank_photo_is_refused(tmp_path: Path, colour: object) -> None:
    Image.new("RGB", (200, 200), colour).save(tmp_path / "wall.png")
    refused(tmp_path / "wall.png", ErrorCode.PORTRAIT_NO_FACE)


def test_tiny_photo_is_refused_and_the_smallest_is_not(tmp_path: Path) -> None:
    draw_face(1, 1, size=(31, 300)).save(tmp_path / "small.png")
    assert "31×300" in refused(tmp_path / "small.png", ErrorCode.PORTRAIT_UNREADABLE)
    draw_face(1, 1, size=(32, 32)).save(tmp_path / "enough.png")
    assert read_portrait(tmp_path / "enough.png").image.size == (32, 32)


def test_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    side = int(MAX_PIXELS**0.5) + 10
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    refused(tmp_path / "bomb.png", ErrorCode.INPUT_TOO_LARGE)
    Image.new("1", (4 * side, side)).save(tmp_path / "bigger.png")
    refused(tmp_path / "bigger.png", ErrorCode.INPUT_TOO_LARGE)


@pytest.mark.parametrize("role", ["forget", "retain"])
def test_empty_folder_is_refused(tmp_path: Path, role: str) -> None:
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "sub").mkdir()
    with pytest.raises(InputError) as caught:
        load_people(tmp_path, loose="one-person" if role == "forget" else "one-each")
    assert caught.value.code is ErrorCode.PORTRAITS_EMPTY


def test_loose_photos_beside_folders_of_people_are_refused(tmp_path: Path) -> None:
    write_people(tmp_path, range(2), photos=1)
    draw_face(5, 0).save(tmp_path / "whose.png")
    with pytest.raises(InputError, match="beside folders"):
        load_people(tmp_path, loose="one-each")


# Who takes part


@pytest.fixture
def cast(tmp_path: Path) -> Path:
    """Photos of one person to forget with swaps, and of five others."""
    (tmp_path / "forget").mkdir()
    (tmp_path / "swap").mkdir()
    for photo in range(3):
        draw_face(0, photo).save(tmp_path / "forget" / f"{photo}.png")
    draw_face(9, 0, context_of=0).save(tmp_path / "swap" / "0_as_x.png")
    draw_face(8, 0, context_of=0).resize((256, 256)).save(tmp_path / "swap" / "0_as_y.png")
    write_people(tmp_path / "retain", range(1, 6), photos=2)
    return tmp_path


def load(cast: Path, **changes: str | None) -> object:
    sources = {"forget": str(cast / "forget"), "retain": str(cast / "retain"), "swap": str(cast / "swap"), **changes}
    return load_cast(**sources)


def test_people_of_the_metrics_are_not_those_of_the_retain_loss(cast: Path) -> None:
    people = load(cast)
    retain, panel = ({p.label for p in group} for group in (people.retain, people.panel))
    assert retain and panel
    assert not retain & panel
    assert len(retain) + len(panel) == 5
    pixels = [{photo.pixel_digest for p in group for photo in p.portraits} for group in (people.retain, people.panel)]
    assert not pixels[0] & pixels[1]


def test_testbeds_panel_is_not_in_its_retain_loss() -> None:
    people = load_cast(forget="testbed:0", retain="testbed")
    groups = [{p.label for p in group} for group in (people.forget, people.retain, people.panel)]
    assert [len(group) for group in groups] == [1, 27, 16]
    assert len(set().union(*groups)) == 44
    assert people.synthetic


def test_photos_from_folders_are_never_taken_for_synthetic_ones(cast: Path) -> None:
    assert not load(cast).synthetic
    assert not load(cast, retain="testbed").synthetic
    assert not load_cast(forget="testbed:0", retain=str(cast / "retain")).synthetic


def test_panel_that_repeats_a_retained_photo_is_refused(cast: Path) -> None:
    panel = cast / "panel" / "twin"
    panel.mkdir(parents=True)
    Image.open(cast / "retain" / "someone-2" / "0.png").save(panel / "other-name.bmp")
    with pytest.raises(InputError) as caught:
        load(cast, panel=str(cast / "panel"))
    assert caught.value.code is ErrorCode.PORTRAITS_SHARED


@pytest.mark.parametrize("role", ["retain", "panel"])
def test_photo_to_forget_and_to_keep_is_refused_under_another_name_and_format(cast: Path, role: str) -> None:
    folder = cast / ("retain" if role == "retain" else "panel") / "somebody"
    folder.mkdir(parents=True)
    Image.open(cast / "forget" / "1.png").save(folder / "renamed.tiff")
    draw_face(7, 0).save(folder / "more.png")
    with pytest.raises(InputError) as caught:
        load(cast, panel=str(cast / "panel") if role == "panel" else None)
    assert caught.value.code is ErrorCode.PORTRAITS_SHARED


def test_retain_folder_of_one_person_is_refused(cast: Path, tmp_path: Path) -> None:
    write_people(tmp_path / "alone", range(1, 2))
    with pytest.raises(InputError) as caught:
        load(cast, retain=str(tmp_path / "alone"))
    assert "--panel" in caught.value.hint


# Swaps


def test_swaps_are_paired_by_name_scaled_to_the_photo_and_the_rest_is_unseen(cast: Path) -> None:
    person = load(cast).forget[0]
    assert [pair.photo for pair in person.pairs] == [0, 0]
    assert {pair.swapped.size for pair in person.pairs} == {(128, 128)}
    assert (person.trained, person.unseen) == ((0,), (1, 2))


def test_swaps_in_a_folder_named_by_the_photo_are_paired(cast: Path) -> None:
    own = cast / "by-folder" / "2"
    own.mkdir(parents=True)
    draw_face(9, 2, context_of=0).save(own / "anything.png")
    assert load(cast, swap=str(cast / "by-folder")).forget[0].trained == (2,)


@pytest.mark.parametrize("swap", [None, "nowhere", "unmatched"])
def test_missing_or_unmatched_swaps_are_refused(cast: Path, swap: str | None) -> None:
    (cast / "unmatched").mkdir()
    draw_face(9, 0).save(cast / "unmatched" / "other_as_x.png")
    with pytest.raises(InputError) as caught:
        load(cast, swap=None if swap is None else str(cast / swap))
    assert caught.value.code in (ErrorCode.PORTRAITS_UNPAIRED, ErrorCode.INPUT_MISSING)
    assert caught.value.hint


def test_swap_that_is_the_unchanged_photo_is_refused(cast: Path) -> None:
    Image.open(cast / "forget" / "1.png").save(cast / "swap" / "1_as_nobody.bmp")
    with pytest.raises(InputError, match="unchanged"):
        load(cast)


def test_swaps_of_one_person_are_not_taken_for_those_of_another(tmp_path: Path) -> None:
    people = load_people(write_people(tmp_path / "forget", range(2), photos=1), loose="one-person")
    (tmp_path / "swap" / "someone-0").mkdir(parents=True)
    draw_face(9, 0, context_of=0).save(tmp_path / "swap" / "someone-0" / "0_as_x.png")
    with pytest.raises(InputError) as caught:
        pair_swaps(people, tmp_path / "swap")
    assert caught.value.code is ErrorCode.PORTRAITS_UNPAIRED


def test_person_whom_the_testbed_keeps_is_not_forgotten_and_the_others_are_named() -> None:
    with pytest.raises(InputError, match="Person 9 of the testbed") as refused:
        load_cast(forget="testbed:0,9", retain="testbed")
    assert refused.value.hint == "Forget people 0 to 4."


def test_folder_whose_name_begins_like_the_testbed_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no folder"):
        load_cast(forget=str(Path("testbed-photos")), retain=str(tmp_path), swap=str(tmp_path))


@pytest.mark.parametrize("source", ["testbed:", "testbed:x", "testbed:0;1", "testbed:99", "testbed:-1"])
def test_people_that_the_testbed_does_not_have_are_refused(source: str) -> None:
    with pytest.raises(InputError):
        load_cast(forget=source, retain="testbed")


def test_nothing_of_a_person_is_printed_with_a_photo(cast: Path) -> None:
    person = load(cast).forget[0]
    digest = person.portraits[0].pixel_digest
    text = repr(person)
    assert digest not in text
    assert "forget" not in text
    assert not re.search(r"\bstem=|data=|label=", text)


def test_photo_that_is_trained_and_measured_on_is_not_called_one_to_forget(tmp_path: Path) -> None:
    for name, person in (("forget", 1), ("retain", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(encode(draw_face(person, 1), "PNG"))
    (tmp_path / "swap").mkdir()
    (tmp_path / "swap" / "a_as_b.png").write_bytes(encode(draw_face(3, 1), "PNG"))
    folders = {name: str(tmp_path / name) for name in ("forget", "swap", "retain")}
    with pytest.raises(InputError, match="in both the retain and the panel photos"):
        load_cast(**folders, panel=folders["retain"])
    with pytest.raises(InputError, match="in both the forget and the panel photos"):
        load_cast(**folders, panel=folders["forget"])


def test_file_in_place_of_a_folder_is_called_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(FACE, "PNG"))
    with pytest.raises(InputError, match="is a file"):
        load_people(tmp_path / "a.png", loose="one-person")
