"""Which keys a certificate may rest on: the reader's own, those before and after them, and no others."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from builders import MemoryLog, Removal, make_key, make_keys, outcomes, sign_key_file
from fixtures.verified import assert_fails, verify

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.certificate_document import seal_certificate
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.verdict import Verdict

# A later key file.


def rotated(version: int = 2, **changes: object) -> KeyFile:
    return make_keys(version=version, **changes).key_file  # type: ignore[arg-type]


def test_certificate_of_an_earlier_key_file_holds_under_the_later_one() -> None:
    report = verify_certificate(Removal().certificate(), key_file=rotated())
    assert report.verdict is Verdict.HOLDS
    assert "version 1 of your key file" in report.checks[1].reason


def test_certificate_of_the_next_key_file_holds_if_the_readers_root_keys_signed_that() -> None:
    removal = Removal(log=MemoryLog(keys=make_keys(version=2)))
    report = verify_certificate(removal.certificate(), key_file=make_keys().key_file)
    assert report.verdict is Verdict.HOLDS
    assert "version 2 of the key file, which the root keys of yours, version 1, signed" in report.checks[1].reason


def test_certificate_of_a_key_file_two_versions_later_says_how_to_update() -> None:
    removal = Removal(log=MemoryLog(keys=make_keys(version=3)))
    report = verify_certificate(removal.certificate(), key_file=make_keys().key_file)
    assert outcomes(report)["key-file"] == "failed"
    assert "ireu keys update --trusted" in report.checks[1].reason


def test_next_key_file_that_other_root_keys_signed_is_not_taken() -> None:
    attacker = make_keys("attacker", version=2)
    report = verify_certificate(Removal(log=MemoryLog(keys=attacker)).certificate(), key_file=make_keys().key_file)
    assert outcomes(report)["key-file"] == "failed"
    assert outcomes(report)["certificate-signature"] == "failed"


def test_entry_dated_before_its_key_was_added_does_not_count() -> None:
    report = verify_certificate(
        Removal(request={"recorded_at": "2026-11-20T07:59:59Z"}).certificate(), key_file=make_keys().key_file
    )
    assert outcomes(report)["record-signature"] == "failed"


def test_certificate_dated_before_its_key_was_added_does_not_count() -> None:
    report = verify_certificate(Removal(issued_at="2026-11-20T07:59:59Z").certificate(), key_file=make_keys().key_file)
    assert outcomes(report)["certificate-signature"] == "failed"
    assert outcomes(report)["record-signature"] == "passed"


def revoked(role: str, size: int) -> KeyFile:
    keys = make_keys(version=2)
    value: Any = copy.deepcopy(keys.key_file.to_object())
    for entry in value["signed"]["keys"]:
        if entry["role"] == role:
            entry["revoked_from_size"] = size
    return KeyFile.from_bytes(sign_key_file(value, keys.root))


@pytest.mark.parametrize(
    ("role", "failing"), [("record", {"certificate-signature", "record-signature"}), ("log", {"checkpoint-signature"})]
)
def test_revoked_key_counts_no_more(role: str, failing: set[str]) -> None:
    report = verify_certificate(Removal().certificate(), key_file=revoked(role, 4))
    assert {each.name for each in report.failed()} == failing


def test_entries_before_the_revocation_of_their_key_stay_valid() -> None:
    removal = Removal()
    report = verify_certificate(removal.certificate(), key_file=revoked("record", removal.log.size + 1))
    assert report.verdict is Verdict.HOLDS


# Other keys.


def test_other_key_file_proves_nothing() -> None:
    stranger = make_keys("stranger").key_file
    report = verify_certificate(Removal().certificate(), key_file=stranger)
    assert {each.name for each in report.failed()} == {
        "key-file",
        "certificate-signature",
        "record-signature",
        "checkpoint-signature",
    }


def test_embedded_key_file_is_never_trusted() -> None:
    # An attacker makes a whole log of the same name, with their own keys, and a certificate that is right in itself.
    attacker = Removal(log=MemoryLog(keys=make_keys("attacker")))
    assert verify(attacker).verdict is Verdict.HOLDS
    report = verify_certificate(attacker.certificate(), key_file=make_keys().key_file)
    assert report.verdict is Verdict.DOES_NOT_HOLD
    assert not {"key-file", "record-signature", "checkpoint-signature"} - {each.name for each in report.failed()}


def test_certificate_sealed_by_another_key_is_refused() -> None:
    removal = Removal()
    for signer in (make_key("attacker"), removal.log.keys.log, removal.log.keys.root):
        data = seal_certificate(removal.body(), signer)
        report = verify_certificate(data, key_file=removal.log.keys.key_file)
        assert {each.name for each in report.failed()} == {"certificate-signature"}


def test_checkpoint_of_the_record_key_is_refused() -> None:
    keys = make_keys()
    swapped = type(keys)(keys.root, keys.record, keys.record, keys.key_file)
    assert_fails(Removal(log=MemoryLog(keys=swapped)), "checkpoint-signature")


def test_entries_of_the_log_key_are_refused() -> None:
    keys = make_keys()
    removal = Removal(log=MemoryLog(keys=type(keys)(keys.root, keys.log, keys.log, keys.key_file)))
    data = seal_certificate(removal.body(), keys.record)
    report = verify_certificate(data, key_file=keys.key_file)
    assert {each.name for each in report.failed()} == {"record-signature"}
