"""Private keys as PEM files: PKCS #8, encrypted so that a stolen file does not yield to guessing.

The library's own "best available" encryption of PKCS #8 is PBKDF2 with 2,048 rounds, which a graphics card
guesses through by the million a second. Here the key that encrypts comes out of scrypt (RFC 7914), which costs
memory as well. The file is an ordinary ``ENCRYPTED PRIVATE KEY`` that OpenSSL opens too, and older ones are
still read. Imports are late, since verifying a certificate needs none of this.
"""

from __future__ import annotations

import base64
import os
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ireu_governance.core.errors import ConfigError, ErrorCode

__all__ = ["MAX_PASSPHRASE_BYTES", "read_private_pem", "write_private_pem"]

MAX_PASSPHRASE_BYTES: Final = 1023  # what OpenSSL takes

# One of the equally strong settings of the OWASP cheat sheet on passwords (16 MiB, five times); OpenSSL by itself
# opens nothing that takes more than 32 MiB.
SCRYPT_N: Final = 2**14
SCRYPT_R: Final = 8
SCRYPT_P: Final = 5

_SALT_BYTES: Final = 16
_PBES2: Final = bytes.fromhex("06092a864886f70d01050d")  # 1.2.840.113549.1.5.13
_SCRYPT: Final = bytes.fromhex("06092b06010401da47040b")  # 1.3.6.1.4.1.11591.4.11
_AES_256_CBC: Final = bytes.fromhex("060960864801650304012a")  # 2.16.840.1.101.3.4.1.42
_HINT: Final = "Set IREU_KEY_PASSPHRASE to the passphrase that the key was encrypted with."


def read_private_pem(data: bytes, passphrase: bytes | None) -> Ed25519PrivateKey | MLDSA44PrivateKey:
    """Read a private key from PEM (PKCS #8).

    Args:
        data: A ``PRIVATE KEY`` or ``ENCRYPTED PRIVATE KEY`` block.
        passphrase: What it is encrypted with; None for a plain key.

    Returns:
        The key.

    Raises:
        ConfigError: The bytes are no such key, or the passphrase does not open it.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(data, passphrase)
    except TypeError:
        if passphrase is None:
            raise ConfigError(
                "The private key is encrypted, and no passphrase is given.", hint=_HINT, code=ErrorCode.KEY_UNUSABLE
            ) from None
        raise ConfigError(
            "The private key is not encrypted, and a passphrase is given.",
            hint="Unset IREU_KEY_PASSPHRASE for this command, or rotate the key to have the next one encrypted.",
            code=ErrorCode.KEY_UNUSABLE,
        ) from None
    except (ValueError, UnsupportedAlgorithm, MemoryError):
        raise ConfigError(
            "The private key cannot be opened: no PKCS #8 PEM block, or another passphrase.",
            hint=_HINT,
            code=ErrorCode.KEY_UNUSABLE,
        ) from None
    if not isinstance(key, Ed25519PrivateKey | MLDSA44PrivateKey):
        raise ConfigError("The private key is not an Ed25519 or ML-DSA-44 key.", code=ErrorCode.KEY_UNUSABLE)
    return key


def write_private_pem(key: Ed25519PrivateKey | MLDSA44PrivateKey, passphrase: bytes | None) -> bytes:
    """Return a private key as PEM (PKCS #8).

    Args:
        key: The key.
        passphrase: What to encrypt it with; None leaves it in clear.

    Returns:
        A ``PRIVATE KEY`` or ``ENCRYPTED PRIVATE KEY`` block.

    Raises:
        ConfigError: The passphrase is empty or too long.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if passphrase is None:
        return _armour("PRIVATE KEY", plain)
    if not 0 < len(passphrase) <= MAX_PASSPHRASE_BYTES:
        raise ConfigError(
            f"The passphrase has {len(passphrase)} bytes; 1 to {MAX_PASSPHRASE_BYTES} are possible.",
            hint="Set IREU_KEY_PASSPHRASE to another one.",
            code=ErrorCode.KEY_UNUSABLE,
        )
    return _armour("ENCRYPTED PRIVATE KEY", _encrypt(plain, passphrase))


def _encrypt(plain: bytes, passphrase: bytes) -> bytes:
    """Return an EncryptedPrivateKeyInfo (RFC 5958) with PBES2 (RFC 8018), scrypt (RFC 7914) and AES-256-CBC."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    from cryptography.hazmat.primitives.padding import PKCS7

    salt, vector = os.urandom(_SALT_BYTES), os.urandom(16)
    secret = Scrypt(salt=salt, length=32, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).derive(passphrase)
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(vector)).encryptor()
    hidden = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    numbers = b"".join(_integer(each) for each in (SCRYPT_N, SCRYPT_R, SCRYPT_P, 32))
    derivation = _sequence(_SCRYPT, _sequence(_octets(salt), numbers))
    encryption = _sequence(_AES_256_CBC, _octets(vector))
    return _sequence(_sequence(_PBES2, _sequence(derivation, encryption)), _octets(hidden))


def _armour(label: str, der: bytes) -> bytes:
    text = base64.b64encode(der).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")


def _sequence(*parts: bytes) -> bytes:
    return _tagged(0x30, b"".join(parts))


def _octets(data: bytes) -> bytes:
    return _tagged(0x04, data)


def _integer(value: int) -> bytes:
    return _tagged(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
