"""What every place of private keys can do, and how one is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ireu_governance.core.keys import PublicKey, Role, Signer
from ireu_governance.signers.location import parse_location

__all__ = ["KeyPlace", "NewKey", "open_place"]


class NewKey(Protocol):
    """A private key that was just made; nobody relies on it before it is stored."""

    @property
    def signer(self) -> Signer:
        """The key, ready to sign."""
        ...

    def store(self) -> None:
        """Keep the key in its place, durably."""
        ...


class KeyPlace(Protocol):
    """A place that holds the private keys of one role."""

    def find(self, wanted: Sequence[PublicKey]) -> Signer:
        """Return the first of the wanted keys whose private half is here.

        Args:
            wanted: Public keys, the most wanted first.

        Returns:
            The signer.

        Raises:
            ConfigError: None of them is here or can be used.
        """
        ...

    def describe(self, key_id: str) -> str | None:
        """Return where the private half of a key is, for people; None if it is not here."""
        ...

    def make(self) -> NewKey:
        """Make a new key."""
        ...

    def archive(self, key_id: str) -> None:
        """Put a retired key aside, where it signs nothing by itself; does nothing if it is not here."""
        ...

    def destroy(self, key_id: str) -> None:
        """Remove a key for good; does nothing if it is not here."""
        ...


def open_place(text: str | None, *, role: Role, folder: Path, origin: str, passphrase: bytes | None) -> KeyPlace:
    """Open the place that a setting names.

    Args:
        text: The setting; None for PEM files.
        role: Whose keys.
        folder: The folder of PEM files.
        origin: Name of the log, by which keys are told apart in a keyring.
        passphrase: What PEM files are encrypted with, if they are.

    Returns:
        The place.

    Raises:
        ConfigError: The setting is malformed, or the place cannot be used on this machine.
        MissingExtraError: It needs a part of ireu that is not installed.
    """
    location = parse_location(text or "file:")
    if location.kind == "keyring":
        from ireu_governance.signers.system_keyring import KeyringPlace

        return KeyringPlace(role=role, origin=origin)
    if location.kind == "pkcs11":
        from ireu_governance.signers.pkcs11_token import TokenPlace

        return TokenPlace(location, role=role)
    from ireu_governance.signers.pem_files import FilePlace

    return FilePlace(folder, role=role, passphrase=passphrase)
