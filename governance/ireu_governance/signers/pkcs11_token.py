"""Private keys in a PKCS#11 token: a hardware security module, a smart card, or SoftHSM2 (the `hsm` extra).

Keys are made inside the token and never leave it: they are neither readable nor wrappable there, and what comes
out is a signature. The token's own user PIN opens it, from IREU_PKCS11_PIN or asked for at a terminal. A key's
CKA_ID is its key id, by which the key file's keys are found again; its label is for people.
"""

from __future__ import annotations

import getpass
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any, Final

from ireu_governance.core.ed25519 import PublicKey, Signer
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, MissingExtraError, VerificationError
from ireu_governance.core.keys import Role
from ireu_governance.signers.location import KeyLocation

__all__ = ["MODULE_VARIABLE", "PIN_VARIABLE", "TokenPlace"]

PIN_VARIABLE: Final = "IREU_PKCS11_PIN"
MODULE_VARIABLE: Final = "IREU_PKCS11_MODULE"

# One login a process: a token refuses a second one, and ends all of them with the first logout.
_SESSIONS: dict[tuple[str, str], tuple[Any, RLock]] = {}

_POINT_PREFIX: Final = b"\x04\x20"  # most tokens give the 32 bytes as a DER octet string, newer ones bare
_CURVE: Final = "1.3.101.112"  # Ed25519, RFC 8410


class _TokenSigner:
    """A key in a token; everything but its public half stays there."""

    def __init__(self, key: Any, public_key: PublicKey, lock: RLock, mechanism: Any) -> None:
        self._key = key
        self._public_key = public_key
        self._lock = lock  # a session does one thing at a time
        self._mechanism = mechanism

    def __repr__(self) -> str:
        return f"<key {self._public_key.key_id} in a token>"

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what is signed here."""
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature over a message, made by the token.

        Raises:
            ConfigError: The token does not answer, or gave a signature that does not verify.
        """
        with self._lock, _token_errors():
            signature = bytes(self._key.sign(message, mechanism=self._mechanism))
        try:  # an exchanged or broken token must not put worthless signatures into an append-only ledger
            self._public_key.verify(signature, message, check="token")
        except VerificationError:
            raise ConfigError(
                "The token gave a signature that does not verify.",
                hint="Check the token and its module.",
                code=ErrorCode.KEY_UNUSABLE,
            ) from None
        return signature


class _NewTokenKey:
    def __init__(self, signer: Signer) -> None:
        self.signer = signer

    def store(self) -> None:
        """Do nothing: the key was made where it stays."""


