"""DSSE envelopes: bytes, what they are, and who signed them.

What is signed is the payload's bytes together with their type, so a reader never has to write JSON again to
check a signature, and a payload of one type cannot be shown as another. `Envelope.verify` hands on exactly
the bytes it verified; use those and nothing that was read before.

Format: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md. Written here rather than taken
from securesystemslib (the oracle in the tests), since that import costs more than verifying a certificate.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ireu_governance.core.canonical import MAX_JSON_BYTES, decode_base64, decode_base64_bytes, parse_json
from ireu_governance.core.ed25519 import PublicKey, Signer, count_signers
from ireu_governance.core.errors import InputError, VerificationError

__all__ = ["MAX_SIGNATURES", "PAYLOAD_TYPE", "Envelope", "Signature", "pae"]

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
MAX_SIGNATURES: Final = 16  # each costs a verification; no document of ours carries more than a few
MAX_SIGNATURE_BYTES: Final = 8192  # the largest ML-DSA signature has 4,627

_NAME = re.compile(r"[A-Za-z0-9._:;/@+=-]{1,200}")  # key ids and payload types: JSON escapes none of these
# How `to_bytes` writes an envelope of one signature, which is every entry of a ledger.
_START: Final = b'{"payload":"'
_AFTER_PAYLOAD = re.compile(
    rb'","payloadType":"([A-Za-z0-9._:;/@+=-]{1,200})",'
    rb'"signatures":\[\{"keyid":"([A-Za-z0-9._:;/@+=-]{1,200})","sig":"([A-Za-z0-9+/=]*)"\}\]\}'
)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed: DSSE's pre-authentication encoding.

    Args:
        payload_type: What the payload is, such as a media type.
        payload: Any bytes.

    Returns:
        ``DSSEv1``, the two lengths, and both parts.
    """
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True)
class Signature:
    """One signature of an envelope.

    Attributes:
        keyid: Which key claims to have signed; only a hint until it is verified.
        sig: The signature's bytes.
    """

    keyid: str
    sig: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.keyid):
            raise InputError("The envelope names a signing key by something that is no key id.")
        if not 0 < len(self.sig) <= MAX_SIGNATURE_BYTES:
            raise InputError("The envelope has a signature of no possible length.")

    def to_object(self) -> dict[str, str]:
        """Return the signature as a JSON object."""
        return {"keyid": self.keyid, "sig": _encode(self.sig)}


