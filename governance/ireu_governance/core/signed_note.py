"""Signed notes: text with signature lines under it, in one spelling. Reading one verifies nothing.

Format: https://c2sp.org/signed-note@v1.0.0.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final

from ireu_governance.core.canonical import decode_base64
from ireu_governance.core.ed25519 import is_key_name
from ireu_governance.core.errors import ErrorCode, InputError

__all__ = ["CONTROL", "MAX_NOTE_BYTES", "MAX_NOTE_SIGNATURES", "NoteSignature", "SignedNote"]

MAX_NOTE_BYTES: Final = 256 * 1024  # 32 of the largest post-quantum cosignatures fit
MAX_NOTE_SIGNATURES: Final = 100  # the format asks for at least 16; Go's reader stops at 100 too
MAX_SIGNATURE_BYTES: Final = 8192  # the largest ML-DSA signature has 4,627

CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")
"""What no line of a note may hold."""

_DASH: Final = "\N{EM DASH} "


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
        if CONTROL.search(text):
            raise InputError("The signed note holds control characters.")
        body, separator, lines = text.rpartition("\n\n")
        if not separator or not body or not lines.endswith("\n"):
            raise InputError("The signed note is not text, an empty line, and signature lines.")
        signatures = lines[:-1].split("\n")
        if len(signatures) > MAX_NOTE_SIGNATURES:
            raise InputError(f"The signed note has more than {MAX_NOTE_SIGNATURES} signatures.")
        return cls(body + "\n", tuple(NoteSignature.from_line(each) for each in signatures))
