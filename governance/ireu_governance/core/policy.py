"""Policies: which logs and witnesses count, and how many witnesses must have cosigned a checkpoint.

A policy is a text file that a reader makes or gets by a way they trust, like the key file. It decides offline
whether a checkpoint is believable: signed by one of the logs, and cosigned by a quorum of witnesses.

Format: https://c2sp.org/tlog-policy (2026). Stricter than it in these points: the last line must have its end, and
a log's key cannot be a witness's too, since nobody is a witness in their own cause.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from ireu_governance.core.checkpoint import Checkpoint, SignedNote, parse_decimal, verify_signatures
from ireu_governance.core.cosignature import COSIGNING_KINDS, verify_cosignatures
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.verifier_key import KeyKind, VerifierKey

__all__ = ["Group", "Policy", "PolicyLog", "PolicyWitness"]

MAX_POLICY_BYTES: Final = 512 * 1024  # 100 witnesses with ML-DSA-44 keys take 180 kB
MAX_LINES_OF_A_KIND: Final = 100  # the format asks for at least 32; a note carries at most 100 signatures
NO_QUORUM: Final = "none"

_CHECK: Final = "witness"
_LOG_KINDS: Final = frozenset({KeyKind.ED25519, KeyKind.ML_DSA_44})
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_SPACE = re.compile("[ \t]+")


@dataclass(frozen=True)
class PolicyLog:
    """A log whose checkpoints count.

    Attributes:
        key: Its key; the key's name is the log's origin.
        url: Where it is found, without meaning for offline checks; None if not given.
    """

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True)
class PolicyWitness:
    """A witness whose cosignatures count.

    Attributes:
        name: Its name within the policy.
        key: Its key.
        url: The prefix to which checkpoints are submitted; None if not given.
    """

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True)
class Group:
    """Some witnesses or groups, of which so many must have cosigned.

    Attributes:
        name: Its name within the policy.
        threshold: How many of the members are enough.
        members: Names of witnesses and groups that are defined before.
    """

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """A policy that is whole and free of contradictions.

    Attributes:
        logs: Logs that count; none means that the reader knows the log from elsewhere.
        witnesses: Witnesses that are known.
        groups: Groups of them, members before the groups that name them.
        quorum: Name of the witness or group that must have cosigned, or ``none``.
    """

    logs: tuple[PolicyLog, ...] = ()
    witnesses: tuple[PolicyWitness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NO_QUORUM

    def __post_init__(self) -> None:
        for what, lines in (("logs", self.logs), ("witnesses", self.witnesses), ("groups", self.groups)):
            if len(lines) > MAX_LINES_OF_A_KIND:
                raise InputError(f"The policy has more than {MAX_LINES_OF_A_KIND} {what}.")
        self._expect_keys()
        defined: set[str] = set()
        for witness in self.witnesses:
            _define(witness.name, defined)
        grouped: set[str] = set()
        for group in self.groups:
            for member in group.members:
                if member not in defined:
                    raise InputError(f"The policy's group {group.name!a} names {member[:100]!a} before it is defined.")
                if member in grouped:
                    raise InputError(f"The policy has {member[:100]!a} in two groups, or in one twice.")
                grouped.add(member)
            if not 1 <= group.threshold <= len(group.members):
                raise InputError(
                    f"The policy's group {group.name!a} asks for {group.threshold} of {len(group.members)} members."
                )
            _define(group.name, defined)
        if self.quorum != NO_QUORUM and self.quorum not in defined:
            raise InputError(f"The policy's quorum {self.quorum[:100]!a} is not defined.")

    def _expect_keys(self) -> None:
        logs = [each.key for each in self.logs]
        witnesses = [each.key for each in self.witnesses]
        if any(each.kind not in _LOG_KINDS for each in logs):
            raise InputError("A log's key is of type 1 (Ed25519) or 6 (ML-DSA-44).")
        if any(each.kind not in COSIGNING_KINDS for each in witnesses):
            raise InputError("A witness's key is of type 4 (Ed25519) or 6 (ML-DSA-44).")
        for what, keys in (("log", logs), ("witness", witnesses)):
            if len({each.key.raw for each in keys}) != len(keys):
                raise InputError(f"The policy lists the same {what} key twice.")
        if {each.key.raw for each in logs} & {each.key.raw for each in witnesses}:
            raise InputError("The policy lists a log's key as a witness: nobody is a witness in their own cause.")

    def is_met_by(self, names: AbstractSet[str]) -> bool:
        """Return whether the witnesses of these names are a quorum."""
        if self.quorum == NO_QUORUM:
            return True
        met = {each.name for each in self.witnesses if each.name in names}
        for group in self.groups:  # members come before their groups
            if len(met.intersection(group.members)) >= group.threshold:
                met.add(group.name)
        return self.quorum in met

    def cosigners(self, checkpoint_text: str) -> dict[str, int]:
        """Return the witnesses that cosigned a checkpoint, whether they are a quorum or not.

        Args:
            checkpoint_text: The signed note.

        Returns:
            Names in the policy's order, each with the time of its cosignature in seconds since 1970.

        Raises:
            InputError: The text is no signed checkpoint.
            VerificationError: A known witness's line does not verify.
        """
        times = verify_cosignatures(checkpoint_text, [each.key for each in self.witnesses])
        return {each.name: times[each.key] for each in self.witnesses if each.key in times}

    def require(self, checkpoint_text: str) -> tuple[str, ...]:
        """Check that a checkpoint is one that this policy believes.

        Args:
            checkpoint_text: The signed note.

        Returns:
            Names of the witnesses that cosigned, in the policy's order.

        Raises:
            InputError: The text is no signed checkpoint.
            VerificationError: None of the policy's logs signed it, or no quorum of witnesses cosigned it.
        """
        if self.logs:
            self._require_log(checkpoint_text)
        names = tuple(self.cosigners(checkpoint_text))
        if not self.is_met_by(set(names)):
            who = ", ".join(map(_shown, names)) if names else "no witness of the policy"
            raise VerificationError(
                f"The checkpoint is cosigned by {who}, which is not the quorum '{_shown(self.quorum)}'.",
                check=_CHECK,
                hint="Ask for a checkpoint with more cosignatures; without them others may be shown another log.",
            )
        return names

    def _require_log(self, checkpoint_text: str) -> None:
        note = SignedNote.from_text(checkpoint_text)
        checkpoint = Checkpoint.from_text(note.text)
        keys = [each.key for each in self.logs if each.key.name == checkpoint.origin]
        if not verify_signatures(note, checkpoint, keys, check=_CHECK):
            raise VerificationError(
                f"The checkpoint of {checkpoint.origin[:200]!a} is signed by no log of the policy.", check=_CHECK
            )

    def to_text(self) -> str:
        """Return the policy as it is written in a file, without comments."""
        lines = [_join("log", each.key.to_text(), each.url) for each in self.logs]
        lines += [_join("witness", each.name, each.key.to_text(), each.url) for each in self.witnesses]
        lines += [_join("group", each.name, str(each.threshold), *each.members) for each in self.groups]
        return "".join(f"{line}\n" for line in [*lines, f"quorum {self.quorum}"])

    @classmethod
    def from_text(cls, text: str) -> Policy:
        """Read a policy.

        Args:
            text: Lines ``log``, ``witness``, ``group`` and one ``quorum``; names before they are used.

        Returns:
            The policy.

        Raises:
            InputError: The text is no policy; the message names the line.
        """
        if len(text) > MAX_POLICY_BYTES:
            raise InputError("The policy is too large.", code=ErrorCode.INPUT_TOO_LARGE)
        if _CONTROL.search(text):
            raise InputError("The policy holds control characters.")
        if not text.endswith("\n"):
            raise InputError("The policy's last line has no end: the file may be cut off.")
        reader = _Reader()
        for number, line in enumerate(text[:-1].split("\n"), start=1):
            words = _SPACE.split(line.strip(" \t"))
            if words != [""] and not words[0].startswith("#"):
                try:
                    reader.read(words)
                except InputError as error:
                    raise InputError(f"Line {number} of the policy: {error.message}", hint=error.hint) from None
        if reader.quorum is None:
            raise InputError("The policy has no quorum line.", hint="Write 'quorum none' to ask for no witness.")
        return cls(tuple(reader.logs), tuple(reader.witnesses), tuple(reader.groups), reader.quorum)

    @classmethod
    def from_bytes(cls, data: bytes) -> Policy:
        """Read a policy file; see `from_text`. Bytes beyond ASCII are taken as they are, as the format asks."""
        if len(data) > MAX_POLICY_BYTES:
            raise InputError("The policy is too large.", code=ErrorCode.INPUT_TOO_LARGE)
        return cls.from_text(data.decode("utf-8", "surrogateescape"))


class _Reader:
    """Collects the lines of a policy, and refuses names that are used before they are defined."""

    def __init__(self) -> None:
        self.logs: list[PolicyLog] = []
        self.witnesses: list[PolicyWitness] = []
        self.groups: list[Group] = []
        self.quorum: str | None = None
        self._defined: set[str] = set()

    def read(self, words: list[str]) -> None:
        kind, *rest = words
        if kind == "log" and 1 <= len(rest) <= 2:
            self.logs.append(PolicyLog(VerifierKey.from_text(rest[0]), *rest[1:]))
        elif kind == "witness" and 2 <= len(rest) <= 3:
            _define(rest[0], self._defined)
            self.witnesses.append(PolicyWitness(rest[0], VerifierKey.from_text(rest[1]), *rest[2:]))
        elif kind == "group" and len(rest) >= 3:
            self._read_group(rest[0], rest[1], rest[2:])
        elif kind == "quorum" and len(rest) == 1:
            if self.quorum is not None:
                raise InputError("a policy has exactly one quorum line.")
            self._expect_defined(rest[0], also=NO_QUORUM)
            self.quorum = rest[0]
        else:
            raise InputError("it is none of: log KEY [URL], witness NAME KEY [URL], group NAME K NAME…, quorum NAME.")

    def _read_group(self, name: str, threshold: str, members: list[str]) -> None:
        for member in members:
            self._expect_defined(member)
        count = {"all": len(members), "any": 1}.get(threshold)
        if count is None:
            count = parse_decimal(threshold, what="group's threshold")
        _define(name, self._defined)
        self.groups.append(Group(name, count, tuple(members)))

    def _expect_defined(self, name: str, *, also: str | None = None) -> None:
        if name not in self._defined and name != also:
            raise InputError(f"{name[:100]!a} is not defined on a line before.")


def _define(name: str, defined: set[str]) -> None:
    if not name or _SPACE.search(name) or "\n" in name or _CONTROL.search(name) or name == NO_QUORUM:
        raise InputError(f"{name[:100]!a} cannot name a witness or a group.")
    if name in defined:
        raise InputError(f"the name {name[:100]!a} is defined twice.")
    defined.add(name)


def _join(*words: str | None) -> str:
    return " ".join(word for word in words if word is not None)


def _shown(name: str) -> str:
    return name[:100].encode("ascii", "backslashreplace").decode("ascii")
