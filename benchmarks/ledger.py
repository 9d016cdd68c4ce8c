"""How fast the ledger is, beside what most such ledgers are: a signed hash chain in raw sqlite3.

Both write the same statements, sign them with Ed25519, and are durable before they acknowledge (WAL,
synchronous=FULL). They take turns in short rounds, so that what else the machine does hits both alike. The
baseline has no Merkle tree: it cannot prove an entry without showing all of them, so it has no figure there.

    python benchmarks/ledger.py                 100,000 entries, 8 processes for 30 seconds
    python benchmarks/ledger.py --quick         the same on a small scale, in about half a minute
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from ireu_governance.core import merkle
from ireu_governance.core.errors import VerificationError
from ireu_governance.core.keys import KeyFile, PrivateKey, PublicKey
from ireu_governance.core.statement import Draft, Subject, predicate_type
from ireu_governance.core.times import now
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.audit import audit

ORIGIN = "log.example/benchmark"
ROUNDS = 20
BATCH = 100
DIGEST = "ab" * 32

SUBJECT = tuple(
    Subject.model_validate({"name": name, "digest": {"sha256": DIGEST}})
    for name in ("encoder", "config.json", "model.safetensors")
)
TEST = {
    "name": "portrait-match",
    "recogniser": "arcface-r50",
    "recogniser_digest": DIGEST,
    "generator": "sd-1.5",
    "generator_digest": DIGEST,
    "threshold": 0.35,
    "false_match_rate": 0.001,
    "false_match_rate_upper_95": 0.00154,
    "false_match_pairs": 20_000,
    "max_match_rate": 0.1,
    "min_probes": 16,
}
MATCHES = {
    "threshold": 0.35,
    "false_match_rate": 0.001,
    "false_match_rate_upper_95": 0.00154,
    "matches": 1,
    "rate": 0.015625,
    "lower_95": 0.00039551,
    "upper_95": 0.08400671,
}
METHOD = {
    "name": "ireu",
    "preset": "paper",
    "tap": "pooled",
    "k": 0.1,
    "alpha": -1.0,
    "steps": 200,
    "lr": 0.0001,
    "lambda": 1.0,
    "batch_size": 16,
    "seed": 7,
    "settings": {"optimiser": "adamw"},
}


def make_fields(seq: int) -> tuple[str, dict[str, Any]]:
    """Return kind and fields of a statement as a real ledger has them: request, removal, verification."""
    case = {"case_id": secrets.token_hex(16), "commitment": secrets.token_hex(32)}
    if seq % 3 == 0:
        return "removal-request", {"cases": [case], "plan": {"tests": [TEST], "min_retained_similarity": 0.9}}
    if seq % 3 == 1:
        return "removal", {
            "request_seq": max(seq - 1, 0),
            "cases": [case],
            "encoder_before": {"sha256": DIGEST},
            "architecture": "clip-vit-large-patch14",
            "method": METHOD,
            "counts": {"forget": 8, "retain": 200},
            "run": {
                "mlflow_run_id": secrets.token_hex(16),
                "model": "models:/encoder/3",
                "software": {"torch": "2.13.0", "transformers": "5.23.0"},
                "device": "cuda",
                "pickle_allowed": False,
                "seconds": 412.5,
            },
        }
    score = {"name": "portrait-match", "value": 0.0816, "better": "lower", "unit": "cosine", "n": 64}
    return "verification", {
        "removal_seq": max(seq - 1, 0),
        "occasion": "removal",
        "verdict": "holds",
        "known_encoder": True,
        "cases": [{"case_id": case["case_id"], "verdict": "holds", "scores": [{**score, "matches": MATCHES}]}],
        "scores": [{"name": "retained-similarity", "value": 0.97, "better": "higher", "unit": "cosine", "n": 200}],
        "extractor": None,
        "device": "cuda",
        "software": {"torch": "2.13.0"},
    }


def make_drafts(count: int) -> list[Draft]:
    """Return drafts of all kinds."""
    made = (make_fields(seq) for seq in range(count))
    return [Draft(subject=SUBJECT, kind=kind, fields=fields) for kind, fields in made]


class Baseline:
    """A signed hash chain as one writes it in an afternoon: JSON, SHA-256, Ed25519, one table."""

    def __init__(self, path: Path, key: PrivateKey) -> None:
        self._key = key
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=60)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS chain (seq INTEGER PRIMARY KEY, prev BLOB UNIQUE, hash BLOB UNIQUE,"
            " body BLOB NOT NULL, sig BLOB NOT NULL)"
        )

    def append(self, drafts: Sequence[Draft]) -> list[tuple[int, bytes]]:
        """Append, durably; return numbers and hashes."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        seq, prev = run("SELECT seq, hash FROM chain ORDER BY seq DESC LIMIT 1").fetchone() or (-1, bytes(32))
        rows = []
        for draft in drafts:
            seq += 1
            record = {
                "subject": [each.model_dump() for each in draft.subject],
                "predicateType": predicate_type(draft.kind),
                "predicate": {**draft.fields, "seq": seq, "prev": prev.hex(), "recorded_at": now()},
            }
            body = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
            digest = sha256(prev + body).digest()
            rows.append((seq, prev, digest, body, self._key.sign(digest)))
            prev = digest
        self._connection.executemany("INSERT INTO chain VALUES (?, ?, ?, ?, ?)", rows)
        run("COMMIT")
        return [(row[0], row[2]) for row in rows]

    def audit(self, key: PublicKey) -> int:
        """Verify the whole chain; return the number of entries."""
        prev, count = bytes(32), 0
        for seq, stored_prev, digest, body, signature in self._connection.execute("SELECT * FROM chain ORDER BY seq"):
            if seq != count or stored_prev != prev or sha256(prev + body).digest() != digest:
                raise VerificationError("The chain is broken.", check="baseline")
            json.loads(body)
            key.verify(signature, digest, check="baseline")
            prev, count = digest, count + 1
        return count

    def stored(self) -> dict[int, bytes]:
        """Return all hashes by number."""
        return dict(self._connection.execute("SELECT seq, hash FROM chain").fetchall())


