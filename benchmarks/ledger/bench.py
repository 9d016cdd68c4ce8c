"""Where the measurements happen: ledgers and their keys in a folder, and the table that figures are reported in."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from baseline import Baseline
from samples import make_drafts

from ireu_governance.core.keys import KeyFile, PrivateKey
from ireu_governance.core.times import now
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.audit import AuditReport, audit
from ireu_governance.ledger.audit_state import VerifiedState
from ireu_governance.ledger.location import Location

__all__ = ["Bench", "percentile", "timed"]

ORIGIN = "log.example/benchmark"
FILL = 2000  # entries that are appended at once while a ledger is filled


@dataclass
class Bench:
    """Ledgers by name in a folder, with keys that other processes find in what `arguments` hands them.

    Attributes:
        folder: Where everything lies; checkpoints and baselines also when the ledgers are in PostgreSQL.
        key_file: The keys.
        record: Signs entries.
        log: Signs heads.
        postgres: URL of a database in which each ledger gets a schema of its own; None for SQLite files.
        rows: The table: what, ours, theirs, ratio and target.
        failures: What went wrong.
    """

    folder: Path
    key_file: KeyFile
    record: PrivateKey
    log: PrivateKey
    postgres: str | None = None
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @classmethod
    def create(cls, folder: Path, *, postgres: str | None = None) -> Bench:
        """Make the keys."""
        root, log, record = (PrivateKey.generate() for _ in range(3))
        key_file = KeyFile.create(
            origin=ORIGIN,
            organisation="Benchmark",
            root_signers=[root],
            log_keys=[log.public_key],
            record_keys=[record.public_key],
            issued_at=now(),
        )
        return cls(folder, key_file, record, log, postgres)

    @property
    def arguments(self) -> tuple[str, bytes, bytes, bytes, str | None]:
        """What another process needs to open the same ledgers."""
        keys = (self.record.to_pem(None), self.log.to_pem(None))
        return str(self.folder), self.key_file.to_bytes(), *keys, self.postgres

    @classmethod
    def of(cls, arguments: tuple[str, bytes, bytes, bytes, str | None]) -> Bench:
        """Return the bench of another process."""
        folder, key_file, record, log, postgres = arguments
        keys = (PrivateKey.from_pem(record), PrivateKey.from_pem(log))
        return cls(Path(folder), KeyFile.from_bytes(key_file), *keys, postgres)

    def make(self, name: str) -> None:
        """Make an empty ledger."""
        if self.postgres is not None:
            (self.folder / f"{name}.url").write_text(make_schema(self.postgres))
        Ledger.create(self.location(name), key_file=self.key_file, checkpoint_path=self.checkpoint(name)).close()

    def location(self, name: str) -> Location:
        """Return where a ledger's database is."""
        return self.folder / f"{name}.db" if self.postgres is None else (self.folder / f"{name}.url").read_text()

    def checkpoint(self, name: str) -> Path:
        """Return where a ledger's checkpoint is published."""
        return self.folder / f"{name}.checkpoint"

    def open(self, name: str) -> Ledger:
        """Open a ledger."""
        return Ledger.open(
            self.location(name), key_file=self.key_file, checkpoint_path=self.checkpoint(name), timeout_s=60
        )

    def audit(self, name: str, *, processes: int = 1, since: VerifiedState | None = None) -> AuditReport:
        """Audit a ledger; findings are failures."""
        report = audit(
            self.location(name),
            key_file=self.key_file,
            checkpoint_path=self.checkpoint(name),
            processes=processes,
            since=since,
        )
        self.failures += [f"audit of {name}: {each.message}" for each in report.findings]
        return report

    def baseline(self, name: str) -> Baseline:
        """Open a hash chain."""
        return Baseline(self.folder / f"{name}.baseline.db", self.record)

    def fill(self, name: str, entries: int) -> None:
        """Append to a ledger until it has so many entries, and publish its head."""
        with self.open(name) as ledger:
            size = ledger.head().size
            start = time.perf_counter()
            while size < entries:
                ledger.append(make_drafts(min(entries - size, FILL), first=size), self.record)
                size = min(size + FILL, entries)
                if size % 100_000 == 0:
                    print(f"{name}: {size:,} entries after {time.perf_counter() - start:.0f} s", file=sys.stderr)
            ledger.publish(self.log)

    def clean(self) -> None:
        """Remove the schemas that were made in PostgreSQL; folders are removed by whoever made them."""
        if self.postgres is None:
            return
        import psycopg

        with psycopg.connect(self.postgres, autocommit=True) as connection:
            for file in self.folder.glob("*.url"):
                name = file.read_text().rpartition("search_path%3D")[2]
                connection.execute(f"DROP SCHEMA {name} CASCADE".encode())

    def report(self, what: str, ours: float, unit: str, *, theirs: float | None = None, target: str = "") -> None:
        """Add a row to the table."""
        shown = f"{ours:,.0f}" if unit.endswith("/s") else f"{ours:,.2f}"
        other = "–" if theirs is None else f"{theirs:,.0f}" if unit.endswith("/s") else f"{theirs:,.2f}"
        ratio = "–" if theirs is None else f"{ours / theirs:.2f}"
        self.rows.append((f"{what} ({unit})", shown, other, f"{ratio:6} {target}"))
        print(f"  {what} ({unit}): {shown}", file=sys.stderr, flush=True)

    def print(self) -> None:
        """Print the table."""
        width = max(len(row[0]) for row in self.rows)
        print(f"\n{'':{width}}  {'ledger':>12}  {'beside it':>12}  ratio  target")
        for what, ours, theirs, ratio in self.rows:
            print(f"{what:{width}}  {ours:>12}  {theirs:>12}  {ratio}")
        for failure in self.failures:
            print(f"FAILED  {failure}", file=sys.stderr)


def make_schema(url: str) -> str:
    """Make a schema of its own in a PostgreSQL database, and return the URL that leads to it."""
    import psycopg

    name = f"benchmark_{uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}"


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
