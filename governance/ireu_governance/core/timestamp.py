"""Time that somebody else vouches for: tokens of time-stamping authorities (RFC 3161).

A token says that a digest existed at a time, signed by an authority (TSA) that sees nothing but the digest. It
proves "not later than"; nobody can prove that something did not exist earlier. Whose tokens count is for the
reader to say, by the root certificates that they bring::

    request = build_request(data)                       # goes to the authority
    token = open_reply(reply, request)                  # what came back
    proven = verify_token(token, data, roots=roots)
    print(proven.time, proven.authority)

Bytes in, verdict out; `ireu_governance.ledger.time_authorities` asks authorities. Revocation of an authority's own
certificate is not looked at, since there is no way to do so offline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ireu_governance.core.errors import ErrorCode, InputError, MissingExtraError, VerificationError
from ireu_governance.core.times import format_time

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, Name
    from rfc3161_client import TimeStampResponse

__all__ = [
    "MAX_TOKENS",
    "MAX_TOKEN_BYTES",
    "ProvenTime",
    "StampRequest",
    "TsaRoots",
    "build_request",
    "open_reply",
    "stated_time",
    "verify_token",
]

MAX_TOKENS: Final = 32  # each costs signatures to verify; sigstore stops at the same number
MAX_TOKEN_BYTES: Final = 64 * 1024  # a token with its chain of certificates has 1 to 8 kB
MAX_ROOTS: Final = 500  # a whole operating system trusts some 150
MAX_ROOTS_BYTES: Final = 4 * 2**20

_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_GRANTED: Final = 0
_CHECK: Final = "trusted-time"
T = TypeVar("T")


@dataclass(frozen=True)
class StampRequest:
    """A request for a token, and what the answer has to fit.

    Attributes:
        data: The request in DER, for the authority (``application/timestamp-query``).
        digest: SHA-256 of what is to be stamped.
        nonce: Random number that the authority repeats, so that no older answer can be shown instead.
    """

    data: bytes
    digest: bytes
    nonce: int


@dataclass(frozen=True)
class ProvenTime:
    """What a verified token proves.

    Attributes:
        time: The bytes existed at this time, or earlier; a fraction of a second is dropped.
        authority: Name of the authority, from its certificate.
        serial: Number of the token at that authority.
    """

    time: str
    authority: str
    serial: int


@dataclass(frozen=True)
class TsaRoots:
    """The root certificates of the authorities that a reader trusts.

    Attributes:
        certificates: The certificates, each once.
    """

    certificates: tuple[Certificate, ...] = field(repr=False)

    @classmethod
    def from_pem(cls, data: bytes) -> TsaRoots:
        """Read root certificates.

        Args:
            data: One or more PEM ``CERTIFICATE`` blocks.

        Returns:
            The roots.

        Raises:
            InputError: There is no certificate in it, one cannot be read, or there are too many.
        """
        from cryptography.x509 import load_pem_x509_certificates

        if len(data) > MAX_ROOTS_BYTES:
            raise InputError("The file of root certificates is too large.", code=ErrorCode.INPUT_TOO_LARGE)
        try:
            found = load_pem_x509_certificates(data)
        except ValueError:
            raise InputError(
                "The file of root certificates holds no readable PEM certificate.",
                hint="Get the root certificate from the time-stamping authority, as PEM.",
            ) from None
        if len(found) > MAX_ROOTS:
            raise InputError(f"More than {MAX_ROOTS} root certificates.", code=ErrorCode.INPUT_TOO_LARGE)
        return cls(tuple(dict.fromkeys(found)))

    def sets(self) -> Iterator[list[Certificate]]:
        """Yield all roots, in sets without two of one name.

        Which of two roots of one name (an authority's old and new one, say) a chain leads to is for their keys to
        say, and not every verifier tries both.
        """
        by_name: dict[Name, list[Certificate]] = {}
        for each in self.certificates:
            by_name.setdefault(each.subject, []).append(each)
        for several in zip_longest(*by_name.values()):
            yield [each for each in several if each is not None]


def build_request(message: bytes) -> StampRequest:
    """Build a request for a token over some bytes; the authority gets their SHA-256 only.

    Args:
        message: What is to be stamped.

    Returns:
        The request, with a fresh nonce and the wish that the authority's certificate comes along.

    Raises:
        InputError: There is nothing to be stamped.
        MissingExtraError: The `timestamp` part of ireu is not installed.
    """
    client = _client()
    if not message:
        raise InputError("There is nothing to be stamped.")
    built = client.TimestampRequestBuilder().data(message).hash_algorithm(client.HashAlgorithm.SHA256).build()
    nonce = built.nonce
    return StampRequest(data=built.as_bytes(), digest=hashlib.sha256(message).digest(), nonce=nonce)


def open_reply(reply: bytes, request: StampRequest) -> bytes:
    """Take the token out of an authority's answer. The token's signature is not verified by this.

    Args:
        reply: The answer in DER (``application/timestamp-reply``).
        request: What was asked for.

    Returns:
        The token in DER.

    Raises:
        InputError: The authority refused, or answered something that was not asked for.
        MissingExtraError: The `timestamp` part of ireu is not installed.
    """
    response = _parse(reply)
    if _read(lambda: response.status) != _GRANTED:
        words = ", ".join(_read(lambda: list(response.status_string)))
        shown = "".join(c if c.isprintable() else "?" for c in words)[:200]
        raise InputError(f"The time-stamping authority granted no token ({shown or 'no reason given'}).")
    token = _read(response.time_stamp_token)
    _expect_digest(response, request.digest)
    if _read(lambda: response.tst_info.nonce) != request.nonce:
        raise InputError("The time-stamping authority answered another request than this one.")
    return token


def stated_time(token: bytes) -> str:
    """Return the time that a token states, verified by nobody; `InputError` if it is no token."""
    response = _parse(_as_reply(token))
    return _format(_read(lambda: response.tst_info.gen_time))


def verify_token(token: bytes, message: bytes, *, roots: TsaRoots) -> ProvenTime:
    """Check that an authority whom the reader trusts vouches that some bytes existed at a time.

    The authority's certificate has to lead to one of the roots, to have been valid at the time of the token, and
    to be meant for time stamps and nothing else may stand in for it.

    Args:
        token: The token in DER.
        message: The bytes that must have been stamped.
        roots: Whom the reader trusts.

    Returns:
        What is proven.

    Raises:
        InputError: The bytes are no token.
        VerificationError: The token is of other bytes, or of no authority that the reader trusts.
        MissingExtraError: The `timestamp` part of ireu is not installed.
    """
    response = _parse(_as_reply(token))
    if _read(response.time_stamp_token) != token:
        raise InputError("The time stamp is not in the one spelling that its encoding (DER) allows.")
    digest = hashlib.sha256(message).digest()
    _expect_digest(response, digest)
    if not any(_leads_to(each, response, digest) for each in roots.sets()):
        raise VerificationError(
            "The time stamp is of no authority that you trust, or altered: it leads to none of the root certificates.",
            check=_CHECK,
        )
    return ProvenTime(
        time=_format(_read(lambda: response.tst_info.gen_time)),
        authority=_read(lambda: _name_of_signer(response)),
        serial=_read(lambda: response.tst_info.serial_number),
    )


def _leads_to(roots: Sequence[Certificate], response: TimeStampResponse, digest: bytes) -> bool:
    client = _client()
    try:
        client.VerifierBuilder(roots=list(roots)).build().verify(response, digest)
    except client.VerificationError:
        return False
    except ValueError:
        raise InputError("The time stamp's certificates cannot be read.") from None
    return True


def _client() -> Any:
    try:
        import rfc3161_client
    except ModuleNotFoundError:
        raise MissingExtraError("timestamp", "A time stamp") from None
    return rfc3161_client


def _parse(reply: bytes) -> TimeStampResponse:
    client = _client()
    if len(reply) > MAX_TOKEN_BYTES:
        raise InputError("The time stamp is too large.", code=ErrorCode.INPUT_TOO_LARGE)
    parsed: TimeStampResponse = _read(lambda: client.decode_timestamp_response(reply))
    return parsed


def _read(get: Callable[[], T]) -> T:
    # The client parses parts only when they are asked for, and says ValueError to whatever is wrong with them.
    try:
        return get()
    except (ValueError, TypeError, OverflowError):
        raise InputError("The time stamp is malformed: no RFC 3161 token.") from None


def _expect_digest(response: TimeStampResponse, digest: bytes) -> None:
    imprint = _read(lambda: response.tst_info.message_imprint)
    if _read(lambda: imprint.hash_algorithm.dotted_string) != _SHA256:
        raise VerificationError("The time stamp is over a digest that is no SHA-256.", check=_CHECK)
    if _read(lambda: imprint.message) != digest:
        raise VerificationError("The time stamp is of something else.", check=_CHECK)


def _as_reply(token: bytes) -> bytes:
    # TimeStampResp ::= SEQUENCE { PKIStatusInfo { granted }, token }: what the client reads tokens from.
    body = b"\x30\x03\x02\x01\x00" + token
    size = len(body)
    if size < 0x80:
        return bytes((0x30, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x30, 0x80 | len(length))) + length + body


def _format(moment: datetime) -> str:
    return format_time(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))


def _name_of_signer(response: TimeStampResponse) -> str:
    from cryptography.x509 import load_der_x509_certificate

    (signer,) = response.signed_data.signer_infos  # the verifier has seen to it that there is exactly one
    for each in response.signed_data.certificates:
        certificate = load_der_x509_certificate(each)
        if certificate.issuer == signer.issuer and certificate.serial_number == signer.serial_number:
            name = certificate.subject.rfc4514_string()
            return "".join(c if c.isprintable() else "?" for c in name)[:200]
    raise InputError("The time stamp does not hold the certificate of its signer.")
