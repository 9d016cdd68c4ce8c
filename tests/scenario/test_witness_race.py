"""Two witness processes on one file, asked for two forks at once: exactly one of the forks is cosigned."""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from builders import MemoryLog
from fixtures.witnesses import log_key, make_witness

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import Checkpoint
from ireu_governance.core.cosignature import cosignature_time, parse_cosignatures

ROUNDS = 25
PROCESSES = 3


def fork(number: int, size: int) -> MemoryLog:
    """Return a log of which each process has another one from entry 2 on."""
    log = MemoryLog()
    for index in range(size):
        log.append_bytes(b"common %d" % index if index < 2 else b"fork %d entry %d" % (number, index))
    return log


def ask(folder: Path, number: int, barrier: Barrier, results: Queue[tuple[int, list[tuple[int, int, str]]]]) -> None:
    """Submit this process's own fork, size by size, and report what was answered."""
    witness = make_witness(folder, log_key(MemoryLog()))
    answers = []
    for round_ in range(ROUNDS):
        log = fork(number, 3 + round_)
        for old in (2, 2 + round_):
            proof = "".join(f"{line}\n" for line in encode(merkle.consistency_proof(old, log.size, log.read)))
            body = f"old {old}\n{proof}\n{log.checkpoint()}".encode()
            if old == 2 + round_:
                barrier.wait(60)  # all at once
            answer = witness.answer(body)
            answers.append((log.size, answer.status, answer.body))
    results.put((number, answers))


def encode(hashes: list[bytes]) -> list[str]:
    import base64

    return [base64.b64encode(each).decode() for each in hashes]


def test_processes_that_are_asked_for_forks_at_once_cosign_exactly_one(tmp_path: Path) -> None:
    base = fork(0, 2)
    witness = make_witness(tmp_path, log_key(base))
    assert witness.answer(f"old 0\n\n{base.checkpoint()}".encode()).status == 200
    context = get_context("spawn")
    results: Queue[tuple[int, list[tuple[int, int, str]]]] = context.Queue()
    barrier = context.Barrier(PROCESSES)
    workers = [context.Process(target=ask, args=(tmp_path, number, barrier, results)) for number in range(PROCESSES)]
    for each in workers:
        each.start()
    answers = dict(results.get(timeout=120) for _ in workers)
    for each in workers:
        each.join(60)
        assert each.exitcode == 0

    cosigned = {number for number, each in answers.items() if any(status == 200 for _, status, _ in each)}
    assert len(cosigned) == 1, "one fork won the first round, and then no other can"
    (winner,) = cosigned
    key = witness.cosigners[0].key
    for size, status, body in answers[winner]:
        if status == 200:
            (line,) = parse_cosignatures(body)
            cosignature_time(line, key, Checkpoint(base.origin, size, fork(winner, size).root()))
    for number, each in answers.items():
        assert {status for _, status, _ in each} <= ({200, 409, 422} if number == winner else {409, 422})
    head = witness.store.head(base.origin)
    assert head is not None
    assert (head.size, head.root) == (2 + ROUNDS, fork(winner, 2 + ROUNDS).root())
