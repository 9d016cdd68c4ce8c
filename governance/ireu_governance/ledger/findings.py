"""What an audit can find, and the report that holds all of it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, computed_field

from ireu_governance.core.verdict import Verdict
from ireu_governance.ledger.audit_state import VerifiedState

__all__ = ["AuditReport", "Finding", "FindingKind", "FindingList"]


class FindingKind(StrEnum):
    """What was done to a ledger, as far as it can be told."""

    EDITED = "edited"
    """An entry's bytes, or a column beside them, are not what was recorded."""
    SIGNATURE = "signature"
    """An entry's signature does not fit its bytes."""
    UNKNOWN_SIGNER = "unknown-signer"
    """An entry is signed by a key that the log never had for entries."""
    SIGNER_NOT_VALID = "signer-not-valid"
    """An entry is signed by a key of the log that did not count there: not yet, or not any more."""
    MISSING = "missing"
    """Something between what is there was taken out."""
    POSITION = "position"
    """An entry stands where it was not recorded: moved, copied, inserted, or from another ledger."""
    CHAIN_BROKEN = "chain-broken"
    """An entry continues another one than the one before it."""
    LEAF_MISMATCH = "leaf-mismatch"
    """The stored hash of an entry was changed; the entry itself was not."""
    NODE_MISMATCH = "node-mismatch"
    """A stored hash of the tree is wrong, missing, or does not belong there."""
    TRUNCATED = "truncated"
    """Entries were cut off the end; traces of them are left in the database."""
    ROLLED_BACK = "rolled-back"
    """The database ends before what was published, without traces: an older copy."""
    FORKED = "forked"
    """The entries are properly signed, and not those that were published."""
    CHECKPOINT_INVALID = "checkpoint-invalid"
    """A checkpoint is not one that this log signed."""
    COSIGNATURE_INVALID = "cosignature-invalid"
    """What is stored as a witness's signature is none, or not of this checkpoint."""
    STAMP_INVALID = "stamp-invalid"
    """What is stored as a time stamp is none, or not of this checkpoint."""
    TRIGGER_MISSING = "trigger-missing"
    """The database no longer protects itself as it should."""
    INDEX_MISMATCH = "index-mismatch"
    """The look-up of cases does not say what the entries say."""
    TIME = "time"
    """An entry is dated before the one that it follows, or after somebody else saw it."""
    KEY_HISTORY = "key-history"
    """The recorded changes of keys do not lead to the key file that is used."""
    REFERENCE = "reference"
    """An entry refers to another one that is not what it should be."""
    DOCUMENT = "document"
    """In an exported folder: a file beside the entries is not the one that was published with them."""
    EXTRA = "extra"
    """In an exported folder: a file does not belong to the log at the size of its checkpoint."""
    UNREADABLE = "unreadable"
    """Something cannot be read at all."""


class Finding(BaseModel):
    """One thing that is wrong.

    Attributes:
        kind: What it is.
        entry: Number of the first entry that it is about; None when it is about none in particular.
        until: Number of the last one, when it is about several.
        message: One sentence for a person.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FindingKind
    entry: int | None
    until: int | None = None
    message: str


class AuditReport(BaseModel):
    """Everything that an audit found.

    Attributes:
        size: Number of entries by their rows.
        root: Recomputed Merkle root over them in hex; None when an entry is too damaged to tell its hash.
        findings: All that is wrong, in the order of the ledger; none when it is untouched.
        checked: How many entries, signatures, nodes, checkpoints were recomputed and compared.
        not_compared: Sizes of checkpoints whose root cannot be recomputed because of damaged entries.
        since: Entries before this number were not read again: a former audit had read them. None when all were.
        notes: What a reader has to know about how far the audit went.
        state: Where the next audit may begin; None when anything was found. Not part of the report in JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    root: str | None
    findings: tuple[Finding, ...]
    checked: dict[str, int]
    not_compared: tuple[int, ...] = ()
    since: int | None = None
    notes: tuple[str, ...] = ()
    state: VerifiedState | None = Field(default=None, exclude=True, repr=False)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> Verdict:
        """`holds` without findings, else `does-not-hold`."""
        return Verdict.DOES_NOT_HOLD if self.findings else Verdict.HOLDS


class FindingList:
    """Collects findings; the same thing in neighbouring entries becomes one finding over all of them."""

    def __init__(self) -> None:
        self._findings: list[Finding] = []

    def add(self, kind: FindingKind, entry: int | None, message: str, *, until: int | None = None) -> None:
        """Add a finding.

        Args:
            kind: What it is.
            entry: First entry that it is about.
            message: One sentence that is true of every single entry.
            until: Last entry that it is about, when there are several.
        """
        last = self._findings[-1] if self._findings else None
        if (
            last is not None
            and entry is not None
            and last.entry is not None
            and (last.kind, last.message) == (kind, message)
            and entry == (last.entry if last.until is None else last.until) + 1
        ):
            self._findings[-1] = last.model_copy(update={"until": entry if until is None else until})
        else:
            self._findings.append(Finding(kind=kind, entry=entry, until=until, message=message))

    def has(self, kind: FindingKind) -> bool:
        """Return whether something of a kind was found."""
        return any(each.kind is kind for each in self._findings)

    def sorted(self) -> tuple[Finding, ...]:
        """Return all findings by entry; those about the whole ledger last."""
        return tuple(sorted(self._findings, key=lambda each: (each.entry is None, each.entry or 0, each.kind)))
