"""Changing a key file: what shall be different, and the signatures of old and new root keys under it.

A `KeyFileChange` says what to add and revoke; `propose` turns it into a `KeyFileProposal`, a document that can
be carried to whoever holds a root key, signed there, and brought back. Once enough have signed, `finish` makes
the next version of the key file of it::

    change = KeyFileChange(current).add(new_key, Role.RECORD, valid_from=now(), valid_from_size=41)
    proposal = change.revoke(old_key.key_id, from_size=41).propose(issued_at=now())
    newer = proposal.sign(first_root).sign(second_root).finish()
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ireu_governance.core.errors import ConfigError, ErrorCode, InputError
from ireu_governance.core.key_chain import expect_successor
from ireu_governance.core.key_document import MAX_KEYS, AnyPublicKey, KeyEntry, Role, SignedKeys
from ireu_governance.core.key_proposal import KeyFileProposal, expect_usable
from ireu_governance.core.keys import KeyFile

__all__ = ["KeyFileChange"]


@dataclass(frozen=True)
class KeyFileChange:
    """What the next version of a key file shall have that this one has not; every method returns a new change.

    Attributes:
        current: The version that is in force.
        added: Entries of new keys.
        revoked: Sizes of the log from which on keys count no more, by key id.
        threshold: How many root keys must sign from then on; None to leave it.
    """

    current: KeyFile
    added: tuple[KeyEntry, ...] = ()
    revoked: Mapping[str, int] = field(default_factory=dict)
    threshold: int | None = None

    def add(
        self, key: AnyPublicKey, role: Role, *, valid_from: str, valid_from_size: int | None = None
    ) -> KeyFileChange:
        """Add a key.

        Args:
            key: The public key.
            role: What it may sign.
            valid_from: Time from which on it counts.
            valid_from_size: Size of the log from which on it counts.
        """
        entry = KeyEntry.describing(key, role, valid_from=valid_from, valid_from_size=valid_from_size)
        return replace(self, added=(*self.added, entry))

    def revoke(self, key_id: str, *, from_size: int) -> KeyFileChange:
        """Let a key count no more from a size of the log on; for a root key any size retires it.

        Args:
            key_id: A key of the present version.
            from_size: The size. A revocation that is there can be moved to a smaller size, never to a larger one.

        Raises:
            InputError: The key file does not list the key.
            ConfigError: It is revoked from this size or a smaller one already.
        """
        entry = self.current.find(key_id)
        if entry is None:
            raise InputError(f"The key file lists no key {key_id[:64]!a}.", hint="List them with: ireu keys list")
        if entry.revoked_from_size is not None and entry.revoked_from_size <= from_size:
            raise ConfigError(
                f"Key {key_id[:16]}… counts no more from entry {entry.revoked_from_size} on already.",
                hint="A revocation can only be moved to a smaller size.",
                code=ErrorCode.KEY_UNUSABLE,
            )
        return replace(self, revoked={**self.revoked, key_id: from_size})

    def require(self, threshold: int) -> KeyFileChange:
        """Let so many root keys have to sign from the next version on."""
        return replace(self, threshold=threshold)

    def propose(self, *, issued_at: str) -> KeyFileProposal:
        """Write the change down for signing.

        Args:
            issued_at: Time of the next version; never before that of the present one.

        Returns:
            The proposal, without signatures.

        Raises:
            ConfigError: Nothing would change, a role would have no key left, or the root keys could not meet
                the threshold.
            InputError: What would come out is no valid key file.
        """
        before = self.current.signed
        entries = [
            each.model_copy(update={"revoked_from_size": self.revoked.get(each.key_id, each.revoked_from_size)})
            for each in before.keys
        ]
        threshold = before.threshold if self.threshold is None else self.threshold
        if not self.added and not self.revoked and threshold == before.threshold:
            raise ConfigError("Nothing would change, so there is no need for a new key file.")
        if len(entries) + len(self.added) > MAX_KEYS:
            raise ConfigError(f"A key file has at most {MAX_KEYS} keys, retired ones included.")
        signed = SignedKeys.from_object(
            {
                **before.to_object(),
                "version": before.version + 1,
                "threshold": threshold,
                "issued_at": max(issued_at, before.issued_at),
                "keys": [each.to_object() for each in (*entries, *self.added)],
            }
        )
        expect_usable(signed)
        expect_successor(before, signed)
        return KeyFileProposal(current=self.current, signed=signed)
