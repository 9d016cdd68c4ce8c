"""The examples for users of the API: each of them is run against a service that listens."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_remote_retest import House, house

from ireu_governance.core.receipt_verification import verify_receipt
from ireu_governance.core.verdict import RetestVerdict

__all__ = ["house"]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "api"
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")


def run(*words: str | Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, words)),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_curl
def test_the_log_is_read_with_curl(house: House) -> None:
    shown = run(EXAMPLES / "follow_log.sh", IREU_URL=house.url)
    origin = house.desk.workspace.key_file().origin
    assert shown.startswith(f"# the signed head of the log\n{origin}\n")
    assert "c2sp.org/tlog-proof@v1" in shown


@needs_curl
def test_a_retest_is_made_with_curl(house: House, tmp_path: Path) -> None:
    header, receipt = tmp_path / "key.txt", tmp_path / "receipt.json"
    header.write_text(f"Authorization: Bearer {house.service.key('tester')}\n", encoding="ascii")
    header.chmod(0o600)
    encoder = '{"kind": "folder", "path": "encoders/in-use"}'
    run(EXAMPLES / "retest.sh", encoder, receipt, IREU_URL=house.url, IREU_KEY_HEADER=str(header))
    report = verify_receipt(receipt.read_bytes(), key_file=house.desk.workspace.key_file())
    assert report.retest is RetestVerdict.HOLDS


def test_a_retest_is_made_with_python(house: House) -> None:
    path = house.desk.workspace.key_file_path
    key = house.service.key("tester")
    shown = run(sys.executable, EXAMPLES / "retest.py", house.url, path, "encoders/in-use", IREU_API_KEY=key)
    assert "receipt: holds; re-test: holds" in shown
    assert "recorded as entry" in shown
