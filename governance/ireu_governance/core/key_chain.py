"""What makes a key file trustworthy by another one: enough root signatures, and content that follows.

The rules of a step, all of which a reader checks:

1. the same log and organisation, and exactly the next version number,
2. not dated before the version that it follows, and no new key dated before it either,
3. every key is still listed, in its role and with its dates,
4. a revocation is never taken back or moved to a later size,
5. enough root keys of the *older* version signed, beside enough of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from ireu_governance.core.ed25519 import PublicKey, count_signers
from ireu_governance.core.errors import InputError, VerificationError
from ireu_governance.core.key_document import KeySignature, SignedKeys

__all__ = ["CHECK", "count_root_signatures", "expect_successor", "require_root_signatures"]

CHECK: Final = "key-file"


def expect_successor(older: SignedKeys, newer: SignedKeys) -> None:
    """Refuse content that may not follow a version of a key file, whoever signs it (rules 1 to 4).

    Args:
        older: Content of the version that is trusted.
        newer: Content of what claims to be the next one.

    Raises:
        VerificationError: A rule is broken.
    """
    if newer.origin != older.origin:
        _refuse(f"The newer key file is of the log {newer.origin}, not of {older.origin}.")
    if newer.organisation != older.organisation:
        _refuse("The newer key file names another organisation.")
    if newer.version != older.version + 1:
        _refuse(
            f"After version {older.version} of the key file comes {older.version + 1}, not {newer.version}.",
            hint="Give all versions in between, in their order.",
        )
    if newer.issued_at < older.issued_at:
        _refuse("The newer key file is dated before the older one.")
    kept = {each.key_id: each for each in newer.keys}
    for before in older.keys:
        after = kept.pop(before.key_id, None)
        if after is None:
            _refuse(f"The newer key file lacks key {before.key_id[:16]}…, so what it signed would count no more.")
        if after.model_copy(update={"revoked_from_size": before.revoked_from_size}) != before:
            _refuse(f"The newer key file gives key {before.key_id[:16]}… another role or other dates.")
        was, now = before.revoked_from_size, after.revoked_from_size
        if was is not None and (now is None or now > was):
            _refuse(f"The newer key file takes back the revocation of key {before.key_id[:16]}….")
    for added in kept.values():
        if added.valid_from < older.issued_at:
            _refuse(f"The newer key file dates its new key {added.key_id[:16]}… back.")


def count_root_signatures(signed: SignedKeys, signatures: Sequence[KeySignature], roots: Sequence[PublicKey]) -> int:
    """Return how many different root keys signed a key file.

    Args:
        signed: What is signed.
        signatures: By whom, known or not; those of unknown keys are passed over.
        roots: The root keys that count.

    Returns:
        Number of different keys.

    Raises:
        InputError: A key signed twice, or a signature is no base64.
        VerificationError: A signature of one of the root keys does not verify.
    """
    pairs = [(each.keyid, each.to_bytes()) for each in signatures]
    if len({key_id for key_id, _ in pairs}) != len(pairs):
        raise InputError("The key file is signed twice by the same key.")
    return count_signers(pairs, signed.message(), keys={key.key_id: key for key in roots}, check=CHECK)


def require_root_signatures(
    signed: SignedKeys,
    signatures: Sequence[KeySignature],
    roots: Sequence[PublicKey],
    threshold: int,
    *,
    whose: str = "its",
) -> None:
    """Refuse a key file that too few root keys signed (rule 5).

    Args:
        signed: What is signed.
        signatures: By whom.
        roots: The root keys that count.
        threshold: How many of them must have signed.
        whose: Whose root keys they are, as words of a sentence.

    Raises:
        InputError: A key signed twice.
        VerificationError: Too few signed, or a signature does not verify.
    """
    signers = count_root_signatures(signed, signatures, roots)
    if signers < threshold:
        _refuse(f"{signers} of {whose} root keys have signed the key file; it needs {threshold}.")


def _refuse(message: str, *, hint: str = "") -> NoReturn:
    raise VerificationError(message, check=CHECK, hint=hint)
