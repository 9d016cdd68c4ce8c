"""Log checkpoints: the one line of text that fixes a whole ledger, and the signatures under it.

A checkpoint says "the log of this name has this many entries, and this is the root over them". It is
published, kept by others, and every proof leads to one. The parser accepts one spelling of everything.

A log signs with Ed25519, always, since that is what everybody reads; and with ML-DSA-44 beside it if it has such a
key, as the format of checkpoints recommends. Witnesses sign under it too (`ireu_governance.core.cosignature`).

Formats: https://c2sp.org/tlog-checkpoint@v1.0.0 and, for the lines of ML-DSA-44,
https://c2sp.org/tlog-cosignature in its edition of 2026 (label ``subtree/v1``); `signed_note` has the note itself.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ireu_governance.core.canonical import decode_base64
from ireu_governance.core.ed25519 import PublicKey, Signer, is_key_name
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.merkle import HASH_SIZE
from ireu_governance.core.mldsa import HybridSigner, MlDsaPublicKey
from ireu_governance.core.signed_note import (
    CONTROL,
    MAX_NOTE_BYTES,
    MAX_NOTE_SIGNATURES,
    NoteSignature,
    SignedNote,
)
from ireu_governance.core.times import now, parse_time
from ireu_governance.core.verifier_key import KeyKind, VerifierKey, signed_message

__all__ = [
    "MAX_NOTE_BYTES",
    "MAX_NOTE_SIGNATURES",
    "Checkpoint",
    "LogKey",
    "NoteSignature",
    "PostQuantumSigner",
    "SignedNote",
    "open_checkpoint",
    "parse_decimal",
    "sign_checkpoint",
    "sign_note",
    "verify_signatures",
]

MAX_EXTENSIONS: Final = 16  # extension lines are discouraged by the format, and ireu writes none

_CHECK: Final = "checkpoint-signature"
_DECIMAL = re.compile("0|[1-9][0-9]{0,18}")

LogKey = PublicKey | MlDsaPublicKey
"""A key that a log signs its checkpoints with."""


class PostQuantumSigner(Protocol):
    """Whatever holds an ML-DSA-44 private key."""

    @property
    def public_key(self) -> MlDsaPublicKey:
        """The key that verifies what is signed here."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return an ML-DSA-44 signature over a message."""
        ...


