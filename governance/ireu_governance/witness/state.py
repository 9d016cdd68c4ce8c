"""What a witness may cosign: a decision about one request and what is remembered of its log, without any I/O.

Format: https://c2sp.org/tlog-witness (2026). The statuses are those of HTTP:

    404  the log is not known           400  the request cannot be read, or its old size is beyond the new one
    403  no key of the log signed       409  the old size is not what is remembered, or the same size has another root
    422  the proof does not verify      200  cosigned
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ireu_governance.core import merkle
from ireu_governance.core.checkpoint import MAX_NOTE_BYTES, Checkpoint, SignedNote, verify_signatures
from ireu_governance.core.consistency import ConsistencyProof
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.policy import Policy
from ireu_governance.core.verifier_key import KeyKind, VerifierKey

__all__ = [
    "MAX_REQUEST_BYTES",
    "SIZE_TYPE",
    "TEXT_TYPE",
    "AddCheckpoint",
    "Decision",
    "KnownHead",
    "KnownLogs",
    "authenticate",
    "decide",
    "known_logs",
]

MAX_REQUEST_BYTES: Final = MAX_NOTE_BYTES + 64 * 64  # a note, and a proof of at most 63 lines of 45 bytes
SIZE_TYPE: Final = "text/x.tlog.size"
TEXT_TYPE: Final = "text/plain; charset=utf-8"

_CHECK: Final = "checkpoint-signature"

KnownLogs = Mapping[str, Sequence[VerifierKey]]
"""The keys that a witness trusts, by the origin of their log."""


@dataclass(frozen=True)
class AddCheckpoint:
    """A request to cosign a checkpoint.

    Attributes:
        old_size: Size of the checkpoint that the client believes to be the last one cosigned.
        proof: The consistency proof from there.
        note: The signed checkpoint.
        checkpoint: What it says, unverified.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: SignedNote
    checkpoint: Checkpoint

    def to_text(self) -> str:
        """Return the body of the request."""
        return ConsistencyProof(self.old_size, self.proof, self.note.to_text()).to_text()

    @classmethod
    def build(cls, text: str, *, old_size: int, proof: Sequence[bytes]) -> AddCheckpoint:
        """Make a request from a signed checkpoint; `InputError` if it is none."""
        note = SignedNote.from_text(text)
        return cls(old_size, tuple(proof), note, Checkpoint.from_text(note.text))

    @classmethod
    def from_text(cls, text: str) -> AddCheckpoint:
        """Read the body of a request.

        Args:
            text: The old size, the proof, an empty line, the signed checkpoint.

        Returns:
            The request, with nothing verified yet.

        Raises:
            InputError: The text is no request.
        """
        proof = ConsistencyProof.from_text(text)
        return cls.build(proof.checkpoint, old_size=proof.old_size, proof=proof.hashes)


@dataclass(frozen=True)
class KnownHead:
    """The last head of a log that was cosigned.

    Attributes:
        size: Number of entries.
        root: Root over them.
    """

    size: int
    root: bytes


@dataclass(frozen=True)
class Decision:
    """What is answered, and what is remembered from now on.

    Attributes:
        status: The HTTP status; 200 means that the checkpoint is to be cosigned.
        body: The answer, except for cosignatures.
        content_type: Its media type.
        head: What to remember before a cosignature leaves the house; None when nothing is cosigned.
    """

    status: int
    body: str = ""
    content_type: str = TEXT_TYPE
    head: KnownHead | None = None


def known_logs(keys: Iterable[VerifierKey] = (), policy: Policy | None = None) -> dict[str, tuple[VerifierKey, ...]]:
    """Return the logs that a witness serves, by their origin.

    Args:
        keys: Keys of logs; several of one name are keys of one log.
        policy: A policy whose logs are served too.

    Raises:
        InputError: A key is none of a log.
    """
    logs: dict[str, tuple[VerifierKey, ...]] = {}
    for key in [*keys, *(each.key for each in (policy.logs if policy else ()))]:
        if key.kind is KeyKind.COSIGNATURE:
            raise InputError(
                f"The key of '{key.name}' is a witness's, not a log's.",
                hint="'ireu keys list' prints the verifier key of a log.",
            )
        if key not in logs.get(key.name, ()):
            logs[key.name] = (*logs.get(key.name, ()), key)
    return logs


def authenticate(request: AddCheckpoint, logs: KnownLogs) -> Decision | None:
    """Find out whether a request comes from a log that is known; needs nothing that is remembered.

    Args:
        request: As it was read.
        logs: The keys that are trusted.

    Returns:
        The refusal, or None when a trusted key signed the checkpoint.
    """
    keys = logs.get(request.checkpoint.origin)
    if not keys:
        return Decision(404, "This witness does not know the log.\n")
    try:
        signed = verify_signatures(request.note, request.checkpoint, keys, check=_CHECK)
    except VerificationError:
        signed = {}
    return None if signed else Decision(403, "No trusted key of the log signed the checkpoint.\n")


def decide(request: AddCheckpoint, known: KnownHead | None) -> Decision:
    """Decide about a request whose checkpoint the log has signed; see `authenticate`.

    Args:
        request: As it was read.
        known: The last head of the log that was cosigned; None before the first.

    Returns:
        What to answer, and with status 200 what to remember first.
    """
    new = request.checkpoint
    if request.old_size > new.size:
        return Decision(400, "The old size is larger than the checkpoint's.\n")
    before = known or KnownHead(0, merkle.EMPTY_ROOT)
    conflict = Decision(409, f"{before.size}\n", SIZE_TYPE)
    if request.old_size != before.size:
        return conflict
    if new.size == before.size and new.root != before.root:
        return conflict
    if before.size == 0:
        # Nothing is to be proven about continuing an empty log, and whoever sends a proof means something else.
        consistent = not request.proof
    else:
        consistent = _is_consistent(before, new, request.proof)
    if not consistent:
        return Decision(422, "The consistency proof does not verify.\n")
    return Decision(200, head=KnownHead(new.size, new.root))


def _is_consistent(before: KnownHead, new: Checkpoint, proof: Sequence[bytes]) -> bool:
    try:
        merkle.verify_consistency(size1=before.size, size2=new.size, proof=proof, root1=before.root, root2=new.root)
    except VerificationError:
        return False
    return True
