"""The second at which a certificate ends, begins, or is dated too far from its stamp: limits belong to what is allowed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from builders import make_certificate

from ireu_governance.core import certificate_trust
from ireu_governance.core.certificate import parse_certificate
from ireu_governance.core.certificate_trust import check_trusted_time, check_validity
from ireu_governance.core.errors import VerificationError
from ireu_governance.core.timestamp import ProvenTime

ISSUED = "2026-11-20T12:00:00Z"
BODY = parse_certificate(make_certificate()[0]).certificate.model_copy(
    update={"issued_at": ISSUED, "valid_until": "2027-11-20T12:00:00Z", "stamped": True}
)


@pytest.mark.parametrize("at", ["2026-11-20T11:55:00Z", ISSUED, "2027-11-20T12:00:00Z"])
def test_certificate_counts_to_its_last_second_and_as_far_as_clocks_differ(at: str) -> None:
    assert check_validity(BODY, at).decided


@pytest.mark.parametrize(
    ("at", "says"), [("2026-11-20T11:54:59Z", "not issued yet"), ("2027-11-20T12:00:01Z", "expired at")]
)
def test_one_second_more_is_too_much(at: str, says: str) -> None:
    with pytest.raises(VerificationError, match=says):
        check_validity(BODY, at)


def judge(monkeypatch: pytest.MonkeyPatch, stamped_at: str) -> bool:
    """Return whether a certificate whose genuine stamp has a time is dated credibly."""
    monkeypatch.setattr(certificate_trust, "verify_token", lambda *_, **__: ProvenTime(stamped_at, "Authority", 1))
    certificate: Any = SimpleNamespace(tokens=(b"token",), certificate=BODY, unstamped_bytes=lambda: b"")
    roots: Any = object()
    return check_trusted_time(certificate, roots)[0].decided


@pytest.mark.parametrize("stamped_at", ["2026-11-20T11:55:00Z", ISSUED, "2026-11-20T13:00:00Z"])
def test_stamp_within_five_minutes_before_and_an_hour_after_the_issue_fits(
    monkeypatch: pytest.MonkeyPatch, stamped_at: str
) -> None:
    assert judge(monkeypatch, stamped_at)


@pytest.mark.parametrize(
    ("stamped_at", "says"), [("2026-11-20T11:54:59Z", "after it was stamped"), ("2026-11-20T13:00:01Z", "backdated")]
)
def test_stamp_outside_of_that_does_not(monkeypatch: pytest.MonkeyPatch, stamped_at: str, says: str) -> None:
    with pytest.raises(VerificationError, match=says):
        judge(monkeypatch, stamped_at)