@dataclass(frozen=True)
class Envelope:
    """A signed payload.

    Attributes:
        payload: The bytes that were signed; unverified until `verify` returned them.
        payload_type: What they are.
        signatures: Who signed, in the order of the document.
    """

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.payload_type):
            raise InputError("The envelope's payload type is malformed.")
        if not 1 <= len(self.signatures) <= MAX_SIGNATURES:
            raise InputError(f"An envelope has 1 to {MAX_SIGNATURES} signatures, not {len(self.signatures)}.")
        if len({each.keyid for each in self.signatures}) != len(self.signatures):
            raise InputError("The envelope has two signatures of the same key.")

    @classmethod
    def sign(cls, payload: bytes, signer: Signer, payload_type: str = PAYLOAD_TYPE) -> Envelope:
        """Sign a payload.

        Args:
            payload: The bytes to sign.
            signer: Who signs.
            payload_type: What the bytes are.

        Returns:
            An envelope with one signature.
        """
        signature = Signature(signer.public_key.key_id, signer.sign(pae(payload_type, payload)))
        return cls(payload, payload_type, (signature,))

    def to_object(self) -> dict[str, object]:
        """Return the envelope as a JSON object."""
        return {
            "payload": _encode(self.payload),
            "payloadType": self.payload_type,
            "signatures": [each.to_object() for each in self.signatures],
        }

    def to_bytes(self) -> bytes:
        """Return the envelope as canonical JSON: the form that a ledger hashes."""
        # Spelt out, since no part holds a character that JSON escapes; a ledger does this for every entry.
        signatures = ",".join(f'{{"keyid":"{each.keyid}","sig":"{_encode(each.sig)}"}}' for each in self.signatures)
        members = f'"payloadType":"{self.payload_type}","signatures":[{signatures}]'
        return f'{{"payload":"{_encode(self.payload)}",{members}}}'.encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes, *, canonical: bool = True) -> Envelope:
        """Read an envelope.

        Args:
            data: JSON.
            canonical: Demand the form of `to_bytes`, byte by byte. Foreign envelopes may come in any spelling
                and, as DSSE asks, in either base64 alphabet.

        Returns:
            The envelope, with nothing verified yet.

        Raises:
            InputError: The bytes are no envelope.
        """
        if canonical and (plain := cls._read_plain(data)) is not None:
            return plain
        envelope = cls.from_object(parse_json(data, what="envelope"), canonical=canonical)
        if canonical and envelope.to_bytes() != data:
            raise InputError("The envelope is not in canonical JSON form (RFC 8785).")
        return envelope

    @classmethod
    def _read_plain(cls, data: bytes) -> Envelope | None:
        """Read an envelope of one signature as `to_bytes` writes it; return None for anything else."""
        # Nothing is left open in this form but the base64, so it needs no JSON parser. An audit does this for every
        # entry.
        end = data.find(b'"', len(_START))
        parts = _AFTER_PAYLOAD.fullmatch(data, end) if data.startswith(_START) and end > 0 else None
        if parts is None or len(data) > MAX_JSON_BYTES:
            return None
        payload_type, keyid, sig = parts.groups()
        return cls(
            payload=decode_base64_bytes(data[len(_START) : end], what="envelope's payload"),
            payload_type=payload_type.decode("ascii"),
            signatures=(Signature(keyid.decode("ascii"), decode_base64_bytes(sig, what="envelope's signature")),),
        )

    @classmethod
    def from_object(cls, value: object, *, canonical: bool = True) -> Envelope:
        """Read an envelope from parsed JSON; see `from_bytes`."""
        if not isinstance(value, dict) or value.keys() != {"payload", "payloadType", "signatures"}:
            raise InputError("The envelope is not an object of payload, payloadType and signatures.")
        signatures = value["signatures"]
        if not isinstance(signatures, list) or len(signatures) > MAX_SIGNATURES:
            raise InputError(f"The envelope's signatures are no list of at most {MAX_SIGNATURES}.")
        return cls(
            payload=_decode(value["payload"], canonical, what="envelope's payload"),
            payload_type=_text(value["payloadType"], what="envelope's payload type"),
            signatures=tuple(_read_signature(each, canonical) for each in signatures),
        )

    def verify(self, keys: Sequence[PublicKey], *, threshold: int = 1, check: str) -> bytes:
        """Check the signatures and return the payload that they cover.

        Args:
            keys: Whose signatures count; those of other keys are passed over.
            threshold: How many different keys must have signed.
            check: Name of the check that this is part of.

        Returns:
            The verified payload.

        Raises:
            VerificationError: Too few of the keys signed, or a signature of one of them does not verify.
        """
        signers = count_signers(
            [(each.keyid, each.sig) for each in self.signatures],
            pae(self.payload_type, self.payload),
            keys={key.key_id: key for key in keys},
            check=check,
        )
        if signers < max(threshold, 1):
            raise VerificationError(
                f"{signers} of the keys that may sign this have signed it; it needs {max(threshold, 1)}.",
                check=check,
            )
        return self.payload


def _read_signature(value: object, canonical: bool) -> Signature:
    if not isinstance(value, dict) or value.keys() != {"keyid", "sig"}:
        raise InputError("A signature of the envelope is not an object of keyid and sig.")
    return Signature(
        keyid=_text(value["keyid"], what="envelope's key id"),
        sig=_decode(value["sig"], canonical, what="envelope's signature"),
    )


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _text(value: object, *, what: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"The {what} is not text.")
    return value


def _decode(value: object, canonical: bool, *, what: str) -> bytes:
    text = _text(value, what=what)
    if not canonical:
        text = text.replace("-", "+").replace("_", "/")
    return decode_base64(text, what=what)