@dataclass(frozen=True)
class Checkpoint:
    """The head of a log at one size.

    Attributes:
        origin: The log's name.
        size: Number of entries.
        root: Root of the Merkle tree over them, 32 bytes.
        extensions: Further lines, without meaning to ireu.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or "\n" in line or CONTROL.search(line):
                raise InputError("The checkpoint has an empty line or control characters.")
        if len(self.extensions) > MAX_EXTENSIONS:
            raise InputError(f"The checkpoint has more than {MAX_EXTENSIONS} extension lines.")
        if not 0 <= self.size < 2**63:
            raise InputError("The checkpoint's size is no number of entries.")
        if len(self.root) != HASH_SIZE:
            raise InputError(f"The checkpoint's root is not {HASH_SIZE} bytes long.")

    def to_text(self) -> str:
        """Return the text that is signed."""
        root = base64.b64encode(self.root).decode("ascii")
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions))

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """Read the text of a checkpoint, without signatures.

        Args:
            text: At least three lines: origin, size, root.

        Returns:
            The checkpoint.

        Raises:
            InputError: The text is no checkpoint.
        """
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1]:
            raise InputError("The checkpoint is not at least three lines, each with its end.")
        origin, size, root, *extensions = lines[:-1]
        return cls(
            origin=origin,
            size=parse_decimal(size, what="checkpoint's size"),
            root=decode_base64(root, what="checkpoint's root"),
            extensions=tuple(extensions),
        )


def sign_checkpoint(
    checkpoint: Checkpoint,
    signer: Signer,
    second: PostQuantumSigner | None = None,
    *,
    timestamp: int | None = None,
) -> str:
    """Sign a checkpoint in the name of its origin.

    Args:
        checkpoint: What is signed. Never sign two that contradict each other: that is what a fork is.
        signer: The log's key.
        second: Its ML-DSA-44 key, for a second line, unless the signer has one; that line does not cover extension
            lines.
        timestamp: Time of the second line, in seconds since 1970; None for now.

    Returns:
        The signed note.

    Raises:
        InputError: The origin cannot be a key name, or a second line would leave extension lines unsigned.
    """
    if not is_key_name(checkpoint.origin):
        raise InputError("The log's origin holds white space or a plus, so no signature line can name it.")
    lines = [sign_note(checkpoint, signer, name=checkpoint.origin, kind=KeyKind.ED25519)]
    if second is None and isinstance(signer, HybridSigner):
        second = signer.second
    if second is not None:
        if checkpoint.extensions:
            raise InputError("An ML-DSA-44 signature does not cover extension lines, so there must be none.")
        time = int(parse_time(now()).timestamp()) if timestamp is None else timestamp
        lines.append(sign_note(checkpoint, second, name=checkpoint.origin, kind=KeyKind.ML_DSA_44, timestamp=time))
    return SignedNote(checkpoint.to_text(), tuple(lines)).to_text()


def sign_note(
    checkpoint: Checkpoint, signer: Signer | PostQuantumSigner, *, name: str, kind: KeyKind, timestamp: int = 0
) -> NoteSignature:
    """Make one signature line of a checkpoint.

    Args:
        checkpoint: What is signed.
        signer: Holds the key.
        name: Name of the key.
        kind: Type of the signature.
        timestamp: Time of signing, in seconds since 1970, for types that have one.

    Returns:
        The line.

    Raises:
        InputError: The name is no key name, or the key does not fit the type.
    """
    key = VerifierKey(name, kind, signer.public_key)
    signature = signer.sign(signed_message(kind, checkpoint, name=name, timestamp=timestamp))
    prefix = timestamp.to_bytes(8, "big") if kind.is_timestamped else b""
    return NoteSignature(name, key.key_hash, prefix + signature)


def verify_signatures(
    note: SignedNote, checkpoint: Checkpoint, keys: Sequence[VerifierKey], *, check: str
) -> dict[VerifierKey, int | None]:
    """Verify all lines of known keys under a checkpoint, and pass over all others.

    Args:
        note: The signed note.
        checkpoint: Read from the note's text.
        keys: The known keys.
        check: Name of the check that this is part of.

    Returns:
        The keys that signed, each with the time that it gave, in the order of the lines; the latest time where a
        key signed more than once.

    Raises:
        VerificationError: A line of a known key does not verify, which makes the whole note worthless.
    """
    known = {(each.name, each.key_hash): each for each in keys}
    found: dict[VerifierKey, int | None] = {}
    for line in note.signatures:
        key = known.get((line.name, line.key_hash))
        if key is not None:
            time = key.verify(line.signature, checkpoint, check=check)
            before = found.get(key)
            found[key] = time if time is None or before is None else max(time, before)
    return found


def open_checkpoint(text: str, *, origin: str, keys: Sequence[LogKey]) -> Checkpoint:
    """Read a signed checkpoint and check the log's signatures on it.

    Signatures of unknown keys are passed over, as the format demands: they are those of witnesses and of keys
    of other times. A signature of a known key that fails makes the whole note worthless. An Ed25519 key must have
    signed; a line of ML-DSA-44 alone is not enough, and a missing one is no fault, since older checkpoints of a
    log have none.

    Args:
        text: The signed note.
        origin: Name of the log that it must come from.
        keys: The log's keys.

    Returns:
        The verified checkpoint.

    Raises:
        InputError: The text is no signed checkpoint.
        VerificationError: It comes from another log, or none of the keys signed it.
    """
    note = SignedNote.from_text(text)
    checkpoint = Checkpoint.from_text(note.text)
    if checkpoint.origin != origin:
        raise VerificationError(
            f"The checkpoint is of the log {checkpoint.origin[:200]!a}, not of {origin!a}.", check=_CHECK
        )
    if not is_key_name(origin):
        raise InputError("The log's origin holds white space or a plus, so no signature line can name it.")
    known = [
        VerifierKey(origin, KeyKind.ML_DSA_44 if isinstance(each, MlDsaPublicKey) else KeyKind.ED25519, each)
        for each in keys
    ]
    signed = verify_signatures(note, checkpoint, known, check=_CHECK)
    if not any(each.kind is KeyKind.ED25519 for each in signed):
        raise VerificationError("The checkpoint is signed by no key that this log has.", check=_CHECK)
    return checkpoint


def parse_decimal(text: str, *, what: str) -> int:
    """Read a number in the one spelling that C2SP formats allow.

    Args:
        text: ASCII digits without sign, spaces, underscores or leading zeros.
        what: What it is, as a noun for messages.

    Returns:
        A number below 2^63.

    Raises:
        InputError: The text is something else.
    """
    if not _DECIMAL.fullmatch(text) or int(text) >= 2**63:
        raise InputError(f"The {what} is no plain decimal number.")
    return int(text)
