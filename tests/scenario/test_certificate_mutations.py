"""An attacker with an editor: every small change to a certificate is noticed, and none causes an error.

The attacker has no keys. They flip bytes, drop, double, swap and replace members, cut the file, and put parts of
one genuine certificate into another.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from builders import AFTER, BEFORE, OTHER, MemoryLog, Removal, make_certificate, make_keys
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.certificate import parse_certificate, verify_certificate
from ireu_governance.core.certificate_document import CertificateBody, seal_certificate
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.verdict import Verdict

Path = tuple[str | int, ...]

CERTIFICATE, KEY_FILE = make_certificate()
VALUE = json.loads(CERTIFICATE)
MARKER = b"urn:ireu:certificate:"


def refuse(data: bytes, *, key_file: KeyFile = KEY_FILE) -> None:
    assert data != CERTIFICATE or key_file is not KEY_FILE, "this is no change"
    report = verify_certificate(data, key_file=key_file, encoder=AFTER)
    assert report.verdict is Verdict.DOES_NOT_HOLD
    assert all(check.reason.isprintable() for check in report.checks)


def write(value: object) -> bytes:
    return canonicalize(value) + b"\n"


def paths(value: object, here: Path = ()) -> Iterator[Path]:
    """The places of all members and elements, at any depth."""
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, each in items:
        yield (*here, key)
        yield from paths(each, (*here, key))


def get(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def edited(path: Path, new: object) -> Any:
    value = copy.deepcopy(VALUE)
    get(value, path[:-1])[path[-1]] = new
    return value


PATHS = list(paths(VALUE))


def name(path: Path) -> str:
    return ".".join(map(str, path))


def test_unchanged_certificate_holds() -> None:
    assert verify_certificate(CERTIFICATE, key_file=KEY_FILE, encoder=AFTER).verdict is Verdict.HOLDS


def test_there_are_enough_mutations() -> None:
    assert len(PATHS) >= 60
    assert len(CERTIFICATE) > 5000


@pytest.mark.parametrize("bit", [0x01, 0x04, 0x20, 0x80])
def test_flipped_bytes_are_refused_over_the_whole_file(bit: int) -> None:
    for at in range(bit % 11, len(CERTIFICATE), 11):
        refuse(CERTIFICATE[:at] + bytes([CERTIFICATE[at] ^ bit]) + CERTIFICATE[at + 1 :])


def test_every_flipped_byte_of_the_first_hundred_is_refused() -> None:
    for at in range(100):
        for bit in (0x01, 0x10, 0x80):
            refuse(CERTIFICATE[:at] + bytes([CERTIFICATE[at] ^ bit]) + CERTIFICATE[at + 1 :])


def test_dropped_and_doubled_bytes_are_refused() -> None:
    for at in range(0, len(CERTIFICATE), 17):
        refuse(CERTIFICATE[:at] + CERTIFICATE[at + 1 :])
        refuse(CERTIFICATE[:at] + CERTIFICATE[at : at + 1] + CERTIFICATE[at:])


def refuse_or_disown(data: bytes) -> bool:
    """Refuse what is left of a certificate, or say that it is none; return whether it was refused."""
    try:
        report = verify_certificate(data, key_file=KEY_FILE)
    except InputError as error:
        assert error.code is ErrorCode.INPUT_NOT_A_CERTIFICATE  # noqa: PT017
        return False
    assert report.verdict is Verdict.DOES_NOT_HOLD
    return True


def test_truncated_file_is_refused() -> None:
    for end in [*range(0, len(CERTIFICATE), 41), len(CERTIFICATE) - 1]:
        assert refuse_or_disown(CERTIFICATE[:end]) == (end >= CERTIFICATE.index(MARKER) + len(MARKER))


def test_file_cut_at_its_beginning_is_refused() -> None:
    refused = [refuse_or_disown(CERTIFICATE[start:]) for start in range(1, len(CERTIFICATE), 41)]
    assert refused[0]
    assert refused == sorted(refused, reverse=True), "only the last part of a certificate is not known as one"


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_dropped_member_is_refused(path: Path) -> None:
    value = copy.deepcopy(VALUE)
    del get(value, path[:-1])[path[-1]]
    refuse(write(value))


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_doubled_member_is_refused(path: Path) -> None:
    parent = get(VALUE, path[:-1])
    if isinstance(parent, list):
        refuse(write(edited(path[:-1], [*parent[: int(path[-1]) + 1], *parent[int(path[-1]) :]])))
        return
    # JSON with two members of one name, of which readers take the first or the last as they please.
    member = canonicalize(path[-1]) + b":" + canonicalize(parent[path[-1]])
    for other in (member, canonicalize(path[-1]) + b":null"):
        whole = canonicalize(parent)
        doubled = whole.replace(member, other + b"," + member, 1)
        assert doubled != whole
        refuse(CERTIFICATE.replace(whole, doubled, 1))


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_replaced_value_is_refused(path: Path) -> None:
    old = get(VALUE, path)
    for new in (
        None,
        0,
        1,
        -1,
        2**53 - 1,
        0.5,
        True,
        False,
        "",
        "x",
        [],
        {},
        [old],
        {"x": old},
        "\u0000",
        "\x1b[2J",
    ):
        if canonicalize(new) != canonicalize(old):
            refuse(write(edited(path, new)))


@pytest.mark.parametrize("path", [each for each in PATHS if isinstance(get(VALUE, each), str)], ids=name)
def test_altered_text_is_refused(path: Path) -> None:
    old = get(VALUE, path)
    middle = len(old) // 2
    for new in (
        old + "A",
        old[:-1],
        old[::-1],
        old + "\n",
        " " + old,
        old.swapcase(),
        old[:middle] + old[middle + 1 :],
    ):
        if new != old:
            refuse(write(edited(path, new)))


@pytest.mark.parametrize("path", [each for each in PATHS if isinstance(get(VALUE, each), int)], ids=name)
def test_altered_number_is_refused(path: Path) -> None:
    old = get(VALUE, path)
    for new in (old + 1, old - 1, -old - 1, old + 0.5, str(old)):
        refuse(write(edited(path, new)))


@pytest.mark.parametrize("path", [each for each in PATHS if len(each) <= 4], ids=name)
def test_added_member_is_refused(path: Path) -> None:
    old = get(VALUE, path)
    if isinstance(old, dict):
        refuse(write(edited(path, {**old, "note": "x"})))
    elif isinstance(old, list):
        refuse(write(edited(path, [*old, old[0]])))


def test_swapped_members_are_refused() -> None:
    swaps = 0
    for path in PATHS:
        parent = get(VALUE, path[:-1])
        for key in parent if isinstance(parent, dict) else range(len(parent)):
            if canonicalize(parent[key]) == canonicalize(parent[path[-1]]) or str(key) <= str(path[-1]):
                continue
            value = copy.deepcopy(VALUE)
            both = get(value, path[:-1])
            both[key], both[path[-1]] = both[path[-1]], both[key]
            refuse(write(value))
            swaps += 1
    assert swaps > 60


def second(kind: str) -> Removal:
    """Another genuine removal, in the same log or in another one."""
    keys = make_keys("second") if kind == "other-keys" else make_keys()
    if kind == "other-log":
        keys = make_keys("second", origin="other.example/log", organisation="Other")
        return Removal(log=MemoryLog(keys=keys, origin="other.example/log"), certificate_id="d" * 32)
    cases = ("e" * 32,) if kind == "other-case" else ("0123456789abcdef0123456789abcdef",)
    after = OTHER if kind == "other-encoder" else AFTER
    return Removal(
        log=MemoryLog(keys=keys),
        case_ids=cases,
        after=after,
        tested=after,
        certificate_id="d" * 32,
        fillers=6,
    )


FREE = {("id",), ("issued_at",), ("issuer", "contact")}
"""What a certificate's issuer may choose."""


