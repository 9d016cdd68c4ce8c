"""Receipts: genuine ones hold, and whatever is changed, left out, swapped or signed by others is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import builders
import pytest
from builders import AFTER, BEFORE, OTHER, MemoryLog, make_cases, make_keys, make_score, make_verification, outcomes
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.receipt import parse_receipt, seal_receipt
from ireu_governance.core.receipt_verification import RECEIPT_CHECKS, ReceiptReport, verify_receipt
from ireu_governance.core.statement import Statement, predicate_type
from ireu_governance.core.verdict import RetestVerdict, Verdict

JOB = "7" * 32
ISSUED_AT = "2026-11-20T12:00:00Z"
CASES = ("1" * 32, "2" * 32)


class Shop:
    """A log in which a job has recorded what it found, and the receipts about it."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.log.fill(3)
        self.seqs: list[int] = []

    def record(self, removal_seq: int, *, count: int = 2, artifact: Any = AFTER, **changes: Any) -> None:
        fields = make_verification(
            removal_seq,
            CASES,
            **{
                "occasion": "retest",
                "job": JOB,
                "job_entries": count,
                "source": "folder",
                "checks": {"white_box": "known", "black_box": "holds"},
                **changes,
            },
        )
        self.seqs.append(self.log.append(artifact, "verification", fields))

    def receipt(self, seqs: list[int] | None = None, **changes: Any) -> bytes:
        self.log.fill(1)
        key_file = self.log.keys.key_file
        content: dict[str, Any] = {
            "job": JOB,
            "issued_at": ISSUED_AT,
            "organisation": key_file.organisation,
            "origin": key_file.origin,
            "entries": [self.log.logged(seq).to_object() for seq in (self.seqs if seqs is None else seqs)],
            "key_file": key_file.to_object(),
            "signer": self.log.keys.record,
            **changes,
        }
        return seal_receipt(**content)

    def verify(self, data: bytes, **options: Any) -> ReceiptReport:
        return verify_receipt(data, key_file=options.pop("key_file", self.log.keys.key_file), **options)


@pytest.fixture
def shop() -> Shop:
    made = Shop()
    made.record(1)
    made.record(2)
    return made


def failed(report: ReceiptReport) -> list[str]:
    return [check.name for check in report.failed()]


def test_a_genuine_receipt_holds_and_tells_what_was_found(shop: Shop) -> None:
    report = shop.verify(shop.receipt(), encoder=AFTER)
    assert report.verdict is Verdict.HOLDS, report.failed()
    assert set(outcomes(report).values()) == {"passed"}
    assert tuple(outcomes(report)) == RECEIPT_CHECKS
    assert report.retest is RetestVerdict.HOLDS
    assert [(each.removal_entry, each.white_box) for each in report.removals] == [(1, "known"), (2, "known")]
    assert report.removals[0].encoder_digest == AFTER.digest
    assert dict(report.removals[0].cases) == dict.fromkeys(CASES, RetestVerdict.HOLDS)


def test_without_an_encoder_to_compare_it_holds_as_well(shop: Shop) -> None:
    report = shop.verify(shop.receipt())
    assert report.verdict is Verdict.HOLDS
    assert outcomes(report)["encoder-digest"] == "not-checked"


def test_a_genuine_receipt_can_say_that_somebody_resurfaced() -> None:
    shop = Shop()
    case = {"case_id": CASES[0], "verdict": "resurfaced", "scores": (make_score(matches=60),)}
    shop.record(
        1, count=1, verdict="resurfaced", cases=(case,), checks={"white_box": "known", "black_box": "resurfaced"}
    )
    report = shop.verify(shop.receipt())
    assert (report.verdict, report.retest) == (Verdict.HOLDS, RetestVerdict.RESURFACED)


