"""The client of a verification service.

::

    with Client("https://ireu.example.org", key_file=load_key_file(Path("keys.json"))) as client:
        job = client.verify_cases("all", encoder={"kind": "http", "url": "https://encoder.example.org"})
        print(client.wait(job.id).result, client.receipt(job.id).verdict)
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ValidationError

from ireu_governance.client.documents import Alert, Deployment, Entry, Verification
from ireu_governance.client.wire import Wire, read_access_key
from ireu_governance.core.canonical import parse_json
from ireu_governance.core.certificate_verification import CertificateReport
from ireu_governance.core.envelope import PAYLOAD_TYPE, Envelope
from ireu_governance.core.errors import ConfigError, ErrorCode, InputError, ServiceError, VerificationError
from ireu_governance.core.keys import KeyFile, Role
from ireu_governance.core.log_checkpoint import verified_checkpoint
from ireu_governance.core.merkle import leaf_hash, verify_inclusion
from ireu_governance.core.proof import LogProof
from ireu_governance.core.receipt_verification import ReceiptReport, verify_receipt
from ireu_governance.core.validation import describe

if TYPE_CHECKING:
    import httpx2

__all__ = ["Client"]

_PAGE: Final = 200
_JSON: Final = {"Content-Type": "application/json"}

D = TypeVar("D", bound=BaseModel)


class Client:
    """Asks a verification service. Use it as a context manager, or close it.

    Args:
        url: The service's address.
        key: An access key; from the environment variable ``IREU_API_KEY`` if not given.
        key_file: The organisation's public keys, got directly from it; needed for whatever is verified here.
        timeout_s: How long a request may take.
        transport: What carries requests; None for the network.
        sleep: Waits.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        key_file: KeyFile | None = None,
        timeout_s: float = 30.0,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._wire = Wire(url, key=key or read_access_key(), timeout_s=timeout_s, transport=transport, sleep=sleep)
        self._key_file = key_file
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        self._wire.close()

    def verify_cases(
        self,
        cases: Sequence[str] | str = "all",
        *,
        encoder: Mapping[str, object] | None = None,
        deployment: str | None = None,
        idempotency_key: str | None = None,
    ) -> Verification:
        """Ask for a re-test.

        Args:
            cases: Their numbers, or ``all``.
            encoder: Where the encoder is, such as ``{"kind": "http", "url": "https://…"}``; or
            deployment: the number of a watched deployment.
            idempotency_key: Repeated with it, a request is done once; a new one if not given.
        """
        wanted: dict[str, object] = {"cases": cases if isinstance(cases, str) else list(cases)}
        wanted.update({"encoder": dict(encoder)} if encoder is not None else {"deployment": deployment})
        headers = {**_JSON, "Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        found = self._wire.ask("POST", "/v1/verifications", body=json.dumps(wanted).encode(), headers=headers)
        return _read(Verification, found.json())

    def verification(self, number: str) -> Verification:
        """Return a re-test as it stands."""
        return _read(Verification, self._wire.ask("GET", f"/v1/verifications/{_id(number)}").json())

    def wait(
        self,
        number: str,
        *,
        timeout_s: float = 3600.0,
        poll_s: float = 2.0,
        watch: Callable[[Verification], None] | None = None,
    ) -> Verification:
        """Wait until a re-test is finished.

        Args:
            number: Of the re-test.
            timeout_s: How long at most.
            poll_s: How long between two questions.
            watch: Called with each state.

        Raises:
            ServiceError: It is not finished in time (code ``job-unfinished``); it goes on.
        """
        waited = 0.0
        while True:
            found = self.verification(number)
            if watch is not None:
                watch(found)
            if found.is_finished:
                return found
            if waited >= timeout_s:
                raise ServiceError(
                    f"The re-test {number} is not finished after {timeout_s:g} seconds.",
                    hint="It goes on; ask for it later. Is a worker running (ireu worker)?",
                    code=ErrorCode.JOB_UNFINISHED,
                )
            self._sleep(poll_s)
            waited += poll_s

    def cancel(self, number: str) -> Verification:
        """Cancel a re-test that is not finished."""
        return _read(Verification, self._wire.ask("DELETE", f"/v1/verifications/{_id(number)}").json())

    def receipt_bytes(self, number: str) -> bytes:
        """Return the receipt of a re-test, unverified, to be kept as a file."""
        return self._wire.ask("GET", f"/v1/verifications/{_id(number)}/receipt").body

    def receipt(self, number: str) -> ReceiptReport:
        """Return the receipt of a re-test, verified here, and expected to be about this re-test.

        Raises:
            ConfigError: The client has no key file.
            VerificationError: It is a receipt of another re-test.
        """
        report = verify_receipt(self.receipt_bytes(number), key_file=self._keys())
        if report.job and report.job != number:
            raise VerificationError("The receipt is about another re-test than the one asked for.", check="job")
        return report

    def verify_certificate_file(self, data: bytes) -> CertificateReport:
        """Have the service verify a certificate. To trust nobody, use `core.certificate.verify_certificate`."""
        headers = {"Content-Type": "application/octet-stream"}
        return _read(
            CertificateReport, self._wire.ask("POST", "/v1/certificates/verify", body=data, headers=headers).json()
        )

    def entries(self, *, after: int = -1, kind: str | None = None, case: str | None = None) -> Iterator[Entry]:
        """Yield entries as the service lists them, unverified, the oldest first.

        Args:
            after: Only entries after this one.
            kind: Only entries of this kind.
            case: Only entries about this case.
        """
        place: int | None = after
        while place is not None:
            query = {"after": place, "limit": _PAGE, "kind": kind, "case": case}
            page = self._wire.ask("GET", "/v1/ledger/entries", query=query).json()
            yield from (_read(Entry, each) for each in _list(page, "entries"))
            following = page.get("next")
            place = following if isinstance(following, int) and following > place else None

    def entry(self, seq: int, *, verified: bool = True) -> Entry:
        """Return an entry.

        Args:
            seq: Its number.
            verified: Whether to verify here that a record key signed it and that the log holds it.

        Raises:
            ConfigError: It is to be verified, and the client has no key file.
            VerificationError: It does not hold.
        """
        if verified:
            self._keys()
        path = f"/v1/ledger/entries/{seq:d}"
        document = self._wire.ask("GET", f"{path}/proven" if verified else path).json()
        found = _read(Entry, document)
        if found.seq != seq:
            raise VerificationError("The service answers with another entry.", check="inclusion")
        if not verified:
            return found
        keys = self._keys()
        envelope = Envelope.from_object(found.envelope)
        payload = envelope.verify(keys.keys(Role.RECORD), check="record-signature")
        for signature in envelope.signatures:
            keys.expect_valid(signature.keyid, size=seq, check="record-signature")
        if envelope.payload_type != PAYLOAD_TYPE:
            raise VerificationError("The entry is signed as something else than a statement.", check="record-signature")
        self._expect_included(_proof_in(document), seq, envelope.to_bytes())
        # What is told beside the envelope was signed by nobody.
        statement = parse_json(payload, what="statement", canonical=True)
        predicate = statement.get("predicate") if isinstance(statement, dict) else None
        if not isinstance(statement, dict) or not isinstance(predicate, dict):
            raise InputError("The entry is signed, but is no statement.")
        return Entry(
            seq=seq,
            kind=str(predicate.get("kind", found.kind)),
            recorded_at=str(predicate.get("recorded_at", "")),
            statement=statement,
            envelope=found.envelope,
        )

    def proof(self, seq: int, *, size: int | None = None) -> LogProof:
        """Return the proof that an entry is in the log, its checkpoint verified if the client has a key file.

        Args:
            seq: Number of the entry.
            size: Of the log; the published one if not given.
        """
        query = {"seq": seq, "size": size}
        body = self._wire.ask("GET", "/v1/ledger/proofs/inclusion", query=query, headers={"Accept": "text/plain"}).body
        try:
            found = LogProof.from_text(body.decode("utf-8"))
        except UnicodeDecodeError:
            raise InputError("The proof is no text.") from None
        if self._key_file is not None:
            verified_checkpoint(found.checkpoint, self._key_file)
        return found

    def deployments(self) -> Iterator[Deployment]:
        """Yield the watched deployments."""
        return self._pages("/v1/deployments", "deployments", Deployment, {})

    def alerts(self, *, state: str | None = None) -> Iterator[Alert]:
        """Yield alerts, the newest first.

        Args:
            state: Only ``open``, ``acknowledged`` or ``resolved`` ones.
        """
        return self._pages("/v1/alerts", "alerts", Alert, {"state": state})

    def _pages(self, path: str, name: str, kind: type[D], query: Mapping[str, object]) -> Iterator[D]:
        after: str | None = None
        while True:
            found = self._wire.ask("GET", path, query={**query, "limit": _PAGE, "after": after})
            yield from (_read(kind, each) for each in _list(found.json(), name))
            following = _next(found.headers.get("link", ""))
            if following is None or following == after:
                return
            after = following

    def _expect_included(self, proof: LogProof, seq: int, leaf: bytes) -> None:
        checkpoint = verified_checkpoint(proof.checkpoint, self._keys())
        if proof.index != seq:
            raise VerificationError("The proof is about another entry.", check="inclusion")
        verify_inclusion(
            index=seq, size=checkpoint.size, leaf_hash=leaf_hash(leaf), proof=proof.hashes, root=checkpoint.root
        )

    def _keys(self) -> KeyFile:
        if self._key_file is None:
            raise ConfigError(
                "Nothing can be verified without the organisation's key file.",
                hint="Get it directly from the organisation, and give it as key_file.",
            )
        return self._key_file


def _read(kind: type[D], value: object) -> D:
    try:
        # As JSON, whose texts and lists are what strict models expect of it.
        return kind.model_validate_json(json.dumps(value))
    except ValidationError as error:
        raise InputError(
            f"The service's answer is malformed {describe(error)}.", hint="Is it of another version of ireu?"
        ) from None


def _proof_in(document: Any) -> LogProof:
    inclusion = document.get("inclusion")
    text = inclusion.get("proof") if isinstance(inclusion, dict) else None
    if not isinstance(text, str):
        raise InputError("The service's answer holds no proof.", hint="Is it of another version of ireu?")
    return LogProof.from_text(text)


def _list(page: Any, name: str) -> list[Any]:
    found = page.get(name) if isinstance(page, dict) else None
    if not isinstance(found, list):
        raise InputError("The service's answer is no page of a list.", hint="Is it of another version of ireu?")
    return found


def _id(number: str) -> str:
    if not number.isascii() or not number.isalnum():
        raise InputError("This is no number of a re-test.")
    return number


def _next(link: str) -> str | None:
    if 'rel="next"' not in link:
        return None
    try:
        found = parse_qs(urlsplit(link.partition("<")[2].partition(">")[0]).query).get("after")
    except ValueError:
        raise InputError("The service's answer names a next page that is none.") from None
    return found[0] if found else None
