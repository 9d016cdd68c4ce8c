"""What the vault hands out: what it says about a case without opening it, and the opened evidence of one part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal

from ireu_governance.core.errors import InputError, VerificationError

__all__ = ["PANEL", "PORTRAITS", "REQUEST", "Evidence", "Part", "VaultCase", "VaultPart"]

Part = Literal["portraits", "request", "panel"]

PORTRAITS: Final = "portraits"
"""A forgotten person's photos and template, for re-tests."""

REQUEST: Final = "request"
"""Who asked, and how to answer them."""

PANEL: Final = "panel"
"""Photos of other people, for re-tests of all cases of one removal."""


@dataclass(frozen=True)
class VaultPart:
    """One sealed part of a case.

    Attributes:
        name: What it is.
        commitment: The commitment to it, in hex; stays when the part is destroyed.
        created_at: When it was put in.
    """

    name: Part
    commitment: str
    created_at: str


@dataclass(frozen=True)
class VaultCase:
    """What the vault says about a case without opening it.

    Attributes:
        case_id: The case.
        parts: Its sealed parts, by name.
        blobs: Number of its blobs.
        size: Bytes that are stored for it, encrypted.
        created_at: When its first part was put in.
        expires_at: Until when it is kept; None until it is erased by hand, or with the last case that needs it.
        erasing_since: When an erasure was begun that is not finished, or None.
        erased_at: When its key was destroyed, or None.
        needed_by: The cases that it is needed for, where it is evidence that several share.
    """

    case_id: str
    parts: tuple[VaultPart, ...]
    blobs: int
    size: int
    created_at: str
    expires_at: str | None
    erasing_since: str | None
    erased_at: str | None
    needed_by: tuple[str, ...]

    def has(self, part: str) -> bool:
        """Return whether the case has, or had before it was erased, a part of this name."""
        return any(each.name == part for each in self.parts)


@dataclass(frozen=True)
class Evidence:
    """One opened part of a case. Prints as its case id, part and commitment only.

    Attributes:
        case_id: The case.
        part: Which part of it.
        commitment: The commitment that the ledger holds for it; verified against payload and salt.
        payload: What was committed to; its member ``blobs`` maps blob ids to SHA-256.
        salt: What makes the commitment unguessable.
    """

    case_id: str
    part: str
    commitment: str
    payload: Mapping[str, object] = field(repr=False)
    salt: bytes = field(repr=False)
    _open_blob: Callable[[str], bytes] = field(repr=False)

    def blob_ids(self) -> list[str]:
        """Return the ids of the part's blobs, sorted."""
        return sorted(self._digests())

    def blob(self, blob_id: str) -> bytes:
        """Decrypt one blob and check it against the committed digest.

        Args:
            blob_id: One of `blob_ids`.

        Returns:
            Its bytes as they were put in.

        Raises:
            InputError: The part has no such blob.
            VerificationError: What is stored is not what was committed to.
        """
        expected = self._digests().get(blob_id)
        if expected is None:
            raise InputError("The case has no blob of this id.")
        data = self._open_blob(blob_id)
        if sha256(data).hexdigest() != expected:
            raise VerificationError(f"A blob of case {self.case_id} is not the committed one.", check="evidence")
        return data

    def _digests(self) -> dict[str, str]:
        blobs = self.payload["blobs"]
        return blobs if isinstance(blobs, dict) else {}
