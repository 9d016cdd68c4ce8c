"""An encoder's digests: what counts as the same encoder, and what is said when it is not."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.artifact import Artifact, ArtifactFile, check_subjects
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.statement import MAX_SUBJECTS, Digest, Subject

FILES = {"model.safetensors": "22" * 32, "config.json": "11" * 32, "sub/a.bin": "33" * 32}
ARTIFACT = Artifact.from_files(FILES)


def changed(**files: str) -> Artifact:
    return Artifact.from_files({**FILES, **files})


def test_digest_is_over_the_raw_digests_in_name_order() -> None:
    raw = bytes.fromhex("11" * 32 + "22" * 32 + "33" * 32)
    assert ARTIFACT.digest == hashlib.sha256(raw).hexdigest()
    assert [each.name for each in ARTIFACT.files] == ["config.json", "model.safetensors", "sub/a.bin"]


def test_order_is_by_path_parts_as_model_signing_has_it() -> None:
    # In text order "a-b" would stand before "a/b", since "-" sorts before "/".
    artifact = Artifact.from_files({"a-b": "01" * 32, "a/b": "02" * 32, "a.b": "03" * 32})
    assert [each.name for each in artifact.files] == ["a/b", "a-b", "a.b"]


def test_order_agrees_with_pathlib() -> None:
    from pathlib import PurePosixPath

    names = ["b", "a/c", "a-c", "a.c/d", "a/c.d", "A", "a/b/c", "é", "a0"]
    artifact = Artifact.from_files(dict.fromkeys(names, "00" * 32))
    assert [each.name for each in artifact.files] == [str(p) for p in sorted(map(PurePosixPath, names))]


def test_subjects_start_with_the_whole() -> None:
    subjects = ARTIFACT.subjects()
    assert subjects[0] == Subject(name="encoder", digest=Digest(sha256=ARTIFACT.digest))
    assert {each.name: each.digest.sha256 for each in subjects[1:]} == FILES
    check_subjects(subjects)
    ARTIFACT.compare(subjects)
    ARTIFACT.compare(tuple(reversed(subjects)))
    ARTIFACT.compare(subjects[:1])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (changed(**{"config.json": "99" * 32}), "1 changed (config.json)"),
        (changed(extra="44" * 32), "1 not recorded (extra)"),
        (Artifact.from_files({"config.json": "11" * 32}), "2 missing (model.safetensors, sub/a.bin)"),
        (
            Artifact.from_files({"config.json": "11" * 32, "model.safetensors": "22" * 32, "sub/b": "33" * 32}),
            "1 missing (sub/a.bin), 1 not recorded (sub/b)",
        ),
    ],
)
def test_another_encoder_is_refused_and_the_files_are_named(other: Artifact, said: str) -> None:
    with pytest.raises(VerificationError) as caught:
        other.compare(ARTIFACT.subjects())
    assert caught.value.check == "encoder-digest"
    assert said in caught.value.message


def test_renamed_files_with_the_same_overall_digest_are_refused() -> None:
    renamed = Artifact.from_files({"config.json": "11" * 32, "model.safetensors": "22" * 32, "z": "33" * 32})
    assert renamed.digest == ARTIFACT.digest
    with pytest.raises(VerificationError):
        renamed.compare(ARTIFACT.subjects())


def test_at_most_five_names_are_listed() -> None:
    many = Artifact.from_files({f"f{n}": "00" * 32 for n in range(9)})
    with pytest.raises(VerificationError) as caught:
        many.compare(ARTIFACT.subjects())
    assert "9 not recorded (f0, f1, f2, f3, f4, …)" in caught.value.message


def test_whole_digest_alone_is_compared_where_no_files_are_recorded() -> None:
    with pytest.raises(VerificationError, match="digest is"):
        changed(**{"config.json": "99" * 32}).compare(ARTIFACT.subjects()[:1])


def test_contradictory_subjects_are_refused() -> None:
    whole, *files = ARTIFACT.subjects()
    for subjects in (
        (),
        files,
        (whole, whole, *files),
        (whole, files[0], *files),
        (whole, *files[1:]),
        (Subject(name="encoder", digest=Digest(sha256="00" * 32)), *files),
        (whole, Subject(name="../up", digest=Digest(sha256="00" * 32))),
    ):
        with pytest.raises(VerificationError):
            check_subjects(subjects)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/abs",
        "a//b",
        "a/",
        "./a",
        "a/./b",
        "..",
        "a/../b",
        "a\\b",
        "a\nb",
        "a\x00",
        "\ud800",
        "x" * 301,
        "encoder",
    ],
)
def test_name_that_leads_out_of_the_folder_or_into_confusion_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        ArtifactFile(name, "00" * 32)


@pytest.mark.parametrize("digest", ["", "00", "AA" * 32, "0" * 63, "0" * 65, "g" * 64, "0" * 64 + "\n"])
def test_malformed_digest_is_refused(digest: str) -> None:
    with pytest.raises(InputError):
        ArtifactFile("a", digest)


def test_no_files_and_too_many_files_are_refused() -> None:
    with pytest.raises(InputError):
        Artifact.from_files({})
    with pytest.raises(InputError) as caught:
        Artifact.from_files({f"f{n}": "00" * 32 for n in range(MAX_SUBJECTS)})
    assert caught.value.code is ErrorCode.INPUT_TOO_LARGE


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,4}(/[a-z]{1,4}){0,2}", fullmatch=True),
        st.binary(min_size=32, max_size=32),
        min_size=1,
        max_size=8,
    )
)
def test_any_encoder_is_itself_and_no_other(files: dict[str, bytes]) -> None:
    if "encoder" in files:
        return
    artifact = Artifact.from_files({name: digest.hex() for name, digest in files.items()})
    artifact.compare(artifact.subjects())
    name = next(iter(files))
    flipped = bytes([files[name][0] ^ 1]) + files[name][1:]
    other = Artifact.from_files({**{k: v.hex() for k, v in files.items()}, name: flipped.hex()})
    with pytest.raises(VerificationError):
        other.compare(artifact.subjects())
