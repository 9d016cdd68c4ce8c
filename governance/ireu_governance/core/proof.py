"""A proof that an entry is in a log, as one text that can be checked offline.

Format: https://c2sp.org/tlog-proof (files end in ``.tlog-proof``).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from ireu_governance.core.canonical import decode_base64
from ireu_governance.core.checkpoint import MAX_NOTE_BYTES, Checkpoint, SignedNote, parse_decimal
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.merkle import HASH_SIZE

__all__ = ["MAX_PROOF_HASHES", "LogProof"]

MAX_PROOF_HASHES: Final = 63  # one for each level of the largest tree that a checkpoint can name
MAX_EXTRA_BYTES: Final = 64 * 1024  # opaque to ireu, which writes none

_HEADER: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class LogProof:
    """An entry's place in a log, the way from it to the root, and the checkpoint that signs the root.

    Nothing is verified by reading one. `open_checkpoint` verifies the checkpoint, and then `verify_inclusion`
    the way to its root; the extra data is never covered by any signature.

    Attributes:
        index: Number of the entry, from 0.
        hashes: Hashes from the leaf's sibling upwards, 32 bytes each.
        checkpoint: The signed checkpoint, verbatim.
        extra: Opaque data that nobody signed.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index < 2**63:
            raise InputError("The proof's index is no number of an entry.")
        if len(self.hashes) > MAX_PROOF_HASHES:
            raise InputError(f"The proof has more than {MAX_PROOF_HASHES} hashes.")
        if any(len(each) != HASH_SIZE for each in self.hashes):
            raise InputError(f"The proof has a hash that is not {HASH_SIZE} bytes long.")
        if self.extra is not None and not 0 < len(self.extra) <= MAX_EXTRA_BYTES:
            raise InputError("The proof's extra data is empty or too large.")
        Checkpoint.from_text(SignedNote.from_text(self.checkpoint).text)

    def to_text(self) -> str:
        """Return the proof as text."""
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode('ascii')}")
        lines.append(f"index {self.index}")
        lines.extend(base64.b64encode(each).decode("ascii") for each in self.hashes)
        return "\n".join(lines) + "\n\n" + self.checkpoint

    @classmethod
    def from_text(cls, text: str) -> LogProof:
        """Read a proof.

        Args:
            text: The whole text.

        Returns:
            The proof, with nothing verified yet.

        Raises:
            InputError: The text is no proof of this version.
        """
        if len(text) > 2 * MAX_NOTE_BYTES:
            raise InputError("The proof is too large.", code=ErrorCode.INPUT_TOO_LARGE)
        head, separator, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not separator or lines[0] != _HEADER:
            raise InputError("The text is no log proof of the kind c2sp.org/tlog-proof@v1.")
        del lines[0]
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = decode_base64(lines.pop(0).removeprefix("extra "), what="proof's extra data")
        if not lines or not lines[0].startswith("index "):
            raise InputError("The proof does not say which entry it is about.")
        index = parse_decimal(lines.pop(0).removeprefix("index "), what="proof's index")
        if len(lines) > MAX_PROOF_HASHES:
            raise InputError(f"The proof has more than {MAX_PROOF_HASHES} hashes.")
        hashes = tuple(decode_base64(line, what="proof's hash") for line in lines)
        return cls(index=index, hashes=hashes, checkpoint=checkpoint, extra=extra)
