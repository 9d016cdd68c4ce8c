"""How fast a ledger is audited, beside the least that it can take: verifying each signature, and nothing else."""

from __future__ import annotations

import os
import time

from bench import Bench

from ireu_governance.core.bulk_keys import BulkPublicKey
from ireu_governance.core.envelope import Envelope, pae

__all__ = ["measure_audits"]

SAMPLE = 5000  # signatures that tell the floor


def measure_audits(bench: Bench, name: str, *, more: int) -> None:
    """Audit a ledger in full, by one process and by one for each core, and then only what is new."""
    floor = signatures_per_second(bench, name)
    bench.report("Ed25519 signatures verified, one core: the floor", floor, "/s")
    cores = len(os.sched_getaffinity(0))
    state = None
    for processes in sorted({1, cores}):
        start = time.perf_counter()
        report = bench.audit(name, processes=processes)
        rate = report.size / (time.perf_counter() - start)
        what = f"full audit, {processes} process{'es' * (processes > 1)}"
        bench.report(what, rate, "entries/s", theirs=floor * processes, target="≥ 8,000 per core")
        state = report.state
    if state is None:
        bench.failures.append("no state to continue from")
        return
    bench.fill(name, state.size + more)
    for processes in sorted({1, cores}):
        start = time.perf_counter()
        report = bench.audit(name, processes=processes, since=state)
        seconds = time.perf_counter() - start
        if report.checked["entries"] != more:
            bench.failures.append(f"the incremental audit read {report.checked['entries']} entries, not {more}")
        what = f"audit of {more:,} new entries after {state.size:,}, {processes} process{'es' * (processes > 1)}"
        bench.report(what, seconds, "s", target="< 2 for 10,000")


def signatures_per_second(bench: Bench, name: str) -> float:
    """Return how many of the ledger's own signatures one core verifies a second, best of three."""
    with bench.open(name) as ledger:
        envelopes = [Envelope.from_bytes(each.envelope) for each in ledger.entries(0, SAMPLE)]
    work = [(each.signatures[0].sig, pae(each.payload_type, each.payload)) for each in envelopes]
    key = BulkPublicKey.of(bench.record.public_key)  # what an audit verifies with
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for signature, message in work:
            key.verify(signature, message, check="record-signature")
        best = min(best, time.perf_counter() - start)
    return len(work) / best
