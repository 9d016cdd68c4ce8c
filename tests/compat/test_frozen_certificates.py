"""Certificates of released versions must verify for ever: one folder for each version that changed a format.

A folder holds `certificate.json` and `keys.json` as that version wrote them. They are never regenerated; a version
that changes a format adds a folder.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ireu_governance.core.certificate import parse_certificate, verify_certificate
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.verdict import Outcome, Verdict

FOLDERS = sorted(p for p in Path(__file__).parent.iterdir() if (p / "certificate.json").is_file())


def test_there_is_a_frozen_certificate() -> None:
    assert FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_a_frozen_certificate_still_holds(folder: Path) -> None:
    keys = KeyFile.from_bytes((folder / "keys.json").read_bytes())
    report = verify_certificate((folder / "certificate.json").read_bytes(), key_file=keys)
    assert report.verdict is Verdict.HOLDS, report.failed()
    not_made = {check.name for check in report.checks if check.outcome is Outcome.NOT_CHECKED}
    assert "inclusion" not in not_made
    assert "certificate-signature" not in not_made


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_a_frozen_certificate_is_still_canonical(folder: Path) -> None:
    data = (folder / "certificate.json").read_bytes()
    assert parse_certificate(data).to_bytes() == data


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_a_changed_frozen_certificate_does_not_hold(folder: Path) -> None:
    keys = KeyFile.from_bytes((folder / "keys.json").read_bytes())
    data = (folder / "certificate.json").read_bytes()
    middle = len(data) // 2
    changed = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    assert verify_certificate(changed, key_file=keys).verdict is Verdict.DOES_NOT_HOLD
