"""The second key of a log: ML-DSA-44 beside Ed25519, always in a PEM file, since tokens do not know it yet."""

from __future__ import annotations

from pathlib import Path

from ireu_governance.core.keys import KeyFile, Role, Signer
from ireu_governance.core.mldsa import HybridSigner
from ireu_governance.signers.pem_files import FilePlace

__all__ = ["with_second_key"]


def with_second_key(signer: Signer, key_file: KeyFile, folder: Path, passphrase: bytes | None) -> Signer:
    """Return a signer that also signs checkpoints with the log's ML-DSA-44 key, if one is in force.

    Args:
        signer: Holds the Ed25519 key.
        key_file: Lists the ML-DSA-44 keys.
        folder: The folder of PEM files.
        passphrase: What they are encrypted with.

    Returns:
        A `HybridSigner`, or the same signer when no ML-DSA-44 key is in force.

    Raises:
        ConfigError: A key is in force and its file is missing or cannot be opened: checkpoints without one of
            their signatures are not what readers of the key file expect.
    """
    log_keys = [each for each in key_file.entries if each.algorithm == "ml-dsa-44"]
    wanted = [each.key_id for each in log_keys if each.revoked_from_size is None]
    if not wanted:
        return signer
    return HybridSigner(signer, FilePlace(folder, role=Role.LOG, passphrase=passphrase).find_second(wanted))
