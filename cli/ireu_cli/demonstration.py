"""The story that `ireu demo` tells, one act after the other."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ireu_cli.output import stdout_console
from ireu_cli.progress import TerminalObserver
from ireu_cli.tables import LEGEND, figures_table
from ireu_governance.core.errors import ConfigError, ErrorCode
from ireu_governance.files import hash_folder
from ireu_governance.ledger.audit import audit
from ireu_governance.workspace import Workspace
from ireu_sdk.evaluation.report import table_row
from ireu_sdk.order import Order
from ireu_sdk.removal import RemovalResult, unlearn
from ireu_sdk.retest import retest
from ireu_sdk.toolbox import Toolbox, load_toolbox

__all__ = ["Act", "DemoResult", "Demonstration"]


class Act(BaseModel):
    """One act of the story.

    Attributes:
        name: What was done.
        expected: How it should end.
        found: How it ended.
        detail: One line about it.
    """

    name: str
    expected: str
    found: str
    detail: str


class DemoResult(BaseModel):
    """How the story went."""

    workspace: Path
    acts: list[Act]
    table: dict[str, list[float | None]]
    seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether every act ended as it should."""
        return all(act.found == act.expected for act in self.acts)


class Demonstration:
    """Tells the story in a new workspace.

    Args:
        folder: The workspace to make.
        person: Number of the testbed's person to forget.
        steps: Training steps; the default ones if None.
        quiet: Print nothing.

    Raises:
        ConfigError: The folder exists.
    """

    def __init__(self, folder: Path, *, person: int, steps: int | None, quiet: bool) -> None:
        if folder.exists():
            raise ConfigError(
                f"The folder '{folder}' exists already.",
                hint="Choose another one with --out, or remove it.",
                code=ErrorCode.WORKSPACE_EXISTS,
            )
        self._folder = folder
        self._person = person
        self._steps = steps
        self._quiet = quiet
        self._console = stdout_console()
        self._acts: list[Act] = []

    def run(self) -> DemoResult:
        """Tell the story."""
        started = time.monotonic()
        self._say("[bold]ireu demo[/bold]: forget a synthetic person, prove it, and catch a lie. Offline, on this CPU.")
        self._say("")
        # The demo's ledger is in its own folder, whatever the environment says of the real one.
        for name in ("IREU_DATABASE", "IREU_CHECKPOINT_COPIES"):
            os.environ.pop(name, None)
        workspace = Workspace.create(self._folder, organisation="Demo Portraits", origin="demo.invalid/ireu")
        self._say(f"A workspace with fresh keys and an empty ledger: {workspace.root}")
        toolbox = load_toolbox(encoder="testbed")
        results = {method: self._forget(workspace, toolbox, method) for method in ("ireu", "global")}
        table = self._show_table(results)
        removal = results["ireu"]
        if removal.certificate is not None:
            self._verify_elsewhere(workspace, removal.certificate)
            self._retest(workspace, removal)
            self._edit_a_score(workspace, removal)
            self._swap_the_weights(workspace, removal, removal.certificate)
        self._say("")
        self._say_where_next(workspace, removal)
        return DemoResult(workspace=workspace.root, acts=self._acts, table=table, seconds=time.monotonic() - started)

    def _forget(self, workspace: Workspace, toolbox: Toolbox, method: str) -> RemovalResult:
        order = Order(
            encoder="testbed",
            forget=f"testbed:{self._person}",
            retain="testbed",
            settings={"method": method, "steps": self._steps},
        )
        with TerminalObserver(quiet=self._quiet) as observer:
            result = unlearn(workspace, order, toolbox=toolbox, observer=observer)
        # The baseline is there to be compared with; its tests may end either way.
        expected = "holds" if method == "ireu" else result.verdict.value
        words = {"ireu": "Forget one person (ireu)", "global": "The same with the global baseline"}
        self._act(
            words[method],
            expected,
            result.verdict.value,
            f"{result.training_seconds:.0f} s of training; ledger entries {result.removal_seq} and"
            f" {result.verification_seq}; MLflow model {result.model}",
        )
        return result

    def _show_table(self, results: dict[str, RemovalResult]) -> dict[str, list[float | None]]:
        table: dict[str, list[float | None]] = {}
        columns = []
        for position, drawer in enumerate(("generator A", "generator B")):
            for method, result in results.items():
                measured = result.measurement
                figures = table_row(measured.after[position].generator, measured.cases, measured.scores)
                table[f"{method}, {drawer}"] = figures
                columns.append((f"{method}\n{drawer}", figures))
        if not self._quiet:
            self._console.print()
            self._console.print(figures_table(columns))
            self._say(f"[dim]{LEGEND}[/dim]")
            self._say("[dim]Generator B uses the same encoder; nothing was tuned for it.[/dim]")
        for path in results["ireu"].grids.values():
            self._say(f"Before and after: {path}")
        self._say("")
        return table

    def _verify_elsewhere(self, workspace: Workspace, certificate: Path) -> None:
        """Verify in another process that has nothing but two files."""
        with tempfile.TemporaryDirectory(prefix="ireu-regulator-") as name:
            room = Path(name)
            shutil.copy(certificate, room / "certificate.json")
            shutil.copy(workspace.key_file_path, room / "keys.json")
            report = _verify_in_process(room)
        self._act(
            "A regulator verifies the certificate with one key file",
            "holds",
            report["verdict"],
            f"{sum(c['outcome'] == 'passed' for c in report['checks'])} checks passed, in another process, offline",
        )

    def _retest(self, workspace: Workspace, removal: RemovalResult) -> None:
        deployed = workspace.root / "deployed"
        shutil.copytree(removal.encoder, deployed)
        case = removal.case_ids[0]
        first = self._test_deployed(workspace, deployed, case)
        self._act("Re-test the deployed encoder", "holds", first[0], first[1])
        from ireu_sdk.testbed.paths import WEIGHTS

        shutil.rmtree(deployed)
        shutil.copytree(WEIGHTS / "image_encoder", deployed)
        second = self._test_deployed(workspace, deployed, case)
        self._act("Somebody puts the original encoder back", "resurfaced", second[0], second[1])

    def _test_deployed(self, workspace: Workspace, deployed: Path, case: str) -> tuple[str, str]:
        with TerminalObserver(quiet=self._quiet) as observer:
            found = retest(workspace, encoder=str(deployed), case_id=case, observer=observer)[0]
        matches = [
            f"{score.matches.matches} of {score.n} ({score.name.partition('/')[0]})"
            for result in found.cases
            for score in result.scores
            if score.matches is not None and score.name.endswith("-match")
        ]
        return (
            found.verdict.value,
            f"recognised in {', '.join(matches)}; recorded as entry {found.verification_seq}",
        )

    def _edit_a_score(self, workspace: Workspace, removal: RemovalResult) -> None:
        """Edit one score in a copy of the database, as an administrator could, and audit it."""
        copy = workspace.root / "tampered"
        copy.mkdir()
        with sqlite3.connect(workspace.ledger_path) as source, sqlite3.connect(copy / "ledger.db") as target:
            source.backup(target)
        shutil.copy(workspace.checkpoint_path, copy / "checkpoint")
        _edit_score(copy / "ledger.db", removal.verification_seq)
        report = audit(copy / "ledger.db", key_file=workspace.key_file(), checkpoint_path=copy / "checkpoint")
        entries = sorted({f.entry for f in report.findings if f.entry is not None})
        untouched = audit(
            workspace.ledger_path, key_file=workspace.key_file(), checkpoint_path=workspace.checkpoint_path
        )
        named = "" if not report.findings else report.findings[0].message
        self._act(
            f"Somebody edits one score of entry {removal.verification_seq} in (a copy of) the database",
            f"found in entry {removal.verification_seq}; the untouched ledger holds",
            f"found in entry {', '.join(map(str, entries)) or 'none'}; the untouched ledger {untouched.verdict.value}",
            named,
        )

    def _swap_the_weights(self, workspace: Workspace, removal: RemovalResult, certificate: Path) -> None:
        """Show the certificate for an encoder whose weights file is another one."""
        from ireu_sdk.testbed.paths import WEIGHTS

        with tempfile.TemporaryDirectory(prefix="ireu-regulator-") as name:
            room = Path(name)
            shutil.copy(certificate, room / "certificate.json")
            shutil.copy(workspace.key_file_path, room / "keys.json")
            shutil.copytree(removal.encoder, room / "encoder")
            honest = _verify_in_process(room, encoder=room / "encoder")
            shutil.copy(WEIGHTS / "image_encoder" / "model.safetensors", room / "encoder" / "model.safetensors")
            assert hash_folder(room / "encoder").digest != removal.artifact.digest  # noqa: S101
            swapped = _verify_in_process(room, encoder=room / "encoder")
        reason = next((c["reason"] for c in swapped["checks"] if c["outcome"] == "failed"), "")
        self._act(
            "The certificate is shown for the encoder, then for swapped weights",
            "holds, then does-not-hold",
            f"{honest['verdict']}, then {swapped['verdict']}",
            reason,
        )

    def _say_where_next(self, workspace: Workspace, removal: RemovalResult) -> None:
        root = workspace.root
        shown = os.path.relpath(root)
        self._say("[bold]Where to look next[/bold]")
        self._say(f"  runs and models   mlflow ui --backend-store-uri sqlite:///{root / 'mlflow.db'}")
        self._say(f"  the ledger        ireu -w {shown} ledger log")
        if removal.certificate is not None:
            certificate = os.path.relpath(removal.certificate)
            keys = os.path.relpath(workspace.key_file_path)
            self._say(f"  the certificate   ireu certificate show {certificate}")
            self._say(f"                    ireu certificate verify {certificate} --key {keys}")
        self._say(f"  the new encoder   {os.path.relpath(removal.encoder)}")

    def _act(self, name: str, expected: str, found: str, detail: str) -> None:
        self._acts.append(Act(name=name, expected=expected, found=found, detail=detail))
        sign = "[green]✓[/green]" if found == expected else "[red]✗[/red]"
        self._say(f"{sign} {name}: [bold]{found}[/bold]")
        if detail:
            self._say(f"    [dim]{detail}[/dim]")

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text)


def _verify_in_process(room: Path, *, encoder: Path | None = None) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "ireu_cli", "certificate", "verify",
        str(room / "certificate.json"), "--key", str(room / "keys.json"), "--json",
    ]  # fmt: skip
    if encoder is not None:
        command += ["--encoder", str(encoder)]
    done = subprocess.run(command, cwd=room, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise ConfigError(f"The verifying process failed: {done.stderr.strip()[:300]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _edit_score(database: Path, seq: int) -> None:
    """Make the first score of an entry look better, past the database's own protection."""
    with sqlite3.connect(database) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        (raw,) = connection.execute("SELECT envelope FROM entries WHERE seq = ?", (seq,)).fetchone()
        envelope = json.loads(raw)
        statement = json.loads(base64.b64decode(envelope["payload"]))
        statement["predicate"]["scores"][0]["value"] = 0.999
        payload = json.dumps(statement, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        envelope["payload"] = base64.b64encode(payload.encode()).decode()
        edited = json.dumps(envelope, separators=(",", ":"), sort_keys=True).encode()
        connection.execute("UPDATE entries SET envelope = ? WHERE seq = ?", (edited, seq))