@pytest.mark.parametrize("path", [each for each in paths(VALUE["certificate"]) if each not in FREE], ids=name)
def test_content_sealed_anew_by_a_thief_of_the_record_key_is_refused(path: Path) -> None:
    # The thief can sign certificates, but can neither change the log nor its checkpoint.
    body = VALUE["certificate"]
    old = get(body, path)
    news: list[object] = [None, [], {}]
    if isinstance(old, str):
        news = [old + "A", old[:-1], old[:5] + old[6:], old.swapcase(), old.replace("index ", "index 1")]
    elif isinstance(old, int):
        news = [old + 1, old - 1]
    for new in news:
        if new == old:
            continue
        value = copy.deepcopy(body)
        get(value, path[:-1])[path[-1]] = new
        try:
            content = CertificateBody.from_object(value)
        except InputError:
            continue
        refuse(seal_certificate(content, make_keys().record))


@pytest.mark.parametrize("kind", ["other-case", "other-encoder", "other-keys", "other-log", "same-again"])
def test_parts_of_another_genuine_certificate_are_refused(kind: str) -> None:
    removal = second(kind)
    data = removal.certificate()
    own = verify_certificate(data, key_file=removal.log.keys.key_file)
    assert own.verdict is Verdict.HOLDS, "the other certificate is genuine too"
    other = json.loads(data)
    swapped = 0
    for path in PATHS:
        try:
            new = get(other, path)
        except (KeyError, IndexError):
            continue
        if canonicalize(new) == canonicalize(get(VALUE, path)):
            continue
        refuse(write(edited(path, new)))
        swapped += 1
    assert swapped >= 12


