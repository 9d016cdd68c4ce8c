"""How fast an encoder's weights are hashed and the digest signed, beside hashlib alone on the same file."""

from __future__ import annotations

import hashlib
import secrets
import time

from bench import Bench

from ireu_governance.core.envelope import Envelope
from ireu_governance.files import hash_folder

__all__ = ["measure_weights"]

BLOCK = 2**20
ROUNDS = 3


def measure_weights(bench: Bench, megabytes: int) -> None:
    """Hash and sign a folder with one large file, in turns with hashlib."""
    folder = bench.folder / "encoder"
    folder.mkdir()
    weights = folder / "model.safetensors"
    block = secrets.token_bytes(BLOCK)
    with weights.open("wb") as file:
        for number in range(megabytes):
            file.write(number.to_bytes(8, "big") + block[8:])
    (folder / "config.json").write_text("{}")
    ours, theirs = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        with weights.open("rb", buffering=0) as file:
            hashlib.file_digest(file, "sha256").hexdigest()
        theirs.append(time.perf_counter() - start)
        start = time.perf_counter()
        artifact = hash_folder(folder)
        Envelope.sign(artifact.digest.encode(), bench.record)
        ours.append(time.perf_counter() - start)
    weights.unlink()
    bench.report(
        f"{megabytes:,} MiB of weights hashed and signed", min(ours), "s", theirs=min(theirs), target="≤ 1.1 ×"
    )
