"""A frozen receipt of a re-test; see `freeze.py`."""

from __future__ import annotations

from pathlib import Path

from builders import AFTER, BEFORE

from ireu_governance.core.keys import KeyFile
from ireu_governance.core.receipt_verification import verify_receipt
from ireu_governance.core.verdict import RetestVerdict, Verdict

FOLDER = Path(__file__).parent / "v1-receipt"


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def test_frozen_receipt_still_holds_and_says_what_it_said() -> None:
    report = verify_receipt(read("receipt.json"), key_file=KeyFile.from_bytes(read("keys.json")), encoder=AFTER)
    assert (report.verdict, report.retest) == (Verdict.HOLDS, RetestVerdict.RESURFACED)
    assert [dict(each.cases) for each in report.removals] == [
        {"1" * 32: RetestVerdict.HOLDS},
        {"2" * 32: RetestVerdict.RESURFACED},
    ]


def test_frozen_receipt_is_still_refused_for_another_encoder_and_when_changed() -> None:
    keys = KeyFile.from_bytes(read("keys.json"))
    assert verify_receipt(read("receipt.json"), key_file=keys, encoder=BEFORE).verdict is not Verdict.HOLDS
    changed = read("receipt.json").replace(b"2026-11-20T12:00:00Z", b"2026-11-20T12:00:01Z")
    assert changed != read("receipt.json")
    assert verify_receipt(changed, key_file=keys).verdict is not Verdict.HOLDS
