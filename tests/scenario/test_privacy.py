"""After a removal, every byte of the workspace is searched for the person: nothing but ciphertext may remain."""

# ruff: noqa: E402  (torch is optional)

from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import numpy as np
from fixtures.removals import CASE_ID, LABEL, OPERATOR, OTHER_LABEL, STEM, SmallRemoval
from PIL import Image, ImageOps

from ireu_governance.workspace import Workspace
from ireu_sdk.encoders import ClipEncoder
from ireu_sdk.evidence import CaseEvidence
from ireu_sdk.faces.portraits import read_portrait
from ireu_sdk.tracking import local_tracking_uri

pytestmark = [pytest.mark.ml, pytest.mark.slow]

WINDOW = 64


def windows(data: bytes, count: int) -> list[bytes]:
    """Return pieces of the data from all over it, leaving out those that any file could hold."""
    starts = np.linspace(0, max(0, len(data) - WINDOW), count, dtype=int)
    pieces = {data[start : start + WINDOW] for start in starts}
    return [piece for piece in pieces if len(set(piece)) >= 12]


def spellings(digest: str) -> list[bytes]:
    """Return how a digest could be written down."""
    raw = bytes.fromhex(digest)
    return [raw, digest.encode(), digest.upper().encode(), base64.b64encode(raw).rstrip(b"="), digest[:32].encode()]


