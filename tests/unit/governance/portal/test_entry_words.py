"""Entries in plain words, and proofs as pictures: of every kind of entry, and of every shape of tree."""

from __future__ import annotations

from typing import Any

import builders
import pytest

pytest.importorskip("fastapi", reason="the part 'server' is not installed")

from fixtures.extended import Named

from ireu_governance.core import merkle
from ireu_governance.core.statement import Statement
from ireu_governance.portal.entry_words import tell_entry
from ireu_governance.portal.proof_view import view_proof
from ireu_governance.service.published_log import InclusionProof

PLACE = {"ledger": {"origin": "log.example", "seq": 9, "prev": "1" * 64}, "recorded_at": "2026-11-20T09:00:00Z"}
CASES = builders.make_cases(tuple(f"{number:032x}" for number in range(30)))


def make(kind: str, subject: Any = builders.AFTER, **fields: Any) -> Statement:
    return builders.make_statement(subject, kind, {**PLACE, **fields})


def told(statement: Statement) -> str:
    words = tell_entry(statement)
    return "\n".join([words.sentence, *(f"{each.label}: {each.value} ({each.kind})" for each in words.facts)])


def test_planned_tests_and_their_limits_are_told() -> None:
    text = told(make("removal-request", builders.BEFORE, **builders.make_request()))
    assert "forget 1 case" in text
    assert "resurfaced when more than 10\xa0% are; at least 16 probes" in text


def test_removal_names_both_encoders_and_its_request() -> None:
    text = told(make("removal", **builders.make_removal(4)))
    assert builders.BEFORE.digest in text
    assert builders.AFTER.digest in text
    assert "4 (entry)" in text


@pytest.mark.parametrize(("occasion", "words"), [("removal", "right after the removal"), ("retest", "again, later")])
def test_verification_tells_its_verdict_and_bounds(occasion: str, words: str) -> None:
    statement = make("verification", **builders.make_verification(5, occasion=occasion))
    assert tell_entry(statement).verdict == "holds"
    assert words in told(statement)
    assert "0 of 64 recognised" in told(statement)


def test_steps_of_requests_are_told() -> None:
    step = {"cases": CASES[:1], "happened_at": "2026-11-20T08:00:00Z"}
    subject = Named("case", CASES[0]["commitment"])
    text = told(
        make(
            "request-event",
            subject,
            event="extended",
            due_at="2027-01-20T23:59:59Z",
            **step,
            grounds=("gdpr:12-3-number",),
        )
    )
    assert "time to answer extended" in text
    assert "gdpr:12-3-number" in text
    assert "Recipients that were told: 3" in told(
        make("request-event", subject, event="informed", recipients=3, **step)
    )
    assert "7 (entry)" in told(make("request-event", subject, event="done", removal_seq=7, **step))


def test_long_lists_are_cut() -> None:
    erasure = make(
        "erasure", Named("case", CASES[0]["commitment"]), cases=CASES, entries=tuple(range(40)), reason="gdpr:17-1-b"
    )
    words = tell_entry(erasure)
    assert [each.value for each in words.facts if each.label == "Further cases"] == ["10"]
    assert sum(each.kind == "entry" for each in words.facts) == 20


def test_changes_of_keys_and_certificates_are_told() -> None:
    change = {"key_id": "a" * 64, "role": "record", "change": "added"}
    keys = make(
        "key-change", Named("key-file", "b" * 64), version=2, previous="c" * 64, reason="scheduled", changes=(change,)
    )
    assert "version 2" in told(keys)
    assert f"Record key added: {'a' * 64}" in told(keys)
    fields = {"certificate_id": "d" * 32, "removal_seq": 4, "reason": "reissued"}
    subject = Named("certificate", "e" * 64)
    assert "counts no more" in told(make("revocation", subject, status="revoked", **fields))
    replaced = told(make("revocation", subject, status="superseded", replaced_by="f" * 32, **fields))
    assert "replaced by another one" in replaced
    assert "f" * 32 in replaced


@pytest.mark.parametrize(("change", "words"), [("added", "from now on"), ("moved", "Another"), ("removed", "no more")])
def test_watched_deployments_are_told(change: str, words: str) -> None:
    fields = {"deployment_id": "a" * 32, "name": "kiosk", "change": change, "source": "folder", "previous": "b" * 64}
    text = told(make("deployment", builders.AFTER, **fields))
    assert words in text
    assert builders.AFTER.digest in text
    assert "b" * 64 in text


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 21])
def test_drawn_steps_lead_from_every_entry_to_the_root(size: int) -> None:
    log = builders.MemoryLog()
    log.fill(size)
    for index in range(size):
        leaf = merkle.leaf_hash(log.entries[index])
        view = view_proof(InclusionProof(log.prove(index), size, leaf, log.root()))
        results = [each.hash for each in view.steps] or [view.leaf]
        assert results[-1] == view.root == log.root().hex()
        assert [each.kind for each in view.nodes].count("given") == len(view.steps)
        assert view.nodes[-1].kind == "root"
        assert all(0 <= each.y <= view.height - 28 for each in view.nodes)
        assert len(view.lines) == 2 * len(view.steps)
