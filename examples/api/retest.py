"""Have a service re-test an encoder, and believe only what its receipt proves.

::

    IREU_API_KEY=… python examples/api/retest.py https://ireu.example.org keys.json testbed
"""

from __future__ import annotations

import sys
from pathlib import Path

from ireu_governance.client import Client
from ireu_governance.keystore import load_key_file


def main(url: str, key_path: str, encoder: str) -> None:
    """Order a re-test, wait for it, and print what its receipt proves."""
    source = {"kind": "named", "name": encoder} if encoder == "testbed" else {"kind": "folder", "path": encoder}
    with Client(url, key_file=load_key_file(Path(key_path))) as client:
        job = client.verify_cases("all", encoder=source)
        client.wait(job.id)
        report = client.receipt(job.id)
        print(f"receipt: {report.verdict}; re-test: {report.retest}")
        for removal in report.removals:
            entry = client.entry(removal.verification_entry)  # verified again, against the log
            print(f"removal {removal.removal_entry}: {removal.verdict}, recorded as entry {entry.seq}")


if __name__ == "__main__":
    main(*sys.argv[1:])
