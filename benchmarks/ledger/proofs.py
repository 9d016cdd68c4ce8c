"""How fast proofs are made, and beside them those of pymerkle, if an environment with it is named.

pymerkle has another licence and another form of proofs, so it is never installed here: its Python is called.
"""

from __future__ import annotations

import json
import secrets
import subprocess

from bench import Bench, percentile, timed

from ireu_governance.core import merkle

__all__ = ["measure_proofs"]

TARGETS = {100_000: "< 5", 1_000_000: "< 10"}
MAX_COMPARED = 100_000  # pymerkle's proofs cost as much as there are entries

_PYMERKLE = """
import json, random, sys, tempfile, time
from pymerkle import SqliteTree
size, count = int(sys.argv[1]), int(sys.argv[2])
with tempfile.TemporaryDirectory() as folder:
    tree = SqliteTree(folder + "/tree.db")
    tree.append_entries([b"%0512d" % each for each in range(size)])
    def timed(call):
        times = []
        for _ in range(count):
            start = time.perf_counter(); call(); times.append(1000 * (time.perf_counter() - start))
        return sorted(times)[int(count * 0.99)]
    inclusion = timed(lambda: tree.prove_inclusion(random.randint(1, size)))
    consistency = timed(lambda: tree.prove_consistency(random.randint(1, size - 1), size))
print(json.dumps([inclusion, consistency]))
"""


def measure_proofs(bench: Bench, name: str, count: int, *, pymerkle: str | None = None) -> None:
    """Time proofs about random entries and sizes; each is verified before the ledger hands it out."""
    with bench.open(name) as ledger:
        head = ledger.head()
        inclusion = timed(lambda: ledger.prove_inclusion(secrets.randbelow(head.size)), count)
        sizes = [1 + secrets.randbelow(head.size) for _ in range(count)]
        consistency = timed(iter([lambda n=n: ledger.prove_consistency(n, head.size) for n in sizes]), count)  # type: ignore[misc]
        some = min(sizes[0], 1000)
        _, older = merkle.extend(0, [], [each.leaf_hash for each in ledger.entries(0, some)])
        merkle.verify_consistency(
            size1=some,
            size2=head.size,
            proof=ledger.prove_consistency(some, head.size),
            root1=merkle.root_of_frontier(older),
            root2=head.root,
        )
    theirs: list[float | None] = [None, None]
    if pymerkle is not None and head.size <= MAX_COMPARED:
        print(f"pymerkle with {head.size:,} entries …", flush=True)
        theirs = beside(pymerkle, head.size, min(count, 200))
    target = TARGETS.get(head.size, "")
    at = f"at {head.size:,}"
    bench.report(f"inclusion proof p50 {at}", percentile(inclusion, 50), "ms")
    bench.report(f"inclusion proof p99 {at}", percentile(inclusion, 99), "ms", theirs=theirs[0], target=target)
    bench.report(f"consistency proof p50 {at}", percentile(consistency, 50), "ms")
    bench.report(f"consistency proof p99 {at}", percentile(consistency, 99), "ms", theirs=theirs[1], target=target)


def beside(python: str, size: int, count: int) -> list[float | None]:
    """Return pymerkle's p99 of inclusion and consistency proofs in milliseconds."""
    done = subprocess.run([python, "-c", _PYMERKLE, str(size), str(count)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"pymerkle could not be measured: {done.stderr.strip().splitlines()[-1:]}")
        return [None, None]
    found: list[float | None] = json.loads(done.stdout)
    return found
