"""`ireu witness`, `ireu monitor`, `ireu ledger compare|prove|checkpoint`: what they print and how they leave."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import builders
import pytest
from fixtures.command import Ireu
from fixtures.records import RecordedRemoval

from ireu_governance.core.errors import ErrorCode, LedgerError
from ireu_governance.core.keys import Role
from ireu_governance.core.policy import Policy
from ireu_governance.core.statement import Draft
from ireu_governance.workspace import Workspace


def grow(workspace: Workspace, count: int, *, publish: bool = True) -> None:
    drafts = []
    for number in range(count):
        fields = builders.make_request((f"{os.urandom(8).hex()}{number:016x}",))
        del fields["recorded_at"]
        drafts.append(Draft(subject=builders.BEFORE.subjects(), kind="removal-request", fields=fields))
    with workspace.open_ledger() as ledger:
        ledger.append(drafts, workspace.signer(Role.RECORD))
        if publish:
            ledger.publish(workspace.signer(Role.LOG))


def fork(recorded: RecordedRemoval, folder: Path) -> Workspace:
    shutil.copytree(recorded.workspace.root, folder)
    return Workspace(folder)


def test_keygen_makes_key_and_memory_and_prints_the_verifier_key(ireu: Ireu, tmp_path: Path) -> None:
    arguments = ("witness", "keygen", "--name", "w.example", "--key", tmp_path / "w.pem", "--state", tmp_path / "w.db")
    done = ireu(*arguments)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("w.example+")
    assert Policy.from_text(f"witness W {done.out.strip()}\nquorum W\n").witnesses[0].key.name == "w.example"
    for name in ("w.pem", "w.db"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    again = ireu(*arguments, "--json")
    assert (again.code, again.out) == (2, "")
    assert again.error["code"] == "key-unusable"


def test_witness_without_its_memory_does_not_serve(ireu: Ireu, tmp_path: Path) -> None:
    key, state = tmp_path / "w.pem", tmp_path / "w.db"
    vkey = ireu("witness", "keygen", "--name", "w.example", "--key", key, "--state", state, "--json").document
    state.unlink()
    log = builders.MemoryLog()
    from fixtures.witnesses import log_key

    done = ireu("witness", "serve", "--key", key, "--state", state, "--log", log_key(log).to_text(), "--json")
    assert (done.code, done.error["code"]) == (2, "witness-state-missing")
    done = ireu("witness", "serve", "--key", key, "--state", state, "--log", vkey["verifier_key"], "--json")
    assert (done.code, done.error["code"]) == (2, "input-malformed")


@contextmanager
def serving(tmp_path: Path, log: str) -> Iterator[tuple[str, str]]:
    """Run a witness in a process of its own; yield its verifier key and address."""
    key, state = tmp_path / "w.pem", tmp_path / "w.db"
    base = [sys.executable, "-m", "ireu_cli", "witness"]
    if not key.exists():
        subprocess.run(
            [*base, "keygen", "--name", "w.example/w1", "--key", key, "--state", state], check=True, capture_output=True
        )
    process = subprocess.Popen(
        [
            *base,
            "serve",
            "--key",
            key,
            "--state",
            state,
            "--log",
            log,
            "--port",
            "0",
            "--prefix",
            "sub",
            "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what it refuses it says there
        text=True,
    )
    try:
        assert process.stdout is not None
        document = ""
        while not document.endswith("}\n"):
            document += process.stdout.readline()
        started = json.loads(document)
        yield started["verifier_key"], started["url"]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def test_heads_are_cosigned_over_the_network_and_a_fork_is_not(
    ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path
) -> None:
    root = recorded.workspace.root
    forked = fork(recorded, tmp_path / "forked")
    log = ireu("-w", root, "keys", "list", "--json").document["log_verifier_key"]
    with serving(tmp_path, log) as (vkey, url):
        policy = f"log {log}\nwitness W {vkey} {url}\nquorum W\n"
        for workspace in (root, tmp_path / "forked"):
            (workspace / "policy").write_text(policy)
            settings = (workspace / "ireu.toml").read_text().splitlines()
            kept = [line for line in settings if not line.startswith("witness_")]
            extra = ['witness_policy = "policy"', "witness_required = true", ""]
            (workspace / "ireu.toml").write_text("\n".join([*kept, *extra]))
        grow(recorded.workspace, 2, publish=False)
        done = ireu("-w", root, "ledger", "checkpoint", "--json").document
        assert (done["size"], done["witnesses"], done["has_quorum"], done["problems"]) == (5, ["W"], True, [])
        assert (root / "checkpoint").read_text() == done["text"]
        before = (tmp_path / "forked" / "checkpoint").read_text()
        grow(forked, 3, publish=False)
        refused = ireu("-w", tmp_path / "forked", "ledger", "checkpoint", "--json")
        assert (refused.code, refused.error["code"]) == (2, "witness-quorum-missing")
        assert "does not continue" in refused.error["message"]
        assert (tmp_path / "forked" / "checkpoint").read_text() == before
    for arguments in ((), ("--policy", root / "policy")):
        followed = ireu("monitor", root, "--state", tmp_path / f"m{len(arguments)}", *arguments, "--json").document
        assert (followed["verdict"], followed["advanced"]) == ("holds", True)
    assert followed["witnesses"] == ["W"]


class TestMonitor:
    def test_keys_that_are_believed_are_said_to_be(self, ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
        root = recorded.workspace.root
        assert "believed from now on" in ireu("monitor", root, "--state", tmp_path / "a").out
        assert "believed" not in ireu("monitor", root, "--state", tmp_path / "a").out
        told = ireu("monitor", root, "--state", tmp_path / "b", "--key", recorded.key_file)
        assert (told.code, "believed" in told.out) == (0, False)

    def test_growth_holds_and_a_fork_does_not(self, ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
        root, state, out = recorded.workspace.root, tmp_path / "state", tmp_path / "fork.json"
        forked = fork(recorded, tmp_path / "forked")
        first = ireu("monitor", root, "--state", state, "--key", recorded.key_file)
        assert first.code == 0
        assert "seen for the first time" in first.out
        assert "1 removal, 1 removal-request, 1 verification" in first.out
        grow(recorded.workspace, 2)
        assert ireu("monitor", root, "--state", state, "--once").code == 0
        remembered = state.read_bytes()
        grow(forked, 4)
        alarm = ireu("monitor", tmp_path / "forked", "--state", state, "-o", out)
        assert alarm.code == 1
        assert "forked" in alarm.out
        assert state.read_bytes() == remembered
        checked = ireu("ledger", "compare", out, "--key", recorded.key_file, "--json")
        assert (checked.code, checked.document["relation"]) == (1, "fork")

    def test_log_that_does_not_answer_is_asked_again(
        self, ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ireu_governance.ledger import monitor as module

        real, rounds = module.follow, []

        def follow(*arguments: object, **options: object) -> object:
            rounds.append(1)
            if len(rounds) == 1:
                raise LedgerError("no answer", code=ErrorCode.NETWORK_UNAVAILABLE)
            if len(rounds) == 3:
                (recorded.workspace.root / "checkpoint").write_text("no checkpoint")
            return real(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(module, "follow", follow)
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        done = ireu("monitor", recorded.workspace.root, "--state", tmp_path / "s", "--every", "1", "--json")
        assert done.code == 1
        assert [json.loads(line)["verdict"] for line in done.out.splitlines()] == ["holds", "does-not-hold"]
        assert json.loads(done.err)["error"]["code"] == "network-unavailable"

    def test_bad_usage(self, ireu: Ireu, tmp_path: Path) -> None:
        assert ireu("monitor", "x", "--state", tmp_path / "s", "--once", "--every", "5").code == 2
        assert ireu("monitor", "x").code == 2
        done = ireu("monitor", tmp_path / "absent", "--state", tmp_path / "s", "--json")
        assert (done.code, done.error["code"]) == (2, "input-missing")


class TestCompare:
    def test_views_of_one_ledger(self, ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
        root = recorded.workspace.root
        kept = tmp_path / "kept"
        kept.write_bytes((root / "checkpoint").read_bytes())
        assert ireu("ledger", "compare", kept, root).code == 0
        grow(recorded.workspace, 2)
        done = ireu("ledger", "compare", kept, root)
        assert done.code == 0
        assert "consistent" in done.out
        newer = tmp_path / "newer"
        newer.write_bytes((root / "checkpoint").read_bytes())
        done = ireu("-w", root, "ledger", "compare", kept, newer, "--json")
        assert (done.code, done.document["relation"]) == (2, "undecided")
        proof = tmp_path / "proof"
        assert ireu("-w", root, "ledger", "prove", "--from", "3", "--to", "5", "-o", proof).code == 0
        done = ireu("ledger", "compare", kept, newer, "--proof", proof, "--key", recorded.key_file)
        assert done.code == 0

    def test_fork_is_proven(self, ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
        forked = fork(recorded, tmp_path / "forked")
        grow(recorded.workspace, 2)
        grow(forked, 2)
        out = tmp_path / "fork.json"
        done = ireu("ledger", "compare", recorded.workspace.root, tmp_path / "forked", "-o", out)
        assert done.code == 1
        assert "first different entry: 3" in done.out
        assert ireu("ledger", "compare", out, "--key", recorded.key_file).code == 1
        assert "repeat with --out" in ireu("ledger", "compare", recorded.workspace.root, tmp_path / "forked").out

    def test_what_proves_nothing_is_no_proof(self, ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path) -> None:
        text = (recorded.workspace.root / "checkpoint").read_text()
        from ireu_governance.core.fork import ForkProof

        file = tmp_path / "proof.json"
        file.write_bytes(ForkProof("example.org/ireu", text, text).to_bytes())
        done = ireu("ledger", "compare", file, "--key", recorded.key_file, "--json")
        assert (done.code, done.error["code"]) == (2, "input-malformed")

    def test_one_view_of_a_log_is_no_proof_and_wants_another_one(self, ireu: Ireu, recorded: RecordedRemoval) -> None:
        root = recorded.workspace.root
        for view, said in ((root, "nothing to compare it with"), (root / "checkpoint", "is no proof of a fork")):
            done = ireu("ledger", "compare", view, "--key", recorded.key_file, "--json")
            assert (done.code, said in done.error["message"]) == (2, True)
            assert "ireu ledger compare A B" in done.error["hint"]

    def test_keys_beside_a_log_are_never_taken(
        self, ireu: Ireu, recorded: RecordedRemoval, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept = tmp_path / "kept"
        kept.write_bytes((recorded.workspace.root / "checkpoint").read_bytes())
        monkeypatch.chdir(tmp_path)
        done = ireu("ledger", "compare", kept, kept, "--json")
        assert (done.code, done.error["code"]) == (2, "input-missing")
        assert "--key" in done.error["hint"]
        done = ireu("-w", recorded.workspace.root / "absent", "ledger", "compare", kept, kept, "--json")
        assert done.code == 2


class TestProve:
    def test_two_sizes(self, ireu: Ireu, recorded: RecordedRemoval) -> None:
        root = recorded.workspace.root
        grow(recorded.workspace, 4)
        done = ireu("-w", root, "ledger", "prove", "--from", "3", "--to", "7", "--json").document
        assert (done["from_size"], done["to_size"]) == (3, 7)
        assert done["proof"].startswith("old 3\n")
        assert done["proof"].endswith((root / "checkpoint").read_text())
        unsigned = ireu("-w", root, "ledger", "prove", "--from", "2", "--to", "5").out
        assert unsigned.split("\n\n")[1].startswith("example.org/ireu\n5\n")

    @pytest.mark.parametrize(
        "arguments",
        [(), ("1", "--from", "1", "--to", "2"), ("--from", "1"), ("--to", "1"), ("--from", "0", "--to", "1")],
    )
    def test_bad_usage(self, ireu: Ireu, recorded: RecordedRemoval, arguments: tuple[str, ...]) -> None:
        assert ireu("-w", recorded.workspace.root, "ledger", "prove", *arguments).code == 2

    def test_size_beyond_the_ledger(self, ireu: Ireu, recorded: RecordedRemoval) -> None:
        done = ireu("-w", recorded.workspace.root, "ledger", "prove", "--from", "1", "--to", "99", "--json")
        assert (done.code, done.error["code"]) == (2, "entry-unknown")


def test_bare_help_of_the_new_commands_loads_no_server(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom ireu_cli.main import cli\n"
        "cli.main(['witness', 'serve', '--help'], standalone_mode=False)\n"
        "print('MODULES', *sorted({m.partition('.')[0] for m in sys.modules}), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stderr.split("MODULES")[1].split()) & {"starlette", "uvicorn", "httpx2", "sqlmodel", "torch"}


def test_address_of_a_witness_that_is_taken_is_said_to_be_before_it_is_said_to_listen(
    ireu: Ireu, tmp_path: Path
) -> None:
    from fixtures.witnesses import log_key

    key, state = tmp_path / "w.pem", tmp_path / "w.db"
    ireu("witness", "keygen", "--name", "w.example", "--key", key, "--state", state)
    log = log_key(builders.MemoryLog()).to_text()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = ireu("witness", "serve", "--key", key, "--state", state, "--log", log, "--port", port, "--json")
    assert (done.code, done.error["code"]) == (2, "config-invalid")
    assert done.out == ""
