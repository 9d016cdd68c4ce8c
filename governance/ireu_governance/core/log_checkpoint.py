"""Checkpoints and the key file together: whether a log's own, valid keys signed a head."""

from __future__ import annotations

from ireu_governance.core.checkpoint import Checkpoint, open_checkpoint
from ireu_governance.core.keys import KeyFile, Role

__all__ = ["verified_checkpoint"]


def verified_checkpoint(text: str, key_file: KeyFile) -> Checkpoint:
    """Open a checkpoint with the log keys that were valid at its size.

    Args:
        text: The signed note.
        key_file: Whose keys count.

    Returns:
        The verified checkpoint.

    Raises:
        InputError: The text is no checkpoint.
        VerificationError: No log key of that time signed it, or a known key's line does not verify.
    """
    keys = key_file.keys(Role.LOG)
    checkpoint = open_checkpoint(text, origin=key_file.origin, keys=[*keys, *key_file.second_keys()])
    valid = key_file.keys(Role.LOG, at_size=checkpoint.size)
    if len(valid) < len(keys):  # a key was revoked, or came later: then one that was valid has to have signed
        open_checkpoint(text, origin=key_file.origin, keys=valid)
    return checkpoint
