"""The witness side of C2SP tlog-witness: every status that the format names, from raw request bodies."""

from __future__ import annotations

import base64
from itertools import pairwise
from pathlib import Path

import pytest
from builders import MemoryLog, make_key, make_keys
from fixtures.witnesses import NOW, log_key, make_witness
from hypothesis import given
from hypothesis import strategies as st

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint, NoteSignature, SignedNote, sign_checkpoint
from ireu_governance.core.cosignature import cosignature_time, parse_cosignatures
from ireu_governance.core.errors import InputError
from ireu_governance.core.policy import Policy, PolicyLog
from ireu_governance.core.verifier_key import KeyKind, VerifierKey
from ireu_governance.witness.app import Witness
from ireu_governance.witness.state import AddCheckpoint, KnownHead, decide, known_logs

# The example of https://c2sp.org/tlog-witness.
SPEC_REQUEST = """\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""


def grow(size: int, *, differs_at: int | None = None) -> MemoryLog:
    log = MemoryLog()
    for index in range(size):
        log.append_bytes(b"forked" if index == differs_at else b"entry %d" % index)
    return log


def body(log: MemoryLog, old: int, *, proof: list[bytes] | None = None, checkpoint: str | None = None) -> bytes:
    """Write a request by hand, as the format describes it."""
    if proof is None:
        proof = merkle.consistency_proof(old, log.size, log.read) if old <= log.size else []
    lines = [f"old {old}", *(base64.b64encode(each).decode() for each in proof), ""]
    return ("\n".join(lines) + "\n" + (checkpoint or log.checkpoint())).encode()


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return make_witness(tmp_path, log_key(MemoryLog()))


@pytest.fixture
def at_five(witness: Witness) -> Witness:
    """A witness that has cosigned size 5."""
    assert witness.answer(body(grow(5), 0)).status == 200
    return witness


def known(witness: Witness) -> KnownHead | None:
    return witness.store.head(MemoryLog().origin)


def test_example_request_is_read_and_written_back() -> None:
    request = AddCheckpoint.from_text(SPEC_REQUEST)
    assert (request.old_size, len(request.proof), request.checkpoint.size) == (20852014, 4, 20852163)
    assert request.to_text() == SPEC_REQUEST


class TestCosigned:
    def test_first_checkpoint_is_cosigned_without_a_proof(self, witness: Witness) -> None:
        log = grow(5)
        answer = witness.answer(body(log, 0))
        assert answer.status == 200
        (line,) = parse_cosignatures(answer.body)
        assert cosignature_time(line, witness.cosigners[0].key, Checkpoint(log.origin, 5, log.root())) == NOW
        assert known(witness) == KnownHead(5, log.root())

    @pytest.mark.parametrize("size", [6, 7, 8, 9, 100])
    def test_growth_is_cosigned(self, at_five: Witness, size: int) -> None:
        assert at_five.answer(body(grow(size), 5)).status == 200
        assert known(at_five) == KnownHead(size, grow(size).root())

    def test_same_checkpoint_is_cosigned_again(self, at_five: Witness) -> None:
        assert at_five.answer(body(grow(5), 5)).status == 200

    def test_empty_log_is_cosigned_and_may_grow(self, witness: Witness) -> None:
        assert witness.answer(body(grow(0), 0)).status == 200
        assert witness.answer(body(grow(3), 0)).status == 200
        assert known(witness) == KnownHead(3, grow(3).root())

    def test_signatures_of_others_are_passed_over(self, witness: Witness) -> None:
        text = grow(5).checkpoint() + NoteSignature("other.example", b"1234", bytes(64)).to_line()
        assert witness.answer(body(grow(5), 0, checkpoint=text)).status == 200

    def test_second_key_of_a_log_is_as_good(self, tmp_path: Path) -> None:
        log, new = grow(5), make_key("rotated")
        keys = [VerifierKey(log.origin, KeyKind.ED25519, new.public_key), log_key(log)]
        witness = make_witness(tmp_path, *keys)
        text = sign_checkpoint(Checkpoint(log.origin, 5, log.root()), new)
        assert witness.answer(body(log, 0, checkpoint=text)).status == 200

    def test_each_log_is_remembered_by_itself(self, tmp_path: Path) -> None:
        other = MemoryLog(keys=make_keys("other"), origin="other.example/log")
        other.fill(2)
        witness = make_witness(tmp_path, log_key(MemoryLog()), log_key(other))
        assert witness.answer(body(grow(5), 0)).status == 200
        assert witness.answer(body(other, 0)).status == 200
        assert witness.store.head(other.origin) == KnownHead(2, other.root())


class TestRefused:
    """Whatever is refused, what is remembered stays as it was."""

    @pytest.fixture(autouse=True)
    def unchanged(self, at_five: Witness) -> object:
        yield
        assert known(at_five) == KnownHead(5, grow(5).root())

    def test_unknown_log_is_404(self, at_five: Witness) -> None:
        log = MemoryLog(origin="other.example/log")
        log.fill(9)
        assert at_five.answer(body(log, 5)).status == 404

    def test_checkpoint_that_no_trusted_key_signed_is_403(self, at_five: Witness) -> None:
        log = grow(9)
        good = SignedNote.from_text(log.checkpoint())
        stranger = sign_checkpoint(Checkpoint(log.origin, 9, log.root()), make_key("stranger"))
        broken = NoteSignature(log.origin, good.signatures[0].key_hash, bytes(64))
        altered = SignedNote(Checkpoint(log.origin, 10, log.root()).to_text(), good.signatures).to_text()
        for text in (
            stranger,
            altered,
            SignedNote(good.text, (broken,)).to_text(),
            SignedNote(good.text, (*good.signatures, broken)).to_text(),
        ):
            assert at_five.answer(body(log, 5, checkpoint=text)).status == 403

    def test_old_size_beyond_the_checkpoint_is_400(self, at_five: Witness) -> None:
        assert at_five.answer(body(grow(5), 6)).status == 400

    @pytest.mark.parametrize("old", [0, 1, 4, 6, 9])
    def test_another_old_size_is_409_and_names_the_size(self, at_five: Witness, old: int) -> None:
        answer = at_five.answer(body(grow(9), old))
        assert (answer.status, answer.body, answer.content_type) == (409, "5\n", "text/x.tlog.size")

    def test_rollback_is_409(self, at_five: Witness) -> None:
        for old in range(4):
            answer = at_five.answer(body(grow(3), old))
            assert (answer.status, answer.body) == (409, "5\n")

    def test_same_size_with_another_root_is_409(self, at_five: Witness) -> None:
        assert at_five.answer(body(grow(5, differs_at=2), 5)).status == 409

    def test_fork_is_422(self, at_five: Witness) -> None:
        for size in (6, 8, 9, 64):
            assert at_five.answer(body(grow(size, differs_at=2), 5)).status == 422

    def test_proof_that_does_not_verify_is_422(self, at_five: Witness) -> None:
        log = grow(9)
        proof = merkle.consistency_proof(5, 9, log.read)
        for wrong in ([], proof[:-1], [*proof, bytes(32)], proof[::-1], [bytes(32)] * len(proof)):
            assert at_five.answer(body(log, 5, proof=wrong)).status == 422

    def test_proof_between_equal_sizes_is_422(self, at_five: Witness) -> None:
        assert at_five.answer(body(grow(5), 5, proof=[bytes(32)])).status == 422

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text.replace("old 5", "old 05"),
            lambda text: text.replace("old 5", "old -5"),
            lambda text: text.replace("old 5", "old  5"),
            lambda text: text.replace("old 5", "new 5"),
            lambda text: text.replace("old 5", "old 9223372036854775808"),
            lambda text: text.replace("old 5\n", ""),
            lambda text: text.replace("old 5\n", "old 5\n" + "A" * 43 + "=\n" * 1 + ("A" * 43 + "=\n") * 63),
            lambda text: text.replace("old 5\n", "old 5\nAAAA\n"),
            lambda text: text.replace("old 5\n", "old 5\n?\n"),
            lambda text: text.replace("\n\n", "\n"),
            lambda text: text[:-1],
            lambda text: text + "junk\n",
            lambda text: text.replace("\n", "\r\n"),
            lambda text: text.split("\n\n")[0] + "\n\n",
            lambda text: "",
        ],
    )
    def test_malformed_request_is_400(self, at_five: Witness, change: object) -> None:
        text = body(grow(9), 5).decode()
        assert at_five.answer(change(text).encode()).status == 400  # type: ignore[operator]

    def test_bytes_that_are_no_text_are_400(self, at_five: Witness) -> None:
        assert at_five.answer(b"old 5\n\n\xff\xfe").status == 400


def test_proof_from_an_empty_log_is_422(witness: Witness) -> None:
    assert witness.answer(body(grow(5), 0, proof=[bytes(32)])).status == 422
    assert known(witness) is None


def test_false_root_of_an_empty_log_is_409(witness: Witness) -> None:
    text = sign_checkpoint(Checkpoint(MemoryLog().origin, 0, bytes(32)), MemoryLog().keys.log)
    assert witness.answer(body(grow(0), 0, checkpoint=text)).status == 409
    assert known(witness) is None


@given(requests=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 19)), max_size=12))
def test_whatever_is_asked_all_cosigned_heads_are_of_one_log(requests: list[tuple[int, int, int]]) -> None:
    """Requests for the honest log and for forks of it, in any order: what was cosigned never contradicts itself."""
    known: KnownHead | None = None
    cosigned: list[MemoryLog] = []
    for old, size, differs_at in requests:
        log = grow(size, differs_at=differs_at if differs_at % 2 else None)
        decision = decide(AddCheckpoint.from_text(body(log, old).decode()), known)
        if decision.status == 200:
            known = decision.head
            cosigned.append(log)
    for before, after in pairwise(cosigned):
        assert before.size <= after.size
        assert after.entries[: before.size] == before.entries


@given(st.text(max_size=200))
def test_any_text_is_answered_with_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        AddCheckpoint.from_text(text)


def test_logs_come_from_keys_and_policies() -> None:
    log, other = log_key(MemoryLog()), log_key(MemoryLog(keys=make_keys("other")))
    policy = Policy(logs=(PolicyLog(log), PolicyLog(other)))
    assert known_logs([log], policy) == {log.name: (log, other)}
    with pytest.raises(InputError, match="witness's"):
        known_logs([VerifierKey("w", KeyKind.COSIGNATURE, make_key("w").public_key)])
