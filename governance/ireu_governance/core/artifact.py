"""An encoder as digests: one for every file, and one over all of them.

Laid out as OpenSSF model-signing does it with the method "files", so that its tools compute the same overall
digest: SHA-256 over the raw digests of the files, ordered by the parts of their paths.
https://github.com/sigstore/model-transparency
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ireu_governance.core.errors import ErrorCode, InputError, VerificationError
from ireu_governance.core.statement import MAX_SUBJECTS, Digest, Subject

__all__ = ["WHOLE", "Artifact", "ArtifactFile"]

WHOLE: Final = "encoder"
"""Name of the subject that stands for all files together."""

MAX_NAME_LENGTH: Final = 300  # as for the name of a subject
SHOWN_NAMES: Final = 5  # enough to see what happened; a report is read by people

_CHECK: Final = "encoder-digest"
_HEX32 = re.compile("[0-9a-f]{64}")
_FORBIDDEN = re.compile("[\x00-\x1f\\\\\ud800-\udfff]")


@dataclass(frozen=True)
class ArtifactFile:
    """One file of an encoder.

    Attributes:
        name: Path below the encoder's folder, with forward slashes.
        digest: SHA-256 of its bytes, in hex.
    """

    name: str
    digest: str

    def __post_init__(self) -> None:
        parts = self.name.split("/")
        if len(self.name) > MAX_NAME_LENGTH or _FORBIDDEN.search(self.name) or {"", ".", ".."} & set(parts):
            raise InputError(f"{self.name[:MAX_NAME_LENGTH]!a} is no name of a file inside an encoder's folder.")
        if self.name == WHOLE:
            raise InputError(f"A file of an encoder cannot be called '{WHOLE}': that stands for all files.")
        if not _HEX32.fullmatch(self.digest):
            raise InputError("A file's digest is not SHA-256 in lower-case hex.")


@dataclass(frozen=True)
class Artifact:
    """All files of one encoder; build it with `from_files`.

    Attributes:
        files: The files, ordered by the parts of their paths.
    """

    files: tuple[ArtifactFile, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex over all files' digests: what identifies the encoder."""
        return hashlib.sha256(b"".join(bytes.fromhex(each.digest) for each in self.files)).hexdigest()

    @classmethod
    def from_files(cls, files: Mapping[str, str]) -> Artifact:
        """Return the artifact of named digests.

        Args:
            files: SHA-256 in hex by path below the encoder's folder.

        Returns:
            The artifact.

        Raises:
            InputError: There are none or too many, or a name or digest is malformed.
        """
        if not files:
            raise InputError("An encoder without files has no digest.", code=ErrorCode.INPUT_MISSING)
        if len(files) >= MAX_SUBJECTS:
            raise InputError(f"An encoder has fewer than {MAX_SUBJECTS} files.", code=ErrorCode.INPUT_TOO_LARGE)
        entries = (ArtifactFile(name, digest) for name, digest in files.items())
        # By parts, as paths compare: «a/b» stands before «a-b», which plain text order would turn round.
        return cls(tuple(sorted(entries, key=lambda each: each.name.split("/"))))

    def subjects(self) -> tuple[Subject, ...]:
        """Return the subjects of a statement about this encoder: the whole first, then every file."""
        files = (Subject(name=each.name, digest=Digest(sha256=each.digest)) for each in self.files)
        return (Subject(name=WHOLE, digest=Digest(sha256=self.digest)), *files)

    def compare(self, recorded: Sequence[Subject]) -> None:
        """Check that this is the encoder that a statement is about.

        Args:
            recorded: The statement's subjects.

        Raises:
            VerificationError: It is not; the message says which files differ.
        """
        whole, files = _split(recorded)
        mine = {each.name: each.digest for each in self.files}
        if files:
            differences = [
                ("changed", [name for name in mine if name in files and files[name] != mine[name]]),
                ("missing", [name for name in files if name not in mine]),
                ("not recorded", [name for name in mine if name not in files]),
            ]
            found = [f"{len(names)} {what} ({_listed(names)})" for what, names in differences if names]
            if found:
                raise VerificationError(
                    f"The encoder's files are not those that were recorded: {', '.join(found)}.", check=_CHECK
                )
        if self.digest != whole:
            raise VerificationError(f"The encoder's digest is {self.digest}, but {whole} was recorded.", check=_CHECK)


def check_subjects(subjects: Sequence[Subject]) -> None:
    """Check that the subjects of a statement describe one encoder without contradiction.

    Args:
        subjects: One named ``encoder`` over all files, and either every file or none.

    Raises:
        VerificationError: The overall digest is absent, or is not that of the listed files.
    """
    whole, files = _split(subjects)
    if not files:
        return
    try:
        digest = Artifact.from_files(files).digest
    except InputError as error:
        raise VerificationError(f"The recorded files are malformed: {error.message}", check=_CHECK) from None
    if digest != whole:
        raise VerificationError("The recorded overall digest is not that of the recorded files.", check=_CHECK)


def _split(subjects: Sequence[Subject]) -> tuple[str, dict[str, str]]:
    digests = {each.name: each.digest.sha256 for each in subjects}
    if len(digests) != len(subjects) or WHOLE not in digests:
        raise VerificationError("The record names a file twice, or no encoder as a whole.", check=_CHECK)
    return digests.pop(WHOLE), digests


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    shown = [name if name.isprintable() else ascii(name) for name in ordered[:SHOWN_NAMES]]
    return ", ".join([*shown, "…"] if len(ordered) > SHOWN_NAMES else shown)
