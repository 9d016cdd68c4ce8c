"""States as badges: every word of a list has a badge of its own, and no later one breaks a page."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="the part 'server' is not installed")

from ireu_governance.core.status import CertificateStatus
from ireu_governance.ledger.certificate_standing import UNUSABLE
from ireu_governance.portal.wording import badge_of


def test_every_word_for_a_certificate_has_a_badge_and_only_valid_is_good() -> None:
    badges = {each: badge_of(each) for each in [*map(str, CertificateStatus), UNUSABLE]}
    assert {word for word, badge in badges.items() if badge.tone == "good"} == {"valid"}
    assert (badges[UNUSABLE].word, badges[UNUSABLE].tone) == ("Unusable", "bad")
    assert "?" not in {badge.sign for badge in badges.values()}