def test_an_unknown_encoder_is_told(shop: Shop) -> None:
    shop = Shop()
    checks = {"white_box": "unknown", "black_box": "holds"}
    shop.record(1, count=1, artifact=OTHER, verdict="encoder-changed", known_encoder=False, checks=checks)
    report = shop.verify(shop.receipt(), encoder=OTHER)
    assert (report.verdict, report.retest) == (Verdict.HOLDS, RetestVerdict.ENCODER_CHANGED)


def test_what_was_seen_of_answers_alone_cannot_be_compared_with_files() -> None:
    shop = Shop()
    fields = make_verification(
        1, CASES, job=JOB, job_entries=1, known_encoder=False, claimed="ee" * 32,
        checks={"white_box": "not-visible", "black_box": "holds"},
    )  # fmt: skip
    statement = Statement.model_validate(
        {
            "subject": [{"name": "behaviour", "digest": {"sha256": "ab" * 32}}],
            "predicate_type": predicate_type("verification"),
            "predicate": {"kind": "verification", "ledger": shop.log.position(), **fields},
        },
        strict=False,
    )
    from ireu_governance.core.envelope import Envelope

    shop.seqs.append(shop.log.append_bytes(Envelope.sign(statement.to_bytes(), shop.log.keys.record).to_bytes()))
    data = shop.receipt()
    assert shop.verify(data).removals[0].encoder_digest is None
    assert shop.verify(data, encoder=AFTER).verdict is Verdict.UNDECIDED


def test_another_encoder_than_the_tested_one_is_refused(shop: Shop) -> None:
    assert failed(shop.verify(shop.receipt(), encoder=BEFORE)) == ["encoder-digest"]


@pytest.mark.parametrize("left", [[0], [1]])
def test_an_entry_that_was_left_out_is_missed(shop: Shop, left: list[int]) -> None:
    report = shop.verify(shop.receipt([shop.seqs[number] for number in left]))
    assert failed(report) == ["job"]
    assert report.retest is None
    assert report.removals == ()


def test_entries_in_another_order_or_twice_are_refused(shop: Shop) -> None:
    assert "position" in failed(shop.verify(shop.receipt(shop.seqs[::-1])))
    assert "position" in failed(shop.verify(shop.receipt([shop.seqs[0]] * 2)))


def test_entries_of_another_job_are_refused(shop: Shop) -> None:
    assert failed(shop.verify(shop.receipt(job="8" * 32))) == ["job"]


def test_two_entries_about_one_removal_are_refused() -> None:
    shop = Shop()
    shop.record(1)
    shop.record(1)
    assert failed(shop.verify(shop.receipt())) == ["job"]


def test_a_receipt_from_before_its_entries_is_refused(shop: Shop) -> None:
    assert "job" in failed(shop.verify(shop.receipt(issued_at="2026-11-20T10:59:59Z")))


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "resurfaced"},
        {"checks": {"white_box": "known", "black_box": "utility-lost"}},
        {"checks": {"white_box": "unknown", "black_box": "holds"}},
        {"known_encoder": False},
        {"checks": {"white_box": "not-visible", "black_box": "holds"}, "known_encoder": False},
        {"checks": None},
        {"cases": ({"case_id": CASES[0], "verdict": "holds", "scores": (make_score(recorded={"lower_95": 0.5}),)},)},
    ],
)
def test_verdicts_that_do_not_follow_are_refused(changes: dict[str, Any]) -> None:
    shop = Shop()
    shop.record(1, count=1, **changes)
    assert failed(shop.verify(shop.receipt())) == ["verdict"]


def test_other_statements_than_verifications_are_refused(shop: Shop) -> None:
    shop.seqs = [shop.log.append(BEFORE, "removal-request", builders.make_request())]
    assert failed(shop.verify(shop.receipt())) == ["record-signature"]


def test_signatures_of_strangers_are_refused(shop: Shop) -> None:
    stranger = make_keys("stranger")
    assert failed(shop.verify(shop.receipt(signer=stranger.record))) == ["receipt-signature"]
    assert failed(shop.verify(shop.receipt(signer=shop.log.keys.log))) == ["receipt-signature"]


