"""How fast the ledger is, beside what most such ledgers are: a signed hash chain in raw sqlite3.

Both write the same statements, sign them with Ed25519, and are durable before they acknowledge (WAL,
synchronous=FULL; in PostgreSQL synchronous_commit=on). They take turns in short rounds, so that what else the machine
does hits both alike. The baseline has no Merkle tree: it cannot prove an entry without showing all of them, so it has
no figure there.

    python benchmarks/ledger                     100,000 entries, 8 processes for 30 seconds
    python benchmarks/ledger --quick             the same on a small scale, in about half a minute
    python benchmarks/ledger --million           proofs at 1,000,000 entries too (some minutes, 3 GB of disk)
    python benchmarks/ledger --only audit --only weights
    python benchmarks/ledger --postgres postgresql://user@host/database
    python benchmarks/ledger --pymerkle /path/to/venv/bin/python
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from appends import measure_appends, measure_writers
from audits import measure_audits
from bench import Bench
from proofs import measure_proofs
from weights import measure_weights

PARTS = ("appends", "proofs", "audit", "writers", "weights")
MILLION = 1_000_000


def measure(bench: Bench, options: argparse.Namespace, parts: Sequence[str]) -> None:
    """Make the measurements that were asked for."""
    if "appends" in parts:
        measure_appends(bench, 1, 400 if options.quick else 2_000)
        measure_appends(bench, 100, 4_000 if options.quick else 20_000)
    if "proofs" in parts or "audit" in parts:
        bench.make("ledger")
        bench.fill("ledger", options.entries)
    if "proofs" in parts:
        measure_proofs(bench, "ledger", 500 if options.quick else 2_000, pymerkle=options.pymerkle)
    if "audit" in parts:
        measure_audits(bench, "ledger", more=1_000 if options.quick else 10_000)
    if "proofs" in parts and options.million:
        bench.fill("ledger", MILLION)
        measure_proofs(bench, "ledger", 2_000)
    if "writers" in parts:
        measure_writers(bench, options.processes, options.seconds)
    if "weights" in parts:
        measure_weights(bench, options.megabytes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=100_000, help="size at which proofs and audit are timed")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the processes write, each side")
    parser.add_argument("--processes", type=int, default=8, help="how many processes write")
    parser.add_argument("--megabytes", type=int, default=1200, help="size of the weights, in MiB")
    parser.add_argument("--million", action="store_true", help="time proofs at 1,000,000 entries too")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; can be repeated")
    parser.add_argument("--postgres", metavar="URL", help="keep the ledgers in this PostgreSQL database")
    parser.add_argument("--pymerkle", metavar="PYTHON", help="a Python that has pymerkle, to compare its proofs")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder if not given")
    parser.add_argument("--quick", action="store_true", help="5,000 entries, 4 processes, 3 seconds, 100 MiB")
    options = parser.parse_args()
    if options.quick:
        options.entries, options.seconds, options.processes, options.megabytes = 5_000, 3.0, 4, 100
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    database = "PostgreSQL" if options.postgres else "SQLite"
    print(f"{len(os.sched_getaffinity(0))} cores; {database}; load before the run {load}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bench = Bench.create(Path(folder), postgres=options.postgres)
        try:
            measure(bench, options, options.only or PARTS)
        finally:
            bench.clean()
    bench.print()
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
