"""The same attacker before a certificate that has everything: a history, an end, a witness, two time stamps.

No change of it holds, with or without the roots, the policy and the status list that a reader may bring. The other
file (`test_certificate_mutations.py`) has the plain certificate of the format's first day.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from builders import AFTER, make_keys
from fixtures.extended import KEYS, ExtendedRemoval, make_status, policy_of
from fixtures.timestamping import LocalAuthority, moment
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.certificate import parse_certificate, verify_certificate
from ireu_governance.core.certificate_document import CertificateBody, seal_certificate, stamp_certificate
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.status import StatusList
from ireu_governance.core.verdict import Verdict

Path = tuple[str | int, ...]
VERSION_AT = len(b'{"_type":"urn:ireu:certificate:v')


@dataclass
class Scene:
    """A certificate with everything, and a reader who brings everything."""

    made: ExtendedRemoval
    data: bytes
    value: Any
    reader: dict[str, Any]

    def outcome(self, data: bytes, *, alone: bool = False) -> Verdict:
        brought = {} if alone else self.reader
        report = verify_certificate(data, key_file=KEYS.key_file, encoder=AFTER, **brought)
        assert all(check.reason.isprintable() and check.hint.isprintable() for check in report.checks)
        return report.verdict

    def refuse(self, data: bytes) -> None:
        assert data != self.data, "this is no change"
        assert self.outcome(data, alone=True) is Verdict.DOES_NOT_HOLD

    def edited(self, path: Path, new: object) -> bytes:
        value = copy.deepcopy(self.value)
        get(value, path[:-1])[path[-1]] = new
        return write(value)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    authority = LocalAuthority.make(tmp_path_factory.mktemp("mutations") / "tsa")
    made = ExtendedRemoval()
    data = made.stamped(authority, count=2)
    reader = {
        "tsa_roots": authority.roots,
        "policy": policy_of(),
        "status": make_status(made.log, age=-5),
        "at": moment(10),
    }
    return Scene(made, data, json.loads(data), reader)


def write(value: object) -> bytes:
    return canonicalize(value) + b"\n"


def get(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def paths(value: object, here: Path = ()) -> Iterator[Path]:
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, each in items:
        yield (*here, key)
        yield from paths(each, (*here, key))


def test_unchanged_certificate_holds_and_has_everything(scene: Scene) -> None:
    assert scene.outcome(scene.data) is Verdict.HOLDS
    assert scene.outcome(scene.data, alone=True) is Verdict.HOLDS
    body = parse_certificate(scene.data).certificate
    assert None not in (body.valid_until, body.status_url, body.history, body.stamped)
    assert len(list(paths(scene.value))) > 120


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_flipped_bytes_are_refused_over_the_whole_file(scene: Scene, bit: int) -> None:
    for at in range(bit % 97, len(scene.data), 97):
        scene.refuse(scene.data[:at] + bytes([scene.data[at] ^ bit]) + scene.data[at + 1 :])


def test_flipped_bytes_of_the_time_stamps_are_refused(scene: Scene) -> None:
    start = scene.data.index(b'"timestamps"')
    for at in range(start, len(scene.data), 7):
        flipped = scene.data[:at] + bytes([scene.data[at] ^ 0x02]) + scene.data[at + 1 :]
        assert scene.outcome(flipped, alone=True) is Verdict.DOES_NOT_HOLD, at


def test_dropped_and_truncated_bytes_are_refused(scene: Scene) -> None:
    for at in range(0, len(scene.data), 151):
        scene.refuse(scene.data[:at] + scene.data[at + 1 :])
    for end in range(200, len(scene.data), 997):
        scene.refuse(scene.data[:end])


def test_dropped_member_is_refused(scene: Scene) -> None:
    for path in paths(scene.value):
        value = copy.deepcopy(scene.value)
        del get(value, path[:-1])[path[-1]]
        scene.refuse(write(value))
        assert scene.outcome(write(value)) is Verdict.DOES_NOT_HOLD


def test_replaced_value_is_refused(scene: Scene) -> None:
    for path in paths(scene.value):
        old = get(scene.value, path)
        for new in (None, True, 0, "", [], {}, [old], {"x": old}):
            if canonicalize(new) != canonicalize(old):
                scene.refuse(scene.edited(path, new))


def test_altered_text_is_refused(scene: Scene) -> None:
    for path in paths(scene.value):
        old = get(scene.value, path)
        if isinstance(old, str):
            for new in (old + "A", old[:-1], old[1:], old.swapcase(), old + "\n"):
                if new != old:
                    scene.refuse(scene.edited(path, new))


def test_doubled_and_reordered_elements_are_refused(scene: Scene) -> None:
    for path in paths(scene.value):
        old = get(scene.value, path)
        if isinstance(old, list):
            for new in ([*old, old[0]], [old[0], *old], old[::-1]):
                if new != old:
                    scene.refuse(scene.edited(path, new))


def test_added_member_is_refused(scene: Scene) -> None:
    for path in ((), *paths(scene.value)):
        old = get(scene.value, path)
        if isinstance(old, dict):
            value = copy.deepcopy(scene.value)
            get(value, path)["note"] = "x"
            scene.refuse(write(value))


def test_content_sealed_anew_by_a_thief_of_the_record_key_is_refused(scene: Scene) -> None:
    # The thief can sign certificates and stamps, and has the real stamps; not the log, nor another authority.
    free = {("id",), ("issuer", "contact"), ("status_url",)}
    dates = {("issued_at",), ("valid_until",)}
    body, tokens = scene.value["certificate"], parse_certificate(scene.data).tokens
    for path in paths(body):
        old = get(body, path)
        news: list[object] = [None, []] if path not in free | dates else []
        if isinstance(old, str) and path not in free | dates:
            news += [old + "A", old[:-1], old.swapcase(), old.replace("index ", "index 1")]
        for new in news:
            value = copy.deepcopy(body)
            get(value, path[:-1])[path[-1]] = new
            try:
                content = CertificateBody.from_object(value)
            except InputError:
                continue
            if content == parse_certificate(scene.data).certificate:
                continue
            sealed = stamp_certificate(seal_certificate(content, KEYS.record), tokens, KEYS.record)
            assert scene.outcome(sealed) is Verdict.DOES_NOT_HOLD, path


def test_date_changed_by_a_thief_of_the_record_key_does_not_fit_the_stamps(scene: Scene) -> None:
    tokens = parse_certificate(scene.data).tokens
    for member, date in (("issued_at", moment(-60)), ("valid_until", moment(9 * 365 * 86_400))):
        content = CertificateBody.from_object({**scene.value["certificate"], member: date})
        sealed = stamp_certificate(seal_certificate(content, KEYS.record), tokens, KEYS.record)
        assert scene.outcome(sealed) is Verdict.DOES_NOT_HOLD


def test_members_that_another_certificate_has_are_refused(scene: Scene) -> None:
    other = ExtendedRemoval(before=(("received", {}),), after=())
    value = json.loads(other.sealed())
    for member in ("history", "valid_until", "says"):
        if value["certificate"][member] != scene.value["certificate"][member]:
            scene.refuse(scene.edited(("certificate", member), value["certificate"][member]))


def test_another_version_in_the_file_is_refused_or_undecided(scene: Scene) -> None:
    for digit in b"023456789A":
        changed = scene.data[:VERSION_AT] + bytes([digit]) + scene.data[VERSION_AT + 1 :]
        if chr(digit) in "0A":
            scene.refuse(changed)
        else:
            with pytest.raises(InputError) as caught:
                scene.outcome(changed)
            assert caught.value.code is ErrorCode.INPUT_TOO_NEW


def test_another_key_file_is_refused(scene: Scene) -> None:
    for strange in (make_keys("stranger"), make_keys(origin="other.example"), make_keys(organisation="Other")):
        report = verify_certificate(scene.data, key_file=strange.key_file)
        assert report.verdict is Verdict.DOES_NOT_HOLD


# The status list: a reader who brings an altered one gets no verdict from it.


def altered_lists(status: StatusList) -> Iterator[bytes]:
    value = json.loads(status.to_bytes())
    for path in paths(value):
        old = get(value, path)
        for new in (None, [], old + "A" if isinstance(old, str) else 7, old[:-1] if isinstance(old, str) else {}):
            changed = copy.deepcopy(value)
            get(changed, path[:-1])[path[-1]] = new
            if changed != value:
                yield write(changed)


def test_altered_status_list_is_no_list_or_decides_nothing(scene: Scene) -> None:
    decided = 0
    for data in altered_lists(scene.reader["status"]):
        try:
            status = StatusList.from_bytes(data)
        except InputError:
            continue
        report = verify_certificate(scene.data, key_file=KEYS.key_file, status=status, at=moment(10))
        assert report.verdict is Verdict.UNDECIDED
        decided += 1
    assert decided >= 2


@given(st.binary(max_size=300))
def test_any_bytes_are_answered_with_a_status_list_or_an_input_error(data: bytes) -> None:
    with pytest.raises(InputError):
        StatusList.from_bytes(data)
