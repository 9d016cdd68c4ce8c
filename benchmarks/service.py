"""How long many readers wait for an entry with its proof, on a large ledger.

::

    python benchmarks/service.py [--entries 100000] [--readers 100] [--requests 20000] [--workers 2] [--workspace DIR]

The service runs in processes of its own, as `ireu serve` runs it; the readers run in another one, each with a
connection that it keeps, and ask for an entry and then for its proof, of a random number each time. With the program
wrk (`apt-get install wrk`) in the path, wrk asks instead: a reader written in Python costs more than what it measures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

from ireu_governance.core.keys import Role
from ireu_governance.workspace import Workspace

sys.path.append(str(Path(__file__).parent / "ledger"))

from samples import make_drafts

FILL = 2000
TARGET_MS = 100.0
WRK_SCRIPT = """
local size = %d
local seq, proof = 0, false
function init(args) math.randomseed(os.time() + tonumber(tostring({}):sub(8), 16) %% 1000000) end
function request()
  if proof then
    proof = false
    return wrk.format("GET", "/v1/ledger/proofs/inclusion?seq=" .. seq)
  end
  seq, proof = math.random(0, size - 1), true
  return wrk.format("GET", "/v1/ledger/entries/" .. seq)
end
"""


def fill(folder: Path, entries: int) -> None:
    """Make a workspace with so many entries, unless it is there."""
    if (folder / "ireu.toml").exists():
        return
    workspace = Workspace.create(folder, organisation="Benchmark", origin="log.example/benchmark")
    signer = workspace.signer(Role.RECORD)
    with workspace.open_ledger() as ledger:
        for start in range(0, entries, FILL):
            ledger.append(make_drafts(min(FILL, entries - start), first=start), signer)
        ledger.publish(workspace.signer(Role.LOG))


def start(folder: Path, workers: int) -> tuple[subprocess.Popen[str], str]:
    """Start the service; return it and its address."""
    environment = {
        **os.environ,
        "IREU_SERVICE_RATE_ANONYMOUS": "9999999/second",  # the limit is not what is measured
    }
    command = [sys.executable, "-m", "ireu_cli", "--workspace", str(folder), "serve", "--port", "0", "--json"]
    if workers > 1:
        port = random.randint(20_000, 40_000)
        command = [*command[:-3], "--port", str(port), "--json", "--workers", str(workers)]
    service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    text = ""
    assert service.stdout is not None
    while not text.rstrip().endswith("}"):
        line = service.stdout.readline()
        if not line:
            raise SystemExit("the service did not start")
        text += line
    url = json.loads(text)["url"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"{url}/healthz").status_code == 200:
                return service, url
        except httpx2.HTTPError:
            time.sleep(0.1)
    raise SystemExit("the service does not answer")


def wait_for_lookup(url: str, size: int) -> float:
    """Wait until entries are found by what they name, which a new service works out beside answering; in seconds."""
    began = time.monotonic()
    while httpx2.get(f"{url}/v1/ledger/entries", params={"kind": "removal", "limit": 1}).json()["searched"] < size:
        time.sleep(0.2)
    return time.monotonic() - began


async def read(url: str, size: int, readers: int, requests: int) -> dict[str, Any]:
    """Ask as many readers do, and return what they waited, in milliseconds."""
    waits: dict[str, list[float]] = {"entry": [], "proof": [], "entry + proof": []}
    errors = 0
    left = requests

    async def one(number: int) -> None:
        nonlocal errors, left
        chance = random.Random(number)
        async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
            while left > 0:
                left -= 2
                seq = chance.randrange(size)
                began = time.perf_counter()
                entry = await client.get(f"/v1/ledger/entries/{seq}")
                middle = time.perf_counter()
                proof = await client.get(f"/v1/ledger/proofs/inclusion?seq={seq}")
                ended = time.perf_counter()
                errors += entry.status_code != 200 or proof.status_code != 200
                waits["entry"].append(1000 * (middle - began))
                waits["proof"].append(1000 * (ended - middle))
                waits["entry + proof"].append(1000 * (ended - began))

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(readers)))
    seconds = time.perf_counter() - began
    return {"waits": waits, "errors": errors, "seconds": seconds}


def share(values: list[float], part: float) -> float:
    """Return the value that so large a share of values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def measure_with_wrk(url: str, size: int, readers: int, seconds: int) -> tuple[float, float, int]:
    """Return requests a second, the 99th percentile of one request in milliseconds, and the number of errors."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK_SCRIPT % size)
        script.flush()
        command = ["wrk", "-t1", f"-c{readers}", f"-d{seconds}s", "--latency", "-s", script.name, url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"99%\s+([0-9.]+)(us|ms|s)", text)
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", text)
    if found is None or rate is None:
        raise SystemExit(text)
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]
    wrong = re.search(r"Non-2xx or 3xx responses: ([0-9]+)", text)
    return float(rate[1]), scale * float(found[1]), int(wrong[1]) if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--readers", type=int, default=100)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=10, help="For wrk.")
    parser.add_argument("--workspace", type=Path, help="Kept, and used again; else one is made and removed.")
    parser.add_argument("--no-wrk", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.workspace or Path(scratch) / "workspace"
        fill(folder, given.entries)
        service, url = start(folder, given.workers)
        try:
            size = httpx2.get(f"{url}/v1/ledger").json()["size"]
            print(f"{size:,} entries, {given.readers} readers, {given.workers} workers, {os.cpu_count()} processors,")
            print(f"the look-up took another {wait_for_lookup(url, size):.1f} s")
            print(f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} before it begins")
            if shutil.which("wrk") and not given.no_wrk:
                rate, slow, errors = measure_with_wrk(url, size, given.readers, given.seconds)
                print(f"wrk: {rate:,.0f} requests/s, p99 of one request {slow:.1f} ms, {errors} errors")
                return 0 if slow < TARGET_MS and not errors else 1
            asyncio.run(read(url, size, given.readers, given.readers * 4))  # warm
            found = asyncio.run(read(url, size, given.readers, given.requests))
        finally:
            service.terminate()
            service.wait(20)
    waits = found["waits"]
    print(f"{2 * len(waits['entry']) / found['seconds']:,.0f} requests/s, {found['errors']} errors")
    for name, values in waits.items():
        figures = "  ".join(f"p{100 * part:.0f} {share(values, part):6.1f}" for part in (0.5, 0.95, 0.99))
        print(f"{name:>14}: {figures} ms")
    return 0 if share(waits["entry + proof"], 0.99) < TARGET_MS and not found["errors"] else 1


if __name__ == "__main__":
    sys.exit(main())
