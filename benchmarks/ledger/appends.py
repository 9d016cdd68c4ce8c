"""How fast entries are appended: one by one, in batches, and by many processes at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.queues import Queue
from typing import Any

from bench import Bench, percentile
from samples import make_drafts

from ireu_governance.core.statement import Draft

__all__ = ["measure_appends", "measure_writers"]

ROUNDS = 20
TARGETS = {1: "≥ 800", 100: "≥ 5,000"}


def measure_appends(bench: Bench, size: int, count: int) -> None:
    """Append `count` entries to a ledger and to a hash chain, `size` at a time, in turns."""
    name = f"appends{size}"
    bench.make(name)
    share = max(count // ROUNDS // size, 1) * size
    seconds = {"ours": 0.0, "theirs": 0.0}
    with bench.open(name) as ledger:
        turns: list[tuple[str, Callable[[Sequence[Draft]], object]]] = [
            ("ours", lambda drafts: ledger.append(drafts, bench.record)),
            ("theirs", bench.baseline(name).append),
        ]
        for _, append in turns:
            append(make_drafts(1))  # opened, verified and compiled
        for round_ in range(ROUNDS):
            for which, append in turns if round_ % 2 else turns[::-1]:
                drafts = make_drafts(share)
                start = time.perf_counter()
                for at in range(0, share, size):
                    append(drafts[at : at + size])
                seconds[which] += time.perf_counter() - start
    total = share * ROUNDS
    what = "single appends" if size == 1 else f"appends in batches of {size}"
    bench.report(what, total / seconds["ours"], "/s", theirs=total / seconds["theirs"], target=TARGETS.get(size, ""))


def measure_writers(bench: Bench, processes: int, seconds: float) -> None:
    """Let processes append one by one at the same time, and check that nothing forked or was lost."""
    figures: dict[str, tuple[float, float, float]] = {}
    bench.make("writers")
    bench.baseline("writers")
    for which in ("theirs", "ours"):
        context = get_context("spawn")
        results: Queue[tuple[list[tuple[int, bytes]], list[float]]] = context.Queue()
        ready = context.Barrier(processes + 1)
        workers = [
            context.Process(target=write, args=(bench.arguments, which, seconds, ready, results))
            for _ in range(processes)
        ]
        for each in workers:
            each.start()
        ready.wait(300)
        go = time.time()
        answers = [results.get(timeout=seconds + 300) for _ in workers]
        wall = time.time() - go
        for each in workers:
            each.join()
        acknowledged = [one for answer in answers for one in answer[0]]
        latencies = [one for answer in answers for one in answer[1]]
        check(bench, which, acknowledged)
        figures[which] = (len(acknowledged) / wall, percentile(latencies, 50), percentile(latencies, 99))
    what = f"{processes} processes"
    bench.report(f"{what}, appends", figures["ours"][0], "/s", theirs=figures["theirs"][0])
    bench.report(f"{what}, append p50", figures["ours"][1], "ms", theirs=figures["theirs"][1])
    bench.report(f"{what}, append p99", figures["ours"][2], "ms", theirs=figures["theirs"][2], target="< 50")


def check(bench: Bench, which: str, acknowledged: list[tuple[int, bytes]]) -> None:
    """Compare what was acknowledged with what is stored."""
    if which == "ours":
        with bench.open("writers") as ledger:
            stored = {each.seq: each.leaf_hash for each in ledger.entries()}
        bench.audit("writers")
    else:
        stored = bench.baseline("writers").stored()
    forks = len(acknowledged) - len({seq for seq, _ in acknowledged})
    gaps = len(set(range(len(stored))) - stored.keys())
    lost = sum(stored.get(seq) != digest for seq, digest in acknowledged)
    line = f"writers, {which}: {len(acknowledged):,} acknowledged, forks {forks}, gaps {gaps}, lost {lost}"
    print(line, flush=True)
    if forks or gaps or lost or len(stored) != len(acknowledged):
        bench.failures.append(line)


def write(arguments: Any, which: str, seconds: float, ready: Any, results: Any) -> None:
    """Append one by one until the time is over; runs in a process of its own."""
    bench = Bench.of(arguments)
    acknowledged: list[tuple[int, bytes]] = []
    latencies: list[float] = []
    with bench.open("writers") as ledger:
        baseline = bench.baseline("writers")
        ready.wait(300)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            drafts = make_drafts(1)
            start = time.perf_counter()
            if which == "ours":
                done = [(each.seq, each.leaf_hash) for each in ledger.append(drafts, bench.record)]
            else:
                done = baseline.append(drafts)
            latencies.append(1000 * (time.perf_counter() - start))
            acknowledged += done
    results.put((acknowledged, latencies))
