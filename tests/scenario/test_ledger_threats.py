"""Threats that need more than one edit: mutated envelopes, split views, stolen keys, whole copies put back.

`docs/threats.md` has a row for each; beside every attack stands the same doing without the attack, which must raise no
alarm.
"""

from __future__ import annotations

import base64
import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import make_cases, make_keys, make_removal
from ledger_simulator import RECORDED_AT, STRANGER, LedgerSimulator, make_draft

from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.envelope import MAX_SIGNATURES, Envelope, pae
from ireu_governance.core.errors import InputError, LedgerRefusedError
from ireu_governance.core.fork import Relation, compare, verify_fork_proof
from ireu_governance.core.keys import KeyFile
from ireu_governance.core.statement import Draft
from ireu_governance.ledger.findings import FindingKind

SIZE = 9
PUBLISHED = (4, 9)
ENTRY = 4


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> LedgerSimulator:
    return LedgerSimulator.build(tmp_path_factory.mktemp("ledger") / "it", SIZE, published=PUBLISHED)


@pytest.fixture
def ledger(template: LedgerSimulator, tmp_path: Path) -> LedgerSimulator:
    return template.copy(tmp_path / "copy")


# Envelopes ----------------------------------------------------------------------------------------------------


def with_signatures(edit: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> Callable[[bytes], bytes]:
    def mutate(body: bytes) -> bytes:
        value = json.loads(body)
        value["signatures"] = edit(value["signatures"])
        return canonicalize(value)

    return mutate


def with_payload(edit: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return an edit of the payload's bytes, signed with the real record key: only its form can be found wrong."""

    def mutate(body: bytes) -> bytes:
        payload = edit(Envelope.from_bytes(body).payload)
        signature = make_keys().record.sign(pae("application/vnd.in-toto+json", payload))
        value = json.loads(body)
        value["payload"] = base64.b64encode(payload).decode()
        value["signatures"][0]["sig"] = base64.b64encode(signature).decode()
        return canonicalize(value)

    return mutate


def unused_bits(body: bytes) -> bytes:
    """Spell the signature's base64 otherwise: other bits where two are unused, the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    value = json.loads(body)
    sig = value["signatures"][0]["sig"]
    value["signatures"][0]["sig"] = sig[:-3] + alphabet[alphabet.index(sig[-3]) ^ 1] + "=="
    assert base64.b64decode(value["signatures"][0]["sig"]) == base64.b64decode(sig)
    return canonicalize(value)


JUNK = {"keyid": "ab" * 32, "sig": base64.b64encode(bytes(64)).decode()}
MUTANTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "signature stripped": (with_signatures(lambda _: []), "unreadable"),
    "signer doubled": (with_signatures(lambda own: own * 2), "unreadable"),
    "signed by a stranger alone": (with_signatures(lambda own: [JUNK]), "unknown-signer"),
    "signature of nothing": (with_signatures(lambda own: [{**own[0], "sig": ""}]), "unreadable"),
    "more signatures than anybody verifies": (
        with_signatures(lambda own: own + [{**JUNK, "keyid": f"{n:064x}"} for n in range(MAX_SIGNATURES)]),
        "unreadable",
    ),
    "ten thousand signatures": (
        with_signatures(lambda own: own + [{**JUNK, "keyid": f"{n:064x}"} for n in range(10_000)]),
        "unreadable",
    ),
    "key id of another form": (with_signatures(lambda own: [{**own[0], "keyid": "two words"}]), "unreadable"),
    "member more in a signature": (with_signatures(lambda own: [{**own[0], "more": "x"}]), "unreadable"),
    "payload in the other alphabet": (lambda body: body.replace(b"+", b"-").replace(b"/", b"_"), "unreadable"),
    "base64 without padding": (lambda body: body.replace(b"==", b""), "unreadable"),
    "base64 with other unused bits": (unused_bits, "unreadable"),
    "base64 with a line end": (lambda body: body.replace(b'"payload":"', b'"payload":"\\n'), "unreadable"),
    "member doubled in the envelope": (lambda body: body[:-1] + b',"payloadType":"x"}', "unreadable"),
    "byte-order mark": (lambda body: b"\xef\xbb\xbf" + body, "unreadable"),
    "white space": (lambda body: body + b"\n", "unreadable"),
    "member doubled in the statement": (
        with_payload(lambda payload: payload[:-1] + b',"_type":"https://in-toto.io/Statement/v1"}'),
        "unreadable",
    ),
    "member doubled with another value": (
        with_payload(lambda payload: payload.replace(b'"kind":"', b'"kind":"removal","kind":"')),
        "unreadable",
    ),
    "NaN": (with_payload(lambda payload: payload.replace(b'"seq":4', b'"seq":NaN')), "unreadable"),
    "integer beyond 2^53": (
        with_payload(lambda payload: payload.replace(b'"alpha":-1', b'"alpha":9007199254740993')),
        "unreadable",
    ),
    "other spelling of a number": (
        with_payload(lambda payload: payload.replace(b'"alpha":-1', b'"alpha":-1.0')),
        "unreadable",
    ),
    "exponent": (with_payload(lambda payload: payload.replace(b'"alpha":-1', b'"alpha":-1e0')), "unreadable"),
    "half a character": (with_payload(lambda payload: payload.replace(b'"paper"', b'"\\ud800"')), "unreadable"),
    "escape that is not needed": (
        with_payload(lambda payload: payload.replace(b'"paper"', b'"p\\u0061per"')),
        "unreadable",
    ),
    "other order of members": (
        with_payload(lambda payload: json.dumps(dict(reversed(json.loads(payload).items()))).encode()),
        "unreadable",
    ),
    "text that is not UTF-8": (with_payload(lambda payload: payload.replace(b"paper", b"p\xffper")), "unreadable"),
    "member more in the statement": (
        with_payload(lambda payload: canonicalize({**json.loads(payload), "zzz": 1})),
        "unreadable",
    ),
    "kind that there is not": (
        with_payload(lambda payload: payload.replace(b'"kind":"removal"', b'"kind":"reproval"')),
        "unreadable",
    ),
}


class TestMutatedEnvelopes:
    def test_unchanged_envelope_that_is_put_back_gives_no_finding(self, ledger: LedgerSimulator) -> None:
        ledger.put_body(ENTRY, ledger.body(ENTRY), fix_leaf=True)
        assert ledger.found() == []

    @pytest.mark.parametrize("name", MUTANTS)
    def test_mutated_envelope_is_found(self, ledger: LedgerSimulator, name: str) -> None:
        mutate, kind = MUTANTS[name]
        body = mutate(ledger.body(ENTRY))
        assert body != ledger.body(ENTRY), "nothing was changed"
        ledger.put_body(ENTRY, body, fix_leaf=True)
        assert ledger.found() == [(kind, ENTRY)]

    def test_signature_of_an_unknown_key_beside_the_real_one_is_found_by_what_follows(
        self, ledger: LedgerSimulator
    ) -> None:
        # As formats of signatures demand, unknown keys are passed over; but the bytes are others than were recorded.
        body = with_signatures(lambda own: [*own, JUNK])(ledger.body(ENTRY))
        ledger.put_body(ENTRY, body)
        assert ledger.found() == [("edited", ENTRY)]

    @pytest.mark.parametrize("form", ["NFC", "NFD"])
    def test_text_in_another_normal_form_is_another_text(self, ledger: LedgerSimulator, form: str) -> None:
        # Nothing is normalised anywhere: what looks alike and is not the same bytes is not the same entry.
        draft = make_draft("removal")
        fields = {**draft.fields, "architecture": "testbed"}
        subject = (
            draft.subject[0],
            draft.subject[1].model_copy(update={"name": unicodedata.normalize(form, "modèle.json")}),
        )
        ledger.append(Draft(subject=subject, kind="removal", fields=fields), make_draft())
        assert ledger.found() == []
        other = "NFD" if form == "NFC" else "NFC"

        def normalise(payload: bytes) -> bytes:
            return unicodedata.normalize(other, payload.decode()).encode()

        ledger.put_body(SIZE, with_payload(normalise)(ledger.body(SIZE)))
        assert ledger.found() == [("edited", SIZE)]


# Split views --------------------------------------------------------------------------------------------------


class TestSplitView:
    """Two histories with the same keys and the same beginning, each shown to other people."""

    @pytest.fixture
    def views(self, ledger: LedgerSimulator, tmp_path: Path) -> tuple[LedgerSimulator, LedgerSimulator]:
        other = ledger.copy(tmp_path / "other")
        ledger.append(make_draft(), make_draft())
        other.append(make_draft(), make_draft())
        return ledger, other

    def test_each_view_alone_gives_no_finding(self, views: tuple[LedgerSimulator, LedgerSimulator]) -> None:
        for view in views:
            view.publish()
            assert view.found() == []

    def test_two_published_heads_prove_the_fork_to_everybody(
        self, views: tuple[LedgerSimulator, LedgerSimulator]
    ) -> None:
        one, other = (view.publish() for view in views)
        found = compare(one, other, key_file=views[0].keys.key_file)
        assert found.relation is Relation.FORK
        assert found.fork is not None
        proof = found.fork.to_bytes()  # travels; whoever has the key file can check it
        assert verify_fork_proof(proof, key_file=views[0].keys.key_file).relation is Relation.FORK

    def test_heads_of_different_sizes_prove_the_fork_from_the_larger_log(
        self, views: tuple[LedgerSimulator, LedgerSimulator]
    ) -> None:
        one, other = views
        smaller = one.publish()
        other.append(make_draft())
        larger = other.publish()
        with other.open() as opened, opened._engine.connect() as connection:
            from ireu_governance.ledger.records import node_reader

            found = compare(smaller, larger, key_file=one.keys.key_file, read=node_reader(connection))
        assert found.relation is Relation.FORK
        assert found.fork is not None
        assert verify_fork_proof(found.fork.to_bytes(), key_file=one.keys.key_file).relation is Relation.FORK

    def test_growth_of_one_view_is_no_fork(self, ledger: LedgerSimulator) -> None:
        before = ledger.checkpoint_path.read_text()
        ledger.append()
        after = ledger.publish()
        with ledger.open() as opened, opened._engine.connect() as connection:
            from ireu_governance.ledger.records import node_reader

            found = compare(before, after, key_file=ledger.keys.key_file, read=node_reader(connection))
        assert found.relation is Relation.CONSISTENT

    def test_auditor_who_saw_the_other_view_finds_the_fork(
        self, views: tuple[LedgerSimulator, LedgerSimulator]
    ) -> None:
        one, other = views
        one.publish()
        other.publish()
        state = one.audit().state
        assert {str(each.kind) for each in other.audit(since=state).findings} == {"forked"}
        findings = other.audit(checkpoint_path=one.checkpoint_path).findings
        assert [(str(each.kind), each.entry, each.until) for each in findings] == [("forked", SIZE, SIZE + 1)]


# Copies put back ----------------------------------------------------------------------------------------------


class TestRollbackOfFiles:
    def test_older_file_with_its_write_ahead_log_is_found_and_not_continued(
        self, ledger: LedgerSimulator, tmp_path: Path
    ) -> None:
        ledger.settle()
        with ledger.open() as opened:  # kept open, so that what is appended stays in the write-ahead log
            opened.append([make_draft()], ledger.keys.record)
            older = {
                suffix: Path(f"{ledger.path}{suffix}").read_bytes()
                for suffix in ("", "-wal")
                if Path(f"{ledger.path}{suffix}").exists()
            }
            assert older["-wal"]
            opened.append([make_draft()], ledger.keys.record)
            opened.publish(ledger.keys.log)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{ledger.path}{suffix}").unlink(missing_ok=True)
        for suffix, data in older.items():
            Path(f"{ledger.path}{suffix}").write_bytes(data)
        (finding,) = ledger.audit().findings
        assert (finding.kind, finding.entry) == (FindingKind.ROLLED_BACK, SIZE + 1)
        with pytest.raises(LedgerRefusedError):
            ledger.append()

    def test_newest_file_with_its_write_ahead_log_is_continued(self, ledger: LedgerSimulator, tmp_path: Path) -> None:
        ledger.settle()
        with ledger.open() as opened:
            opened.append([make_draft()], ledger.keys.record)
            opened.publish(ledger.keys.log)
            moved = LedgerSimulator(tmp_path / "moved", ledger.keys)
            shutil.copytree(ledger.folder, moved.folder)
        assert moved.found() == []
        moved.append()
        assert moved.audit().size == SIZE + 2

    def test_removed_write_ahead_log_is_found_and_not_continued(self, ledger: LedgerSimulator, tmp_path: Path) -> None:
        ledger.settle()
        with ledger.open() as opened:
            opened.append([make_draft()], ledger.keys.record)
            opened.publish(ledger.keys.log)
            robbed = LedgerSimulator(tmp_path / "robbed", ledger.keys)
            shutil.copytree(ledger.folder, robbed.folder)
        for suffix in ("-wal", "-shm"):
            Path(f"{robbed.path}{suffix}").unlink(missing_ok=True)
        assert [kind for kind, _ in robbed.found()] == ["rolled-back"]
        with pytest.raises(LedgerRefusedError):
            robbed.append()


# Stolen keys --------------------------------------------------------------------------------------------------


class TestStolenKeys:
    def test_whole_new_log_by_a_thief_of_all_working_keys_is_a_fork(
        self, ledger: LedgerSimulator, tmp_path: Path
    ) -> None:
        thief = LedgerSimulator.build(tmp_path / "thief", 0)
        thief.append(*(make_draft() for _ in range(SIZE + 1)))
        thief.publish()
        assert thief.found() == [], "by itself it cannot be told from a real one"
        published = ledger.checkpoint_path
        assert "forked" in {str(each.kind) for each in thief.audit(checkpoint_path=published).findings}
        found = compare(
            ledger.checkpoint_path.read_text(),
            thief.forge_checkpoint(SIZE, b"\x01" * 32),
            key_file=ledger.keys.key_file,
        )
        assert found.relation is Relation.FORK

    def test_log_of_the_owner_compared_with_its_own_head_gives_no_finding(self, ledger: LedgerSimulator) -> None:
        assert ledger.audit(checkpoint_path=ledger.checkpoint_path).findings == ()

    def test_thief_of_the_record_key_cannot_publish(self, ledger: LedgerSimulator) -> None:
        def edit(statement: Any) -> None:
            statement["subject"][0]["digest"]["sha256"] = "cd" * 32

        ledger.rewrite_tail(SIZE - 1, edit, signer=ledger.keys.record)
        text = ledger.forge_checkpoint(SIZE, bytes.fromhex(ledger.audit().root or ""), signer=ledger.keys.record)
        ledger.checkpoint_path.write_text(text)
        assert {kind for kind, _ in ledger.found()} == {"checkpoint-invalid", "forked"}

    def test_stranger_with_a_key_file_of_their_own_is_told_apart(self, ledger: LedgerSimulator) -> None:
        stranger = KeyFile.create(
            origin=ledger.keys.key_file.origin,
            organisation=ledger.keys.key_file.organisation,
            root_signers=[STRANGER],
            log_keys=[make_keys("stranger").log.public_key],
            record_keys=[make_keys("stranger").record.public_key],
            issued_at=RECORDED_AT,
        )
        kinds = {str(each.kind) for each in ledger.audit(key_file=stranger).findings}
        assert kinds == {"unknown-signer", "checkpoint-invalid"}


# Time ---------------------------------------------------------------------------------------------------------


class TestBackdating:
    def test_entry_that_claims_an_earlier_time_than_the_ledger_has_is_not_taken(self, ledger: LedgerSimulator) -> None:
        ledger.append()
        with ledger.open() as opened, pytest.raises(InputError, match="before the last entry's"):
            opened.append([make_draft()], ledger.keys.record, recorded_at=RECORDED_AT)

    def test_entry_of_the_same_second_is_taken(self, ledger: LedgerSimulator) -> None:
        with ledger.open() as opened:
            opened.append([make_draft()], ledger.keys.record, recorded_at=RECORDED_AT)
        assert ledger.found() == []


def test_mutants_are_about_an_entry_that_has_what_they_change() -> None:
    # The number and the name that some mutants replace stand in every removal.
    fields = make_removal(3, ("0" * 32,))
    assert fields["method"]["alpha"] == -1.0  # type: ignore[index]
    assert fields["method"]["preset"] == "paper"  # type: ignore[index]
    assert make_cases(("0" * 32,))
