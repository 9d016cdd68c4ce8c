"""Makes the frozen files of `v1-second-key`; run once by the version that is to be frozen, and never again.

    python tests/compat/freeze.py

A log in the second version of its key file: the record key was replaced at an entry, and an ML-DSA-44 key signs the
heads beside Ed25519. The removal's entries stand on both sides of the change. What is there already is not touched:
files that are frozen are what later versions are tested with.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

sys.path.insert(0, str(Path(__file__).parents[1]))

from builders import (
    AFTER,
    BEFORE,
    KeySet,
    MemoryLog,
    Removal,
    make_key,
    make_keys,
    make_removal,
    make_request,
    make_verification,
)

from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint
from ireu_governance.core.key_change import KeyFileChange
from ireu_governance.core.keys import Role
from ireu_governance.core.mldsa import MlDsaPrivateKey

FOLDER = Path(__file__).parent / "v1-second-key"
CHANGED_AT = "2026-11-20T09:30:00Z"
CHANGE = 4  # the entry from which on the new record key counts


class SecondLog(MemoryLog):
    """A log whose heads carry two signatures. The second is another one each time, so a head is signed once."""

    second: MlDsaPrivateKey
    head: tuple[int, str] = (0, "")

    def checkpoint(self) -> str:
        if self.head[0] != self.size:
            text = sign_checkpoint(Checkpoint(self.origin, self.size, self.root()), self.keys.log, self.second)
            self.head = (self.size, text)
        return self.head[1]


def main() -> int:
    """Make the folder, unless it is there."""
    if FOLDER.exists():
        print(f"{FOLDER.name} is frozen already.")
        return 1
    first = make_keys("frozen")
    record = make_key("frozen/record/2")
    second = MlDsaPrivateKey(MLDSA44PrivateKey.generate())
    change = KeyFileChange(first.key_file)
    change = change.add(record.public_key, Role.RECORD, valid_from=CHANGED_AT, valid_from_size=CHANGE)
    change = change.add(second.public_key, Role.LOG, valid_from=CHANGED_AT, valid_from_size=CHANGE)
    change = change.revoke(first.record.public_key.key_id, from_size=CHANGE)
    newer = change.propose(issued_at=CHANGED_AT).sign(first.root).finish()

    log = SecondLog(keys=first)
    log.second = second
    log.fill(CHANGE - 1)
    request = log.append(BEFORE, "removal-request", make_request())
    log.keys = KeySet(first.root, first.log, record, newer)
    removal = log.append(AFTER, "removal", make_removal(request))
    verification = log.append(AFTER, "verification", make_verification(removal))
    log.fill(2)
    made = Removal(log=log)
    made.__dict__["seqs"] = (request, removal, verification)
    FOLDER.mkdir()
    (FOLDER / "certificate.json").write_bytes(made.certificate())
    (FOLDER / "keys.json").write_bytes(newer.to_bytes())
    (FOLDER / "keys-1.json").write_bytes(first.key_file.to_bytes())
    print(f"{FOLDER.name}: {log.size} entries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
