"""`ireu doctor`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from pydantic import BaseModel

from ireu_cli.context import Shared
from ireu_cli.output import emit, json_option, plain, stdout_console
from ireu_governance.core.errors import ConfigError, ErrorCode, IreuError
from ireu_governance.core.keys import Role

if TYPE_CHECKING:
    from ireu_governance.workspace import Workspace

__all__ = ["doctor"]

EXTRAS = {
    "ml": ("torch", "transformers", "diffusers", "onnxruntime", "insightface", "mlflow", "torchmetrics"),
    "server": ("fastapi", "uvicorn", "dbos", "httpx2"),
    "pdf": ("typst", "segno"),
    "timestamp": ("rfc3161-client",),
    "keyring": ("keyring",),
    "hsm": ("python-pkcs11",),
    "postgres": ("psycopg",),
}
BASE = ("ireu-sdk", "cryptography", "pynacl", "pydantic", "sqlmodel", "rfc8785")


class Diagnosis(BaseModel):
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "absent", "problem"]
    detail: str


class DoctorResult(BaseModel):
    """What `ireu doctor` saw."""

    python: str
    healthy: bool
    diagnoses: list[Diagnosis]


@click.command()
@json_option
@click.pass_obj
def doctor(shared: Shared, *, as_json: bool) -> None:
    """Look at the installation and the workspace, and say what is missing or wrong.

    Exit code 0: nothing is wrong (optional parts may be absent). 1: something is.
    """
    found = [*_packages(), _accelerator(), *_workspace(shared)]
    healthy = all(each.state != "problem" for each in found)
    result = DoctorResult(python=sys.version.split()[0], healthy=healthy, diagnoses=found)

    def show() -> None:
        console = stdout_console()
        console.print(f"Python {result.python}")
        signs = {"ok": "[green]✓[/green]", "absent": "[yellow]–[/yellow]", "problem": "[red]✗[/red]"}
        for each in result.diagnoses:
            console.print(f"  {signs[each.state]} {each.name:<18} {plain(each.detail)}")

    emit(result, as_json=as_json, show=show)
    sys.exit(0 if healthy else 1)


def _packages() -> list[Diagnosis]:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for names, extra in ((BASE, None), *((names, extra) for extra, names in EXTRAS.items())):
        for name in names:
            try:
                found.append(Diagnosis(name=name, state="ok", detail=version(name)))
            except PackageNotFoundError:
                if extra is None:
                    found.append(Diagnosis(name=name, state="problem", detail="not installed"))
                else:
                    hint = f"not installed; pip install 'ireu-sdk[{extra}]'"
                    found.append(Diagnosis(name=name, state="absent", detail=hint))
    return found


def _accelerator() -> Diagnosis:
    from importlib.util import find_spec

    if find_spec("torch") is None:
        return Diagnosis(name="accelerator", state="absent", detail="needs torch")
    import torch

    if torch.cuda.is_available():
        return Diagnosis(name="accelerator", state="ok", detail=torch.cuda.get_device_name(0))
    return Diagnosis(name="accelerator", state="absent", detail=f"none; {torch.get_num_threads()} CPU threads")


def _workspace(shared: Shared) -> list[Diagnosis]:
    try:
        workspace = shared.open_workspace()
    except ConfigError as error:
        absent = error.code is ErrorCode.WORKSPACE_MISSING and shared.workspace is None
        state: Literal["absent", "problem"] = "absent" if absent else "problem"
        return [Diagnosis(name="workspace", state=state, detail=f"{error.message} {error.hint}")]
    found = [Diagnosis(name="workspace", state="ok", detail=str(workspace.root))]
    found.extend(_try(f"{role.value} key", partial(_describe_key, workspace.root, role)) for role in Role)
    found.append(_try("ledger", lambda: _describe_ledger(workspace.root)))
    found.extend(_copies(workspace))
    found.append(_try("vault", lambda: _describe_vault(workspace.root)))
    if workspace.settings.witness_policy is not None:
        found.append(_try("witness policy", lambda: _describe_policy(workspace)))
    if workspace.settings.timestamp_roots is not None:
        found.append(_try("time-stamp roots", lambda: _describe_stamp_roots(workspace)))
    return found


def _describe_key(root: Path, role: Role) -> str:
    from ireu_governance.workspace import Workspace

    return Workspace(root).signer(role).public_key.key_id


def _describe_ledger(root: Path) -> str:
    from ireu_governance.ledger.audit import audit
    from ireu_governance.ledger.location import show_location
    from ireu_governance.workspace import Workspace

    workspace = Workspace(root)
    report = audit(
        workspace.ledger_location,
        key_file=workspace.key_file(),
        checkpoint_path=workspace.checkpoint_path,
        checkpoint_copies=workspace.checkpoint_copies,
    )
    if report.findings:
        raise ConfigError(f"{len(report.findings)} findings; see: ireu ledger audit")
    where = "" if isinstance(workspace.ledger_location, Path) else f" in {show_location(workspace.ledger_location)}"
    return f"{report.size} entries{where}, audited, nothing is wrong"


def _copies(workspace: Workspace) -> list[Diagnosis]:
    """Look at every copy of the published checkpoint: whether it is there, and how far it is."""
    from ireu_governance.ledger.published import PublishedCheckpoint

    def look() -> list[Diagnosis]:
        published = PublishedCheckpoint(
            workspace.checkpoint_path, workspace.checkpoint_copies, key_file=workspace.key_file()
        )
        return [
            Diagnosis(name="checkpoint copy", state="problem" if behind else "ok", detail=f"{path}: {detail}")
            for path, behind, detail in published.compare_copies()
        ]

    try:
        return look()
    except IreuError as error:
        return [Diagnosis(name="checkpoint copy", state="problem", detail=f"{error.message} {error.hint}".strip())]


def _describe_vault(root: Path) -> str:
    from ireu_governance.workspace import Workspace

    with Workspace(root).open_vault() as vault:
        cases = [case for case in vault.cases() if case.erased_at is None or case.erasing_since]
    if stopped := sum(case.erasing_since is not None for case in cases):
        raise ConfigError(f"The erasure of {stopped} cases was stopped.", hint="Finish it with: ireu evidence expire")
    return f"evidence of {len(cases)} cases and panels, {sum(case.size for case in cases)} bytes, encrypted"


def _describe_policy(workspace: Workspace) -> str:
    from ireu_governance.witness.publishing import load_policy

    policy = load_policy(workspace.root / (workspace.settings.witness_policy or ""))
    return f"{workspace.settings.witness_policy}: {len(policy.witnesses)} witnesses; none was asked"


def _describe_stamp_roots(workspace: Workspace) -> str:
    from ireu_governance.issuing import tsa_roots_of

    tsa_roots_of(workspace)
    return f"{workspace.settings.timestamp_roots}: can be read; no authority was asked"


def _try(name: str, look: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(name=name, state="ok", detail=look())
    except IreuError as error:
        return Diagnosis(name=name, state="problem", detail=f"{error.message} {error.hint}".strip())
