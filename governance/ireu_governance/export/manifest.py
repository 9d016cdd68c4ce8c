"""A signed list of files: what was handed over beside the entries, so that nothing of it goes missing unnoticed.

The entries, the tree and the checkpoint prove themselves. A read-me, a status list or a time stamp does not: it
could be taken away, or replaced by an older one. The list names them all, with the size of the log at that time,
and a record key signs it (DSSE).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from ireu_governance.core.canonical import canonicalize, parse_json
from ireu_governance.core.envelope import Envelope
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.keys import KeyFile, Role, Signer
from ireu_governance.core.validation import describe
from ireu_governance.core.vocabulary import CaseId, Count, Frozen, Sha256

__all__ = [
    "MANIFEST_PAYLOAD_TYPE",
    "MANIFEST_TYPE",
    "MAX_MANIFEST_BYTES",
    "FileName",
    "Manifest",
    "ManifestFile",
    "list_files",
    "open_manifest",
    "sign_manifest",
]

MANIFEST_TYPE: Final = "urn:ireu:manifest:v1"
MANIFEST_PAYLOAD_TYPE: Final = "application/vnd.ireu.manifest+json"
MAX_LISTED: Final = 20_000  # a case with thousands of re-tests has some thousand files
MAX_MANIFEST_BYTES: Final = 8 * 2**20  # that many files of 200 bytes each, in base64

FileName = Annotated[
    str, StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$")
]


class ManifestFile(Frozen):
    """One file.

    Attributes:
        name: Its path, with forward slashes.
        sha256: Its digest in hex.
        size: Its length in bytes.
    """

    name: FileName
    sha256: Sha256
    size: Count


class Manifest(Frozen):
    """All files that were handed over beside the entries.

    Attributes:
        about: What the files are together.
        origin: Name of the log.
        log_size: Size of the checkpoint that they go with.
        case_id: The case that an evidence pack is about; absent in an export.
        files: The files, by name.
    """

    type_: Annotated[Literal["urn:ireu:manifest:v1"], Field(alias="_type")] = MANIFEST_TYPE
    about: Literal["export", "evidence-pack"]
    origin: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    log_size: Count
    case_id: CaseId | None = None
    files: Annotated[tuple[ManifestFile, ...], Field(min_length=1, max_length=MAX_LISTED)]

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True)

    def compare(self, files: Mapping[str, bytes]) -> dict[str, str]:
        """Compare files with the list.

        Args:
            files: What is there, by name.

        Returns:
            What is wrong, by name: ``changed``, ``missing`` or ``not listed``.
        """
        listed = {each.name: each for each in self.files}
        found = {
            name: "not listed" if name not in listed else "changed"
            for name, data in files.items()
            if name not in listed or not _is(listed[name], data)
        }
        return {**found, **{name: "missing" for name in listed if name not in files}}


def list_files(files: Mapping[str, bytes]) -> tuple[ManifestFile, ...]:
    """Return files as a manifest lists them, by name."""
    return tuple(
        ManifestFile(name=name, sha256=sha256(data).hexdigest(), size=len(data)) for name, data in sorted(files.items())
    )


def sign_manifest(manifest: Manifest, signer: Signer) -> bytes:
    """Sign a manifest.

    Args:
        manifest: The list.
        signer: Holds a record key.

    Returns:
        The file: a DSSE envelope in canonical JSON, and a newline.
    """
    payload = canonicalize(manifest.model_dump(mode="json", by_alias=True, exclude_none=True))
    return Envelope.sign(payload, signer, MANIFEST_PAYLOAD_TYPE).to_bytes() + b"\n"


def open_manifest(data: bytes, *, key_file: KeyFile, check: str) -> Manifest:
    """Read a manifest and verify who signed it.

    Args:
        data: The file.
        key_file: Whose record keys count.
        check: Name of the check that this is part of.

    Returns:
        The manifest.

    Raises:
        InputError: The bytes are no manifest.
        VerificationError: No record key signed it that was good at its size of the log, or it is of another log.
    """
    if not data.endswith(b"\n"):
        raise InputError("The manifest does not end with a newline: it was cut or re-formatted.")
    envelope = Envelope.from_bytes(data[:-1])
    if envelope.payload_type != MANIFEST_PAYLOAD_TYPE:
        raise InputError("The manifest is an envelope of something else.")
    manifest = _read(envelope.payload)
    envelope.verify(key_file.keys(Role.RECORD, at_size=manifest.log_size), check=check)
    if manifest.origin != key_file.origin:
        raise VerificationError(f"The manifest is of the log {manifest.origin!a}.", check=check)
    return manifest


def _read(payload: bytes) -> Manifest:
    parse_json(payload, what="manifest", max_bytes=MAX_MANIFEST_BYTES, canonical=True)
    try:
        manifest = Manifest.model_validate_json(payload)
    except ValidationError as error:
        raise InputError(f"The manifest is malformed {describe(error)}.") from None
    if len({each.name for each in manifest.files}) != len(manifest.files):
        raise InputError("The manifest lists a file twice.")
    return manifest


def _is(listed: ManifestFile, data: bytes) -> bool:
    return len(data) == listed.size and sha256(data).hexdigest() == listed.sha256
