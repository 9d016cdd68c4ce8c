"""What a certificate is in lists: of several reasons why it cannot be relied on, the gravest."""

from __future__ import annotations

import pytest

from ireu_governance.core.status import StatusEntry
from ireu_governance.ledger.certificate_standing import UNUSABLE, Standing, gravest_by_id, judge_standing, problem_of

NUMBER, OTHER = "a" * 32, "b" * 32
AT = "2026-11-24T08:00:00Z"


def withdrawn(status: str, seq: int, number: str = NUMBER) -> StatusEntry:
    return StatusEntry.model_validate(
        {"id": number, "status": status, "since": AT, "reason": "resurfaced", "replaced_by": None, "seq": seq}
    )


@pytest.mark.parametrize(
    ("status", "problem", "valid_until", "standing"),
    [
        (None, None, None, Standing("valid")),
        (None, None, AT, Standing("valid")),
        (None, None, "2026-11-24T07:59:59Z", Standing("expired")),
        ("superseded", None, "2026-11-24T07:59:59Z", Standing("superseded")),
        (None, "A key is gone.", "2026-11-24T07:59:59Z", Standing(UNUSABLE, "A key is gone.")),
        ("superseded", "A key is gone.", None, Standing(UNUSABLE, "A key is gone.")),
        ("revoked", "A key is gone.", None, Standing("revoked")),
    ],
)
def test_gravest_reason_is_told(
    status: str | None, problem: str | None, valid_until: str | None, standing: Standing
) -> None:
    withdrawal = None if status is None else withdrawn(status, 4)
    assert judge_standing(withdrawal=withdrawal, problem=problem, valid_until=valid_until, at=AT) == standing


@pytest.mark.parametrize("order", [("superseded", "revoked"), ("revoked", "superseded")])
def test_revocation_counts_before_and_after_a_replacement(order: tuple[str, str]) -> None:
    entries = [withdrawn(order[0], 3), withdrawn(order[1], 4), withdrawn("superseded", 5, OTHER)]
    found = gravest_by_id(entries)
    assert {number: each.status for number, each in found.items()} == {NUMBER: "revoked", OTHER: "superseded"}


def test_file_that_cannot_be_judged_is_a_problem() -> None:
    from builders import make_keys

    assert problem_of(b"{}", make_keys().key_file)
