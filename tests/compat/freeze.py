"""Makes the frozen files of `v1-second-key` and `v1-receipt`, with the version that is to be frozen.

    python tests/compat/freeze.py

The first is a certificate of a log in the second version of its key file: the record key was replaced at an entry,
and an ML-DSA-44 key signs the heads beside Ed25519. The removal's entries stand on both sides of the change. The other
is a receipt for a re-test of two removals, after one of which somebody resurfaced. What is there already is not
touched: files that are frozen are what later versions are tested with.
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
    make_score,
    make_verification,
)

from ireu_governance.core.checkpoint import Checkpoint, sign_checkpoint
from ireu_governance.core.key_change import KeyFileChange
from ireu_governance.core.keys import Role
from ireu_governance.core.mldsa import MlDsaPrivateKey
from ireu_governance.core.receipt import seal_receipt

SECOND_KEY = Path(__file__).parent / "v1-second-key"
RECEIPT = Path(__file__).parent / "v1-receipt"
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


def freeze_second_key() -> None:
    """Freeze a certificate of a log that changed its record key."""
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
    SECOND_KEY.mkdir()
    (SECOND_KEY / "certificate.json").write_bytes(made.certificate())
    (SECOND_KEY / "keys.json").write_bytes(newer.to_bytes())
    (SECOND_KEY / "keys-1.json").write_bytes(first.key_file.to_bytes())


def freeze_receipt() -> None:
    """Freeze a receipt for a re-test that came to two entries."""
    log = MemoryLog(keys=make_keys("frozen"))
    log.fill(3)
    seqs = []
    for removal, case_id, verdict in ((1, "1" * 32, "holds"), (2, "2" * 32, "resurfaced")):
        score = make_score(matches=0 if verdict == "holds" else 60)
        fields = make_verification(
            removal,
            (case_id,),
            occasion="retest",
            verdict=verdict,
            cases=({"case_id": case_id, "verdict": verdict, "scores": (score,)},),
            job="7" * 32,
            job_entries=2,
            source="folder",
            checks={"white_box": "known", "black_box": verdict},
        )
        seqs.append(log.append(AFTER, "verification", fields))
    log.fill(1)
    key_file = log.keys.key_file
    receipt = seal_receipt(
        job="7" * 32,
        issued_at="2026-11-20T12:00:00Z",
        organisation=key_file.organisation,
        origin=key_file.origin,
        entries=[log.logged(seq).to_object() for seq in seqs],
        key_file=key_file.to_object(),
        signer=log.keys.record,
    )
    RECEIPT.mkdir()
    (RECEIPT / "receipt.json").write_bytes(receipt)
    (RECEIPT / "keys.json").write_bytes(key_file.to_bytes())


def main() -> int:
    """Make the folders that are not there."""
    for folder, freeze in ((SECOND_KEY, freeze_second_key), (RECEIPT, freeze_receipt)):
        if folder.exists():
            print(f"{folder.name} is frozen already.")
            continue
        freeze()
        print(f"{folder.name} is frozen now.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
