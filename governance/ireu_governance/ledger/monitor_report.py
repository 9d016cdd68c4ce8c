"""What a monitor reports: what it saw of a log, and all that is wrong with it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, computed_field

from ireu_governance.core.verdict import Verdict

__all__ = ["Alarm", "AlarmKind", "MonitorReport"]


class AlarmKind(StrEnum):
    """What a monitor raises an alarm about."""

    CHECKPOINT = "checkpoint-invalid"
    KEYS = "keys-changed"
    WITNESS = "witness-quorum"
    ROLLBACK = "rolled-back"
    FORK = "forked"
    MISSING = "missing"
    ENTRY = "entry-invalid"
    TREE = "tree-mismatch"


class Alarm(BaseModel):
    """One thing that is wrong.

    Attributes:
        kind: What kind of thing.
        entry: Number of the entry that it is about, if it is about one.
        message: A sentence for people.
    """

    kind: AlarmKind
    entry: int | None = None
    message: str


class MonitorReport(BaseModel):
    """What a monitor found when it looked.

    Attributes:
        origin: Name of the log.
        previous_size: Size of the last head that was believed; None the first time.
        size: Size of the head that the log shows now; None when it shows no valid one.
        root: Its root in hex.
        checkpoint: The signed head that the log shows, as evidence.
        believed: The signed head that was believed before.
        entries: Number of new entries by kind.
        read_again: Number of entries that had been verified before and were read and verified again.
        witnesses: Names of the policy's witnesses that cosigned.
        alarms: All that is wrong.
        notes: What is nobody's fault now: entries that the organisation itself gave up after the theft of a key.
        fork_proof: The proof of a fork, if there is one, for others to check.
        advanced: Whether the monitor's file moved on.
    """

    origin: str
    previous_size: int | None
    size: int | None = None
    root: str | None = None
    checkpoint: str | None = None
    believed: str | None = None
    entries: dict[str, int] = {}
    read_again: int = 0
    witnesses: tuple[str, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    notes: tuple[str, ...] = ()
    fork_proof: str | None = None
    advanced: bool = False

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> Verdict:
        """`does-not-hold` with any alarm, else `holds`."""
        return Verdict.DOES_NOT_HOLD if self.alarms else Verdict.HOLDS
