"""The audit's look at what others said about checkpoints: cosignatures of witnesses, stamps of time authorities.

Both are kept beside the checkpoints and prove something to whoever trusts those who made them. Without a policy, or
without root certificates, only their form can be looked at, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from ireu_governance.core.certificate_trust import CLOCK_TOLERANCE_S, STAMPING_TOLERANCE_S
from ireu_governance.core.checkpoint import Checkpoint, NoteSignature, SignedNote
from ireu_governance.core.cosignature import cosignature_time
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.policy import Policy
from ireu_governance.core.times import format_time, parse_time
from ireu_governance.ledger.findings import FindingKind, FindingList

__all__ = ["AttestationAudit", "StampVerifier"]

StampVerifier = Callable[[bytes, str], str]
"""Verifies a token over a signed checkpoint, and returns the proven time; raises VerificationError or InputError."""

_LAST_SECOND: Final = 253_402_300_799  # of the year 9999


class AttestationAudit:
    """Verifies cosignatures and stamps, and compares their times with those of the entries they cover.

    Args:
        findings: Where to report.
        checkpoints: Signed notes by size, without cosignatures.
        times: Time of the last entry below each checkpoint, where it is known.
        times_after: Time of the first entry after each checkpoint, where there is one.
        policy: Whose cosignatures are verified; None for nobody's.
        verify_stamp: Verifies stamps; None to look at their form only.

    Attributes:
        cosignatures: Number of cosignatures that were verified.
        stamps: Number of stamps that were verified.
        unverified: What there was and could not be verified for want of a policy or roots, as nouns.
    """

    def __init__(
        self,
        findings: FindingList,
        *,
        checkpoints: Mapping[int, str],
        times: Mapping[int, str],
        policy: Policy | None,
        verify_stamp: StampVerifier | None,
        times_after: Mapping[int, str] | None = None,
    ) -> None:
        self._findings = findings
        self._checkpoints = checkpoints
        self._times = times
        self._times_after = times_after or {}
        self._witnesses = {(each.key.name, each.key.key_hash): each.key for each in policy.witnesses} if policy else {}
        self._has_policy = policy is not None
        self._verify_stamp = verify_stamp
        self.cosignatures = 0
        self.stamps = 0
        self.unverified: set[str] = set()

    def read_cosignatures(self, rows: Iterable[Sequence[object]]) -> None:
        """Verify stored cosignatures.

        Args:
            rows: Columns size, digest, name and line of `cosignatures`.
        """
        for size, digest, name, line in rows:
            text = self._checkpoint(FindingKind.COSIGNATURE_INVALID, size, "cosignature")
            if text is None or not isinstance(size, int):
                continue
            if not isinstance(line, str) or sha256(line.encode("utf-8", "replace")).digest() != digest:
                self._add(FindingKind.COSIGNATURE_INVALID, size, "A stored cosignature was changed.")
                continue
            try:
                signature = NoteSignature.from_line(line)
                if signature.name != name:
                    raise InputError("It is stored under another name than its own.")
                self._verify_cosignature(size, signature, text)
            except (InputError, VerificationError) as error:
                self._add(FindingKind.COSIGNATURE_INVALID, size, f"A stored cosignature is none: {error.message}")

    def read_stamps(self, rows: Iterable[Sequence[object]]) -> None:
        """Verify stored stamps.

        Args:
            rows: Columns size, digest and token of `stamps`.
        """
        for size, digest, token in rows:
            text = self._checkpoint(FindingKind.STAMP_INVALID, size, "time stamp")
            if text is None or not isinstance(size, int):
                continue
            if not isinstance(token, bytes) or sha256(token).digest() != digest:
                self._add(FindingKind.STAMP_INVALID, size, "A stored time stamp was changed.")
                continue
            if self._verify_stamp is None:
                self.unverified.add("time stamps")
                continue
            try:
                time = self._verify_stamp(token, text)
            except (InputError, VerificationError) as error:
                self._add(FindingKind.STAMP_INVALID, size, f"A stored time stamp is none: {error.message}")
                continue
            self.stamps += 1
            self._compare_time(size, parse_time(time), "a time stamp")

    def _verify_cosignature(self, size: int, signature: NoteSignature, text: str) -> None:
        if not self._has_policy:
            self.unverified.add("cosignatures")
            return
        key = self._witnesses.get((signature.name, signature.key_hash))
        if key is None:
            return  # of somebody whom the reader does not know: passed over, as everywhere
        seconds = cosignature_time(signature, key, Checkpoint.from_text(SignedNote.from_text(text).text))
        self.cosignatures += 1
        if 0 < seconds <= _LAST_SECOND:
            self._compare_time(size, datetime.fromtimestamp(seconds, UTC), f"the witness '{signature.name}'")

    def _compare_time(self, size: int, seen: datetime, by: str) -> None:
        last, next_ = self._times.get(size), self._times_after.get(size)
        if last and (parse_time(last) - seen).total_seconds() > CLOCK_TOLERANCE_S:
            self._findings.add(
                FindingKind.TIME,
                size - 1,
                f"The entry is dated {last}, but {by} shows that it was there at {format_time(seen)}.",
            )
        if next_ and (seen - parse_time(next_)).total_seconds() > STAMPING_TOLERANCE_S:
            self._findings.add(
                FindingKind.TIME,
                size,
                f"The entry is dated {next_}, but {by} shows that it was not there yet at {format_time(seen)}.",
            )

    def _checkpoint(self, kind: FindingKind, size: object, what: str) -> str | None:
        text = self._checkpoints.get(size) if isinstance(size, int) else None
        if text is None:
            self._add(kind, size if isinstance(size, int) else None, f"A {what} is of a checkpoint that is not there.")
        return text

    def _add(self, kind: FindingKind, size: int | None, message: str) -> None:
        # Like the checkpoint that it is of, it is named by the last entry that it covers.
        self._findings.add(kind, None if size is None else max(size - 1, 0), message)