@dataclass
class Bench:
    """One ledger and one baseline in a folder, with keys that hammering processes find there."""

    folder: Path
    key_file: KeyFile
    record: PrivateKey
    log: PrivateKey
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @classmethod
    def create(cls, folder: Path) -> Bench:
        """Make the keys and two empty ledgers."""
        root, log, record = (PrivateKey.generate() for _ in range(3))
        key_file = KeyFile.create(
            origin=ORIGIN,
            organisation="Benchmark",
            root_signers=[root],
            log_keys=[log.public_key],
            record_keys=[record.public_key],
            issued_at=now(),
        )
        bench = cls(folder, key_file, record, log)
        for name in ("ledger", "hammer"):
            Ledger.create(
                folder / f"{name}.db", key_file=key_file, checkpoint_path=folder / f"{name}.checkpoint"
            ).close()
        return bench

    def open(self, name: str = "ledger") -> Ledger:
        """Open one of the ledgers."""
        return Ledger.open(
            self.folder / f"{name}.db",
            key_file=self.key_file,
            checkpoint_path=self.folder / f"{name}.checkpoint",
            timeout_s=60,
        )

    def baseline(self, name: str = "ledger") -> Baseline:
        """Open one of the baselines."""
        return Baseline(self.folder / f"{name}.baseline.db", self.record)

    def report(self, what: str, ours: float, theirs: float | None, unit: str, *, bar: str = "") -> None:
        """Add a row to the table."""
        ratio = "–" if theirs is None else f"{ours / theirs:.2f}"
        shown = [f"{each:,.2f}" if unit == "ms" else f"{each:,.0f}" for each in (ours, theirs or 0)]
        self.rows.append((f"{what} ({unit})", shown[0], "–" if theirs is None else shown[1], ratio + bar))

    def appends(self, size: int, count: int) -> None:
        """Append `count` entries to each, `size` at a time, in turns."""
        share = max(count // ROUNDS // size, 1) * size
        seconds = {"ours": 0.0, "theirs": 0.0}
        with self.open() as ledger:
            baseline = self.baseline()
            turns: list[tuple[str, Callable[[Sequence[Draft]], object]]] = [
                ("ours", lambda drafts: ledger.append(drafts, self.record)),
                ("theirs", baseline.append),
            ]
            for _, append in turns:
                append(make_drafts(1))  # opened, verified and compiled
            for round_ in range(ROUNDS):
                for name, append in turns if round_ % 2 else turns[::-1]:
                    drafts = make_drafts(share)
                    start = time.perf_counter()
                    for at in range(0, share, size):
                        append(drafts[at : at + size])
                    seconds[name] += time.perf_counter() - start
        total = share * ROUNDS
        what = "single appends" if size == 1 else f"appends in batches of {size}"
        bar = "   bar: 800" if size == 1 else "   bar: 5,000"
        self.report(what, total / seconds["ours"], total / seconds["theirs"], "/s", bar=bar)

    def fill(self, entries: int) -> None:
        """Append to ours until it has `entries` entries."""
        with self.open() as ledger:
            while (missing := entries - ledger.head().size) > 0:
                ledger.append(make_drafts(min(missing, 1000)), self.record)
            ledger.publish(self.log)

    def proofs(self, count: int) -> None:
        """Time proofs about random entries and sizes; each was verified by then, or is verified here."""
        with self.open() as ledger:
            size = ledger.head().size
            root = ledger.head().root
            inclusion = timed(lambda: ledger.prove_inclusion(secrets.randbelow(size)), count)
            sizes = [1 + secrets.randbelow(size) for _ in range(count)]
            consistency = timed(iter([lambda n=n: ledger.prove_consistency(n, size) for n in sizes]), count)
            some = sizes[0]
            leaves = [each.leaf_hash for each in ledger.entries(0, min(some, 1000))]
            some = min(some, 1000)
            older = merkle.root_of_frontier(merkle.extend(0, [], leaves)[1])
            proof = ledger.prove_consistency(some, size)
            merkle.verify_consistency(size1=some, size2=size, proof=proof, root1=older, root2=root)
        at = f"at {size:,}"
        self.report(f"inclusion proof p50 {at}", percentile(inclusion, 50), None, "ms")
        self.report(f"inclusion proof p99 {at}", percentile(inclusion, 99), None, "ms", bar="   bar: 5")
        self.report(f"consistency proof p50 {at}", percentile(consistency, 50), None, "ms")
        self.report(f"consistency proof p99 {at}", percentile(consistency, 99), None, "ms", bar="   bar: 5")

    def audits(self) -> None:
        """Audit both in full: every hash, every signature, every link."""
        start = time.perf_counter()
        count = self.baseline().audit(self.record.public_key)
        theirs = count / (time.perf_counter() - start)
        for processes in (1, 2):
            start = time.perf_counter()
            report = audit(
                self.folder / "ledger.db",
                key_file=self.key_file,
                checkpoint_path=self.folder / "ledger.checkpoint",
                processes=processes,
            )
            ours = report.size / (time.perf_counter() - start)
            self.report(f"full audit, {processes} process{'es' * (processes > 1)}", ours, theirs, "entries/s")
            self.failures += [f"audit: {each.message}" for each in report.findings]

    def hammer(self, processes: int, seconds: float) -> None:
        """Let processes append one by one at the same time, and check that nothing forked or was lost."""
        figures: dict[str, tuple[float, float, float]] = {}
        for name in ("theirs", "ours"):
            context = get_context("spawn")
            results: Queue[tuple[list[tuple[int, bytes]], list[float]]] = context.Queue()
            ready = context.Barrier(processes + 1)
            workers = [
                context.Process(target=hammer, args=(self.worker_arguments(), name, seconds, ready, results))
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
            self.check(name, acknowledged)
            figures[name] = (
                len(acknowledged) / wall,
                percentile(latencies, 50),
                percentile(latencies, 99),
            )
        what = f"{processes} processes"
        self.report(f"{what}, appends", figures["ours"][0], figures["theirs"][0], "/s")
        self.report(f"{what}, append p50", figures["ours"][1], figures["theirs"][1], "ms")
        self.report(f"{what}, append p99", figures["ours"][2], figures["theirs"][2], "ms", bar="   bar: 50")

    def worker_arguments(self) -> tuple[str, bytes, bytes]:
        """Return what another process needs to open the same ledger."""
        return str(self.folder), self.key_file.to_bytes(), self.record.to_pem(None)

    def check(self, name: str, acknowledged: list[tuple[int, bytes]]) -> None:
        """Compare what was acknowledged with what is stored."""
        if name == "ours":
            with self.open("hammer") as ledger:
                stored = {each.seq: each.leaf_hash for each in ledger.entries()}
            report = audit(
                self.folder / "hammer.db",
                key_file=self.key_file,
                checkpoint_path=self.folder / "hammer.checkpoint",
            )
            self.failures += [f"hammer, audit: {each.message}" for each in report.findings]
        else:
            stored = self.baseline("hammer").stored()
        forks = len(acknowledged) - len({seq for seq, _ in acknowledged})
        gaps = len(set(range(len(stored))) - stored.keys())
        lost = sum(stored.get(seq) != digest for seq, digest in acknowledged)
        line = f"hammer, {name}: {len(acknowledged):,} acknowledged, forks {forks}, gaps {gaps}, lost {lost}"
        print(line, flush=True)
        if forks or gaps or lost or len(stored) != len(acknowledged):
            self.failures.append(line)


def hammer(
    arguments: tuple[str, bytes, bytes],
    name: str,
    seconds: float,
    ready: Any,
    results: Queue[tuple[list[tuple[int, bytes]], list[float]]],
) -> None:
    """Append one by one until the time is over; runs in a process of its own."""
    folder, key_file, pem = arguments
    bench = Bench(Path(folder), KeyFile.from_bytes(key_file), PrivateKey.from_pem(pem), PrivateKey.generate())
    acknowledged: list[tuple[int, bytes]] = []
    latencies: list[float] = []
    with bench.open("hammer") as ledger:
        baseline = bench.baseline("hammer")
        ready.wait(300)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            drafts = make_drafts(1)
            start = time.perf_counter()
            if name == "ours":
                entries = ledger.append(drafts, bench.record)
                done = [(each.seq, each.leaf_hash) for each in entries]
            else:
                done = baseline.append(drafts)
            latencies.append(1000 * (time.perf_counter() - start))
            acknowledged += done
    results.put((acknowledged, latencies))


def timed(work: Callable[[], object] | Iterable[Callable[[], object]], count: int) -> list[float]:
    """Return how many milliseconds each of `count` calls took."""
    calls = iter([work] * count) if callable(work) else iter(work)
    times = []
    for call in calls:
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return times


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=100_000, help="size at which proofs and audit are timed")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the processes hammer, each side")
    parser.add_argument("--processes", type=int, default=8, help="how many processes hammer")
    parser.add_argument("--quick", action="store_true", help="5,000 entries, 4 processes, 3 seconds")
    options = parser.parse_args()
    if options.quick:
        options.entries, options.seconds, options.processes = 5_000, 3.0, 4
    load = os.getloadavg()
    print(f"{os.cpu_count()} cores; load before the run {load[0]:.1f} {load[1]:.1f} {load[2]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench.create(Path(folder))
        bench.appends(1, 400 if options.quick else 2_000)
        bench.appends(BATCH, 4_000 if options.quick else 20_000)
        bench.fill(options.entries)
        bench.proofs(500 if options.quick else 2_000)
        bench.audits()
        bench.hammer(options.processes, options.seconds)
    width = max(len(row[0]) for row in bench.rows)
    print(f"\n{'':{width}}  {'ledger':>12}  {'hash chain':>12}  ratio")
    for what, ours, theirs, ratio in bench.rows:
        print(f"{what:{width}}  {ours:>12}  {theirs:>12}  {ratio}")
    for failure in bench.failures:
        print(f"FAILED  {failure}", file=sys.stderr)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