class TokenPlace:
    """The keys of one role in a token.

    Args:
        location: Token, module and perhaps the object's label.
        role: Whose keys.

    Raises:
        MissingExtraError: The `python-pkcs11` package is not installed.
        ConfigError: There is no such module or token, or the PIN is wrong or missing.
    """

    def __init__(self, location: KeyLocation, *, role: Role) -> None:
        try:
            import pkcs11
        except ImportError:
            raise MissingExtraError("hsm", "A key in a PKCS#11 token") from None
        self._pkcs11 = pkcs11
        self._location = location
        self._role = role
        self._session, self._lock = self._open()

    def find(self, wanted: Sequence[PublicKey]) -> Signer:
        """Return the first of the wanted keys that the token has; see `KeyPlace.find`."""
        with self._lock, _token_errors():
            for public_key in wanted:
                key = self._private(public_key.key_id) or self._labelled(public_key)
                if key is not None:
                    return _TokenSigner(key, public_key, self._lock, self._pkcs11.Mechanism.EDDSA)
        raise ConfigError(
            f"The token '{self._location.token}' holds no {self._role.value} key that the key file lists.",
            hint="Check that it is the right token; 'ireu keys list' shows the keys of the key file.",
            code=ErrorCode.KEY_UNUSABLE,
        )

    def describe(self, key_id: str) -> str | None:
        """Return the token's label, if the key is in it."""
        with self._lock, _token_errors():
            return None if self._private(key_id) is None else f"token {self._location.token}"

    def make(self) -> _NewTokenKey:
        """Make a key inside the token."""
        from pkcs11 import Attribute, KeyType, Mechanism
        from pkcs11.util.ec import encode_named_curve_parameters

        label = self._location.object or f"ireu {self._role.value}"
        with self._lock, _token_errors():
            parameters = self._session.create_domain_parameters(
                KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: encode_named_curve_parameters(_CURVE)}, local=True
            )
            public, private = parameters.generate_keypair(
                mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                store=True,
                label=label,
                id=secrets.token_bytes(32),  # until the key id is known
                private_template={
                    Attribute.SENSITIVE: True,
                    Attribute.EXTRACTABLE: False,
                    Attribute.SIGN: True,
                    Attribute.PRIVATE: True,
                },
            )
            public_key = _read_point(public)
            for each in (public, private):
                each[Attribute.ID] = bytes.fromhex(public_key.key_id)
        return _NewTokenKey(_TokenSigner(private, public_key, self._lock, self._pkcs11.Mechanism.EDDSA))

    def archive(self, key_id: str) -> None:
        """Leave the key where it is: a token signs with it only if the key file asks for it."""

    def destroy(self, key_id: str) -> None:
        """Delete the key pair from the token."""
        with self._lock, _token_errors():
            for each in list(self._session.get_objects({self._pkcs11.Attribute.ID: bytes.fromhex(key_id)})):
                each.destroy()

    def _open(self) -> tuple[Any, RLock]:
        module = self._location.module or os.environ.get(MODULE_VARIABLE)
        if not module:
            raise ConfigError(
                "The place of a key in a token names no PKCS#11 module.",
                hint=f"Add ;module=/path/to/library.so to it, or set {MODULE_VARIABLE}.",
                code=ErrorCode.KEY_UNUSABLE,
            )
        label = self._location.token or ""
        if (module, label) in _SESSIONS:
            return _SESSIONS[module, label]
        try:
            token = self._pkcs11.lib(module).get_token(token_label=label)
        except self._pkcs11.NoSuchToken:
            raise ConfigError(
                f"There is no token '{label}'.",
                hint="Plug it in, or check the label (pkcs11-tool --list-slots shows them).",
                code=ErrorCode.KEY_UNUSABLE,
            ) from None
        except self._pkcs11.MultipleTokensReturned:
            raise ConfigError(
                f"There are several tokens '{label}'.",
                hint="Leave one of them plugged in.",
                code=ErrorCode.KEY_UNUSABLE,
            ) from None
        except (RuntimeError, OSError) as error:
            # When it cannot load the library the package raises its base class; subclasses come from the library.
            if isinstance(error, self._pkcs11.PKCS11Error) and type(error) is not self._pkcs11.PKCS11Error:
                raise _unusable(error) from None
            raise ConfigError(
                f"The PKCS#11 module '{module}' cannot be loaded.", hint="Check its path.", code=ErrorCode.KEY_UNUSABLE
            ) from None
        with _token_errors():
            opened = token.open(rw=True, user_pin=_ask_pin(label)), RLock()
        _SESSIONS[module, label] = opened
        return opened

    def _private(self, key_id: str) -> Any:
        attribute = self._pkcs11.Attribute
        template = {
            attribute.CLASS: self._pkcs11.ObjectClass.PRIVATE_KEY,
            attribute.KEY_TYPE: self._pkcs11.KeyType.EC_EDWARDS,
            attribute.ID: bytes.fromhex(key_id),
        }
        return next(iter(list(self._session.get_objects(template))), None)

    def _labelled(self, public_key: PublicKey) -> Any:
        """Find a key that something else put into the token, by its label and public half."""
        label = self._location.object
        if label is None:
            return None
        attribute, kinds = self._pkcs11.Attribute, self._pkcs11.ObjectClass
        for public in list(self._session.get_objects({attribute.CLASS: kinds.PUBLIC_KEY, attribute.LABEL: label})):
            try:
                if _read_point(public) != public_key:
                    continue
            except InputError:
                continue
            template = {attribute.CLASS: kinds.PRIVATE_KEY, attribute.ID: public[attribute.ID]}
            return next(iter(list(self._session.get_objects(template))), None)
        return None


def _read_point(public: Any) -> PublicKey:
    from pkcs11 import Attribute

    raw = bytes(public[Attribute.EC_POINT])
    return PublicKey.from_raw(raw.removeprefix(_POINT_PREFIX) if len(raw) == 34 else raw)


def _ask_pin(token: str) -> str:
    pin = os.environ.get(PIN_VARIABLE)
    if pin:
        return pin
    if sys.stdin is not None and sys.stdin.isatty():
        return getpass.getpass(f"PIN of the token '{token}': ")
    raise ConfigError(
        f"The token '{token}' needs its PIN.",
        hint=f"Set {PIN_VARIABLE}, or run the command at a terminal to be asked for it.",
        code=ErrorCode.KEY_UNUSABLE,
    )


@contextmanager
def _token_errors() -> Iterator[None]:
    """Turn what the package raises into ireu's own errors; none of them repeats the PIN."""
    from pkcs11 import exceptions

    try:
        yield
    except (exceptions.PinIncorrect, exceptions.PinInvalid, exceptions.PinLenRange):
        raise ConfigError(
            "The token refuses the PIN.",
            hint=f"Check {PIN_VARIABLE}; a token locks itself after a few wrong ones.",
            code=ErrorCode.KEY_UNUSABLE,
        ) from None
    except (exceptions.PinLocked, exceptions.PinExpired):
        raise ConfigError(
            "The token's PIN is locked or has expired.",
            hint="Unlock it with the token's own tool.",
            code=ErrorCode.KEY_UNUSABLE,
        ) from None
    except exceptions.PKCS11Error as error:
        raise _unusable(error) from None


def _unusable(error: Exception) -> ConfigError:
    return ConfigError(
        f"The token cannot be used ({type(error).__name__}).",
        hint="Check that it is plugged in, knows Ed25519, and is not used up.",
        code=ErrorCode.KEY_UNUSABLE,
    )
