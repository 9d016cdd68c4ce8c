"""What a monitor remembers of a log, in one small file that only its owner can read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ireu_governance.core import merkle
from ireu_governance.core.canonical import parse_json
from ireu_governance.core.checkpoint import MAX_NOTE_BYTES, Checkpoint, SignedNote
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.core.keys import MAX_KEY_FILE_BYTES, KeyFile
from ireu_governance.core.validation import describe
from ireu_governance.files import write_atomically
from ireu_governance.ledger.records import FIRST_PREV

__all__ = ["MonitorState", "load_state", "save_state"]

MONITOR_STATE_TYPE: Final = "urn:ireu:monitor-state:v1"
MAX_STATE_BYTES: Final = 3 * (MAX_NOTE_BYTES + MAX_KEY_FILE_BYTES)

_Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Document(BaseModel):
    type_: Annotated[Literal["urn:ireu:monitor-state:v1"], Field(alias="_type")]
    checkpoint: str
    frontier: Annotated[tuple[_Hex32, ...], Field(max_length=64)]
    last_leaf: _Hex32
    last_time: Annotated[str, StringConstraints(max_length=20)]
    key_file: dict[str, Any]

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)


@dataclass(frozen=True)
class MonitorState:
    """The last head of a log that was believed, and what is needed to extend it.

    Attributes:
        origin: Name of the log.
        checkpoint: The signed head; empty before the first.
        head: The same, read.
        frontier: Hashes of the complete subtrees that cover all its entries, largest first.
        last_leaf: Leaf hash of the last entry.
        last_time: When it was recorded.
        key_file: The keys that were used.
    """

    origin: str
    checkpoint: str
    head: Checkpoint
    frontier: tuple[bytes, ...]
    last_leaf: bytes
    last_time: str
    key_file: KeyFile | None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MonitorState) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        return self.checkpoint, self.frontier, self.last_leaf, self.last_time, self.key_file and self.key_file.digest

    @property
    def size(self) -> int:
        """Number of entries that were seen."""
        return self.head.size

    @classmethod
    def empty(cls, origin: str) -> MonitorState:
        """Return what is known of a log that was never looked at."""
        return cls(origin, "", Checkpoint(origin, 0, merkle.EMPTY_ROOT), (), FIRST_PREV, "", None)

    @classmethod
    def build(
        cls,
        checkpoint: str,
        key_file: KeyFile,
        frontier: list[bytes] | tuple[bytes, ...],
        last_leaf: bytes,
        last_time: str,
    ) -> MonitorState:
        """Put together what is remembered of a head.

        Raises:
            InputError: The checkpoint is none, or the hashes are not those of its tree.
        """
        head = Checkpoint.from_text(SignedNote.from_text(checkpoint).text)
        if len(frontier) != head.size.bit_count() or merkle.root_of_frontier(frontier) != head.root:
            raise InputError("The remembered hashes do not lead to the remembered root.")
        if head.origin != key_file.origin:
            raise InputError("The remembered head and keys are of different logs.")
        return cls(head.origin, checkpoint, head, tuple(frontier), last_leaf, last_time, key_file)

    def to_bytes(self) -> bytes:
        """Return the file's bytes."""
        document = {
            "_type": MONITOR_STATE_TYPE,
            "checkpoint": self.checkpoint,
            "frontier": [each.hex() for each in self.frontier],
            "last_leaf": self.last_leaf.hex(),
            "last_time": self.last_time,
            "key_file": self.key_file.to_object() if self.key_file else {},
        }
        return json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8") + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> MonitorState:
        """Read a file.

        Args:
            data: Its bytes.

        Returns:
            The state.

        Raises:
            InputError: The bytes are none, or contradict themselves.
        """
        parse_json(data, what="monitor's file", max_bytes=MAX_STATE_BYTES)
        try:
            document = _Document.model_validate_json(data)
        except ValidationError as error:
            raise InputError(f"The monitor's file is malformed {describe(error)}.") from None
        return cls.build(
            document.checkpoint,
            KeyFile.from_object(document.key_file),
            tuple(bytes.fromhex(each) for each in document.frontier),
            bytes.fromhex(document.last_leaf),
            document.last_time,
        )


def load_state(path: Path) -> tuple[MonitorState | None, bytes | None]:
    """Return what is remembered, and the file's bytes; nothing when there is no file yet.

    Args:
        path: The file.

    Raises:
        ConfigError: It is there and cannot be read. It is never taken for a missing one: a monitor that forgets
            believes everything anew.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_STATE_BYTES + 1)
    except FileNotFoundError:
        return None, None
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror or 'unknown reason'}") from None
    try:
        return MonitorState.from_bytes(data), data
    except InputError as error:
        raise _unusable(path, f"is damaged: {error.message.removesuffix('.')}") from None


def save_state(path: Path, state: MonitorState, *, expected: bytes | None) -> None:
    """Remember a head.

    Args:
        path: The file.
        state: What to remember.
        expected: What the file held when it was read; None if there was none.

    Raises:
        ConfigError: It cannot be written, or another monitor has written it since.
    """
    try:
        present = path.read_bytes()
    except FileNotFoundError:
        present = None
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror or 'unknown reason'}") from None
    if present != expected:
        raise _unusable(path, "was changed by another monitor in the meantime")
    write_atomically(path, state.to_bytes(), mode=0o600)


def _unusable(path: Path, what: str) -> ConfigError:
    return ConfigError(
        f"The monitor's file {path} {what}.",
        hint="Restore it from a copy. Only if there is none, remove it: the monitor then begins anew, and cannot"
        " tell what was changed before.",
        code=ErrorCode.MONITOR_STATE_UNUSABLE,
    )
