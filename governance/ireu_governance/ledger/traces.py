"""What a removal leaves of a case outside of the vault and the ledger, and taking it away.

In a workspace that is the run's folder: until a run ends, it keeps a salt and a salted digest of all photos, with
which whoever has the very files could confirm that they took part, and the weights in training; and, of synthetic
people only, pictures. What stays is the run's record without salt and digest, which says no more than the ledger.
MLflow, finished encoders and certificates hold no more than that either (see `docs/privacy.md`).
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ireu_governance.files import write_atomically
from ireu_governance.ledger.destruction import destroy_file

__all__ = ["Traces", "remove_traces"]

_RECORD: Final = "run.json"
_OLD: Final = ".run.json.old"


@dataclass(frozen=True)
class Traces:
    """What was found of cases outside of the vault.

    Attributes:
        removed: Files that were destroyed, relative to the workspace.
        unreadable: Run folders whose record cannot be read, so that it is not known whom they are about.
    """

    removed: tuple[str, ...]
    unreadable: tuple[str, ...]


def remove_traces(root: Path, case_ids: Collection[str]) -> Traces:
    """Destroy what the runs of cases keep of them; a run that has not ended cannot be resumed afterwards.

    Args:
        root: The workspace's folder.
        case_ids: The cases.

    Returns:
        What was removed, and what could not be read.

    Raises:
        OSError: A file cannot be overwritten or removed.
        ConfigError: A run's record cannot be written.
    """
    removed: list[str] = []
    unreadable: list[str] = []
    for folder in sorted(path for path in (root / "runs").glob("*") if path.is_dir()):
        path, old = folder / _RECORD, folder / _OLD
        if old.is_file() and not path.exists():
            old.replace(path)  # a process was stopped below, between taking the record away and writing it anew
        record = _read(path)
        if record is None:
            if any(folder.iterdir()):
                unreadable.append(folder.relative_to(root).as_posix())
            continue
        if not set(case_ids) & set(_cases(record)):
            continue
        files = [each for each in sorted(folder.rglob("*")) if each.is_file() and each.name != _RECORD]
        partial = root / "encoders" / f".{folder.name}.partial"
        files += [each for each in sorted(partial.rglob("*")) if each.is_file()]
        for each in files:
            destroy_file(each)
            removed.append(each.relative_to(root).as_posix())
        if record.get("salt") or record.get("fingerprint"):
            ended = {**record, "salt": "", "fingerprint": ""}
            path.replace(old)  # so that the old bytes are overwritten, and not only their name given away
            write_atomically(path, json.dumps(ended, indent=2).encode(), mode=0o600)
            destroy_file(old)
            removed.append(f"{path.relative_to(root).as_posix()} (salt and digest)")
    return Traces(tuple(removed), tuple(unreadable))


def _read(path: Path) -> dict[str, object] | None:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _cases(record: dict[str, object]) -> list[str]:
    cases = record.get("case_ids")
    return [str(each) for each in cases] if isinstance(cases, list) else []
