"""A frozen certificate with everything that format 1 has: history, end, witness, time stamps; and its status list.

As in `test_frozen_certificates.py`, the files of `v1-extended` are never regenerated.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ireu_governance.core.certificate import parse_certificate, verify_certificate
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.policy import Policy
from ireu_governance.core.status import CertificateStatus, StatusList
from ireu_governance.core.times import format_time, parse_time
from ireu_governance.core.timestamp import TsaRoots
from ireu_governance.core.verdict import Outcome, Verdict

FOLDER = Path(__file__).parent / "v1-extended"


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def verify(hours: float) -> Any:
    issued_at = parse_certificate(read("certificate.json")).certificate.issued_at
    return verify_certificate(
        read("certificate.json"),
        key_file=KeyFile.from_bytes(read("keys.json")),
        tsa_roots=TsaRoots.from_pem(read("tsa-roots.pem")),
        policy=Policy.from_bytes(read("policy.txt")),
        status=StatusList.from_bytes(read("status.json")),
        at=format_time(parse_time(issued_at) + timedelta(hours=hours)),
    )


def test_frozen_certificate_with_everything_still_holds_for_its_time() -> None:
    report = verify(hours=0.5)
    assert report.verdict is Verdict.HOLDS, report.failed()
    assert [check.name for check in report.checks if check.outcome is not Outcome.PASSED] == ["encoder-digest"]
    assert report.status is CertificateStatus.VALID
    assert report.proven_time is not None


@pytest.mark.parametrize(("hours", "status"), [(3, "revoked"), (24 * 400, "revoked")])
def test_frozen_status_list_still_revokes_it(hours: float, status: str) -> None:
    assert verify(hours).status == status
    assert verify(hours).verdict is Verdict.DOES_NOT_HOLD


def test_frozen_files_are_still_canonical() -> None:
    assert parse_certificate(read("certificate.json")).to_bytes() == read("certificate.json")
    assert StatusList.from_bytes(read("status.json")).to_bytes() == read("status.json")
