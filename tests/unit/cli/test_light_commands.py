"""Commands that need no networks: what they print, with --json and without, and what they make of bad input."""

from __future__ import annotations

import json
import random
import sqlite3
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import click
import pytest
from fixtures.command import Ireu, run_process, snapshot
from fixtures.records import RecordedRemoval, record_removal

from ireu_cli import main as main_module
from ireu_cli.main import cli
from ireu_governance.core.checkpoint import open_checkpoint
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.proof import LogProof

HEAVY = ("torch", "mlflow", "sqlmodel", "fastapi", "numpy", "transformers", "PIL", "sqlalchemy")


def modules_after(*arguments: str | Path, cwd: Path) -> set[str]:
    """Return the top-level modules that a command has loaded when it leaves."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('MODULES', *sorted({m.partition('.')[0] for m in sys.modules}), file=sys.stderr))\n"
        "sys.argv = ['ireu', *sys.argv[1:]]\n"
        "from ireu_cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split("MODULES", 1)[1].split())


# Lightness


def test_help_and_certificate_verify_load_nothing_heavy(recorded: RecordedRemoval, tmp_path: Path) -> None:
    for arguments in (("--help",), ("certificate", "verify", recorded.certificate, "--key", recorded.key_file)):
        loaded = modules_after(*arguments, cwd=tmp_path)
        assert "ireu_cli" in loaded
        assert not loaded & set(HEAVY)


def all_commands() -> list[tuple[str, ...]]:
    def below(group: click.Group, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        found = [path]
        for name, command in group.commands.items():
            found += below(command, (*path, name)) if isinstance(command, click.Group) else [(*path, name)]
        return found

    return below(cli, ())


@pytest.mark.parametrize("path", all_commands(), ids=" ".join)
def test_every_command_explains_itself(ireu: Ireu, path: tuple[str, ...]) -> None:
    done = ireu(*path, "--help")
    assert done.code == 0
    assert "Usage:" in done.out
    assert done.err == ""


def test_version_is_the_packages(ireu: Ireu) -> None:
    from ireu_governance.__about__ import __version__

    assert __version__ in ireu("--version").out


# One document on stdout


def test_every_light_command_prints_one_json_document_and_nothing_else(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path
) -> None:
    w = ("-w", recorded.workspace.root)
    documents = {}
    for name, arguments in {
        "init": ("init", tmp_path / "new"),
        "log": (*w, "ledger", "log"),
        "show": (*w, "ledger", "show", "1"),
        "audit": (*w, "ledger", "audit"),
        "checkpoint": (*w, "ledger", "checkpoint"),
        "prove": (*w, "ledger", "prove", "1"),
        "issue": (*w, "certificate", "issue", "--case", recorded.case_id, "-o", tmp_path / "c.json"),
        "certificate": ("certificate", "show", recorded.certificate),
        "verify": ("certificate", "verify", recorded.certificate, "--key", recorded.key_file),
        "keys": (*w, "keys", "list"),
        "export": (*w, "keys", "export", tmp_path / "keys.json"),
        "doctor": (*w, "doctor"),
    }.items():
        done = ireu(*arguments, "--json")
        assert (done.code, done.err) == (0, ""), name
        documents[name] = done.document
        assert "\x1b" not in done.out
    keys = KeyFile.from_bytes((tmp_path / "keys.json").read_bytes())
    assert [entry["kind"] for entry in documents["log"]["entries"]] == ["removal-request", "removal", "verification"]
    assert documents["log"]["entries"][2]["summary"] == "holds (removal of 1)"
    assert documents["show"]["statement"]["predicate"]["kind"] == "removal"
    assert documents["audit"]["findings"] == []
    head = open_checkpoint(documents["checkpoint"]["text"], origin=keys.origin, keys=keys.keys(Role.LOG))
    assert head.size == documents["checkpoint"]["size"] == 3
    proof = LogProof.from_text(documents["prove"]["proof"])
    assert (proof.index, documents["prove"]["size"]) == (1, 3)
    assert documents["verify"]["verdict"] == "holds"
    assert set(documents["certificate"]["statements"]) == {"request", "removal", "verification"}
    assert documents["keys"]["digest"] == documents["export"]["digest"] == keys.digest
    assert documents["doctor"]["healthy"]
    assert Path(documents["init"]["key_file"]).is_file()


def test_people_are_told_the_same_in_words(ireu: Ireu, recorded: RecordedRemoval) -> None:
    w = ("-w", recorded.workspace.root)
    assert "3 entries" in ireu(*w, "ledger", "log").out
    assert "✓ holds (removal of 1)" in ireu(*w, "ledger", "log", "--kind", "verification").out
    assert "signature verified" in ireu(*w, "ledger", "show", "0").out
    assert "✓ holds" in ireu(*w, "ledger", "audit").out
    shown = ireu("certificate", "show", recorded.certificate).out
    assert "not verified" in shown
    assert "n = 64; 0 recognised at ≥ 0.350" in shown  # a figure never stands alone
    verified = ireu("certificate", "verify", recorded.certificate, "--key", recorded.key_file).out
    assert "What it does not say:" in verified


def test_doctor_says_which_line_installs_what_is_absent(ireu: Ireu, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    real = metadata.version

    def version(name: str) -> str:
        if name == "torch":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    assert "pip install 'ireu-sdk[ml]'" in ireu("doctor").out


def test_doctor_looks_at_every_optional_part(ireu: Ireu, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    from ireu_cli.commands.doctor import BASE

    def version(name: str) -> str:
        if name in BASE:
            return "1"
        raise metadata.PackageNotFoundError(name)

    parts = {
        part for part in metadata.metadata("ireu-sdk").get_all("Provides-Extra") or () if part not in ("all", "dev")
    }
    monkeypatch.setattr(metadata, "version", version)
    told = ireu("doctor").out
    assert [part for part in sorted(parts) if f"'ireu-sdk[{part}]'" not in told] == []


# The ledger, where it is wrong


def test_tampered_ledger_is_found_by_audit_and_doctor(ireu: Ireu, recorded: RecordedRemoval) -> None:
    with sqlite3.connect(recorded.workspace.ledger_path) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute(
            "UPDATE entries SET envelope = CAST(replace(CAST(envelope AS TEXT), 'a', 'b') AS BLOB) WHERE seq = 1"
        )
    done = ireu("-w", recorded.workspace.root, "ledger", "audit", "--json")
    assert done.code == 1
    assert {finding["entry"] for finding in done.document["findings"]} >= {1}
    assert ireu("-w", recorded.workspace.root, "ledger", "audit").code == 1
    doctor = ireu("-w", recorded.workspace.root, "doctor", "--json")
    assert doctor.code == 1
    assert not doctor.document["healthy"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("ledger", "show", "99"),
        ("ledger", "prove", "99"),
        ("certificate", "issue", "--entry", "0"),
        ("certificate", "issue", "--entry", "99"),
        ("certificate", "issue", "--case", "0" * 32),
        ("certificate", "issue", "--case", "Erika Mustermann"),
        ("certificate", "issue", "--entry", "1", "-o", "/nowhere/at/all.json"),
        ("keys", "export", "/nowhere/at/all.json"),
        ("ledger", "checkpoint", "-o", "/nowhere/at/all"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_an_error_with_code_two(
    ireu: Ireu, recorded: RecordedRemoval, arguments: tuple[str, ...]
) -> None:
    done = ireu("-w", recorded.workspace.root, *arguments)
    assert done.code == 2
    assert done.out == ""
    assert "Error" in done.err
    as_json = ireu("-w", recorded.workspace.root, *arguments, "--json")
    assert (as_json.code, as_json.out) == (2, "")
    assert as_json.error["message"]


def test_proof_from_a_ledger_that_was_never_published_is_refused_with_the_next_step(ireu: Ireu, tmp_path: Path) -> None:
    assert ireu("init", tmp_path / "new").code == 0
    done = ireu("-w", tmp_path / "new", "ledger", "prove", "0", "--json")
    assert done.code == 2
    assert "ledger checkpoint" in done.error["hint"]


# Workspaces


def test_existing_workspace_is_not_initialised_again(ireu: Ireu, recorded: RecordedRemoval) -> None:
    before = snapshot(recorded.workspace.root)
    done = ireu("init", recorded.workspace.root, "--json")
    assert (done.code, done.error["code"]) == (2, "workspace-exists")
    assert snapshot(recorded.workspace.root) == before


@pytest.mark.parametrize(
    "command", [("ledger", "log"), ("ledger", "audit"), ("keys", "list"), ("verify",)], ids=" ".join
)
def test_without_a_workspace_the_next_step_is_named(
    ireu: Ireu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = ireu(*command, "--json")
    assert (done.code, done.error["code"]) == (2, "workspace-missing")
    assert "nor a folder above it" in done.error["message"]
    assert all(each in done.error["hint"] for each in ("ireu init", "ireu -w FOLDER", "IREU_WORKSPACE"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["organisation = ", 'organisation = "X"\nmin_probess = 3\n', ""])
def test_broken_settings_are_named_and_nothing_is_done(ireu: Ireu, recorded: RecordedRemoval, content: str) -> None:
    (recorded.workspace.root / "ireu.toml").write_text(content)
    done = ireu("-w", recorded.workspace.root, "ledger", "log", "--json")
    assert (done.code, done.error["code"]) == (2, "config-invalid")
    assert "ireu.toml" in done.error["message"]
    doctor = ireu("-w", recorded.workspace.root, "doctor", "--json")
    assert (doctor.code, doctor.document["healthy"]) == (1, False)


# Options


@pytest.mark.parametrize(
    ("arguments", "suggested"),
    [
        (("unlearn", "--encodr", "testbed"), "--encoder"),
        (("certificate", "verify", "x", "--keys", "y"), "--key"),
        (("ledgr", "log"), "ledger"),
        (("ledger", "log", "--kind", "removals"), "removal"),
        (("unlearn", "--steps", "many"), "--steps"),
    ],
    ids=lambda each: each if isinstance(each, str) else " ".join(each),
)
def test_typing_error_is_code_two_and_the_right_word_is_suggested(
    ireu: Ireu, arguments: tuple[str, ...], suggested: str
) -> None:
    done = ireu(*arguments)
    assert (done.code, done.out) == (2, "")
    assert suggested in done.err
    as_json = ireu(*arguments, "--json")
    assert as_json.code == 2
    assert as_json.error["code"] == "bad-usage"


def test_typing_error_leads_to_the_help_of_the_very_command(ireu: Ireu) -> None:
    refused = ireu("certificate", "verify", "--json")
    assert refused.error["hint"] == "See: ireu certificate verify --help"


def test_groups_say_in_whole_sentences_what_their_commands_do(ireu: Ireu) -> None:
    told = " ".join(ireu("ledger", "--help").out.split())
    assert "Recompute everything from the rows and report ALL that is wrong, with entry numbers." in told
    assert "..." not in told.partition("Commands:")[2]


@pytest.mark.parametrize(
    "arguments", [("certificate", "issue"), ("certificate", "issue", "--case", "a", "--entry", "1"), ("unlearn",)]
)
def test_unclear_order_is_refused(ireu: Ireu, arguments: tuple[str, ...]) -> None:
    assert ireu(*arguments).code == 2


# Certificates from elsewhere


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


NO_CERTIFICATES = {
    "empty": b"",
    "png": png(),
    "text": b"Sehr geehrte Damen und Herren",
    "json": b"{}",
    "null": b"null",
    "deep": b"[" * 100_000,
    "huge": b" " * (9 * 2**20),
    "noise": random.Random(0).randbytes(10_000),
    "utf16": '{"certificate": {}}'.encode("utf-16"),
}


@pytest.mark.parametrize("name", NO_CERTIFICATES)
def test_file_that_is_no_certificate_is_undecided_and_no_fault(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").write_bytes(NO_CERTIFICATES[name])
    assert ireu("certificate", "verify", tmp_path / "file", "--key", recorded.key_file).code == 2
    done = ireu("certificate", "verify", tmp_path / "file", "--key", recorded.key_file, "--json")
    assert done.code == 2
    assert done.out == "" or done.document["verdict"] == "undecided"
    assert ireu("certificate", "show", tmp_path / "file").code == 2


@pytest.mark.parametrize("what", ["missing", "folder"])
def test_certificate_that_cannot_be_read_is_code_two(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, what: str
) -> None:
    path = tmp_path if what == "folder" else tmp_path / "nowhere"
    done = ireu("certificate", "verify", path, "--key", recorded.key_file, "--json")
    assert (done.code, done.out) == (2, "")
    assert str(path) in done.error["message"]


@pytest.mark.parametrize("key", ["nowhere", "folder", "png", "certificate"])
def test_key_file_that_is_none_is_code_two(ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, key: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "png").write_bytes(png())
    (tmp_path / "certificate").write_bytes(recorded.certificate.read_bytes())
    done = ireu("certificate", "verify", recorded.certificate, "--key", tmp_path / key)
    assert (done.code, done.out) == (2, "")


def test_certificate_is_verified_from_stdin(recorded: RecordedRemoval, tmp_path: Path) -> None:
    data = recorded.certificate.read_bytes()
    good = run_process("certificate", "verify", "-", "--key", recorded.key_file, "--json", stdin=data, cwd=tmp_path)
    assert (good.code, good.document["verdict"], good.err) == (0, "holds", "")
    bad = run_process("certificate", "verify", "-", "--key", recorded.key_file, stdin=data[:-10], cwd=tmp_path)
    assert bad.code == 1  # it says that it is one of ours, and is damaged
    assert "✗ does-not-hold" in bad.out
    assert bad.err == ""


def test_certificate_with_one_changed_figure_does_not_hold(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path
) -> None:
    document = json.loads(recorded.certificate.read_bytes())

    def change(node: object) -> bool:
        if isinstance(node, dict):
            if "organisation" in node:
                node["organisation"] = "Somebody Else"
                return True
            return any(change(each) for each in node.values())
        return any(change(each) for each in node) if isinstance(node, list) else False

    assert change(document)
    (tmp_path / "changed.json").write_text(json.dumps(document))
    done = ireu("certificate", "verify", tmp_path / "changed.json", "--key", recorded.key_file)
    assert done.code in (1, 2)
    assert "✓ holds" not in done.out


def test_certificate_of_another_organisation_does_not_hold_under_our_key(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path
) -> None:
    other = record_removal(tmp_path / "other")
    done = ireu("certificate", "verify", other.certificate, "--key", recorded.key_file)
    assert done.code == 1
    assert "✗ does-not-hold" in done.out


def test_certificate_shown_for_another_encoder_does_not_hold(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path
) -> None:
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "model.safetensors").write_bytes(b"other weights")
    options = ("--key", recorded.key_file, "--encoder", tmp_path / "encoder")
    assert ireu("certificate", "verify", recorded.certificate, *options).code == 1
    assert (
        ireu(
            "certificate", "verify", recorded.certificate, "--key", recorded.key_file, "--encoder", tmp_path / "no"
        ).code
        == 2
    )


@pytest.mark.parametrize("name", ["[/red] Portraits", "[bold]Loud[/bold] GmbH", "[link=http://evil.example]us[/link]"])
def test_markup_in_a_foreign_certificate_is_shown_and_not_obeyed(ireu: Ireu, tmp_path: Path, name: str) -> None:
    hostile = record_removal(tmp_path / "workspace", organisation=name, contact="[/]@example.org")
    shown = ireu("certificate", "show", hostile.certificate)
    assert shown.code == 0
    assert name in shown.out
    assert ireu("certificate", "verify", hostile.certificate, "--key", hostile.key_file).code == 0


def test_workspace_in_a_folder_with_brackets_is_shown_as_it_is(ireu: Ireu, tmp_path: Path) -> None:
    folder = tmp_path / "[red]lab[/red] [/x]"
    done = ireu("init", folder)
    assert done.code == 0
    assert str(folder) in done.out
    assert str(folder) in ireu("-w", folder, "doctor").out


# Faults


@pytest.mark.parametrize("as_json", [True, False])
def test_internal_fault_is_code_three_without_a_trace(
    ireu: Ireu, recorded: RecordedRemoval, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    def break_down(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("ireu_governance.keystore.load_key_file", break_down)
    options = ["--json"] if as_json else []
    done = ireu("certificate", "verify", recorded.certificate, "--key", recorded.key_file, *options)
    assert (done.code, done.out) == (3, "")
    assert "ZeroDivisionError" in done.err
    assert "IREU_DEBUG=1" in done.err
    if as_json:
        assert done.error["code"] == "internal-fault"


def test_missing_package_of_the_ml_extra_says_which_line_installs_it(
    ireu: Ireu, recorded: RecordedRemoval, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ireu_sdk.removal", None)
    monkeypatch.setitem(sys.modules, "ireu_sdk.order", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    done = ireu(
        "-w", recorded.workspace.root, "unlearn", "--encoder", "testbed", "--forget", "testbed:0", "--retain", "testbed"
    )
    # A part of ireu itself that is missing is a fault, not a missing extra.
    assert done.code == 3
    for name in [each for each in sys.modules if each.startswith("ireu_sdk")]:
        monkeypatch.delitem(sys.modules, name)
    before = snapshot(recorded.workspace.root)
    done = ireu(
        "-w",
        recorded.workspace.root,
        "unlearn",
        "--encoder",
        "testbed",
        "--forget",
        "testbed:0",
        "--retain",
        "testbed",
        "--json",
    )
    assert (done.code, done.error["code"]) == (2, "extra-missing")
    assert "pip install 'ireu-sdk[ml]'" in done.error["hint"]
    assert snapshot(recorded.workspace.root) == before


@pytest.mark.parametrize("command", ["ledger show 1", "certificate verify CERTIFICATE --key KEY"])
def test_verdict_that_nobody_read_is_neither_holds_nor_not(recorded: RecordedRemoval, command: str) -> None:
    words = [
        {"CERTIFICATE": str(recorded.certificate), "KEY": str(recorded.key_file)}.get(w, w) for w in command.split()
    ]
    command = [sys.executable, "-m", "ireu_cli", "-w", str(recorded.workspace.root), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(60) == 141
    assert errors == b""


def test_interrupt_leaves_with_130(ireu: Ireu, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main_module.cli, "main", interrupt)
    assert ireu("ledger", "log").code == 130


def test_python_dash_m_is_the_same_command(tmp_path: Path) -> None:
    done = run_process("--version", cwd=tmp_path)
    assert done.code == 0
    assert done.out.startswith("ireu")
    assert list(tmp_path.iterdir()) == []


def test_doctor_reads_the_files_that_settings_name(ireu: Ireu, recorded: RecordedRemoval) -> None:
    root = recorded.workspace.root
    settings = root / "ireu.toml"
    before = settings.read_text(encoding="utf-8")
    named = 'witness_policy = "policy.txt"\ntimestamp_roots = "roots.pem"\n'
    settings.write_text(named + before, encoding="utf-8")
    done = ireu("-w", root, "doctor", "--json")
    states = {each["name"]: each["state"] for each in done.document["diagnoses"]}
    assert (done.code, states["witness policy"], states["time-stamp roots"]) == (1, "problem", "problem")
    log = ireu("-w", root, "keys", "list", "--json").document["log_verifier_key"]
    (root / "policy.txt").write_text(f"log {log}\nquorum none\n", encoding="utf-8")
    done = ireu("-w", root, "doctor", "--json")
    states = {each["name"]: each["state"] for each in done.document["diagnoses"]}
    assert (states["witness policy"], states["time-stamp roots"]) == ("ok", "problem")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_the_terminals_encoding_lacks_ends_no_command(tmp_path: Path, encoding: str) -> None:
    root = tmp_path / "α"
    surroundings = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = run_process("init", root, **surroundings)
    assert (done.code, done.err) == (0, "")
    assert ("/α" if encoding == "utf-8" else "/?") in done.out
    document = run_process("-w", root, "keys", "list", "--json", **surroundings)
    assert document.code == 0
    again = run_process("init", tmp_path / "ä", "--json", **surroundings)
    assert again.document["workspace"] == str(tmp_path / "ä")


def test_next_step_can_be_typed_as_it_is_printed(ireu: Ireu, tmp_path: Path) -> None:
    done = ireu("init", tmp_path / "two words")
    assert f"-w '{tmp_path / 'two words'}' unlearn" in done.out.replace("\n", "")
