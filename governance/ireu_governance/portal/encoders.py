"""Encoders as a person names them in a form, and as sentences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ireu_governance.core.errors import InputError
from ireu_governance.jobs.tester import EncoderSource, parse_source

if TYPE_CHECKING:
    from ireu_governance.service.case_files import CaseFile
    from ireu_governance.workspace import Workspace

__all__ = ["EncoderChoice", "describe_source", "list_encoders", "read_encoder"]

_MODEL: Final = re.compile(r"models:/([^/@]+)(?:/([0-9]{1,9})|@([A-Za-z0-9._-]+))")
_RUN: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder that a form offers.

    Attributes:
        value: What the form sends.
        label: What people read.
    """

    value: str
    label: str


def list_encoders(workspace: Workspace, file: CaseFile) -> list[EncoderChoice]:
    """Return the encoders of a case's removals that are in the workspace, the newest first."""
    found = []
    for removal in reversed(file.removals):
        run = removal.mlflow_run_id
        if run is not None and _RUN.fullmatch(run) and (workspace.root / "encoders" / run).is_dir():
            found.append(EncoderChoice(f"encoders/{run}", f"The encoder that removal {removal.entry} made"))
    return found


def read_encoder(text: str) -> Any:
    """Read where an encoder is.

    Args:
        text: ``models:/name/3``, ``models:/name@alias``, an address, ``pipeline:folder``, ``testbed``,
            ``hf:organisation/name``, or a folder below the workspace.

    Returns:
        The source.

    Raises:
        InputError: It is none of these.
    """
    text = text.strip()
    if not text:
        raise InputError("No encoder was named.", hint="Choose one of the list, or say where it is.")
    try:
        return _read(text)
    except InputError:
        # What it says of fields and patterns is for programs; nobody here has typed any.
        raise InputError(
            f"{text[:100]!r} is no place where an encoder can be.",
            hint="Such are models:/name/3, models:/name@alias, https://…, a folder below the workspace"
            " (encoders/…), and pipeline:folder.",
        ) from None


def _read(text: str) -> Any:
    if match := _MODEL.fullmatch(text):
        name, version, alias = match.groups()
        number = int(version) if version else None
        return parse_source({"kind": "mlflow", "model": name, "version": number, "alias": alias})
    if text.startswith(("http://", "https://")):
        is_mlflow = text.rstrip("/").endswith("/invocations")
        return parse_source({"kind": "http", "url": text, "protocol": "mlflow" if is_mlflow else "ireu"})
    if text.startswith("pipeline:"):
        return parse_source({"kind": "pipeline", "path": text.removeprefix("pipeline:")})
    if text == "testbed" or text.startswith("hf:"):
        return parse_source({"kind": "named", "name": text})
    return parse_source({"kind": "folder", "path": text.rstrip("/")})


def describe_source(source: EncoderSource | dict[str, Any]) -> str:
    """Return where an encoder is, in words."""
    found: Any = parse_source(source) if isinstance(source, dict) else source
    if found.kind == "mlflow":
        what = f"version {found.version}" if found.version is not None else f"alias “{found.alias}”"
        return f"MLflow model “{found.model}”, {what}"
    if found.kind == "http":
        return f"Served at {found.url}"
    if found.kind == "pipeline":
        return f"Pipeline in the folder {found.path}"
    if found.kind == "named":
        return f"Encoder “{found.name}”"
    return f"Folder {found.path}"
