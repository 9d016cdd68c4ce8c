"""Throws many hostile inputs at every parser and says what came out that should not.

    python tests/fuzz/run.py                          10,000 inputs for each parser
    python tests/fuzz/run.py --inputs 1000000 --processes 2
    python tests/fuzz/run.py --only envelope --seed 7 --keep /tmp/findings

An input that raises something else than an error of ireu, or that takes longer than two seconds, is printed with its
seed and written to the folder of --keep. Exit code 1 if there was one.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import FrameType

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from mutation import Mutator  # noqa: E402
from targets import TARGETS, Absent, Target  # noqa: E402

from ireu_governance.core.errors import VerificationError  # noqa: E402

__all__ = ["Result", "fuzz"]

SLOW_S = 2.0  # no document of ours takes a tenth of it
PORTION = 20_000  # inputs that one process takes at once
MAX_SHOWN = 5


class _TooSlowError(BaseException):
    """Not an Exception, so that no parser can take it for one of its own."""


@dataclass
class Result:
    """What became of the inputs of one parser.

    Attributes:
        inputs: How many there were.
        read: How many were taken for good.
        seconds: How long it took, over all processes.
        findings: What went wrong, with the input.
    """

    inputs: int = 0
    read: int = 0
    seconds: float = 0.0
    findings: list[tuple[str, bytes]] = field(default_factory=list)


def fuzz(name: str, *, inputs: int, seed: int) -> Result:
    """Throw inputs at one parser.

    Args:
        name: Name of the target.
        inputs: How many.
        seed: Number that all chance comes from.

    Returns:
        What became of them.

    Raises:
        Absent: What the target needs is not installed.
    """
    target = TARGETS[name]
    seeds = list(target.seeds())
    for each in seeds:
        with suppress(VerificationError):
            target.parse(each)  # a seed that cannot even be read would make all that follows worthless
    mutator = Mutator(seeds, seed)
    result = Result(inputs)
    start = time.perf_counter()
    with _alarm():
        for _ in range(inputs):
            data = mutator.next()
            try:
                _throw(target, data, result)
            except _TooSlowError:
                result.findings.append((f"it takes longer than {SLOW_S:.0f} seconds", data))
    result.seconds = time.perf_counter() - start
    return result


def _throw(target: Target, data: bytes, result: Result) -> None:
    signal.setitimer(signal.ITIMER_VIRTUAL, SLOW_S)  # of the processor's time: a busy machine is no finding
    try:
        target.parse(data)
        result.read += 1
    except target.refuses:
        pass
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {str(error)[:200]} ({Path(place.filename).name}:{place.lineno})"
        result.findings.append((what, data))
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise _TooSlowError

    before = signal.signal(signal.SIGVTALRM, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _portion(name: str, inputs: int, seed: int) -> Result | str:
    try:
        return fuzz(name, inputs=inputs, seed=seed)
    except Absent as error:
        return str(error)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000, help="how many for each parser")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=sorted(TARGETS), help="only this parser; can be repeated")
    parser.add_argument("--keep", type=Path, help="folder for inputs that were findings")
    options = parser.parse_args()
    failed = False
    print(f"{'parser':22} {'inputs':>10} {'read':>8} {'inputs/s':>9}  findings", flush=True)
    with ProcessPoolExecutor(options.processes) as pool:
        for name in options.only or TARGETS:
            portions = [
                (name, min(PORTION, options.inputs - start), options.seed * 1_000_003 + start)
                for start in range(0, options.inputs, PORTION)
            ]
            begun = time.perf_counter()
            total, absent = Result(), ""
            for answer in pool.map(_portion, *zip(*portions, strict=True)):
                if isinstance(answer, str):
                    absent = answer
                    break
                total.inputs += answer.inputs
                total.read += answer.read
                total.findings += answer.findings
            if absent:
                print(f"{name:22} not run: {absent}", flush=True)
                continue
            rate = total.inputs / (time.perf_counter() - begun)
            print(f"{name:22} {total.inputs:>10,} {total.read:>8,} {rate:>9,.0f}  {len(total.findings)}", flush=True)
            failed = failed or bool(total.findings)
            for what in sorted({what for what, _ in total.findings})[:MAX_SHOWN]:
                print(f"    {what}", flush=True)
            if options.keep is not None:
                options.keep.mkdir(parents=True, exist_ok=True)
                for what, data in total.findings[:100]:
                    (options.keep / f"{name}-{sha256(what.encode()).hexdigest()[:8]}").write_bytes(data)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
