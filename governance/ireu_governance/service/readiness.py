"""Whether a service can do its work now: the ledger continues what was published, its own tables can be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, func, select

from ireu_governance.core.errors import IreuError, LedgerRefusedError
from ireu_governance.ledger.database import reading
from ireu_governance.ledger.guard import Guard
from ireu_governance.ledger.published import PublishedCheckpoint
from ireu_governance.ledger.read import size_of
from ireu_governance.ledger.tables import CHECKPOINTS, COSIGNATURES
from ireu_governance.workspace import Workspace

__all__ = ["LedgerSizes", "Readiness", "check_parts", "expect_ledger_continues", "read_sizes"]

_CONTRADICTS: Final = "it contradicts what was published"
_UNUSABLE: Final = "it cannot be used now"


@dataclass(frozen=True)
class Readiness:
    """One part of a service.

    Attributes:
        name: The part.
        ready: Whether it does its work.
        reason: Why not; empty when it does. Nothing of paths or addresses, since anybody may ask.
    """

    name: str
    ready: bool
    reason: str = ""


@dataclass(frozen=True)
class LedgerSizes:
    """How far a ledger is.

    Attributes:
        integrated: Its entries.
        signed: Those that the newest checkpoint covers.
        witnessed: Those that the newest cosigned checkpoint covers.
    """

    integrated: int
    signed: int
    witnessed: int


def check_parts(parts: Mapping[str, Callable[[], object]]) -> list[Readiness]:
    """Try each part of a service.

    Args:
        parts: By name, a function that raises an error of ireu's when the part cannot be used.
    """
    found = []
    for name, attempt in parts.items():
        try:
            attempt()
        except LedgerRefusedError:
            found.append(Readiness(name, ready=False, reason=_CONTRADICTS))
        except IreuError as error:
            found.append(Readiness(name, ready=False, reason=f"{_UNUSABLE} ({error.code.value})"))
        else:
            found.append(Readiness(name, ready=True))
    return found


def expect_ledger_continues(workspace: Workspace, engine: Engine) -> None:
    """Check that the ledger continues what was published outside its database.

    Args:
        workspace: Whose ledger.
        engine: Over its database.

    Raises:
        LedgerRefusedError: It does not.
        LedgerError: It cannot be read.
    """
    key_file = workspace.key_file()
    published = PublishedCheckpoint(workspace.checkpoint_path, workspace.checkpoint_copies, key_file)
    with reading(engine) as connection:
        Guard(key_file=key_file, published=published).expect_continued(connection)


def read_sizes(engine: Engine) -> LedgerSizes:
    """Return how far a ledger is.

    Args:
        engine: Over its database.

    Raises:
        LedgerError: It cannot be read.
    """
    with reading(engine) as connection:
        return LedgerSizes(
            integrated=size_of(connection),
            signed=connection.execute(select(func.max(CHECKPOINTS.c.size))).scalar() or 0,
            witnessed=connection.execute(select(func.max(COSIGNATURES.c.size))).scalar() or 0,
        )
