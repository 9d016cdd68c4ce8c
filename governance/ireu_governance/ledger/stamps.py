"""Time stamps of checkpoints, and what they say about entries; `time_authorities` asks for them.

A stamp over a checkpoint bounds the times of entries from both sides. Entries that the checkpoint covers were
there by then, so none of them can be dated later. Entries after it came later, so none can be dated earlier: who
sets a clock back to record something under an older date is found by the stamps in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ireu_governance.core.certificate_trust import CLOCK_TOLERANCE_S, STAMPING_TOLERANCE_S
from ireu_governance.core.checkpoint import Checkpoint, SignedNote
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.times import parse_time
from ireu_governance.core.timestamp import TsaRoots, stated_time, verify_token
from ireu_governance.ledger.append import Ledger
from ireu_governance.ledger.findings import Finding, FindingKind, FindingList
from ireu_governance.ledger.time_authorities import (
    CommandAuthority,
    HttpAuthority,
    TimeAuthority,
    obtain_token,
    open_authority,
)

__all__ = [
    "CommandAuthority",
    "HttpAuthority",
    "Stamp",
    "StampedCheckpoint",
    "TimeAuthority",
    "checkpoint_message",
    "obtain_token",
    "open_authority",
    "stamp_checkpoint",
    "stamp_verifier",
    "verify_stamps",
]

STAMPS_EVERY_S: Final = 24 * 3600  # the newest stamp bounds how far an entry can be backdated unnoticed


def checkpoint_message(text: str) -> bytes:
    """Return what of a checkpoint is stamped: what the log signs, so that cosignatures may come later."""
    return SignedNote.from_text(text).text.encode("utf-8")


@dataclass(frozen=True)
class StampedCheckpoint:
    """A stamp that was stored.

    Attributes:
        size: Size of the checkpoint.
        authority: Whom it is from.
        time: The time that it states.
    """

    size: int
    authority: str
    time: str


def stamp_checkpoint(
    ledger: Ledger, authority: TimeAuthority, *, roots: TsaRoots | None = None, now: datetime, force: bool = False
) -> StampedCheckpoint | None:
    """Get the latest checkpoint stamped, if the newest stamp is older than a day.

    Call it when the checkpoint was just published: entries that are recorded between a checkpoint and its stamp
    look earlier than the stamp, and only an hour of that is taken for honest.

    Args:
        ledger: Has a published checkpoint.
        authority: Whom to ask.
        roots: With them, the token is verified before it is stored.
        now: The present moment.
        force: Stamp however new the newest stamp is.

    Returns:
        What was stored; None when the newest stamp is new enough.

    Raises:
        InputError: There is no checkpoint yet.
        ConfigError: The authority gave no token.
    """
    text = ledger.checkpoint()
    if text is None:
        raise InputError(
            "The ledger has no published checkpoint yet.",
            hint="Publish one with: ireu ledger checkpoint",
            code=ErrorCode.ENTRY_UNKNOWN,
        )
    newest = ledger.latest_stamp_time()
    if newest is not None and not force and (now - parse_time(newest)).total_seconds() < STAMPS_EVERY_S:
        return None
    message = checkpoint_message(text)
    token = obtain_token(authority, message, roots=roots)
    name, time = authority.name, stated_time(token)
    if roots is not None:
        proven = verify_token(token, message, roots=roots)
        name, time = proven.authority, proven.time
    size = Checkpoint.from_text(message.decode("utf-8")).size
    ledger.add_stamp(size, name, token)
    return StampedCheckpoint(size=size, authority=name, time=time)


def stamp_verifier(roots: TsaRoots) -> Callable[[bytes, str], str]:
    """Return what verifies a token over a signed checkpoint and returns the proven time, for an audit."""

    def verify(token: bytes, checkpoint: str) -> str:
        return verify_token(token, checkpoint_message(checkpoint), roots=roots).time

    return verify


@dataclass(frozen=True)
class Stamp:
    """A stored stamp of a checkpoint.

    Attributes:
        size: The checkpoint's size.
        token: The RFC 3161 token.
    """

    size: int
    token: bytes


def verify_stamps(
    stamps: Iterable[Stamp], *, checkpoints: Mapping[int, str], recorded: Sequence[str | None], roots: TsaRoots
) -> tuple[Finding, ...]:
    """Check stored stamps, and the times of all entries against them.

    Args:
        stamps: As they are stored.
        checkpoints: The signed checkpoints by their sizes.
        recorded: The time of each entry, as signed in it; None for one that cannot be read.
        roots: Root certificates of the authorities that count.

    Returns:
        What is wrong: stamps that prove nothing (kind ``stamp-invalid``), and entries whose time they contradict
        (kind ``time``).

    Raises:
        MissingExtraError: The `timestamp` part of ireu is not installed.
    """
    findings = FindingList()
    proven: list[tuple[int, datetime]] = []
    for stamp in stamps:
        text = checkpoints.get(stamp.size)
        if text is None:
            findings.add(
                FindingKind.STAMP_INVALID, None, f"A time stamp is of a checkpoint of {stamp.size} that is not there."
            )
            continue
        try:
            time = verify_token(stamp.token, checkpoint_message(text), roots=roots).time
        except (InputError, VerificationError) as error:
            what = f"A time stamp of the checkpoint of {stamp.size} counts for nothing: {error.message}"
            findings.add(FindingKind.STAMP_INVALID, None, what)
            continue
        proven.append((stamp.size, parse_time(time)))
    _compare(proven, recorded, findings)
    return findings.sorted()


def _compare(proven: list[tuple[int, datetime]], recorded: Sequence[str | None], findings: FindingList) -> None:
    # For each entry the tightest bounds: the latest stamp of a checkpoint without it, the earliest of one with it.
    size = len(recorded)
    before: dict[int, datetime] = {}
    after: dict[int, datetime] = {}
    for covered, time in proven:
        if covered < size:
            before[covered] = max(time, before.get(covered, time))
        if covered:
            last = min(covered, size) - 1
            after[last] = min(time, after.get(last, time))
    upper: list[datetime | None] = [None] * size
    bound: datetime | None = None
    for seq in reversed(range(size)):
        bound = _tighter(bound, after.get(seq), smallest=True)
        upper[seq] = bound
    lower: datetime | None = None
    for seq, text in enumerate(recorded):
        lower = _tighter(lower, before.get(seq), smallest=False)
        high = upper[seq]
        if text is None:
            continue
        time = parse_time(text)
        if high is not None and (time - high).total_seconds() > CLOCK_TOLERANCE_S:
            what = "The entry is dated after a time stamp of a checkpoint that holds it."
            findings.add(FindingKind.TIME, seq, what)
        if lower is not None and (lower - time).total_seconds() > STAMPING_TOLERANCE_S:
            what = "The entry is backdated: it is dated before a time stamp of a checkpoint that does not hold it yet."
            findings.add(FindingKind.TIME, seq, what)


def _tighter(one: datetime | None, other: datetime | None, *, smallest: bool) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other) if smallest else max(one, other)
