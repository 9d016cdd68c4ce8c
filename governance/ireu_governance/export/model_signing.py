"""Signatures over an encoder's folder that OpenSSF's own tool accepts (Model Signing, "OMS").

A bundle is one JSON file beside the folder: an in-toto statement with the SHA-256 of every file, signed. Whoever
deploys an encoder can check it with ``model_signing verify key`` and needs nothing of ireu. The subject's digest is
the very digest by which the log names this encoder, so both can be compared.

Formats: https://github.com/sigstore/model-transparency (1.1) and the Sigstore bundle, version 0.3.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ireu_governance.core.artifact import WHOLE, Artifact
from ireu_governance.core.canonical import canonicalize
from ireu_governance.core.envelope import PAYLOAD_TYPE, pae
from ireu_governance.core.errors import InputError
from ireu_governance.core.statement import STATEMENT_TYPE
from ireu_governance.export.model_key import ModelKey
from ireu_governance.files import hash_folder

__all__ = ["BUNDLE_TYPE", "MODEL_PREDICATE", "ModelSignature", "build_bundle", "sign_encoder"]

BUNDLE_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
MODEL_PREDICATE: Final = "https://model_signing/signature/v1.0"

# What model_signing passes over unless it is told otherwise, though a `.gitattributes` belongs to many encoders.
_OF_GIT: Final = frozenset({".git", ".gitattributes", ".github", ".gitignore"})


@dataclass(frozen=True)
class ModelSignature:
    """A signature over an encoder.

    Attributes:
        data: The bundle.
        digest: The encoder's digest, as in the log.
        files: Number of its files.
        has_git_files: Whether the tool has to be told not to pass over files of git.
    """

    data: bytes = field(repr=False)
    digest: str
    files: int
    has_git_files: bool

    def verify_command(self, folder: str, *, signature: str, public_key: str) -> list[str]:
        """Return the command by which the other tool verifies the bundle.

        Args:
            folder: The encoder's folder.
            signature: The bundle's file.
            public_key: The file of the key's public half.
        """
        options = ["--no-ignore-git-paths"] if self.has_git_files else []
        return [
            *("model_signing", "verify", "key", folder),
            *("--signature", signature, "--public_key", public_key),
            *options,
        ]


def sign_encoder(folder: Path, *, key: ModelKey, out: Path | None = None) -> ModelSignature:
    """Hash an encoder's folder and sign it.

    Args:
        folder: The folder; all files count, hidden ones too, and links are refused. Files are read piece by piece.
        key: The key.
        out: Where the bundle will be written, to refuse a place inside the folder.

    Returns:
        The signature.

    Raises:
        InputError: The folder is absent or holds something that cannot be signed, or the bundle would lie in it.
    """
    if out is not None and out.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            "The signature cannot lie inside the encoder's folder: then the encoder would be another one.",
            hint=f"Write it beside the folder: --out {folder.resolve().name}.sig",
        )
    artifact = hash_folder(folder)
    return ModelSignature(
        data=build_bundle(artifact, key),
        digest=artifact.digest,
        files=len(artifact.files),
        has_git_files=any(each.name.partition("/")[0] in _OF_GIT for each in artifact.files),
    )


def build_bundle(artifact: Artifact, key: ModelKey) -> bytes:
    """Return the signed bundle of an encoder.

    Args:
        artifact: Its files with their digests.
        key: The key.

    Returns:
        JSON, and a newline.
    """
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": WHOLE, "digest": {"sha256": artifact.digest}}],
        "predicateType": MODEL_PREDICATE,
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": [{"name": each.name, "algorithm": "sha256", "digest": each.digest} for each in artifact.files],
        },
    }
    payload = canonicalize(statement)
    bundle = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": key.fingerprint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": _encode(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": _encode(key.sign(pae(PAYLOAD_TYPE, payload))), "keyid": ""}],
        },
    }
    return json.dumps(bundle, indent=2).encode("ascii") + b"\n"


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
