"""`ireu certificate list` after a change of keys: a certificate that does not hold any more is not called valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fixtures.command import Ireu
from fixtures.records import RecordedRemoval, record_removal

from ireu_governance.core.keys import Role
from ireu_governance.rotation import KeyRequest, rotate


@pytest.fixture
def recorded(tmp_path: Path) -> RecordedRemoval:
    return record_removal(tmp_path / "workspace")


def listed(ireu: Ireu, recorded: RecordedRemoval) -> list[dict[str, Any]]:
    found = ireu("-w", recorded.workspace.root, "certificate", "list", "--json").document["certificates"]
    return [{name: each[name] for name in ("status", "problem", "latest")} for each in found]


@pytest.mark.parametrize(
    ("from_size", "problem"),
    [
        (3, "It is signed by a key that counts no more from entry 3 on."),  # the certificate itself
        (2, "It is signed by a key that counts no more from entry 2 on."),  # and the test in it
    ],
)
def test_certificate_of_a_key_that_was_revoked_before_it_is_unusable_and_says_why(
    ireu: Ireu, recorded: RecordedRemoval, from_size: int, problem: str
) -> None:
    rotate(recorded.workspace, KeyRequest(role=Role.RECORD, reason="compromised", from_size=from_size))
    assert listed(ireu, recorded) == [{"status": "unusable", "problem": problem, "latest": True}]
    verified = ireu("certificate", "verify", recorded.certificate, "--key", recorded.key_file)
    assert verified.code == 1, "the list says what the verification says"
    shown = ireu("-w", recorded.workspace.root, "certificate", "list").out
    assert "unusable" in shown
    assert problem in shown


def test_certificate_of_before_the_revocation_stays_valid(ireu: Ireu, recorded: RecordedRemoval) -> None:
    rotate(recorded.workspace, KeyRequest(role=Role.RECORD, reason="compromised"))
    assert listed(ireu, recorded) == [{"status": "valid", "problem": None, "latest": True}]


def test_certificate_that_is_issued_again_is_valid_beside_the_unusable_one(
    ireu: Ireu, recorded: RecordedRemoval
) -> None:
    w = ("-w", recorded.workspace.root)
    rotate(recorded.workspace, KeyRequest(role=Role.RECORD, reason="compromised", from_size=3))
    assert ireu(*w, "ledger", "checkpoint").code == 0
    assert ireu(*w, "certificate", "issue", "--entry", "1").code == 0
    found = listed(ireu, recorded)
    assert [(each["status"], each["latest"]) for each in found] == [("unusable", False), ("valid", True)]


def test_certificate_of_a_revoked_key_needs_no_revocation_and_is_told_so(ireu: Ireu, recorded: RecordedRemoval) -> None:
    w = ("-w", recorded.workspace.root)
    number = ireu(*w, "certificate", "list", "--json").document["certificates"][0]["id"]
    rotate(recorded.workspace, KeyRequest(role=Role.RECORD, reason="compromised", from_size=3))
    done = ireu(*w, "certificate", "revoke", number, "--reason", "key-compromised", "--json")
    assert done.code == 2
    assert "needs no revocation" in done.error["hint"]
