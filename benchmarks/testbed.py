"""The method on the synthetic testbed: the paper's table, means over several people, beside its targets.

    python benchmarks/testbed.py                      five removals of one person each
    python benchmarks/testbed.py --together           one removal of five people
    python benchmarks/testbed.py --methods ireu global --json figures.json

Every figure comes from a whole removal in a temporary workspace, the same code that `ireu unlearn` runs.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path

import torch

from ireu_governance.workspace import Workspace
from ireu_sdk.evaluation.report import TABLE_COLUMNS, table_row, to_markdown
from ireu_sdk.order import Order
from ireu_sdk.removal import RemovalResult, unlearn
from ireu_sdk.testbed.gallery import FORGETTABLE
from ireu_sdk.toolbox import load_toolbox

# What the project set out to reach on this world: (figure, smallest or largest, value for one and for five people).
TARGETS = (
    ("id-target-o", "≤", 0.05, 0.05),
    ("id-target-o-unseen", "≤", 0.10, 0.15),
    ("id-other-o-kept", "≥", 0.93, 0.90),
    ("id-other-g", "≥", 0.90, 0.87),
    ("delta-id", "≥", 0.80, 0.75),
    ("psnr", "≥", 28.9, 28.2),
    ("ssim", "≥", 0.92, 0.90),
    ("B: delta-id", "≥", 0.70, 0.60),
)


def main() -> None:
    """Run the removals and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=len(FORGETTABLE), help="how many people, 1 to 5")
    parser.add_argument("--together", action="store_true", help="forget them in one removal")
    parser.add_argument("--panel-photos", type=int, default=2, help="photos of each retained person that are drawn")
    parser.add_argument("--methods", nargs="+", default=["ireu"], choices=["ireu", "global"])
    parser.add_argument("--preset", default="default", choices=["default", "paper"])
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings over the preset's")
    parser.add_argument("--json", type=Path, help="also write the figures to a file")
    options = parser.parse_args()
    settings = {name: _number(value) for name, _, value in (item.partition("=") for item in options.set)}
    people = [str(number) for number in FORGETTABLE][: options.people]
    groups = [",".join(people)] if options.together else people
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}\n"
    )
    figures: dict[str, dict[str, list[float | None]]] = {}
    with tempfile.TemporaryDirectory(prefix="ireu-bench-") as folder:
        workspace = Workspace.create(Path(folder) / "workspace", organisation="Benchmark")
        toolbox = load_toolbox(encoder="testbed")
        for method in options.methods:
            rows: dict[str, list[list[float | None]]] = {}
            seconds = []
            for group in groups:
                started = time.perf_counter()
                done = unlearn(
                    workspace,
                    Order(
                        encoder="testbed",
                        forget=f"testbed:{group}",
                        retain="testbed",
                        preset=options.preset,
                        settings={**settings, "method": method},
                        panel_photos=options.panel_photos,
                    ),
                    toolbox=toolbox,
                )
                whole = time.perf_counter() - started
                seconds.append(done.training_seconds)
                for drawing in done.measurement.after:
                    row = table_row(drawing.generator, done.measurement.cases, done.measurement.scores)
                    rows.setdefault(drawing.generator, []).append(row)
                print(
                    f"{method}, people {group}: {done.verdict.value}, {done.training_seconds:.0f} s of training,",
                    end=" ",
                )
                print(f"{whole:.0f} s in all; masks keep {done.masks.energy:.2f} of ‖Δz‖²", flush=True)
                _print_matches(done)
            means = {generator: _mean(found) for generator, found in rows.items()}
            figures[method] = means
            print()
            print(to_markdown([(f"{method}, {generator}", row) for generator, row in means.items()]))
            if method == "ireu" and options.preset == "default":
                _print_targets(means, together=options.together)
            print(f"training: {max(seconds):.0f} s at most\n")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _print_matches(done: RemovalResult) -> None:
    """Print how many probes of each case were still recognised, which decides about the verdict."""
    for number, case in enumerate(done.measurement.cases):
        decisive = [s for s in case.scores if s.matches is not None and s.name.endswith("-match")]
        counts = ", ".join(f"{s.name.partition('/')[0]} {s.matches.matches}/{s.n}" for s in decisive if s.matches)
        print(f"    case {number}: {case.verdict.value}; recognised: {counts}", flush=True)
    kept = next(s.value for s in done.measurement.scores if s.name == "retained-similarity")
    print(f"    retained similarity {kept:.3f}", flush=True)


def _mean(rows: list[list[float | None]]) -> list[float | None]:
    columns = zip(*rows, strict=True)
    return [None if None in column else sum(v for v in column if v is not None) / len(rows) for column in columns]


def _print_targets(means: dict[str, list[float | None]], *, together: bool) -> None:
    names = [name for _, name, _ in TABLE_COLUMNS]
    for name, direction, one, five in TARGETS:
        target = five if together else one
        generator = "testbed:b" if name.startswith("B: ") else "testbed:a"
        value = means[generator][names.index(name.removeprefix("B: "))]
        reached = value is not None and (value <= target if direction == "≤" else value >= target)
        print(f"  {'reached' if reached else 'MISSED ':<8} {name:<20} {value:8.3f}  {direction} {target}")


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


if __name__ == "__main__":
    main()