def test_certificates_of_one_log_do_not_mix() -> None:
    # Two removals in one log under one checkpoint: all proofs and signatures stay genuine, whatever is exchanged.
    log = MemoryLog()
    first = Removal(log=log)
    assert first.seqs
    other = Removal(log=log, case_ids=("e" * 32,), certificate_id="d" * 32)
    assert other.seqs
    mine, theirs = json.loads(first.certificate()), json.loads(other.certificate())
    names = ("request", "removal", "verification")
    for choice in range(1, 7):
        mixed = copy.deepcopy(mine)
        for bit, part in enumerate(names):
            if choice >> bit & 1:
                mixed["certificate"][part] = theirs["certificate"][part]
        refuse(write(mixed))
        # Sealed anew by the organisation itself, it is the content that gives it away.
        entries = {part: mixed["certificate"][part] for part in names}
        report = verify_certificate(first.certificate(**entries), key_file=KEY_FILE)
        assert report.verdict is Verdict.DOES_NOT_HOLD
        assert {check.name for check in report.failed()} <= {"position", "subject-binding", "time"}


@pytest.mark.parametrize(
    "strange", [make_keys("stranger"), make_keys(origin="other.example"), make_keys(organisation="Other")]
)
def test_another_key_file_is_refused(strange: Any) -> None:
    refuse(CERTIFICATE, key_file=strange.key_file)


@pytest.mark.parametrize("encoder", [BEFORE, OTHER])
def test_another_encoder_is_refused(encoder: Any) -> None:
    report = verify_certificate(CERTIFICATE, key_file=KEY_FILE, encoder=encoder)
    assert report.verdict is Verdict.DOES_NOT_HOLD
    assert [check.name for check in report.failed()] == ["encoder-digest"]


def test_checkpoint_signed_again_by_somebody_else_is_refused() -> None:
    keys = make_keys()
    forged = MemoryLog(keys=replace(keys, log=make_keys("attacker").log))
    value = json.loads(Removal(log=forged).certificate())
    for part in ("request", "removal", "verification"):
        value["certificate"][part] = {
            **VALUE["certificate"][part],
            "proof": value["certificate"][part]["proof"],
        }
    refuse(write(value))


@given(st.data())
def test_random_edits_are_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(CERTIFICATE) - 1))
    length = data.draw(st.integers(0, 40))
    new = CERTIFICATE[:at] + data.draw(st.binary(max_size=20)) + CERTIFICATE[at + length :]
    if new == CERTIFICATE:
        return
    assert refuse_or_disown(new) or MARKER not in new


@given(st.data())
def test_reader_answers_random_edits_with_a_certificate_or_an_input_error(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(PATHS))
    junk = (
        st.none()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.text(max_size=20)
        | st.lists(st.integers(0, 9), max_size=2)
    )
    value = edited(path, data.draw(junk))
    try:
        certificate = parse_certificate(write(value))
    except InputError:
        return
    assert certificate.to_bytes() == write(value)
