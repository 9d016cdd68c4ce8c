"""Signed notes and log checkpoints: the one line of text that fixes a whole ledger.

A checkpoint says "the log of this name has this many entries, and this is the root over them". It is
published, kept by others, and every proof leads to one. Both parsers accept one spelling of everything.

Formats: https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ireu_governance.core.canonical import decode_base64
from ireu_governance.core.ed25519 import PublicKey, Signer, is_key_name, note_key_hash
from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.merkle import HASH_SIZE

__all__ = [
    "MAX_NOTE_BYTES",
    "MAX_NOTE_SIGNATURES",
    "Checkpoint",
    "NoteSignature",
    "SignedNote",
    "open_checkpoint",
    "parse_decimal",
    "sign_checkpoint",
]

MAX_NOTE_BYTES: Final = 256 * 1024  # 32 of the largest post-quantum cosignatures fit
MAX_NOTE_SIGNATURES: Final = 100  # the format asks for at least 16; Go's reader stops at 100 too
MAX_EXTENSIONS: Final = 16  # extension lines are discouraged by the format, and ireu writes none
MAX_SIGNATURE_BYTES: Final = 8192  # the largest ML-DSA signature has 4,627

_CHECK: Final = "checkpoint-signature"
_DASH: Final = "\N{EM DASH} "
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_DECIMAL = re.compile("0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class NoteSignature:
    """One signature line of a signed note.

    Attributes:
        name: Name of the key.
        key_hash: The four bytes that tell keys of one name apart.
        signature: The signature's bytes.
    """

    name: str
    key_hash: bytes
    signature: bytes

    def to_line(self) -> str:
        """Return the line, with its newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_hash + self.signature).decode('ascii')}\n"

    @classmethod
    def from_line(cls, line: str) -> NoteSignature:
        """Read a line without its newline; `InputError` if it is no signature line."""
        parts = line.removeprefix(_DASH).split(" ")
        if not line.startswith(_DASH) or len(parts) != 2 or not is_key_name(parts[0]):
            raise InputError("The signed note has a line among its signatures that is none.")
        data = decode_base64(parts[1], what="signed note's signature")
        if not 4 < len(data) <= 4 + MAX_SIGNATURE_BYTES:
            raise InputError("The signed note has a signature of no possible length.")
        return cls(parts[0], data[:4], data[4:])


@dataclass(frozen=True)
class SignedNote:
    """Text and the signatures under it.

    Attributes:
        text: The signed text, with its final newline.
        signatures: Signatures of known and unknown keys alike, in their order.
    """

    text: str
    signatures: tuple[NoteSignature, ...]

    def to_text(self) -> str:
        """Return the note as it is published."""
        return self.text + "\n" + "".join(each.to_line() for each in self.signatures)

    @classmethod
    def from_text(cls, text: str) -> SignedNote:
        """Read a signed note.

        Args:
            text: The whole note.

        Returns:
            The note, with nothing verified yet.

        Raises:
            InputError: The text is no signed note.
        """
        if len(text) > MAX_NOTE_BYTES:
            raise InputError("The signed note is too large.", code=ErrorCode.INPUT_TOO_LARGE)
        if _CONTROL.search(text):
            raise InputError("The signed note holds control characters.")
        body, separator, lines = text.rpartition("\n\n")
        if not separator or not body or not lines.endswith("\n"):
            raise InputError("The signed note is not text, an empty line, and signature lines.")
        signatures = lines[:-1].split("\n")
        if len(signatures) > MAX_NOTE_SIGNATURES:
            raise InputError(f"The signed note has more than {MAX_NOTE_SIGNATURES} signatures.")
        return cls(body + "\n", tuple(NoteSignature.from_line(each) for each in signatures))


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
            if not line or "\n" in line or _CONTROL.search(line):
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


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """Sign a checkpoint in the name of its origin.

    Args:
        checkpoint: What is signed. Never sign two that contradict each other: that is what a fork is.
        signer: The log's key.

    Returns:
        The signed note.

    Raises:
        InputError: The origin cannot be a key name.
    """
    if not is_key_name(checkpoint.origin):
        raise InputError("The log's origin holds white space or a plus, so no signature line can name it.")
    text = checkpoint.to_text()
    key_hash = note_key_hash(checkpoint.origin, signer.public_key)
    signature = NoteSignature(checkpoint.origin, key_hash, signer.sign(text.encode("utf-8")))
    return SignedNote(text, (signature,)).to_text()


def open_checkpoint(text: str, *, origin: str, keys: Sequence[PublicKey]) -> Checkpoint:
    """Read a signed checkpoint and check the log's signature on it.

    Signatures of unknown keys are passed over, as the format demands: they are those of witnesses and of keys
    of other times. A signature of a known key that fails makes the whole note worthless.

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
    known = {note_key_hash(origin, key): key for key in keys}
    message = note.text.encode("utf-8")
    verified = False
    for each in note.signatures:
        key = known.get(each.key_hash) if each.name == origin else None
        if key is not None:
            key.verify(each.signature, message, check=_CHECK)
            verified = True
    if not verified:
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
