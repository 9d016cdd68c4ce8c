"""How long many readers wait for an entry with its proof, on a large ledger.

::

    python benchmarks/service.py [--entries 100000] [--readers 100] [--pairs 15000] [--workers 2] [--workspace DIR]

The service runs in processes of its own, as `ireu serve` runs it; the readers run in another one, each with a
connection that it keeps, and ask for an entry of a random number and then for its proof, or for both in one request.
With the program wrk (`apt-get install wrk`) in the path, wrk asks as well. All share the same processors.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

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


class Reader:
    """Somebody with one connection, who asks for an entry and its proof again and again."""

    def __init__(self, address: tuple[str, int], chance: random.Random, size: int, *, together: bool) -> None:
        self._chance, self._size, self._together = chance, size, together
        self._host = b"%s:%d" % (address[0].encode(), address[1])
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._got = b""
        self._left: list[bytes] = []
        self._began = self._asked = 0.0
        self.waits: list[float] = []
        self.errors = 0

    def begin(self) -> None:
        """Ask for the first part of a further pair."""
        seq = self._chance.randrange(self._size)
        entry, proof = b"/v1/ledger/entries/%d" % seq, b"/v1/ledger/proofs/inclusion?seq=%d" % seq
        self._left = [entry + b"/proven"] if self._together else [entry, proof]
        self._began = time.perf_counter()
        self._ask()

    def _ask(self) -> None:
        self._got = b""
        self.socket.send(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (self._left.pop(0), self._host))

    def take(self) -> bool:
        """Read what has come; return whether the pair is complete."""
        came = self.socket.recv(65536)
        if not came:
            raise SystemExit("the service closed a connection")
        self._got += came
        head, found, body = self._got.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: ([0-9]+)", head) if found else None
        if length is None or len(body) < int(length[1]):
            return False
        self.errors += not head.startswith(b"HTTP/1.1 200 ")
        if self._left:
            self._ask()
            return False
        self.waits.append(1000 * (time.perf_counter() - self._began))
        return True


def read(url: str, size: int, readers: int, pairs: int, *, together: bool) -> tuple[list[float], int, float]:
    """Ask as many readers do; return what each pair took in milliseconds, the number of errors, and the seconds.

    Without a library for HTTP, which would need more of the two processors than what is measured.
    """
    parts = urlsplit(url)
    address = (str(parts.hostname), int(parts.port or 80))
    everybody = [Reader(address, random.Random(number), size, together=together) for number in range(readers)]
    waiting = selectors.DefaultSelector()
    began = time.perf_counter()
    for reader in everybody:
        waiting.register(reader.socket, selectors.EVENT_READ, reader)
        reader.begin()
    done = 0
    while done < pairs:
        for key, _ in waiting.select(timeout=30):
            reader = key.data
            if reader.take():
                done += 1
                reader.begin()
    seconds = time.perf_counter() - began
    for reader in everybody:
        reader.socket.close()
    return [wait for each in everybody for wait in each.waits], sum(each.errors for each in everybody), seconds


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
    parser.add_argument("--pairs", type=int, default=15_000, help="An entry and its proof.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=10, help="For wrk.")
    parser.add_argument("--workspace", type=Path, help="Kept, and used again; else one is made and removed.")
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
            slow = [
                report_pairs(url, size, given.readers, given.pairs, together=together) for together in (False, True)
            ]
            if shutil.which("wrk"):
                slow.append(report_wrk(url, size, given.readers, given.seconds))
        finally:
            service.terminate()
            service.wait(20)
    return 0 if max(slow) < TARGET_MS else 1


def report_pairs(url: str, size: int, readers: int, pairs: int, *, together: bool) -> float:
    """Measure and print how long pairs take; return the 99th percentile, or infinity when there were errors."""
    read(url, size, readers, 4 * readers, together=together)  # warm
    waits, errors, seconds = read(url, size, readers, pairs, together=together)
    figures = "  ".join(f"p{100 * part:.0f} {share(waits, part):6.1f}" for part in (0.5, 0.95, 0.99))
    what = "entry with its proof, one request" if together else "entry, then its proof, two requests"
    print(f"{what}: {figures} ms; {len(waits) / seconds:,.0f} pairs/s, {errors} errors")
    return math.inf if errors else share(waits, 0.99)


def report_wrk(url: str, size: int, readers: int, seconds: int) -> float:
    """Have wrk ask, and print how long one request takes; return the 99th percentile likewise."""
    rate, slow, errors = measure_with_wrk(url, size, readers, seconds)
    print(f"wrk, entries and proofs in turn, one request: p99 {slow:.1f} ms; {rate:,.0f} requests/s, {errors} errors")
    return math.inf if errors else slow


if __name__ == "__main__":
    sys.exit(main())
