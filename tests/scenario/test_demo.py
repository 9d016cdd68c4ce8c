"""The whole story, as `ireu demo` tells it: forget, prove, re-test, catch three lies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from ireu_governance.core.certificate import verify_certificate
from ireu_governance.core.verdict import Verdict
from ireu_governance.files import hash_folder
from ireu_governance.ledger.audit import audit
from ireu_governance.workspace import Workspace

pytestmark = [pytest.mark.ml, pytest.mark.slow]

STEPS = 120  # fewer than the default: enough for the tests to hold


def test_every_act_of_the_demo_ends_as_it_should(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    command = [sys.executable, "-m", "ireu_cli", "demo", "--json", "--out", str(out), "--steps", str(STEPS)]
    # It is the longest test and runs first, beside the others: they have the other core.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    acts = json.loads(done.stdout)["acts"]
    assert [act["found"] for act in acts] == [act["expected"] for act in acts]
    found = [act["found"] for act in acts]
    assert found[0] == "holds"
    assert found[2:] == [
        "holds",
        "holds",
        "resurfaced",
        "found in entry 2; the untouched ledger holds",
        "holds, then does-not-hold",
    ]

    workspace = Workspace(out)
    report = audit(workspace.ledger_path, key_file=workspace.key_file(), checkpoint_path=workspace.checkpoint_path)
    assert report.verdict is Verdict.HOLDS
    assert report.size == 8  # two removals of three entries, two re-tests
    certificate = next((out / "certificates").glob("removal-1.json"))
    encoder = hash_folder(next(p for p in (out / "encoders").iterdir() if _is_of(p, certificate)))
    verified = verify_certificate(certificate.read_bytes(), key_file=workspace.key_file(), encoder=encoder)
    assert verified.verdict is Verdict.HOLDS
    assert len(list((out / "runs").glob("*/before-after-testbed-a.png"))) == 2


def _is_of(folder: Path, certificate: Path) -> bool:
    """Whether a certificate is about the encoder in a folder; digests stand in it base64-encoded, so look inside."""
    from ireu_cli.views import read_statements
    from ireu_governance.core.certificate import parse_certificate

    removal = read_statements(parse_certificate(certificate.read_bytes()))["removal"]
    return removal.encoder_digest() == hash_folder(folder).digest
