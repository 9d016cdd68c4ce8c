"""Documents of the log's routes that no other part of ireu has: proofs and key files as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel

from ireu_governance.core.keys import KeyFile
from ireu_governance.service.entry_pages import EntryDetail
from ireu_governance.service.key_versions import KeyVersion
from ireu_governance.service.log_summary import StampView
from ireu_governance.service.published_log import ContinuationProof, InclusionProof

__all__ = ["Consistency", "Inclusion", "KeyHistory", "ProvenEntry", "StampPage", "consistency_of", "inclusion_of"]


class Inclusion(BaseModel):
    """A proof that an entry is in the log.

    Attributes:
        seq: Number of the entry.
        size: Number of entries of the log that it is about.
        leaf_hash: Hash of the entry in hex.
        root: Root in hex.
        hashes: From the leaf's sibling upwards, in hex.
        proof: The same as a C2SP tlog-proof, with the signed checkpoint.
    """

    seq: int
    size: int
    leaf_hash: str
    root: str
    hashes: list[str]
    proof: str


class ProvenEntry(EntryDetail):
    """An entry with the proof that it is in the log.

    Attributes:
        inclusion: The proof, whose leaf hash is that of the envelope.
    """

    inclusion: Inclusion


class Consistency(BaseModel):
    """A proof that the log of one size begins with all entries of a smaller one; hashes in hex."""

    from_size: int
    to_size: int
    from_root: str
    to_root: str
    hashes: list[str]
    proof: str


class StampPage(BaseModel):
    """Time stamps of checkpoints."""

    stamps: list[StampView]


class KeyHistory(BaseModel):
    """The key file that is in force, and the versions that there were.

    Attributes:
        origin: Name of the log.
        version: Version that is in force.
        digest: SHA-256 that names it.
        key_file: The file itself.
        versions: All versions that are kept, the newest first.
    """

    origin: str
    version: int
    digest: str
    key_file: dict[str, Any]
    versions: list[KeyVersion]

    @classmethod
    def of(cls, key_file: KeyFile, versions: Sequence[KeyVersion]) -> Self:
        """Return the document of a key file."""
        return cls(
            origin=key_file.origin,
            version=key_file.version,
            digest=key_file.digest,
            key_file=dict(key_file.to_object()),
            versions=list(versions),
        )


def inclusion_of(found: InclusionProof) -> bytes:
    """Return a proof as JSON."""
    return (
        Inclusion(
            seq=found.proof.index,
            size=found.size,
            leaf_hash=found.leaf_hash.hex(),
            root=found.root.hex(),
            hashes=[each.hex() for each in found.proof.hashes],
            proof=found.proof.to_text(),
        )
        .model_dump_json()
        .encode()
    )


def consistency_of(found: ContinuationProof) -> bytes:
    """Return a proof as JSON."""
    return (
        Consistency(
            from_size=found.proof.old_size,
            to_size=found.to_size,
            from_root=found.from_root.hex(),
            to_root=found.to_root.hex(),
            hashes=[each.hex() for each in found.proof.hashes],
            proof=found.proof.to_text(),
        )
        .model_dump_json()
        .encode()
    )
