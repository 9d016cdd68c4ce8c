"""How the place of private keys is written in a setting, and read from one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

from ireu_governance.core.errors import ConfigError

__all__ = ["KeyLocation", "parse_location"]

_PARTS: Final = ("token", "object", "module")
_HINT: Final = "Write file:, keyring: or pkcs11:token=LABEL;module=/path/to/library.so (and ;object=LABEL if need be)."


@dataclass(frozen=True)
class KeyLocation:
    """A place that can hold private keys.

    Attributes:
        kind: A folder of PEM files, the system's keyring, or a PKCS#11 token.
        token: Label of the token.
        module: Path of the PKCS#11 library; None for the one that IREU_PKCS11_MODULE names.
        object: Label of the key in the token, for keys that ireu did not make; None to find them by their id.
    """

    kind: Literal["file", "keyring", "pkcs11"]
    token: str | None = None
    module: str | None = None
    object: str | None = None

    def __str__(self) -> str:
        parts = [f"{name}={value}" for name in _PARTS if (value := getattr(self, name)) is not None]
        return f"{self.kind}:{';'.join(parts)}"


def parse_location(text: str) -> KeyLocation:
    """Read the place of private keys from a setting.

    Args:
        text: ``file:``, ``keyring:``, or ``pkcs11:`` with ``token``, and if need be ``object`` and ``module``,
            separated by semicolons; characters may be percent-encoded as in RFC 7512.

    Returns:
        The place.

    Raises:
        ConfigError: It is no such text. A PIN in it is refused too: settings are no place for secrets.
    """
    kind, separator, rest = text.partition(":")
    if separator and kind == "file" and not rest:
        return KeyLocation("file")
    if separator and kind == "keyring" and not rest:
        return KeyLocation("keyring")
    if not separator or kind != "pkcs11":
        raise ConfigError(f"'{text[:80]}' is no place for private keys.", hint=_HINT)
    parts: dict[str, str] = {}
    for part in rest.split(";"):
        name, equals, value = part.partition("=")
        if name.startswith("pin"):
            raise ConfigError(
                "The place of a key must not hold its PIN.", hint="Set IREU_PKCS11_PIN, or let ireu ask for it."
            )
        if name not in _PARTS or not equals or not value or name in parts:
            raise ConfigError(f"'{part[:80]}' is no part of a PKCS#11 place.", hint=_HINT)
        parts[name] = unquote(value)
    if "token" not in parts:
        raise ConfigError("A PKCS#11 place needs the label of its token.", hint=_HINT)
    return KeyLocation("pkcs11", token=parts["token"], module=parts.get("module"), object=parts.get("object"))
