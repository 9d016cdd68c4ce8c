"""What a regulator installs: no torch, no mlflow, no numpy. Certificates and ledgers are checked all the same."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from fixtures.command import Outcome, run_process, snapshot
from fixtures.records import RecordedRemoval

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("IREU_TEST_BASE_PYTHON") or ROOT / ".venv-base" / "bin" / "python")

pytestmark = pytest.mark.skipif(
    not PYTHON.exists() and not os.environ.get("CI"), reason="there is no .venv-base here; make it with: make base"
)


def run(*arguments: str | Path, cwd: Path, **options: str) -> Outcome:
    return run_process(*arguments, python=PYTHON, cwd=cwd, PYTHONDONTWRITEBYTECODE="1", **options)


def ask(code: str, *, cwd: Path) -> object:
    done = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_machine_learning_is_not_installed_and_the_record_is_importable(tmp_path: Path) -> None:
    code = (
        "import importlib, importlib.util, json, pkgutil, sys\n"
        "import ireu_governance\n"
        "absent = [n for n in ('torch', 'mlflow', 'numpy', 'PIL', 'transformers') if importlib.util.find_spec(n)]\n"
        "names = [m.name for m in pkgutil.walk_packages(ireu_governance.__path__, 'ireu_governance.')]\n"
        "apart = ('.migrations.', '_governance.api.', '_governance.portal.', '.dbos_', '.outbound_t')  # part 'server'\n"
        "names = [n for n in names if not any(part in n for part in apart)]\n"
        "[importlib.import_module(n) for n in names]\n"
        "json.dump([absent, len(names), [m for m in ('torch', 'mlflow', 'numpy') if m in sys.modules]], sys.stdout)\n"
    )
    present, modules, loaded = ask(code, cwd=tmp_path)
    assert present == []
    assert loaded == []
    assert modules > 25


def test_fresh_certificate_is_verified(
    recorded: RecordedRemoval, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room = tmp_path / "regulator"
    room.mkdir()
    for source, name in ((recorded.certificate, "certificate.json"), (recorded.key_file, "keys.json")):
        (room / name).write_bytes(source.read_bytes())
    started = time.monotonic()
    done = run("certificate", "verify", "certificate.json", "--key", "keys.json", "--json", cwd=room)
    seconds = time.monotonic() - started
    assert (done.code, done.document["verdict"], done.err) == (0, "holds", "")
    assert sorted(path.name for path in room.iterdir()) == ["certificate.json", "keys.json"]
    shown = run("certificate", "show", "certificate.json", cwd=room)
    assert (shown.code, shown.err) == (0, "")
    with capsys.disabled():
        print(f"\n  cold `ireu certificate verify`: {seconds:.2f} s")


def test_changed_certificate_is_found(recorded: RecordedRemoval, tmp_path: Path) -> None:
    data = recorded.certificate.read_bytes().replace(b"Example Portraits", b"Example Portrayal", 1)
    (tmp_path / "changed.json").write_bytes(data)
    assert run("certificate", "verify", "changed.json", "--key", recorded.key_file, cwd=tmp_path).code == 1


def test_certificate_is_checked_against_an_encoders_files(recorded: RecordedRemoval, tmp_path: Path) -> None:
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "model.safetensors").write_bytes(b"weights")
    done = run(
        "certificate", "verify", recorded.certificate, "--key", recorded.key_file, "--encoder", "encoder", cwd=tmp_path
    )
    assert done.code == 1


def test_ledger_is_audited_and_read(recorded: RecordedRemoval) -> None:
    root = recorded.workspace.root
    audit = run("ledger", "audit", "--json", cwd=root)
    assert (audit.code, audit.document["findings"], audit.document["size"]) == (0, [], 3)
    assert len(run("ledger", "log", "--json", cwd=root).document["entries"]) == 3
    assert run("ledger", "prove", "1", cwd=root).code == 0
    assert run("certificate", "issue", "--entry", "1", "--json", cwd=root).code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("unlearn", "--encoder", "testbed", "--forget", "testbed:0", "--retain", "testbed"),
        ("verify", "--encoder", "testbed"),
        ("demo",),
    ],
    ids=lambda words: words[0],
)
def test_command_that_needs_networks_says_which_line_installs_them(
    recorded: RecordedRemoval, tmp_path: Path, command: tuple[str, ...]
) -> None:
    before = snapshot(recorded.workspace.root)
    words = ("-w", recorded.workspace.root, *command)
    told = run(*words, cwd=tmp_path)
    assert (told.code, told.out) == (2, "")
    assert "pip install 'ireu-sdk[ml]'" in told.err
    assert "Traceback" not in told.err
    as_json = run(*words, "--json", cwd=tmp_path)
    assert (as_json.code, as_json.out, as_json.error["code"]) == (2, "", "extra-missing")
    assert snapshot(recorded.workspace.root) == before
    assert [path.name for path in tmp_path.iterdir()] == ["workspace"]


def test_library_says_it_too(tmp_path: Path) -> None:
    code = (
        "import json, sys, ireu_sdk\n"
        "try:\n"
        "    ireu_sdk.unlearn\n"
        "except Exception as error:\n"
        "    json.dump([type(error).__name__, error.hint], sys.stdout)\n"
    )
    assert ask(code, cwd=tmp_path) == ["MissingExtraError", "Install it with: pip install 'ireu-sdk[ml]'"]


def test_doctor_finds_nothing_wrong_and_names_what_is_absent(tmp_path: Path) -> None:
    done = run("doctor", cwd=tmp_path)
    assert done.code == 0
    assert "pip install 'ireu-sdk[ml]'" in done.out


def test_workspace_is_made_without_networks(tmp_path: Path) -> None:
    done = run("init", "work", "--json", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert run("doctor", "--json", cwd=tmp_path / "work").document["healthy"]


def test_exported_ledger_and_evidence_pack_are_made_and_checked(recorded: RecordedRemoval, tmp_path: Path) -> None:
    workspace = ("-w", recorded.workspace.root)
    assert run(*workspace, "ledger", "export", tmp_path / "export", cwd=tmp_path).code == 0
    packed = run(*workspace, "certificate", "pack", recorded.case_id, "-o", "case.zip", cwd=tmp_path)
    assert (packed.code, packed.err) == (0, "")
    assert "'pdf' part" in packed.out
    key = ("--key", recorded.key_file)
    assert run("ledger", "audit", "export", *key, cwd=tmp_path).code == 0
    assert run("certificate", "verify-pack", "case.zip", *key, cwd=tmp_path).code == 0
    (tmp_path / "export" / "README.txt").unlink()
    assert run("ledger", "audit", "export", *key, cwd=tmp_path).code == 1
