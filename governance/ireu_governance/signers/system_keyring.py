"""Private keys in the keyring of the operating system (the `keyring` extra).

A key is stored as the PEM text under the log's name as service and the key id as user name, and protected as
well as that keyring protects a password: by the login of the account that runs ireu.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ireu_governance.core.errors import ConfigError, ErrorCode, MissingExtraError
from ireu_governance.core.keys import PrivateKey, PublicKey, Role, Signer

__all__ = ["KeyringPlace"]


@dataclass(frozen=True)
class _NewItem:
    key: PrivateKey
    place: KeyringPlace

    @property
    def signer(self) -> Signer:
        return self.key

    def store(self) -> None:
        self.place.put(self.key)


class KeyringPlace:
    """The items of one log and role in the system's keyring.

    Args:
        role: Whose keys.
        origin: Name of the log.

    Raises:
        MissingExtraError: The `keyring` package is not installed.
        ConfigError: This machine has no keyring that could be used.
    """

    def __init__(self, *, role: Role, origin: str) -> None:
        try:
            import keyring
            import keyring.errors
        except ImportError:
            raise MissingExtraError("keyring", "A key in the system's keyring") from None
        self._keyring: Any = keyring
        self._error: type[Exception] = keyring.errors.KeyringError
        self._role = role
        self._service = f"ireu:{origin}"
        backend = keyring.get_keyring()
        if backend.priority <= 0 or type(backend).__module__ in {"keyring.backends.fail", "keyring.backends.null"}:
            raise ConfigError(
                "This machine has no keyring service that keeps a secret.",
                hint=f"Keep the {role.value} key in an encrypted file: set IREU_KEY_PASSPHRASE, and signer_{role.value}"
                " to 'file:'; or in a token (pkcs11:…). On a desktop, log in to a session with a keyring.",
                code=ErrorCode.KEY_UNUSABLE,
            )

    def find(self, wanted: Sequence[PublicKey]) -> Signer:
        """Return the first of the wanted keys that the keyring has; see `KeyPlace.find`."""
        for key in wanted:
            text = self._get(key.key_id)
            if text is not None:
                signer = PrivateKey.from_pem(text.encode("ascii", "replace"))
                if signer.public_key == key:
                    return signer
        raise ConfigError(
            f"The system's keyring holds no private {self._role.value} key that the key file lists.",
            hint="Run ireu as the user whose keyring has it.",
            code=ErrorCode.KEY_UNUSABLE,
        )

    def describe(self, key_id: str) -> str | None:
        """Return the name of the item, if it is there."""
        return None if self._get(key_id) is None else f"keyring item {self._service}"

    def make(self) -> _NewItem:
        """Make a new key."""
        return _NewItem(PrivateKey.generate(), self)

    def put(self, key: PrivateKey) -> None:
        """Store a key.

        Args:
            key: The key.

        Raises:
            ConfigError: The keyring did not take it.
        """
        try:
            self._keyring.set_password(self._service, key.public_key.key_id, key.to_pem(None).decode("ascii"))
        except self._error as error:
            raise self._unusable(error) from None

    def archive(self, key_id: str) -> None:
        """Leave the key where it is: an item of a keyring signs nothing unless the key file asks for it."""

    def destroy(self, key_id: str) -> None:
        """Delete the item."""
        if self._get(key_id) is None:
            return
        try:
            self._keyring.delete_password(self._service, key_id)
        except self._error as error:
            raise self._unusable(error) from None

    def _get(self, key_id: str) -> str | None:
        try:
            found: str | None = self._keyring.get_password(self._service, key_id)
        except self._error as error:
            raise self._unusable(error) from None
        return found

    def _unusable(self, error: Exception) -> ConfigError:
        # The kind of error only: what a backend says can hold what it was given.
        return ConfigError(
            f"The system's keyring cannot be used ({type(error).__name__}).",
            hint="Unlock it and try again.",
            code=ErrorCode.KEY_UNUSABLE,
        )