def test_another_logs_key_file_is_refused(shop: Shop) -> None:
    report = shop.verify(shop.receipt(), key_file=make_keys("stranger").key_file)
    assert failed(report) == ["key-file"]
    other = make_keys("main", organisation="Another House").key_file
    assert failed(shop.verify(shop.receipt(), key_file=other)) == ["key-file"]


def test_an_enclosed_stranger_of_a_key_file_is_refused(shop: Shop) -> None:
    assert failed(shop.verify(shop.receipt(key_file=make_keys("stranger").key_file.to_object()))) == ["key-file"]


def test_entries_that_are_not_in_the_tree_are_refused(shop: Shop) -> None:
    data = json.loads(shop.receipt())
    lines = data["receipt"]["entries"][0]["proof"].split("\n")
    lines[2] = base64.b64encode(bytes(32)).decode()
    entries = [{**data["receipt"]["entries"][0], "proof": "\n".join(lines)}, data["receipt"]["entries"][1]]
    assert failed(shop.verify(shop.receipt(entries=entries))) == ["inclusion"]


def test_different_checkpoints_are_refused(shop: Shop) -> None:
    first = shop.log.logged(shop.seqs[0]).to_object()
    shop.log.fill(2)
    entries = [first, shop.log.logged(shop.seqs[1]).to_object()]
    assert failed(shop.verify(shop.receipt(entries=entries))) == ["checkpoint-signature"]


@given(data=st.data())
def test_no_changed_byte_passes(data: st.DataObject) -> None:
    shop = Shop()
    shop.record(1, count=1)
    whole = shop.receipt()
    place = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda each: each != whole[place]))
    changed = whole[:place] + bytes([value]) + whole[place + 1 :]
    try:
        report = shop.verify(changed)
    except InputError:
        return
    assert report.verdict is not Verdict.HOLDS
    assert report.retest is None


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole[:-1],
        lambda whole: whole + b"\n",
        lambda whole: json.dumps(json.loads(whole), indent=1).encode(),
        lambda whole: whole.replace(b"urn:ireu:receipt:v1", b"urn:ireu:receipt:v9"),
        lambda whole: canonicalize({**json.loads(whole), "signatures": []}) + b"\n",
        lambda whole: canonicalize({**json.loads(whole), "more": 1}) + b"\n",
    ],
)
def test_damaged_and_reformatted_files_get_a_report(shop: Shop, change: Callable[[bytes], bytes]) -> None:
    assert failed(shop.verify(change(shop.receipt()))) == ["form"]


def test_fixed_words_are_part_of_the_format(shop: Shop) -> None:
    value = json.loads(shop.receipt())
    value["receipt"]["says"] = ["Everything is fine."]
    assert failed(shop.verify(canonicalize(value) + b"\n")) == ["form"]


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\x00", builders.make_certificate()[0]])
def test_other_files_are_no_receipts(shop: Shop, data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        shop.verify(data)
    assert caught.value.code is ErrorCode.INPUT_NOT_A_RECEIPT


def test_content_that_is_none_cannot_be_sealed(shop: Shop) -> None:
    with pytest.raises(InputError):
        shop.receipt(job="not a token")
    with pytest.raises(InputError):
        shop.receipt(entries=[])


def test_reading_verifies_nothing(shop: Shop) -> None:
    data = shop.receipt(signer=make_keys("stranger").record)
    assert parse_receipt(data).receipt.job == JOB


def test_unused_members_of_a_verification_are_absent() -> None:
    log = MemoryLog()
    log.append(AFTER, "verification", make_verification(1, CASES))
    text = log.entries[0]
    payload = base64.b64decode(json.loads(text)["payload"])
    assert not {"job", "job_entries", "source", "parts", "claimed", "checks"} & json.loads(payload)["predicate"].keys()
    assert make_cases(CASES)
