"""Where a former audit stood: what an auditor keeps, so that the next audit reads only what is new.

It is worth what the place is worth where the auditor keeps it. Whoever can write it can make the next audit begin
from entries that nobody has looked at, so it lies with the auditor and not beside the ledger.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from ireu_governance.core import merkle
from ireu_governance.core.canonical import parse_json
from ireu_governance.core.errors import ConfigError, InputError
from ireu_governance.core.times import Timestamp
from ireu_governance.core.validation import describe
from ireu_governance.core.vocabulary import Sequence, Sha256
from ireu_governance.files import write_atomically

__all__ = ["AUDIT_STATE_TYPE", "VerifiedState", "load_state", "save_state"]

AUDIT_STATE_TYPE: Final = "urn:ireu:audit-state:v1"
MAX_STATE_BYTES: Final = 64 * 1024  # 53 hashes take 4 kB


class VerifiedState(BaseModel):
    """The end of a ledger that was audited from its first entry on, and in which nothing was found.

    Attributes:
        origin: Name of the log.
        size: Number of entries that were read.
        root: Merkle root over them.
        frontier: Hashes of the complete subtrees over them, largest first: all that a tree needs to grow.
        last_leaf: Leaf hash of the last entry; 64 zeros without entries.
        last_time: When the last entry was recorded; absent without entries.
        key_file: Digest of the key file that the signatures were judged by.
        audited_at: When the audit was made.
    """

    type_: Annotated[Literal["urn:ireu:audit-state:v1"], Field(alias="_type")] = AUDIT_STATE_TYPE
    origin: Annotated[str, StringConstraints(pattern=r"^[^\s+]{1,200}$")]
    size: Sequence
    root: Sha256
    frontier: Annotated[tuple[Sha256, ...], Field(max_length=53)]
    last_leaf: Sha256
    last_time: Timestamp | None
    key_file: Sha256
    audited_at: Timestamp

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)

    @model_validator(mode="after")
    def _agree_with_itself(self) -> Self:
        hashes = [bytes.fromhex(each) for each in self.frontier]
        if len(hashes) != self.size.bit_count() or merkle.root_of_frontier(hashes).hex() != self.root:
            raise ValueError("the frontier is not that of the size and the root")
        if (self.size == 0) != (self.last_time is None) or (self.size & 1 and self.frontier[-1] != self.last_leaf):
            raise ValueError("the last entry is not that of the size")
        return self

    @property
    def subtrees(self) -> dict[merkle.NodeId, bytes]:
        """The hashes of the frontier by the subtree that each belongs to."""
        return {
            node: bytes.fromhex(each) for node, each in zip(merkle.root_nodes(self.size), self.frontier, strict=True)
        }

    def to_bytes(self) -> bytes:
        """Return the state as JSON, indented for people to read."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=2).encode("utf-8") + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> VerifiedState:
        """Read a state.

        Args:
            data: JSON by strict rules.

        Returns:
            The state; it is consistent in itself.

        Raises:
            InputError: The bytes are no state of an audit.
        """
        parse_json(data, what="state of an audit", max_bytes=MAX_STATE_BYTES)
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise InputError(
                f"The state of an audit is malformed {describe(error)}.",
                hint="Audit the whole ledger again, and keep the new state.",
            ) from None


def load_state(path: Path) -> VerifiedState | None:
    """Read the state that a former audit left.

    Args:
        path: The auditor's file.

    Returns:
        The state; None when there is no file yet.

    Raises:
        ConfigError: The file cannot be read.
        InputError: It holds something else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_STATE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(
            f"The state of the audit in '{path}' cannot be read: {error.strerror or 'unknown reason'}.",
            hint="Name another file, or a new one to audit everything.",
        ) from error
    return VerifiedState.from_bytes(data)


def save_state(path: Path, state: VerifiedState) -> None:
    """Keep the state for the next audit.

    Args:
        path: The auditor's file.
        state: Of an audit that found nothing.

    Raises:
        ConfigError: The file cannot be written.
    """
    write_atomically(path, state.to_bytes())
