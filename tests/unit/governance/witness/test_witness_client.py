"""Asking a witness: what it answers is verified, and nothing that it answers can do more than fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from builders import MemoryLog, make_key
from fixtures.witnesses import NOW, carry, log_key, make_witness

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint
from ireu_governance.core.cosignature import Cosigner
from ireu_governance.core.errors import ErrorCode, InputError, LedgerError, VerificationError
from ireu_governance.witness.app import Witness
from ireu_governance.witness.client import MAX_AHEAD_S, WitnessClient
from ireu_governance.witness.state import SIZE_TYPE, Decision

LOG = MemoryLog()
LOG.fill(9)
KEY = Cosigner("witness.example/w1", make_key("witness/w1")).key


def at(size: int) -> MemoryLog:
    log = MemoryLog()
    log.fill(size)
    return log


def prove(size1: int, size2: int) -> list[bytes]:
    return merkle.consistency_proof(size1, size2, LOG.read)


class Counting:
    """A witness that counts what it was asked."""

    def __init__(self, answer: Callable[[bytes], Decision]) -> None:
        self.answer, self.asked = answer, 0

    def __call__(self, body: bytes) -> Decision:
        self.asked += 1
        return self.answer(body)


def submit(answer: Callable[[bytes], Decision], *, known_size: int = 0, now: int | None = NOW) -> int:
    counting = Counting(answer)
    with WitnessClient("http://witness.invalid/sub/", KEY, transport=carry(counting)) as client:
        line = client.add_checkpoint(LOG.checkpoint(), prove, known_size=known_size, now=now)
    assert KEY.verify(line.signature, Checkpoint(LOG.origin, 9, LOG.root()), check="witness") == NOW
    return counting.asked


def cosigned(witness: Witness, size: int) -> Witness:
    assert witness.answer(f"old 0\n\n{at(size).checkpoint()}".encode()).status == 200
    return witness


def test_new_log_is_cosigned_at_once(witness: Witness) -> None:
    assert submit(witness.answer) == 1


def test_right_guess_takes_one_request_and_a_wrong_one_two(witness: Witness) -> None:
    assert submit(cosigned(witness, 5).answer, known_size=5) == 1
    assert submit(witness.answer, known_size=5) == 2
    assert submit(witness.answer, known_size=0) == 2
    assert submit(witness.answer, known_size=100) == 1, "a guess beyond the checkpoint is its own size"


def refused(answer: Callable[[bytes], Decision], says: str, *, advises: str = "", **options: int) -> None:
    with pytest.raises(LedgerError, match=says) as caught:
        submit(answer, **options)
    assert caught.value.code is ErrorCode.WITNESS_REFUSED
    assert caught.value.hint
    assert advises in caught.value.hint


def test_witness_that_knows_a_larger_log_refuses(witness: Witness) -> None:
    refused(cosigned(witness, 12).answer, "12 already")


@pytest.mark.parametrize("known_size", [0, 5, 9])
def test_fork_is_told_as_one_whatever_size_was_believed(witness: Witness, known_size: int) -> None:
    other = MemoryLog()
    for index in range(9):
        other.append_bytes(b"other %d" % index)
    assert witness.answer(f"old 0\n\n{other.checkpoint()}".encode()).status == 200
    refused(witness.answer, "fork", known_size=known_size, advises="ireu ledger compare A B")


@pytest.mark.parametrize("size", [3, 8])
def test_head_that_does_not_continue_what_was_cosigned_is_told(witness: Witness, size: int) -> None:
    other = MemoryLog()
    for index in range(size):
        other.append_bytes(b"other %d" % index)
    assert witness.answer(f"old 0\n\n{other.checkpoint()}".encode()).status == 200
    refused(witness.answer, "does not continue", known_size=size)


def test_unknown_log_and_key_are_told(tmp_path: Path) -> None:
    stranger = MemoryLog(origin="other.example/log")
    refused(make_witness(tmp_path, log_key(stranger), name="a").answer, "does not know the log", advises="verifier key")


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422, 500, 503, 204])
def test_any_other_status_is_a_refusal(status: int) -> None:
    refused(lambda body: Decision(status), str(status))


def test_conflict_is_repeated_once_only() -> None:
    sizes = iter(("5\n", "6\n", "7\n"))
    counting = Counting(lambda body: Decision(409, next(sizes), SIZE_TYPE))
    refused(counting, "409")
    assert counting.asked == 2


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("5\n", "text/plain"),
        ("5", SIZE_TYPE),
        ("05\n", SIZE_TYPE),
        ("-5\n", SIZE_TYPE),
        ("five\n", SIZE_TYPE),
        ("", SIZE_TYPE),
        ("9" * 40 + "\n", SIZE_TYPE),
    ],
)
def test_conflict_without_a_size_is_a_refusal(body: str, kind: str) -> None:
    refused(lambda _: Decision(409, body, kind), "names no size")


class TestAnswerThatIsNoCosignature:
    def failed(self, body: str, says: str | None = None, *, now: int | None = NOW) -> None:
        with pytest.raises(VerificationError, match=says) as caught:
            submit(lambda _: Decision(200, body), now=now)
        assert caught.value.check == "witness"

    def line(self, *, name: str = KEY.name, key: str = "witness/w1", size: int = 9, time: int = NOW) -> str:
        head = Checkpoint(LOG.origin, size, at(size).root())
        return Cosigner(name, make_key(key)).cosign(head, timestamp=time).to_line()

    @pytest.mark.parametrize("body", ["", "\n", "OK\n", "— witness.example/w1 AAAA\n", "\ud7ff"])
    def test_another_text(self, body: str) -> None:
        self.failed(body)

    def test_another_key(self) -> None:
        self.failed(self.line(key="stranger"), "without a cosignature")
        self.failed(self.line(name="witness.example/w2"), "without a cosignature")

    def test_another_checkpoint(self) -> None:
        self.failed(self.line(size=8))

    def test_a_time_to_come(self) -> None:
        self.failed(self.line(time=NOW + MAX_AHEAD_S + 1), "ahead")
        assert submit(lambda _: Decision(200, self.line(time=NOW))) == 1

    def test_bytes_that_are_no_text(self) -> None:
        transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=b"\xff"))
        with WitnessClient("http://w.invalid", KEY, transport=transport) as client, pytest.raises(VerificationError):
            client.add_checkpoint(LOG.checkpoint(), prove, known_size=0)

    def test_lines_of_other_keys_beside_it_are_passed_over(self) -> None:
        body = self.line(name="witness.example/w2") + self.line()
        assert submit(lambda _: Decision(200, body)) == 1


def test_what_is_no_checkpoint_is_not_submitted(witness: Witness) -> None:
    with (
        WitnessClient("http://w.invalid/sub", KEY, transport=carry(witness.answer)) as client,
        pytest.raises(InputError),
    ):
        client.add_checkpoint("x", prove, known_size=0)


def test_witness_that_does_not_answer_is_an_error_with_its_own_code() -> None:
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    with (
        WitnessClient("http://w.invalid", KEY, transport=httpx2.MockTransport(fail)) as client,
        pytest.raises(LedgerError) as caught,
    ):
        client.add_checkpoint(LOG.checkpoint(), prove, known_size=0)
    assert caught.value.code is ErrorCode.NETWORK_UNAVAILABLE
