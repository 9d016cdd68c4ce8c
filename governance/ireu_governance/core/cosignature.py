"""Cosignatures: what a witness signs when it has seen a log grow without changing what was there.

A witness has a name and a key of its own and keeps the last checkpoint of each log. Its line under a checkpoint
says that this one continues all that it signed before, and when. Who trusts the witness need not ask the log
whether others are shown another history.

Format: https://c2sp.org/tlog-cosignature, in its edition of 2026: ``cosignature/v1`` with Ed25519 (type 0x04), and
the same statement with ML-DSA-44 (type 0x06), whose message also names the witness and leaves out extension lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ireu_governance.core.checkpoint import (
    Checkpoint,
    NoteSignature,
    PostQuantumSigner,
    SignedNote,
    sign_note,
    verify_signatures,
)
from ireu_governance.core.ed25519 import Signer
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.mldsa import MlDsaPublicKey
from ireu_governance.core.verifier_key import MAX_TIMESTAMP, KeyKind, VerifierKey

__all__ = ["COSIGNING_KINDS", "Cosigner", "cosignature_time", "parse_cosignatures", "verify_cosignatures"]

COSIGNING_KINDS = frozenset({KeyKind.COSIGNATURE, KeyKind.ML_DSA_44})
MAX_LINES = 16  # a witness answers with a line for each of its keys

_CHECK = "witness"


@dataclass(frozen=True)
class Cosigner:
    """A witness's name and its private key.

    Attributes:
        name: The key name, a schema-less URL such as ``witness.example/w1``.
        signer: Holds an Ed25519 or an ML-DSA-44 key.
    """

    name: str
    signer: Signer | PostQuantumSigner

    @property
    def key(self) -> VerifierKey:
        """The public half, as policies name it."""
        public = self.signer.public_key
        kind = KeyKind.ML_DSA_44 if isinstance(public, MlDsaPublicKey) else KeyKind.COSIGNATURE
        return VerifierKey(self.name, kind, public)

    def cosign(self, checkpoint: Checkpoint, *, timestamp: int) -> NoteSignature:
        """Sign a checkpoint; whether it may be signed is for `ireu_governance.witness` to know.

        Args:
            checkpoint: The head of a log.
            timestamp: Time of signing, in seconds since 1970.

        Returns:
            The signature line.

        Raises:
            InputError: The time is none, or a name is too long for the format.
        """
        if not 0 < timestamp <= MAX_TIMESTAMP:
            raise InputError("A cosignature needs a time after 1970.")
        return sign_note(checkpoint, self.signer, name=self.name, kind=self.key.kind, timestamp=timestamp)


def verify_cosignatures(text: str, keys: Sequence[VerifierKey]) -> dict[VerifierKey, int]:
    """Find out which witnesses cosigned a checkpoint. The log's own signature is not looked at.

    Args:
        text: The signed note.
        keys: Keys of witnesses.

    Returns:
        The keys that signed, each with its time in seconds since 1970; zero where an ML-DSA-44 key gave none.

    Raises:
        InputError: The text is no signed checkpoint, or a key is none of a witness.
        VerificationError: A known witness's line does not verify.
    """
    if any(each.kind not in COSIGNING_KINDS for each in keys):
        raise InputError("A witness's key is of type 4 (Ed25519) or 6 (ML-DSA-44).")
    note = SignedNote.from_text(text)
    found = verify_signatures(note, Checkpoint.from_text(note.text), keys, check=_CHECK)
    return {key: time or 0 for key, time in found.items()}


def parse_cosignatures(text: str) -> tuple[NoteSignature, ...]:
    """Read a witness's answer: one or more signature lines, each with its newline.

    Args:
        text: The body of the answer.

    Returns:
        The lines, with nothing verified yet.

    Raises:
        InputError: The text is something else.
    """
    if not text.endswith("\n"):
        raise InputError("The witness's answer does not end with a line end.")
    lines = text[:-1].split("\n")
    if len(lines) > MAX_LINES:
        raise InputError(f"The witness's answer has more than {MAX_LINES} lines.")
    return tuple(NoteSignature.from_line(each) for each in lines)


def cosignature_time(line: NoteSignature, key: VerifierKey, checkpoint: Checkpoint) -> int:
    """Verify one cosignature.

    Args:
        line: The signature line.
        key: The witness's key.
        checkpoint: What was signed.

    Returns:
        When it was signed, in seconds since 1970.

    Raises:
        VerificationError: The line is another key's, or does not verify.
    """
    if (line.name, line.key_hash) != (key.name, key.key_hash) or key.kind not in COSIGNING_KINDS:
        raise VerificationError(f"The line is no cosignature of '{key.name}'.", check=_CHECK)
    return key.verify(line.signature, checkpoint, check=_CHECK) or 0