def needles_of(photos: Path, original: ClipEncoder, after: ClipEncoder) -> dict[bytes, str]:
    """Return what must not be found, with what it is."""
    found: dict[bytes, str] = {}
    for text, what in (
        (LABEL, "person's folder"),
        (OTHER_LABEL, "retained person's folder"),
        (STEM, "file name"),
        (OPERATOR, "operator"),
    ):
        for spelling in (
            text.encode(),
            text.encode("utf-16-le"),
            text.lower().encode(),
            base64.b64encode(text.encode())[:-4],
        ):
            found[spelling] = what
    for word in LABEL.split("-"):
        found[word.encode()] = "person's name"
    files = [path for path in sorted(photos.rglob("*")) if path.is_file()]
    assert len(files) > 70
    for path in files:
        role = path.relative_to(photos).parts[0]
        data = path.read_bytes()
        for piece in windows(data, 12 if role in ("forget", "swap") else 4):
            found[piece] = f"bytes of a {role} photo"
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        pixels = np.asarray(image)
        for row in (
            pixels[height // 4] if (height := len(pixels)) else (),
            pixels[height // 2],
            pixels[3 * height // 4],
        ):
            for piece in windows(np.ascontiguousarray(row).tobytes(), 3):
                found[piece] = f"pixels of a {role} photo"
        digests = [
            hashlib.sha256(data).hexdigest(),
            hashlib.sha256(pixels.tobytes()).hexdigest(),
            read_portrait(path).pixel_digest,
        ]
        for digest in digests:
            for spelling in spellings(digest):
                found[spelling] = f"digest of a {role} photo"
        if role == "forget":
            for name in ("md5", "sha1"):
                found[hashlib.new(name, data).hexdigest().encode()] = f"{name} of a photo"
            prepared = original.preprocess([image])
            for piece in windows(prepared.numpy().tobytes(), 40):
                found[piece] = "preprocessed pixels"
            for encoder in (original, after):
                feature = encoder.encode(prepared)[0]
                for vector in (feature, feature / feature.norm()):
                    for piece in windows(vector.numpy().tobytes(), 8):
                        found[piece] = "feature of the person"
                    found[repr(float(vector[0])).encode()] = "feature of the person as text"
    return found


def contained(haystack: bytes, needles: dict[bytes, str]) -> set[str]:
    """Return what of the needles is in some bytes.

    Thousands of needles in megabytes: the beginning of every needle is looked for at all places at once.
    """
    long = [needle for needle in needles if len(needle) >= 8]
    found = {needles[needle] for needle in needles if len(needle) < 8 and needle in haystack}
    heads = np.unique(np.frombuffer(b"".join(needle[:8] for needle in long), dtype=np.uint64))
    likely: set[bytes] = set()
    for offset in range(8):
        usable = (len(haystack) - offset) // 8 * 8
        if usable > 0:
            words = np.frombuffer(haystack, dtype=np.uint64, count=usable // 8, offset=offset)
            likely |= {word.tobytes() for word in np.unique(words[np.isin(words, heads)])}
    return found | {needles[needle] for needle in long if needle[:8] in likely and needle in haystack}


def search(folder: Path, needles: dict[bytes, str]) -> set[tuple[str, str]]:
    """Return which needle was found in which file or name below a folder."""
    found = set()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        haystacks = [os.fsencode(name)] + ([path.read_bytes()] if path.is_file() else [])
        found |= {(name, what) for haystack in haystacks for what in contained(haystack, needles)}
    return found


@pytest.fixture(scope="module")
def needles(small_removal: SmallRemoval) -> dict[bytes, str]:
    original = ClipEncoder.load(small_removal.workspace.parent / "encoder")
    after = ClipEncoder.load(Path(small_removal.document["encoder"]))
    return needles_of(small_removal.photos, original, after)


def test_search_finds_each_kind_of_trace_that_is_planted(needles: dict[bytes, str], tmp_path: Path) -> None:
    kinds = {what: needle for needle, what in needles.items()}
    assert len(kinds) >= 14
    for number, needle in enumerate(kinds.values()):
        (tmp_path / str(number)).write_bytes(b"x" * (number % 9) + needle + b"after")
    assert {what for _, what in search(tmp_path, needles)} == set(kinds)
    assert all(contained(b"xyz" + needle, needles) for needle in list(needles)[::25])
    (tmp_path / "sub" / LABEL).mkdir(parents=True)
    assert ("sub/" + LABEL, "person's folder") in search(tmp_path, needles)


def test_nothing_of_anybody_is_in_any_file_of_the_workspace(
    small_removal: SmallRemoval, needles: dict[bytes, str]
) -> None:
    files = {
        path.relative_to(small_removal.workspace).parts[0]
        for path in small_removal.workspace.rglob("*")
        if path.is_file()
    }
    assert {
        "ledger.db",
        "vault",
        "mlflow.db",
        "mlruns",
        "runs",
        "encoders",
        "certificates",
        "keys",
        "checkpoint",
    } <= files
    assert search(small_removal.workspace, needles) == set()


def test_nothing_is_left_among_temporary_files(small_removal: SmallRemoval, needles: dict[bytes, str]) -> None:
    # torch makes an empty folder with the operator's name; everything else would be ours.
    assert {found for found in search(small_removal.temporary, needles) if "torchinductor" not in found[0]} == set()
    assert [path for path in small_removal.temporary.rglob("*") if path.is_file()] == []


def test_nothing_is_said_on_the_terminal(
    small_removal: SmallRemoval, needles: dict[bytes, str], tmp_path: Path
) -> None:
    (tmp_path / "said").write_text(str(small_removal.document) + small_removal.stderr)
    allowed = {"operator"}  # paths of the workspace are the operator's own
    assert {what for _, what in search(tmp_path, needles)} <= allowed


def test_what_mlflow_shows_names_nobody(small_removal: SmallRemoval) -> None:
    from mlflow import MlflowClient

    uri = local_tracking_uri(small_removal.workspace)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    run = client.get_run(small_removal.document["run_id"])
    name, version = small_removal.document["model"].split("/")
    registered = client.get_model_version(name, version)
    shown = [
        run.info.run_name, *run.data.params, *run.data.params.values(), *run.data.tags, *run.data.tags.values(),
        *run.data.metrics, name, *registered.tags.values(), registered.description or "",
        *(str(item.to_dictionary()) for item in run.inputs.dataset_inputs),
    ]  # fmt: skip
    text = "\n".join(shown)
    for word in (*LABEL.split("-"), OTHER_LABEL, STEM, OPERATOR, "photos", ".png", "forget/"):
        assert word not in text, word
    assert run.data.tags.get("mlflow.source.name") == "ireu"
    assert "mlflow.user" not in run.data.tags
    assert not run.info.user_id or OPERATOR not in run.info.user_id


def test_case_id_is_random_when_none_is_given(drawn_removal: SmallRemoval) -> None:
    ids = drawn_removal.document["case_ids"]
    assert len(set(ids)) == 2
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in ids)
    assert CASE_ID not in ids


def test_pictures_of_real_people_are_not_kept_anywhere(drawn_removal: SmallRemoval) -> None:
    pictures = [
        path for path in drawn_removal.workspace.rglob("*")
        if path.is_file() and (path.suffix in {".png", ".jpg", ".webp"} or path.read_bytes()[:4] in (b"\x89PNG", b"RIFF"))
    ]  # fmt: skip
    assert pictures == []
    assert drawn_removal.document["grids"] == {}
    assert not list(drawn_removal.workspace.rglob("mask*"))


def test_two_people_of_one_removal_are_not_linked_to_their_folders(drawn_removal: SmallRemoval) -> None:
    needles = {LABEL.encode(): "folder", f"{LABEL}-1".encode(): "folder", STEM.encode(): "file"}
    assert search(drawn_removal.workspace, needles) == set()


def test_vault_opens_with_its_key_and_with_no_other(small_removal: SmallRemoval, tmp_path: Path) -> None:
    from ireu_governance.core.errors import ConfigError

    copy = small_removal.copy(tmp_path / "copy")
    with Workspace(copy.workspace).open_vault() as vault:
        stored = {photo.data for photo in CaseEvidence.load(vault, CASE_ID).portraits}
    assert stored == {path.read_bytes() for path in (small_removal.photos / "forget" / LABEL).iterdir()}
    key = copy.workspace / "keys" / "vault.key"
    key.write_bytes(bytes(reversed(key.read_bytes())))
    with pytest.raises(ConfigError):
        Workspace(copy.workspace).open_vault()
