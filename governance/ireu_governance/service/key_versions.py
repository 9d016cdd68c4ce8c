"""The versions of a log's key file that a workspace keeps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.keys import KeyFile

if TYPE_CHECKING:
    from ireu_governance.workspace import Workspace

__all__ = ["KeyVersion", "key_versions", "read_key_version"]

_NAME: Final = re.compile(r"keys\.v([1-9][0-9]{0,8})\.json")


class KeyVersion(BaseModel):
    """A version of the key file."""

    version: int
    digest: str
    issued_at: str


def key_versions(workspace: Workspace, present: KeyFile) -> list[KeyVersion]:
    """Return the versions that are kept, the newest first.

    Args:
        workspace: Whose.
        present: What is in force.
    """
    found = [present]
    for path in (workspace.key_file_path.parent / "history").glob("keys.v*.json"):
        match = _NAME.fullmatch(path.name)
        if match and int(match[1]) < present.version:
            found.append(workspace.key_file(int(match[1])))
    versions = [KeyVersion(version=each.version, digest=each.digest, issued_at=each.issued_at) for each in found]
    return sorted(versions, key=lambda each: -each.version)


def read_key_version(workspace: Workspace, present: KeyFile, version: int) -> bytes:
    """Return a version of the key file, byte for byte.

    Args:
        workspace: Whose.
        present: What is in force.
        version: Which.

    Raises:
        InputError: It is not kept.
    """
    if version == present.version:
        return present.to_bytes()
    path = workspace.key_file_path.parent / "history" / f"keys.v{version}.json"
    try:
        data = path.read_bytes() if version < present.version else None
    except OSError:
        data = None
    if data is None:
        raise InputError(
            f"There is no version {version} of the key file.",
            hint=f"Version {present.version} is in force.",
            code=ErrorCode.ENTRY_UNKNOWN,
        )
    return data
