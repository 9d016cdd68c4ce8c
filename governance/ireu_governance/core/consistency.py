"""A consistency proof as text: that the log of one size begins with all that it had at a smaller size.

There is no format for it alone, so it is written as in a request to a witness (https://c2sp.org/tlog-witness,
``add-checkpoint``): the older size, the hashes of RFC 9162 in base64, an empty line, and the newer checkpoint.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from ireu_governance.core.canonical import decode_base64
from ireu_governance.core.checkpoint import MAX_NOTE_BYTES, parse_decimal
from ireu_governance.core.errors import ErrorCode, InputError
from ireu_governance.core.merkle import HASH_SIZE
from ireu_governance.core.proof import MAX_PROOF_HASHES

__all__ = ["ConsistencyProof"]


@dataclass(frozen=True)
class ConsistencyProof:
    """A proof between two sizes of a log.

    Attributes:
        old_size: The smaller size.
        hashes: The hashes, 32 bytes each.
        checkpoint: The larger checkpoint: signed, or without signatures where the log signed none of this size.
    """

    old_size: int
    hashes: tuple[bytes, ...]
    checkpoint: str

    def __post_init__(self) -> None:
        if len(self.hashes) > MAX_PROOF_HASHES:
            raise InputError(f"The consistency proof has more than {MAX_PROOF_HASHES} hashes.")
        if any(len(each) != HASH_SIZE for each in self.hashes):
            raise InputError(f"A hash of the consistency proof is not {HASH_SIZE} bytes long.")

    def to_text(self) -> str:
        """Return the proof as text."""
        lines = [f"old {self.old_size}", *(base64.b64encode(each).decode("ascii") for each in self.hashes)]
        return "\n".join(lines) + "\n\n" + self.checkpoint

    @classmethod
    def from_text(cls, text: str) -> ConsistencyProof:
        """Read a proof.

        Args:
            text: The whole text.

        Returns:
            The proof, with nothing verified yet; what follows the empty line is not read.

        Raises:
            InputError: The text is no consistency proof.
        """
        if len(text) > 2 * MAX_NOTE_BYTES:
            raise InputError("The consistency proof is too large.", code=ErrorCode.INPUT_TOO_LARGE)
        head, separator, checkpoint = text.partition("\n\n")
        first, *lines = head.split("\n")
        if not separator or not first.startswith("old "):
            raise InputError("The text does not begin with an old size, hashes and an empty line.")
        if len(lines) > MAX_PROOF_HASHES:
            raise InputError(f"The consistency proof has more than {MAX_PROOF_HASHES} hashes.")
        return cls(
            parse_decimal(first.removeprefix("old "), what="old size"),
            tuple(decode_base64(line, what="consistency proof's hash") for line in lines),
            checkpoint,
        )
